"""Who is asking, on every request: the session behind a cookie or a bearer token, and the guards of routes."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import asyncpg
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from auth import audit
from auth.age_gate import refuse_the_restricted
from auth.errors import CustomersOnly, NotPermitted, NotSignedIn
from auth.headers import header_of
from auth.identity import ALL_AGES, HOLDER, Viewer
from auth.identity import Identity as Identity
from auth.known_devices import KEPT
from auth.permissions import permissions_of
from auth.ports import AuthSettings, OpenDatabase
from auth.tokens import SESSION, hash_token
from auth.visits import visit_of

_CREDENTIALS: Final = frozenset((b"authorization", b"cookie"))
"""Headers that may say who asks."""

AuditedGuard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]

_CUSTOMER: Final = frozenset(("customer",))

TOUCH_AFTER: Final = {"web": timedelta(minutes=10), "app": timedelta(minutes=10), "staff": timedelta(minutes=1)}
"""A session's `last_seen_at` is written at most this often, by its kind: a small part of `IDLE`, so that a customer who
watches a film does not write with every other heartbeat."""

LIVING: Final = """
    s.token_hash = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > $2 AND s.expires_at > $2
       AND s.epoch = a.auth_epoch AND a.status = 'active' AND (a.kind <> 'staff' OR 'mfa' = ANY (s.amr))
"""
"""Whether session `s` of account `a` is the one with a hash ($1), and lives at an instant ($2). One of staff counts
only if a second factor opened it, whatever else may be in the table. Part of a heartbeat's statement as well."""

_SESSION: Final = f"""
    SELECT s.id, s.kind AS session_kind, s.csrf_secret, s.last_seen_at, s.expires_at,
           coalesce(s.step_up_at, s.auth_at) AS authenticated_at,
           a.id AS account_id, a.kind, a.locale, a.residence_country, a.pseudonym, a.email,
           CASE WHEN a.kind = 'staff'
                THEN ARRAY(SELECT r.role FROM auth.role_assignments r WHERE r.account_id = a.id) END AS roles,
           s.profile_id, p.name AS profile_name, p.age_limit, s.unlocked_until
      FROM auth.sessions s JOIN auth.accounts a ON a.id = s.account_id
      LEFT JOIN auth.profiles p ON p.id = s.profile_id
     WHERE {LIVING}
"""  # noqa: S608

_TOUCH: Final = """
    UPDATE auth.sessions SET last_seen_at = $2, idle_expires_at = least($2 + $3, expires_at)
     WHERE id = $1 AND revoked_at IS NULL AND last_seen_at < $2
"""

IDLE: Final = {"web": timedelta(days=14), "app": timedelta(days=90), "staff": timedelta(minutes=30)}
"""How long a session lives without a request, by its kind."""

ABSOLUTE: Final = {"web": timedelta(days=30), "app": timedelta(days=365), "staff": timedelta(hours=12)}
"""How long a session lives at most, by its kind."""


class AuthenticationMiddleware:
    """Finds the session of every request; `request.user` is an `Identity` or None.

    A request without cookie and without bearer token costs no query. A bearer token decides alone: beside one, the
    cookie is ignored. Other schemes of `Authorization` (DPoP) are not ours. Routes with the option `exclude_from_auth`
    find out themselves who asks, or need not know.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say who asks; where nothing came to know someone by, nothing is asked."""
        scope["user"] = scope["auth"] = None
        has_credentials = not _CREDENTIALS.isdisjoint(name for name, _ in scope["headers"])
        if has_credentials and not scope["route_handler"].opt.get("exclude_from_auth"):
            await _recognise(ASGIConnection(scope))
        await self.app(scope, receive, send)


