"""What the tests of rights and playback are made of: accounts, films, rights, and a device that signs."""

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from auth.ids import new_id
from auth.models import Account, Session
from auth.tokens import SESSION, hash_token, make_token
from billing.models import Order, OrderLine
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.base64url import encode
from store.entitlement.films import TEST_FILM_FOLDER, read_film, register_test_film
from store.entitlement.keys import KeySeal
from store.entitlement.models import Entitlement, MediaAsset
from store.settings import Settings

LICENCE_PATH = "/v1/playback-licences/clearkey"
TEST_FILM = read_film(TEST_FILM_FOLDER)
KIDS = {track: kid for track, kid, _ in TEST_FILM.keys}
KEYS = {track: key for track, _, key in TEST_FILM.keys}
ALL_KIDS = [encode(kid.bytes) for kid in KIDS.values()]
SPELLINGS = [
    spelling
    for key in KEYS.values()
    for spelling in (
        key.hex(),
        key.hex().upper(),
        base64.b64encode(key).decode(),
        encode(key),
        base64.b64encode(key).decode().rstrip("="),
    )
]
"""Every way in which a key of the test film could stand in a text."""


def kid_of(track: str) -> str:
    return encode(KIDS[track].bytes)


@dataclass(slots=True)
class Customer:
    """An account with an open session."""

    account_id: UUID
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept-Language": "de"}


async def make_customer(database: Database) -> Customer:
    account_id = new_id()
    email = f"{account_id.hex}@example.org"
    async with database.sessions.begin() as session:
        session.add(
            Account(
                id=account_id,
                kind="customer",
                email=email,
                email_key=email,
                locale="de",
                residence_country="DE",
                created_at=datetime.now(UTC),
            )
        )
    return await another_session(database, Customer(account_id, ""))


async def another_session(database: Database, customer: Customer) -> Customer:
    """The same customer, signed in once more."""
    token, now = make_token(SESSION), datetime.now(UTC)
    async with database.sessions.begin() as session:
        session.add(
            Session(
                kind="web",
                account_id=customer.account_id,
                token_hash=hash_token(token, kind=SESSION),
                epoch=0,
                amr=["pwd"],
                auth_at=now,
                created_at=now,
                last_seen_at=now,
                idle_expires_at=now + timedelta(days=1),
                expires_at=now + timedelta(days=1),
                ip_trunc="127.0.0.0/24",
                ua_short="test",
                csrf_secret=secrets.token_bytes(32),
            )
        )
    return Customer(customer.account_id, token)


async def make_title(
    database: Database,
    *,
    slug: str | None = None,
    kind: str = "film",
    parent: Title | None = None,
    number: int = 1,
) -> Title:
    now = datetime.now(UTC)
    slug = slug or f"film-{new_id().hex[-12:]}"
    title = Title(
        slug=slug,
        kind=kind,
        parent_id=parent.id if parent else None,
        number=number if parent else None,
        original_title=slug.replace("-", " ").title(),
        year=2013,
        countries=["US"],
        languages=["en"],
        genres=[],
        sort_key=slug,
        search_text=slug,
        added_at=now,
        changed_at=now,
    )
    async with database.sessions.begin() as session:
        session.add(title)
    return title


async def make_right(
    database: Database,
    customer: Customer,
    title: Title,
    *,
    kind: str = "rent",
    quality: str = "HD",
    granted_at: datetime | None = None,
    start_days: int = 30,
    watch_hours: int = 48,
    near_end: str = "full",
    first_played_at: datetime | None = None,
    may_download: bool = False,
) -> UUID:
    granted_at = granted_at or datetime.now(UTC) - timedelta(seconds=1)
    is_rental = kind == "rent"
    right = Entitlement(
        account_id=customer.account_id,
        title_id=title.id,
        kind=kind,
        quality=quality,
        source="goodwill",
        granted_at=granted_at,
        start_by=granted_at + timedelta(days=start_days) if is_rental else None,
        watch_hours=watch_hours if is_rental else None,
        near_end=near_end,
        may_download=may_download,
        first_played_at=first_played_at,
        ends_at=first_played_at + timedelta(hours=watch_hours) if first_played_at else None,
    )
    async with database.sessions.begin() as session:
        session.add(right)
    return right.id


def terms_of(title: Title, *, kind: str = "rent", quality: str = "HD") -> dict[str, Any]:
    terms: dict[str, Any] = {"kind": kind, "quality": quality, "title_id": str(title.id), "offer_id": str(new_id())}
    if kind == "rent":
        terms |= {"start_days": 30, "watch_hours": 48, "near_end": "full"}
    return terms


async def make_order(
    owner: asyncpg.Connection, customer: Customer, title: Title, **terms: Any
) -> tuple[Order, OrderLine]:
    """An order and its line, as far as granting looks at them; the line is really stored."""
    order = Order(id=new_id(), account_id=customer.account_id, quote_id=new_id())
    line = OrderLine(
        id=new_id(), order_id=order.id, account_id=customer.account_id, terms=terms_of(title, **terms), position=1
    )
    # Only its key matters here, so the order that it belongs to is left out.
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute(
            "INSERT INTO billing.order_lines (id, order_id, position, account_id, is_open, item, subject, kind,"
            " description, gross, net, tax, tax_rate_bp, terms, licensor_terms)"
            " VALUES ($1, $2, 1, $3, false, 'offer:x', $4, $5, '{}', 119, 100, 19, 1900, $6, '{}')",
            line.id,
            order.id,
            customer.account_id,
            f"title:{title.id}",
            line.terms["kind"],
            msgspec.json.encode(line.terms).decode(),
        )
    return order, line


