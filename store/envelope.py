"""What surrounds every answer, whatever made it: request id, allowed hosts, security headers, one log line."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from auth.headers import header_of
from auth.ids import new_id
from store.errors import UnknownHost
from store.head import headers_only
from store.logs import Answered, log_answer
from store.problems import preferred_locale, problem_body
from store.rate_limits import Standing, collected_in, headers_of

API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content security policy of answers that are not pages; a page brings its own."""

DOCUMENTATION_POLICY: Final = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Policy of the API's documentation pages, which are the library's own and exist in the sandbox only."""

PRIVATE_PATHS: Final = ("/v1/", "/de/", "/en/")
"""Paths whose answers may depend on who asks: never kept by a shared cache unless the route says otherwise."""

Headers = tuple[tuple[bytes, bytes], ...]

_EVERYWHERE: Final[Headers] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", API_POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_WITH_TLS: Final[Headers] = ((b"strict-transport-security", b"max-age=31536000; includeSubDomains"),)
_PRIVATE: Final[Headers] = ((b"cache-control", b"no-store"), (b"vary", b"Cookie, Authorization, Accept-Language"))


class Envelope:
    """ASGI wrapper around the whole application, so that 404, 405 and 500 are covered too (ASVS 5.0, 3.4)."""

    def __init__(self, app: ASGIApp, *, allowed_hosts: frozenset[str], secure: bool) -> None:
        self.app = app
        self.allowed_hosts = allowed_hosts
        self.secure = secure
        self._public = _EVERYWHERE + _WITH_TLS if secure else _EVERYWHERE
        self._private = self._public + _PRIVATE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but HTTP passes through."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = str(new_id())
        scope["state"]["request_id"] = request_id
        status, asked = 0, scope

        standings: list[Standing] = []

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], *headers_of(standings)] if standings else message["headers"]
                if status == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
                    # Else the server would read on, to the end of a body that may have none.
                    headers = [*headers, (b"connection", b"close")]
                message["headers"] = self._completed(headers, scope["path"], request_id)
            await send(message)

        answer: Send = send_with_headers
        if scope["method"] == "HEAD":
            asked, receive, answer = headers_only(scope, receive, send_with_headers)

        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            if header_of(scope, b"host") in self.allowed_hosts or scope["path"].startswith("/health/"):
                with collected_in(standings):
                    await self.app(asked, receive, answer)
            else:
                await _refuse_host(asked, answer)
        finally:
            log_answer(
                Answered(
                    method=scope["method"],
                    route=asked.get("path_template", "-"),
                    status=status,
                    milliseconds=round((time.perf_counter() - started) * 1000, 1),
                    request_id=request_id,
                    timestamp=datetime.now(UTC),
                )
            )
            structlog.contextvars.reset_contextvars(**bound)

    def _completed(
        self, headers: Iterable[tuple[bytes, bytes]], path: str, request_id: str
    ) -> list[tuple[bytes, bytes]]:
        """The headers of an answer, with those that every answer has and this one does not say itself."""
        completed = [*headers, (b"x-request-id", request_id.encode())]
        if not self.secure and path in ("/schema", "/schema/swagger"):
            completed.append((b"content-security-policy", DOCUMENTATION_POLICY))
        said = {name for name, _ in completed}
        if b"allow" in said:
            completed = [*map(_with_head, completed)]
        missing = self._private if path.startswith(PRIVATE_PATHS) else self._public
        return [*completed, *(header for header in missing if header[0] not in said)]


def _with_head(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A header as it is; in a list of methods, HEAD beside GET."""
    name, value = header
    return (name, value + b", HEAD") if name == b"allow" and b"GET" in value else header


async def _refuse_host(scope: Scope, send: Send) -> None:
    locale = preferred_locale(header_of(scope, b"accept-language"))
    body = msgspec.json.encode(problem_body(UnknownHost(), locale=locale, request_id=scope["state"]["request_id"]))
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
