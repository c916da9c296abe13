// What the pages gain from JavaScript; every page works without this file.
"use strict";

const sorry = document.getElementById("sorry");
const sorryBody = document.getElementById("sorry-body");

// A refusal or a lost connection is told in a dialog with a way out, never by a bare error.
function showSorry(sentence) {
  if (sentence) sorryBody.textContent = sentence;
  if (sorry && !sorry.open) sorry.showModal();
}
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target === sorryBody) showSorry();
});
document.addEventListener("htmx:sendError", () => showSorry(sorryBody.dataset.offline));
document.addEventListener("htmx:timeout", () => showSorry(sorryBody.dataset.offline));

// A token in the address's fragment (never sent to a server, so in no log) fills the form and leaves the address.
const tokenField = document.querySelector("input[data-from-fragment]");
if (tokenField) {
  const token = new URLSearchParams(location.hash.slice(1)).get("t");
  if (token) {
    tokenField.value = token;
    tokenField.closest("[data-token-row]").hidden = true;
    history.replaceState(null, "", location.pathname + location.search);
  }
}

// A button that has been pressed is not pressed twice; htmx and scripted forms look after themselves.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented || form.hasAttribute("hx-post")) return;
  for (const button of form.querySelectorAll("button:not([type=button])")) {
    requestAnimationFrame(() => button.setAttribute("aria-disabled", "true"));
  }
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button[aria-disabled]")) button.removeAttribute("aria-disabled");
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