async def confirm(owner: asyncpg.Connection, order: Order) -> None:
    """The mail server has taken the confirmation of an order."""
    await owner.execute(
        "INSERT INTO store.mails (id, kind, reference, locale, status, attempts, created_at, sent_at)"
        " VALUES ($1, 'order_confirmation', $2, 'de', 'sent', 1, now(), now())",
        new_id(),
        order.id,
    )


async def load_test_film(database: Database, settings: Settings) -> None:
    async with database.sessions.begin() as session:
        seal = KeySeal.from_secret(settings.content_key_secret)
        await register_test_film(session, seal=seal, at=datetime(2026, 1, 1, tzinfo=UTC))


async def make_other_film(database: Database, settings: Settings, title: Title) -> str:
    """Another encrypted film, of one title only; gives the key id of its HD pictures."""
    asset_id, kid = new_id(), new_id()
    seal = KeySeal.from_secret(settings.content_key_secret)
    async with database.sessions.begin() as session:
        session.add(
            MediaAsset(
                id=asset_id,
                title_id=title.id,
                version="1",
                manifest="manifest.mpd",
                seconds=60,
                published_at=datetime.now(UTC),
                clear_key=True,
            )
        )
        await session.flush()
        session.add(seal.seal(kid=kid, asset_id=asset_id, track="HD", key=secrets.token_bytes(16)))
    return encode(kid.bytes)


@dataclass(slots=True)
class TestDevice:
    """A key pair that signs proofs, and the requests that a player makes with it."""

    __test__ = False

    base_url: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        coordinates = {"x": encode(numbers.x.to_bytes(32)), "y": encode(numbers.y.to_bytes(32))}
        return {"kty": "EC", "crv": "P-256", **coordinates}

    def proof(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        header: dict[str, Any] | None = None,
        key: Any = None,
        algorithm: str = "ES256",
        **claims: Any,
    ) -> str:
        """A proof as it should be; `header` and `claims` replace parts of it (None leaves one out)."""
        body: dict[str, Any] = {
            "jti": secrets.token_urlsafe(18),
            "htm": method,
            "htu": self.base_url + path,
            "iat": int(time.time()),
        }
        if token is not None:
            body["ath"] = encode(hashlib.sha256(token.encode()).digest())
        body.update(claims)
        body = {name: value for name, value in body.items() if value is not None}
        headers = {"typ": "dpop+jwt", "jwk": self.jwk, **(header or {})}
        return jwt.encode(body, key or self.key, algorithm=algorithm, headers=headers)

    async def register(
        self, client: httpx.AsyncClient, customer: Customer, *, name: str = "Laptop", again: bool = False
    ) -> httpx.Response:
        headers = {**customer.headers, "DPoP": self.proof("POST", "/v1/devices")}
        wanted = {"name": name, "again": True} if again else {"name": name}
        return await client.post("/v1/devices", json=wanted, headers=headers)

    async def open(
        self, client: httpx.AsyncClient, customer: Customer, title: Title, *, start_confirmed: bool = True
    ) -> httpx.Response:
        headers = {**customer.headers, "DPoP": self.proof("POST", "/v1/playback-sessions")}
        wanted = {"title": title.slug, "start_confirmed": start_confirmed}
        return await client.post("/v1/playback-sessions", json=wanted, headers=headers)

    async def check(
        self, client: httpx.AsyncClient, customer: Customer, title: Title, *, start_confirmed: bool = True
    ) -> dict[str, Any]:
        """Ask for the decision that `open` would get."""
        headers = {**customer.headers, "DPoP": self.proof("POST", "/v1/playback-decisions")}
        wanted = {"title": title.slug, "start_confirmed": start_confirmed}
        answer = await client.post("/v1/playback-decisions", json=wanted, headers=headers)
        assert answer.status_code == 200, answer.text
        decision: dict[str, Any] = answer.json()
        return decision

    async def beat(
        self, client: httpx.AsyncClient, customer: Customer, playback_id: str, *, position: float = 0.0
    ) -> httpx.Response:
        path = f"/v1/playback-sessions/{playback_id}/heartbeats"
        headers = {**customer.headers, "DPoP": self.proof("POST", path)}
        return await client.post(path, json={"position": position}, headers=headers)

    async def fail(self, client: httpx.AsyncClient, customer: Customer, playback_id: str) -> httpx.Response:
        path = f"/v1/playback-sessions/{playback_id}/failures"
        headers = {**customer.headers, "DPoP": self.proof("POST", path)}
        return await client.post(path, headers=headers)

    async def licence(
        self,
        client: httpx.AsyncClient,
        token: str | None,
        *,
        kids: list[str] | None = None,
        proof: str | None = None,
        body: Any = None,
    ) -> httpx.Response:
        """Ask for a licence as a player does: without a Content-Type."""
        headers = {"DPoP": proof or self.proof("POST", LICENCE_PATH, token=token or "")}
        if token is not None:
            headers["Authorization"] = f"DPoP {token}"
        asked = body if body is not None else {"kids": ALL_KIDS if kids is None else kids, "type": "temporary"}
        return await client.post(LICENCE_PATH, content=httpx.Request("POST", "/", json=asked).content, headers=headers)