async def _recognise(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Read the session by one query; also note, now and then, that it was seen."""
    digest = session_hash_of(connection)
    if digest is None:
        return
    state = connection.app.state
    identity = await identity_behind(
        state.database, digest, at=datetime.now(UTC), default_market=state.settings.default_market
    )
    if identity is not None:
        connection.scope["user"] = identity
        connection.scope["auth"] = "cookie" if bearer_token(connection) is None else "bearer"
        refuse_the_restricted(identity, connection.scope["route_handler"].opt)


def session_hash_of(connection: ASGIConnection[Any, Any, Any, Any]) -> bytes | None:
    """SHA-256 of the session token that a request brings; None where it brings none."""
    token = bearer_token(connection)
    if token is None:
        settings: AuthSettings = connection.app.state.settings
        token = connection.cookies.get(settings.session_cookie, "")
    return hash_token(token, kind=SESSION)


async def find_identity(database: OpenDatabase, token: str, *, at: datetime, default_market: str) -> Identity | None:
    """The identity behind a session token that is valid at `at` (real time); None for anything else."""
    digest = hash_token(token, kind=SESSION)
    if digest is None:
        return None
    return await identity_behind(database, digest, at=at, default_market=default_market)


async def identity_behind(
    database: OpenDatabase, session_hash: bytes, *, at: datetime, default_market: str
) -> Identity | None:
    """The identity behind a session whose token has this hash, as `find_identity` gives it."""
    row = await database.reads.fetchrow(_SESSION, session_hash, at)
    if row is None:
        return None
    await note_seen(database, row, at=at)
    return _identity_from(row, at=at, default_market=default_market)


async def note_seen(database: OpenDatabase, row: asyncpg.Record, *, at: datetime) -> None:
    """Keep a session from becoming idle; written every few minutes at most (`TOUCH_AFTER`)."""
    if at - row["last_seen_at"] >= TOUCH_AFTER[row["session_kind"]]:
        await database.reads.execute(_TOUCH, row["id"], at, IDLE[row["session_kind"]])


def _identity_from(row: asyncpg.Record, *, at: datetime, default_market: str) -> Identity:
    roles = frozenset(row["roles"]) if row["kind"] == "staff" else _CUSTOMER
    return Identity(
        account_id=row["account_id"],
        session_id=row["id"],
        session_kind=row["session_kind"],
        kind=row["kind"],
        roles=roles,
        permissions=permissions_of(roles),
        locale=row["locale"],
        market=row["residence_country"] or default_market,
        pseudonym=row["pseudonym"],
        authenticated_at=row["authenticated_at"],
        csrf_secret=row["csrf_secret"],
        email=row["email"] or "",
        viewer=_viewer_from(row, at=at),
    )


def _viewer_from(row: asyncpg.Record, *, at: datetime) -> Viewer:
    if row["profile_id"] is None:
        return HOLDER
    until: datetime | None = row["unlocked_until"]
    is_open = until is not None and until > at
    return Viewer(
        profile_id=row["profile_id"],
        name=row["profile_name"],
        age_limit=ALL_AGES if is_open else row["age_limit"],
        profile_limit=row["age_limit"],
        unlocked_until=until if is_open else None,
        locked_since=until if not is_open and row["age_limit"] < ALL_AGES else None,
    )


def bearer_token(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The bearer token of the Authorization header (RFC 6750); None where there is none."""
    scheme, _, token = header_of(connection.scope, b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def identity_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity | None:
    """Who asks, also on routes that the middleware leaves out (nobody, then)."""
    user = connection.scope.get("user")
    return user if isinstance(user, Identity) else None


async def provide_visitor(request: Request[Any, Any, Any]) -> Identity | None:
    """Dependency `visitor`: who asks, or None."""
    return identity_of(request)


async def provide_identity(request: Request[Any, Any, Any]) -> Identity:
    """Dependency `identity`: who asks; raises `NotSignedIn`."""
    identity = identity_of(request)
    if identity is None:
        raise NotSignedIn
    return identity


async def signed_in(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Guard: someone is signed in."""
    if identity_of(connection) is None:
        raise NotSignedIn


def refuse_all_but_customers(kind: str | None) -> None:
    """Raise `NotSignedIn` or `CustomersOnly` unless an account of this kind (None: nobody) is a customer's."""
    if kind is None:
        raise NotSignedIn
    if kind != "customer":
        raise CustomersOnly


async def customer_only(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Guard: a customer is signed in."""
    identity = identity_of(connection)
    refuse_all_but_customers(identity.kind if identity is not None else None)


def requires(permission: str) -> AuditedGuard:
    """Guard: the signed-in account has `permission`.

    A signed-in account that tries without it leaves an entry in the audit trail, in a transaction of its own, since
    the refusal ends the request's.
    """

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        identity = identity_of(connection)
        if identity is None:
            raise NotSignedIn
        if permission in identity.permissions:
            return
        visit = visit_of(connection)
        database: OpenDatabase = connection.app.state.database
        async with database.sessions.begin() as session:
            await audit.record(
                session,
                at=datetime.now(UTC),
                actor=identity,
                action=permission,
                target_kind="route",
                target_id=str(handler),
                outcome="refused",
                reason="not_permitted",
                request_id=visit.request_id,
                ip=visit.ip,
            )
        raise NotPermitted

    return guard


def set_session_cookie(response: Response[Any], token: str, *, kind: str, settings: AuthSettings) -> None:
    """Hand a browser the token of a session of `kind`: HttpOnly, Secure and `__Host-` wherever there is TLS.

    SameSite=Lax, so that a link in a mail finds a customer signed in; Strict for staff, whom no other site may
    lead into a console.
    """
    max_age = int(ABSOLUTE[kind].total_seconds())
    same_site: Literal["lax", "strict"] = "strict" if kind == "staff" else "lax"
    cookie = _cookie(settings.session_cookie, token, settings=settings, max_age=max_age, same_site=same_site)
    response.set_cookie(cookie)


def set_device_cookie(response: Response[Any], token: str | None, *, settings: AuthSettings) -> None:
    """Hand a browser the token by which it is known again, if it has none yet; signing out leaves it there."""
    if token is None:
        return
    kept = int(KEPT.total_seconds())
    response.set_cookie(_cookie(settings.device_cookie, token, settings=settings, max_age=kept, same_site="lax"))


def set_passkey_cookie(response: Response[Any], token: str, *, lives: timedelta, settings: AuthSettings) -> None:
    """Let a browser that asked for something to sign be known again when it sends the signature."""
    max_age = int(lives.total_seconds())
    response.set_cookie(_cookie(settings.passkey_cookie, token, settings=settings, max_age=max_age, same_site="strict"))


def set_step_cookie(response: Response[Any], token: str, *, lives: timedelta, settings: AuthSettings) -> None:
    """Let a browser carry a begun sign-in to its second step; without a life the cookie goes."""
    max_age = int(lives.total_seconds())
    response.set_cookie(_cookie(settings.step_cookie, token, settings=settings, max_age=max_age, same_site="strict"))


def clear_session_cookie(response: Response[Any], *, settings: AuthSettings) -> None:
    """Take the browser's session token away."""
    response.set_cookie(_cookie(settings.session_cookie, "", settings=settings, max_age=0, same_site="lax"))


def _cookie(
    name: str, value: str, *, settings: AuthSettings, max_age: int, same_site: Literal["lax", "strict"]
) -> Cookie:
    return Cookie(
        key=name,
        value=value,
        max_age=max_age,
        path="/",
        secure=settings.secure,
        httponly=True,
        samesite=same_site,
    )
