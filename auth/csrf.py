"""Refuses changing requests that another site made a browser send (ASVS 5.0, 3.5.1 to 3.5.3)."""

import hmac
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request

from auth.authentication import bearer_token, identity_of
from auth.errors import CrossSiteRequest
from auth.ports import AuthSettings

FIELD: Final = "csrf_token"
"""Hidden field of every form."""
HEADER: Final = "x-csrf-token"
"""Header for scripts."""
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


async def check_csrf(request: Request[Any, Any, Any]) -> None:
    """Before-request hook: raises `CrossSiteRequest`.

    - A browser names the origin of a request (Sec-Fetch-Site, or Origin in older ones): it must be ours, on sign-in
      and registration too.
    - A session cookie is believed only beside the token of that session, in the form or in a header.
    - Requests with a bearer token are exempt: no browser adds one by itself. So are routes with `csrf_exempt=True`.
    """
    scope = request.scope
    if scope["method"] in _SAFE_METHODS or scope["route_handler"].opt.get("csrf_exempt"):
        return
    if bearer_token(request) is not None:
        return
    settings: AuthSettings = request.app.state.settings
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        if site != "same-origin":
            raise CrossSiteRequest
    elif origin is not None and not _is_ours(origin, settings.base_url):
        raise CrossSiteRequest
    identity = identity_of(request)
    if identity is None:
        return
    if site is None and origin is None:
        raise CrossSiteRequest
    sent = request.headers.get(HEADER) or await _token_in_form(request)
    # Compared as bytes: `compare_digest` refuses to compare text beyond ASCII.
    if not hmac.compare_digest(sent.encode("utf-8", "replace"), identity.csrf_token.encode()):
        raise CrossSiteRequest


async def _token_in_form(request: Request[Any, Any, Any]) -> str:
    content_type = request.headers.get("content-type", "")
    if not content_type.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        return ""
    form = await request.form()
    value = form.get(FIELD, "")
    return value if isinstance(value, str) else ""


def _is_ours(origin: str, base_url: str) -> bool:
    ours, theirs = urlsplit(base_url), urlsplit(origin)
    return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)
