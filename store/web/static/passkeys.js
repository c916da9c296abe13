// Passkeys: asks this browser's authenticator and sends what it answers by the form. Without it all else still works.
"use strict";

(() => {
  // Challenges live five minutes; one that waits in the address field is renewed before.
  const RENEW_AFTER = 270_000;

  const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));

  function encode(buffer) {
    let text = "";
    for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
    return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  const withBytes = (list) => (list || []).map((one) => ({ ...one, id: decode(one.id) }));

  // What the API says, as the browser takes it. Its own readers of JSON are younger than many a browser.
  function publicKey(options) {
    const given = { ...options, challenge: decode(options.challenge) };
    if (options.user) given.user = { ...options.user, id: decode(options.user.id) };
    if (options.excludeCredentials) given.excludeCredentials = withBytes(options.excludeCredentials);
    if (options.allowCredentials) given.allowCredentials = withBytes(options.allowCredentials);
    return given;
  }

  function asJson({ id, rawId, type, response }) {
    const answer = { clientDataJSON: encode(response.clientDataJSON) };
    if (response.attestationObject) {
      answer.attestationObject = encode(response.attestationObject);
      answer.transports = response.getTransports ? response.getTransports() : [];
    } else {
      answer.authenticatorData = encode(response.authenticatorData);
      answer.signature = encode(response.signature);
      if (response.userHandle) answer.userHandle = encode(response.userHandle);
    }
    return JSON.stringify({ id, rawId: encode(rawId), type, response: answer });
  }

  // The challenge; a refusal becomes an Error with the sentence for the person and the problem's code.
  async function ask(form) {
    const purpose = form.dataset.passkey;
    const [path, data] = {
      registration: ["/v1/passkey-offers"],
      first: ["/v1/first-passkey-offers", { client: "web" }],
    }[purpose] || ["/v1/passkey-challenges", { purpose, client: "web" }];
    const headers = { "Content-Type": "application/json", "Accept-Language": document.documentElement.lang };
    if (form.elements.csrf_token) headers["X-CSRF-Token"] = form.elements.csrf_token.value;
    const response = await fetch(path, { method: "POST", headers, body: data && JSON.stringify(data) });
    const answer = await response.json();
    if (!response.ok) throw Object.assign(new Error(answer.detail), { code: answer.code });
    return publicKey(answer.options);
  }

  function show(form, fault) {
    if (fault.code === "step_up_required" && form.dataset.stepUp) {
      location.assign(form.dataset.stepUp);
      return;
    }
    const known = { NotAllowedError: "cancelled", AbortError: "cancelled", InvalidStateError: "exists" }[fault.name];
    tell(form, form.dataset[known] || (fault.code && fault.message) || form.dataset.failed);
  }

  function tell(form, sentence) {
    const problem = form.querySelector("[data-problem]");
    problem.hidden = !sentence;
    problem.firstElementChild.textContent = sentence;
  }

  function send(form, credential) {
    form.elements.credential.value = asJson(credential);
    form.submit();
  }

  let waiting = null;

  async function answer(form) {
    const button = form.querySelector("button");
    waiting?.abort();
    button.setAttribute("aria-disabled", "true");
    tell(form, "");
    try {
      const options = await ask(form);
      const credential = await navigator.credentials[options.user ? "create" : "get"]({ publicKey: options });
      send(form, credential);
    } catch (fault) {
      show(form, fault);
      button.removeAttribute("aria-disabled");
    }
  }

  // Passkeys among what the browser offers for the address field, until the button is pressed.
  async function offerInField(form) {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    for (;;) {
      const own = (waiting = new AbortController());
      const timer = setTimeout(() => own.abort("renew"), RENEW_AFTER);
      try {
        const options = await ask(form);
        send(form, await navigator.credentials.get({ publicKey: options, mediation: "conditional", signal: own.signal }));
        return;
      } catch {
        if (own.signal.reason !== "renew") return;
      } finally {
        clearTimeout(timer);
      }
    }
  }

  if (!window.PublicKeyCredential || !navigator.credentials) return;
  for (const note of document.querySelectorAll("[data-without-passkeys]")) note.hidden = true;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer(form);
    });
    if ("autofill" in form.dataset) offerInField(form);
  }
})();
