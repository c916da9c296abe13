// This browser as a device: a P-256 key that never leaves it, and requests signed with it (DPoP, RFC 9449).
"use strict";

(() => {
  const DATABASE = "videothek";
  const STORE = "device";

  function base64url(bytes) {
    let text = "";
    for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
    return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  const encodeText = (text) => base64url(new TextEncoder().encode(text));

  function settled(request) {
    return new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  async function openStore() {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    return settled(opening);
  }

  // The key is made once and kept where scripts can use it but nobody can read it.
  async function loadKeys() {
    const database = await openStore();
    const read = () => settled(database.transaction(STORE).objectStore(STORE).get("keys"));
    let keys = await read();
    if (!keys) {
      const made = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
      const writing = database.transaction(STORE, "readwrite");
      // Two tabs at once: the first one's key stays.
      await settled(writing.objectStore(STORE).add(made, "keys")).catch(() => {});
      keys = (await read()) || made;
    }
    database.close();
    return keys;
  }

  class Device {
    #keys;
    #jwk;
    #clockOffset = 0;
    #csrf;
    #locale;

    constructor(keys, jwk, { csrf, locale }) {
      this.#keys = keys;
      this.#jwk = { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y };
      this.#csrf = csrf;
      this.#locale = locale;
    }

    // A proof for one request; with a token it also names the token's hash.
    async proof(method, path, token) {
      const claims = {
        jti: base64url(crypto.getRandomValues(new Uint8Array(18))),
        htm: method,
        htu: new URL(path, location.origin).href,
        iat: Math.floor((Date.now() + this.#clockOffset) / 1000),
      };
      if (token) claims.ath = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
      const header = { typ: "dpop+jwt", alg: "ES256", jwk: this.#jwk };
      const signed = `${encodeText(JSON.stringify(header))}.${encodeText(JSON.stringify(claims))}`;
      const signature = await crypto.subtle.sign(
        { name: "ECDSA", hash: "SHA-256" }, this.#keys.privateKey, new TextEncoder().encode(signed),
      );
      return `${signed}.${base64url(signature)}`;
    }

    // Ask the API with a proof. Gives { status, body }; a refusal is a body with `code` and `detail`.
    async ask(method, path, data, { keepalive = false } = {}) {
      let answer = await this.#send(method, path, data, keepalive);
      if (answer.status === 401 && answer.body.server_time) {
        // The device's clock is wrong: go by the server's.
        this.#clockOffset = Date.parse(answer.body.server_time) - Date.now();
        answer = await this.#send(method, path, data, keepalive);
      }
      return answer;
    }

    async #send(method, path, data, keepalive) {
      const headers = { Accept: "application/json", "Accept-Language": this.#locale, "X-CSRF-Token": this.#csrf };
      headers.DPoP = await this.proof(method, path);
      if (data !== undefined) headers["Content-Type"] = "application/json";
      const response = await fetch(path, {
        method, headers, keepalive, body: data === undefined ? undefined : JSON.stringify(data),
      });
      const text = await response.text();
      return { status: response.status, body: text ? JSON.parse(text) : {} };
    }
  }

  // What the owner will read in the list of devices; it proves nothing.
  function deviceName() {
    const agent = navigator.userAgent;
    const find = (table) => (table.find(([pattern]) => pattern.test(agent)) || [null, ""])[1];
    const browser = find([[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrom/, "Chrome"], [/Safari\//, "Safari"]]);
    const system = find([[/Android/, "Android"], [/iPhone/, "iPhone"], [/iPad/, "iPad"], [/Windows/, "Windows"], [/Mac OS/, "Mac"], [/Linux/, "Linux"]]);
    return [browser || "Browser", system].filter(Boolean).join(" · ");
  }

  window.videothek = {
    ...window.videothek,
    deviceName,
    // Opens this browser's key; fails where the browser keeps no keys (some private windows).
    async openDevice(options) {
      const keys = await loadKeys();
      return new Device(keys, await crypto.subtle.exportKey("jwk", keys.publicKey), options);
    },
  };
})();
