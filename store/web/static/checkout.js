// Pays an order with Stripe's Payment Element. The same script serves Stripe and the payment sandbox: only the
// address of Stripe.js differs. Card data goes to the payment service and never to this store.
"use strict";

const form = document.getElementById("checkout");
const facts = form.dataset;
const button = form.querySelector("button[type=submit]");
const problem = document.getElementById("checkout-problem");
const mount = document.getElementById("payment-element");
const PATIENCE = 10_000; // milliseconds that the payment form may take to appear
let orderId = facts.order;
let clientSecret = "";
let overdue = 0;

// Tells what went wrong where the eye is: beside its field if it has one, else above the button; with a way out.
function showProblem(sentence, way) {
  problem.replaceChildren();
  if (!sentence) return;
  const box = document.createElement("div");
  box.className = "notice bad";
  const body = document.createElement("div");
  for (const content of way ? [sentence, way] : [sentence]) {
    const paragraph = document.createElement("p");
    paragraph.append(content);
    body.append(paragraph);
  }
  box.append(document.createElement("span"), body);
  problem.append(box);
  // The bar with the button lies over the edge of a phone.
  problem.scrollIntoView({ block: "center" });
}

// The payment form is not there: says what that means for the order, and offers to try again.
function showNotLoaded() {
  clearTimeout(overdue);
  const again = document.createElement("button");
  again.type = "button";
  again.className = "button";
  again.textContent = facts.reload;
  again.addEventListener("click", () => location.reload());
  showProblem(facts.notLoaded, again);
}

function setBusy(label) {
  button.disabled = Boolean(label);
  button.textContent = label || facts.button;
}

// A request to our own API; a refusal becomes an Error with the sentence for the customer and the problem's fields.
async function ask(path, body, idempotencyKey) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": facts.csrf, "Accept-Language": facts.locale };
  if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.detail || facts.failed), { refusal: answer });
  return answer;
}

function forgetError(box) {
  box.closest(".field").querySelector(".error")?.remove();
  box.removeAttribute("aria-invalid");
  box.removeAttribute("aria-describedby");
}

function missingConsents() {
  let first = null;
  for (const box of form.querySelectorAll("input[type=checkbox]")) {
    const row = box.closest(".field");
    forgetError(box);
    if (box.checked) continue;
    const error = document.createElement("p");
    error.className = "error";
    error.id = `${box.id}-note`;
    error.textContent = facts.consent;
    row.append(error);
    box.setAttribute("aria-invalid", "true");
    box.setAttribute("aria-describedby", error.id);
    first ??= box;
  }
  first?.focus();
  return first !== null;
}

// Opens the order once (the key makes a repeated press harmless), then asks for its payment.
async function openPayment() {
  if (!orderId) {
    const consents = { immediate_performance: true, withdrawal_loss: true };
    const { order } = await ask("/v1/orders", { quote_id: facts.quote, consents }, facts.quote);
    orderId = order.id;
    for (const box of form.querySelectorAll("input[type=checkbox]")) box.disabled = true;
  }
  if (!clientSecret) {
    const payment = await ask(`/v1/orders/${orderId}/payments`, {}, `pay-${orderId}-${crypto.randomUUID()}`);
    clientSecret = payment.client_secret;
  }
}

async function pay(stripe, elements) {
  showProblem("");
  if (missingConsents()) return;
  let isConfirming = false;
  try {
    const { error: incomplete } = await elements.submit();
    if (incomplete) return;
    setBusy(facts.ordering);
    await openPayment();
    setBusy(facts.paying);
    const return_url = new URL(`${facts.orders}${orderId}/return`, location.origin).href;
    isConfirming = true;
    const { error } = await stripe.confirmPayment({ elements, clientSecret, confirmParams: { return_url } });
    // Every further try is asked for anew: the store may have stopped this payment.
    clientSecret = "";
    showProblem(error.message || facts.failed);
  } catch (fault) {
    const refusal = fault.refusal;
    if (refusal?.code === "order_already_open" && refusal.order_id) {
      location.assign(`${facts.orders}${refusal.order_id}/pay`);
      return;
    }
    // Without an answer of the payment service nobody here knows whether it was paid: the store asks it.
    if (refusal?.code === "order_already_paid" || isConfirming) {
      location.assign(`${facts.orders}${orderId}/return`);
      return;
    }
    clientSecret = "";
    showProblem(refusal ? fault.message : facts.failed);
  }
  setBusy("");
}

function start() {
  const read = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const stripe = window.Stripe(facts.key, { locale: facts.locale });
  const elements = stripe.elements({
    mode: "payment",
    amount: Number(facts.amount),
    currency: facts.currency,
    locale: facts.locale,
    ...(facts.excluded && { excludedPaymentMethodTypes: [facts.excluded] }),
    // Stripe's own frame knows neither our variables nor OKLCH.
    appearance: { theme: isDark ? "night" : "stripe", variables: { borderRadius: read("--radius") } },
  });
  const element = elements.create("payment", { layout: "accordion" });
  element.on("ready", () => {
    clearTimeout(overdue);
    showProblem("");
    setBusy("");
  });
  element.on("loaderror", showNotLoaded);
  element.mount(mount);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    pay(stripe, elements);
  });
}

form.addEventListener("change", (event) => {
  if (event.target.type === "checkbox") forgetError(event.target);
});

// Loaded from here and not by the page: a page's scripts wait for each other, so one that hangs would silence this one.
const library = document.createElement("script");
library.src = facts.library;
library.addEventListener("error", showNotLoaded);
library.addEventListener("load", () => {
  try {
    start();
  } catch {
    showNotLoaded();
  }
});
overdue = setTimeout(showNotLoaded, PATIENCE);
document.head.append(library);
