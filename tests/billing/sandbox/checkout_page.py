"""A page that embeds the stand-in's script under the strictest content security policy that can work."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><title>Kasse</title><link rel="stylesheet" href="/page.css">
<script src="{stripe}/v3/"></script><script src="/page.js" defer></script></head>
<body data-key="{key}" data-secret="{secret}" data-redirect="{redirect}"><main><h1>Kasse</h1>
<form><div id="payment"></div><p id="error" role="alert"></p><button>Zahlen</button></form>
<output id="log"></output></main></body></html>"""

SCRIPT = """
const { key, secret, redirect } = document.body.dataset;
const stripe = Stripe(key);
const elements = stripe.elements({ clientSecret: secret });
const element = elements.create("payment");
const log = document.getElementById("log");
for (const kind of ["ready", "change"]) {
  element.on(kind, (report) => log.append(`${kind}:${report.complete ?? ""} `));
}
element.mount("#payment");
document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const checked = await elements.submit();
  const result = checked.error ? checked : await stripe.confirmPayment({
    elements, redirect, confirmParams: { return_url: new URL("/returned?order=1", location.href).href },
  });
  document.getElementById("error").textContent = result.error?.message ?? "";
  log.append(`${result.error?.code ?? result.paymentIntent.status} `);
});
"""

STYLE = ":root { --accent: rgb(200, 80, 40); --surface: rgb(250, 248, 244) } body { max-width: 480px }"


class CheckoutPage:
    """A small server on this event loop."""

    def __init__(self, *, stripe: str, key: str, secret: str, lang: str = "de", redirect: str = "always") -> None:
        self._fields = {"stripe": stripe, "key": key, "secret": secret, "lang": lang, "redirect": redirect}
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = urlsplit(head.split(" ")[1]).path
        body, media_type = {
            "/": (PAGE.format(**self._fields), "text/html"),
            "/page.js": (SCRIPT, "text/javascript"),
            "/page.css": (STYLE, "text/css"),
        }.get(path, ("<!doctype html><title>Zurück</title>", "text/html"))
        policy = "default-src 'none'; script-src 'self' {0}; connect-src {0}; style-src 'self'; form-action 'none'"
        payload = body.encode()
        headers = [
            "HTTP/1.1 200 OK",
            f"content-type: {media_type}; charset=utf-8",
            f"content-length: {len(payload)}",
            f"content-security-policy: {policy.format(self._fields['stripe'])}; require-trusted-types-for 'script'",
            "connection: close",
        ]
        writer.write("\r\n".join(headers).encode() + b"\r\n\r\n" + payload)
        await writer.drain()
        writer.close()
