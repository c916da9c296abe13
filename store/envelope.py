"""What surrounds every answer, whatever made it: request id, allowed hosts, security headers, one log line."""

import time
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from auth.ids import new_id
from store.errors import UnknownHost
from store.head import headers_only
from store.problems import preferred_locale, problem_body

log = structlog.get_logger("request")

API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content security policy of answers that are not pages; a page brings its own."""

DOCUMENTATION_POLICY: Final = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Policy of the API's documentation pages, which are the library's own and exist in the sandbox only."""

PRIVATE_PATHS: Final = ("/v1/", "/de/", "/en/")
"""Paths whose answers may depend on who asks: never kept by a shared cache unless the route says otherwise."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """ASGI wrapper around the whole application, so that 404, 405 and 500 are covered too (ASVS 5.0, 3.4)."""

    app: ASGIApp
    allowed_hosts: frozenset[bytes]
    secure: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but HTTP passes through."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = str(new_id())
        scope["state"]["request_id"] = request_id
        status, asked = 0, scope

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *map(_with_head, message["headers"]),
                    *self._missing_headers(dict(message["headers"]), scope, request_id),
                ]
            await send(message)

        answer: Send = send_with_headers
        if scope["method"] == "HEAD":
            asked, receive, answer = headers_only(scope, receive, send_with_headers)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                if _header(scope, b"host") in self.allowed_hosts or scope["path"].startswith("/health/"):
                    await self.app(asked, receive, answer)
                else:
                    await _refuse_host(asked, answer)
            finally:
                log.info(
                    "answered",
                    method=scope["method"],
                    route=asked.get("path_template", "-"),
                    status=status,
                    milliseconds=round((time.perf_counter() - started) * 1000, 1),
                )

    def _missing_headers(self, present: dict[bytes, bytes], scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
        is_documentation = not self.secure and scope["path"] in ("/schema", "/schema/swagger")
        headers = [
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"content-security-policy", DOCUMENTATION_POLICY if is_documentation else API_POLICY),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
        ]
        if self.secure:
            headers.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
        if scope["path"].startswith(PRIVATE_PATHS):
            headers.append((b"cache-control", b"no-store"))
            if b"vary" not in present:
                headers.append((b"vary", b"Cookie, Authorization, Accept-Language"))
        return [(name, value) for name, value in headers if name not in present]


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _with_head(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A header as it is; in a list of methods, HEAD beside GET."""
    name, value = header
    return (name, value + b", HEAD") if name.lower() == b"allow" and b"GET" in value else header


async def _refuse_host(scope: Scope, send: Send) -> None:
    locale = preferred_locale(_header(scope, b"accept-language").decode("latin-1"))
    body = msgspec.json.encode(problem_body(UnknownHost(), locale=locale, request_id=scope["state"]["request_id"]))
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
