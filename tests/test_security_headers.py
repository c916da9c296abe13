"""Every answer carries the security headers, whatever made it and however it ended (ASVS 5.0, 3.4)."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.envelope import API_POLICY, Envelope
from store.settings import Settings

LARGE = b"a" * 200_000
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}

ANSWERS: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "API, read": (200, "GET", "/v1/titles", {}),
    "API, malformed query": (400, "GET", "/v1/titles?limit=x", {}),
    "API, malformed body": (400, "POST", "/v1/sessions", {"content": b"{", "headers": JSON}),
    "API, not signed in": (401, "GET", "/v1/account", {}),
    "API, nothing there": (404, "GET", "/v1/nothing-here", {}),
    "API, wrong method": (405, "PUT", "/v1/genres", {}),
    "API, too large": (413, "POST", "/v1/sessions", {"content": LARGE, "headers": JSON}),
    "API, not JSON": (415, "POST", "/v1/sessions", {"content": b"x", "headers": {"content-type": "text/plain"}}),
    "API, our fault": (500, "GET", "/v1/genres", {}),
    "API, unknown host": (400, "GET", "/v1/titles", {"headers": {"host": "evil.example"}}),
    "page": (200, "GET", "/de", {}),
    "page, malformed query": (400, "GET", "/de/films?cursor=x", {}),
    "page, not signed in": (303, "GET", "/de/account", {}),
    "page, nothing there": (404, "GET", "/de/nichts", {}),
    "page, wrong method": (405, "PUT", "/de/genres", {}),
    "page, too large": (413, "POST", "/de/sign-in", {"content": LARGE, "headers": FORM}),
    "page, our fault": (500, "GET", "/de/genres", {}),
    "beside both, nothing there": (404, "GET", "/nothing-here", {}),
    "health": (200, "GET", "/health/live", {}),
}
"""Status, method, address and what else is sent; our fault is that a table may not be read."""

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=31536000; includeSubDomains"


@pytest.fixture(params=[False, True], ids=["over HTTP", "over TLS"])
async def visitor(
    request: pytest.FixtureRequest, app: Litestar, settings: Settings
) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor of the application as the sandbox has it, and as production does."""
    envelope = app.asgi_handler
    assert isinstance(envelope, Envelope)
    app.asgi_handler = Envelope(envelope.app, allowed_hosts=envelope.allowed_hosts, secure=request.param)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=settings.base_url) as visitor:
        yield visitor
    app.asgi_handler = envelope


async def asked(visitor: httpx.AsyncClient, owner: asyncpg.Connection, name: str) -> httpx.Response:
    """The answer of that name."""
    status, method, path, sent = ANSWERS[name]
    if status != 500:
        return await visitor.request(method, path, **sent)
    await owner.execute("REVOKE SELECT ON store.genres FROM videothek_app")
    try:
        return await visitor.request(method, path, **sent)
    finally:
        await owner.execute("GRANT SELECT ON store.genres TO videothek_app")


@pytest.mark.parametrize("name", ANSWERS)
async def test_every_answer_carries_the_security_headers(
    visitor: httpx.AsyncClient, owner: asyncpg.Connection, request: pytest.FixtureRequest, name: str
) -> None:
    status, _, path, _ = ANSWERS[name]
    answer = await asked(visitor, owner, name)
    assert answer.status_code == status
    headers = answer.headers
    assert {key: headers.get(key) for key in EVERYWHERE} == EVERYWHERE
    assert headers["x-request-id"]
    assert headers.get("strict-transport-security") == (HSTS if "TLS" in request.node.name else None)
    is_page = headers.get("content-type", "").startswith("text/html")
    assert is_page == (not path.startswith(("/v1", "/health")) and status != 303)
    assert headers["referrer-policy"] == ("same-origin" if is_page else "no-referrer")
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert is_page or policy == API_POLICY.decode()


@pytest.mark.parametrize("name", [name for name, (status, *_) in ANSWERS.items() if status >= 400])
async def test_no_refusal_is_kept_by_a_shared_cache(
    visitor: httpx.AsyncClient, owner: asyncpg.Connection, name: str
) -> None:
    answer = await asked(visitor, owner, name)
    assert answer.headers.get("cache-control") in ("no-store", "private, no-cache")


@pytest.mark.parametrize("path", ["/v1/account", "/v1/orders", "/v1/library", "/de/account", "/v1/sessions"])
async def test_what_depends_on_who_asks_is_kept_by_nobody(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert {"Cookie", "Authorization"} <= set(answer.headers["vary"].split(", "))
