// The payment sandbox's Stripe.js: the surface that the store's checkout uses, with test payments in place of cards.
// It never asks for a card number. It works under a strict content security policy: styles come from a constructable
// stylesheet in a shadow root, so the page needs to allow nothing but this script and calls to its origin.
// The test payments and their words, METHODS and TEXTS, come from stripe_methods.js; STYLES and drawIcon from
// stripe_look.js.

(() => {
  "use strict";
  const here = new URL(document.currentScript.src);
  const API = here.host === "js.stripe.com" ? "https://api.stripe.com" : here.origin;

  let sheet;

  function textsFor(locale) {
    const wanted = locale && locale !== "auto" ? locale : document.documentElement.lang;
    return TEXTS[(wanted || "en").toLowerCase().startsWith("de") ? "de" : "en"];
  }

  function make(name, properties, ...children) {
    const node = document.createElement(name);
    Object.assign(node, properties);
    node.append(...children);
    return node;
  }

  // What on() registers; create() and mount() report ready, change, focus and blur as Stripe's elements do.
  class Reports {
    #listeners = new Map();
    on(event, listener) {
      this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
      return this;
    }
    off(event, listener) {
      const kept = (this.#listeners.get(event) ?? []).filter((known) => listener && known !== listener);
      this.#listeners.set(event, kept);
      return this;
    }
    report(event, payload) {
      for (const listener of this.#listeners.get(event) ?? []) listener(payload);
    }
  }

  class SandboxElement extends Reports {
    #destroyed = false;
    constructor(type, elements, options) {
      super();
      this.type = type;
      this.elements = elements;
      this.options = { ...options };
      this.host = null;
    }
    mount(place) {
      if (this.#destroyed) throw integrationError("This Element has been destroyed. Please create a new one.");
      const target = typeof place === "string" ? document.querySelector(place) : place;
      if (!target) throw integrationError(`The selector you specified (${place}) applies to no DOM elements.`);
      this.unmount();
      this.host = document.createElement("div");
      const root = this.host.attachShadow({ mode: "open" });
      if (!sheet) {
        sheet = new CSSStyleSheet();
        sheet.replaceSync(STYLES);
      }
      root.adoptedStyleSheets = [sheet];
      this.draw(root);
      target.replaceChildren(this.host);
      queueMicrotask(() => this.host && this.report("ready", this.readiness()));
    }
    unmount() {
      this.host?.remove();
      this.host = null;
    }
    destroy() {
      this.unmount();
      this.#destroyed = true;
      this.elements.forget(this);
    }
    update(options) {
      Object.assign(this.options, options);
      if (this.host) this.apply();
    }
    readiness() {
      return { elementType: this.type };
    }
    draw() {}
    apply() {}
    focus() {}
    blur() {}
    clear() {}
    collapse() {}
  }

  class PaymentElement extends SandboxElement {
    #fieldset = null;
    #missing = null;
    chosen = null;

    draw(root) {
      const texts = textsFor(this.elements.locale);
      const common = make("div", { className: "list" });
      const rare = make("div", { className: "list" });
      const more = make("details", {}, make("summary", { textContent: texts.rare }), rare);
      for (const method of METHODS) (method.rare ? rare : common).append(this.#row(method, texts.methods[method.id]));
      more.open = METHODS.some((method) => method.rare && method.id === this.chosen);
      this.#missing = make("p", { className: "missing", id: "missing" });
      this.#missing.setAttribute("role", "alert");
      const note = make("p", { className: "note", id: "note", textContent: texts.note });
      this.#fieldset = make("fieldset", {}, make("legend", { textContent: texts.legend }), note, common, more, this.#missing);
      this.#fieldset.setAttribute("aria-describedby", "note");
      this.#fieldset.addEventListener("change", (event) => {
        this.chosen = event.target.value;
        this.#missing.textContent = "";
        this.report("change", this.#state());
      });
      this.#fieldset.addEventListener("focusin", () => this.report("focus", { elementType: this.type }));
      this.#fieldset.addEventListener("focusout", () => this.report("blur", { elementType: this.type }));
      this.apply();
      root.append(this.#fieldset);
      this.#offerTypes();
    }
    // What is no card is offered once it is known that the intent takes it, or will take it.
    async #offerTypes() {
      const types = await this.elements.paymentMethodTypes();
      for (const { id } of METHODS.filter((method) => types.includes(method.type))) {
        this.#fieldset.querySelector(`[value="${id}"]`).closest("label").hidden = false;
      }
    }
    #row({ id, icon, type }, [name, detail]) {
      const input = make("input", { type: "radio", name: "method", value: id, required: true });
      input.checked = id === this.chosen;
      input.setAttribute("aria-labelledby", `${id}-name`);
      input.setAttribute("aria-describedby", `${id}-detail`);
      return make(
        "label",
        { hidden: Boolean(type) },
        input,
        make("span", { className: "name", id: `${id}-name`, textContent: name }),
        make("span", { className: "detail", id: `${id}-detail`, textContent: detail }),
        drawIcon(icon),
      );
    }
    apply() {
      this.#fieldset.disabled = Boolean(this.options.readOnly);
    }
    focus() {
      const inputs = [...(this.#fieldset?.querySelectorAll("input") ?? [])];
      (inputs.find((input) => input.checked) ?? inputs[0])?.focus();
    }
    blur() {
      this.host?.shadowRoot.activeElement?.blur();
    }
    clear() {
      this.chosen = null;
      for (const input of this.#fieldset?.querySelectorAll("input") ?? []) input.checked = false;
      this.report("change", this.#state());
    }
    // What submit() and confirmPayment() ask first: an error beside the choice, and the focus on it.
    complain() {
      const texts = textsFor(this.elements.locale);
      if (this.#missing) this.#missing.textContent = texts.incomplete;
      this.focus();
      return { type: "validation_error", code: "incomplete_payment_details", message: texts.incomplete };
    }
    #state() {
      const complete = this.chosen !== null;
      return {
        elementType: "payment",
        complete,
        empty: !complete,
        collapsed: false,
        value: { type: typeOf(this.chosen), payment_method: undefined },
      };
    }
  }

  // No wallets in the sandbox: Stripe reports exactly that, and shows nothing.
  class ExpressCheckoutElement extends SandboxElement {
    readiness() {
      return { elementType: this.type, availablePaymentMethods: undefined };
    }
  }

  class Elements {
    #mounted = new Map();
    #stripe;
    constructor(stripe, options) {
      this.#stripe = stripe;
      this.options = { ...options };
    }
    async paymentMethodTypes() {
      if (!this.clientSecret) {
        // Before there is an intent, its page says what it will take.
        const { currency, excludedPaymentMethodTypes = [] } = this.options;
        const offered = currency === "eur" ? ["card", "sepa_debit"] : ["card"];
        return offered.filter((type) => !excludedPaymentMethodTypes.includes(type));
      }
      const { paymentIntent } = await this.#stripe.retrievePaymentIntent(this.clientSecret);
      return paymentIntent?.payment_method_types ?? ["card"];
    }
    get clientSecret() {
      return this.options.clientSecret;
    }
    get locale() {
      return this.options.locale;
    }
    create(type, options = {}) {
      const kinds = { payment: PaymentElement, expressCheckout: ExpressCheckoutElement };
      if (!kinds[type]) throw integrationError(`The sandbox has no element of type ${type}.`);
      if (this.#mounted.has(type)) throw integrationError(`Can only create one Element of type ${type}.`);
      const element = new kinds[type](type, this, options);
      this.#mounted.set(type, element);
      return element;
    }
    getElement(type) {
      return this.#mounted.get(type) ?? null;
    }
    update(options) {
      Object.assign(this.options, options);
    }
    async fetchUpdates() {
      return {};
    }
    async submit() {
      const element = this.getElement("payment");
      if (!element) throw integrationError("elements.submit() was called before a payment element was created.");
      return element.chosen ? { selectedPaymentMethod: typeOf(element.chosen) } : { error: element.complain() };
    }
    forget(element) {
      this.#mounted.delete(element.type);
    }
  }

  function integrationError(message) {
    const error = new Error(message);
    error.name = "IntegrationError";
    return error;
  }

  function intentOf(clientSecret) {
    const [, id] = /^(pi_[A-Za-z0-9]+)_secret_[A-Za-z0-9]+$/.exec(clientSecret ?? "") ?? [];
    if (!id) throw integrationError("The client secret should look like pi_…_secret_….");
    return id;
  }

  const methodOf = (id) => METHODS.find((method) => method.id === id);
  const typeOf = (id) => methodOf(id)?.type ?? "card";

  // A card goes by its name; an account with its holder and the mandate that Stripe's own form asks for.
  function parametersOf(id) {
    const method = methodOf(id);
    if (!method?.iban) return { payment_method: id };
    return {
      "payment_method_data[type]": "sepa_debit",
      "payment_method_data[sepa_debit][iban]": method.iban,
      "payment_method_data[billing_details][name]": "Ada Beispiel",
      "payment_method_data[billing_details][email]": "ada@example.org",
      "mandate_data[customer_acceptance][type]": "online",
      "mandate_data[customer_acceptance][online][infer_from_client]": "true",
    };
  }

  const never = () => new Promise(() => {});

  class StripeStandIn {
    #key;
    #locale;
    constructor(publishableKey, options = {}) {
      if (!/^pk_/.test(publishableKey ?? "")) {
        throw integrationError("Please call Stripe() with your publishable key. It starts with pk_.");
      }
      this.#key = publishableKey;
      this.#locale = options.locale;
    }

    elements(options = {}) {
      return new Elements(this, { locale: this.#locale, ...options });
    }

    async retrievePaymentIntent(clientSecret) {
      const path = `/v1/payment_intents/${intentOf(clientSecret)}`;
      const { error, ...paymentIntent } = await this.#ask("GET", path, { client_secret: clientSecret });
      return error ? { error } : { paymentIntent };
    }

    async confirmPayment({ elements, clientSecret, confirmParams = {}, redirect = "always" }) {
      const secret = clientSecret ?? elements?.clientSecret;
      const intent = intentOf(secret);
      if (redirect === "always" && !confirmParams.return_url) {
        throw integrationError("confirmPayment() needs confirmParams.return_url unless redirect is if_required.");
      }
      const chosen = confirmParams.payment_method ?? elements?.getElement("payment")?.chosen;
      if (!chosen) {
        const element = elements?.getElement("payment");
        if (!element) throw integrationError("confirmPayment() needs elements with a payment element.");
        return { error: element.complain() };
      }
      const { error, ...paid } = await this.#ask("POST", `/v1/payment_intents/${intent}/confirm`, {
        client_secret: secret,
        ...parametersOf(chosen),
        return_url: new URL(confirmParams.return_url ?? location.href, location.href).href,
      });
      if (error) return { error };
      if (paid.status === "requires_action") return this.#leaveForAction(paid);
      if (redirect === "if_required") return { paymentIntent: paid };
      const back = new URL(confirmParams.return_url, location.href);
      back.searchParams.set("payment_intent", paid.id);
      back.searchParams.set("payment_intent_client_secret", secret);
      back.searchParams.set("redirect_status", paid.status === "succeeded" ? "succeeded" : "pending");
      location.assign(back);
      return never();
    }

    async handleNextAction({ clientSecret }) {
      const { error, paymentIntent } = await this.retrievePaymentIntent(clientSecret);
      if (error) return { error };
      return paymentIntent.status === "requires_action" ? this.#leaveForAction(paymentIntent) : { paymentIntent };
    }

    #leaveForAction(intent) {
      location.assign(intent.next_action.redirect_to_url.url);
      return never();
    }

    // A plain form request, so that the browser needs no permission first; the key is a parameter, as in Stripe.js.
    async #ask(method, path, parameters) {
      const texts = textsFor(this.#locale);
      const form = new URLSearchParams({ key: this.#key, ...parameters });
      try {
        const response = await fetch(
          method === "GET" ? `${API}${path}?${form}` : `${API}${path}`,
          method === "GET" ? { credentials: "omit" } : { method, body: form, credentials: "omit" },
        );
        const answer = await response.json();
        if (answer.error) {
          const { decline_code: declined, code } = answer.error;
          answer.error.message = texts.errors[declined] ?? texts.errors[code] ?? answer.error.message;
        }
        return answer;
      } catch {
        return { error: { type: "api_connection_error", message: texts.offline } };
      }
    }
  }

  window.Stripe = (publishableKey, options) => new StripeStandIn(publishableKey, options);
  window.Stripe.version = "sandbox";
})();
