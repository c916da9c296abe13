"""Customers of a benchmark who are watching a film: signed in, on a device of their own, with an open playback."""

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.ids import new_id
from auth.models import Account, Session
from auth.tokens import SESSION, hash_token, make_token
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.base64url import encode
from store.entitlement.dpop import PublicKey
from store.entitlement.films import TEST_FILM_FOLDER, read_film, register_test_film
from store.entitlement.keys import KeySeal
from store.entitlement.models import Device, Entitlement, PlaybackSession
from store.entitlement.schemas import LICENCE_URL
from store.entitlement.tokens import PlaybackTokens
from store.settings import Settings

KIDS = [encode(kid.bytes) for _, kid, _ in read_film(TEST_FILM_FOLDER).keys]


@dataclass(frozen=True, slots=True)
class Viewer:
    """A playback and what its device signs requests with."""

    account_id: UUID
    playback_id: UUID
    session_token: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def public_key(self) -> PublicKey:
        """The key as proofs name it."""
        numbers = self.key.public_key().public_numbers()
        return PublicKey(x=encode(numbers.x.to_bytes(32)), y=encode(numbers.y.to_bytes(32)))

    def heartbeat(self, base_url: str, *, position: float, asked: str | None = None) -> bytes:
        """A sign of life as it goes over the wire; `asked` is the process that is asked, if not `base_url` itself."""
        path = f"/v1/playback-sessions/{self.playback_id}/heartbeats"
        headers = {
            "Authorization": f"Bearer {self.session_token}",
            "DPoP": self._proof(base_url + path),
            "Content-Type": "application/json",
        }
        return _post(asked or base_url, path, headers, {"position": position})

    def licence(self, base_url: str, tokens: PlaybackTokens) -> bytes:
        """A request for the film's keys, with a fresh token."""
        now = datetime.now(UTC)
        jkt = self.public_key.jkt
        token = tokens.sign(playback_session_id=self.playback_id, jkt=jkt, ends_at=None, at=now, real_now=now).text
        proof = self._proof(base_url + LICENCE_URL, ath=encode(hashlib.sha256(token.encode()).digest()))
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        return _post(base_url, LICENCE_URL, headers, {"kids": KIDS, "type": "temporary"})

    def _proof(self, url: str, **claims: str) -> str:
        body = {"jti": secrets.token_urlsafe(18), "htm": "POST", "htu": url, "iat": int(time.time()), **claims}
        jwk = {"kty": "EC", "crv": "P-256", "x": self.public_key.x, "y": self.public_key.y}
        return jwt.encode(body, self.key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": jwk})


async def make_viewers(settings: Settings, database: Database, *, count: int) -> list[Viewer]:
    """Make `count` customers who bought a film and have it open."""
    viewers = [
        Viewer(new_id(), new_id(), make_token(SESSION), ec.generate_private_key(ec.SECP256R1())) for _ in range(count)
    ]
    async with database.sessions.begin() as session:
        title_id = await _make_film(session)
        seal = KeySeal.from_secret(settings.content_key_secret)
        asset_id = await register_test_film(session, seal=seal, at=datetime.now(UTC))
        for first in range(0, count, 1000):
            await _insert(session, viewers[first : first + 1000], title_id=title_id, asset_id=asset_id)
    return viewers


async def _make_film(session: AsyncSession) -> UUID:
    now, slug = datetime.now(UTC), f"benchmark-{new_id().hex[-12:]}"
    title = Title(
        slug=slug,
        kind="film",
        original_title="Benchmark",
        year=2026,
        countries=["DE"],
        languages=["de"],
        genres=[],
        sort_key=slug,
        search_text=slug,
        added_at=now,
        changed_at=now,
    )
    session.add(title)
    await session.flush()
    return title.id


async def _insert(session: AsyncSession, viewers: list[Viewer], *, title_id: UUID, asset_id: UUID) -> None:
    now = datetime.now(UTC)
    life = {"created_at": now, "last_seen_at": now, "idle_expires_at": now + timedelta(days=1)}
    accounts, sessions, devices, rights, playbacks = [], [], [], [], []
    for viewer in viewers:
        account_id, key = viewer.account_id, viewer.public_key
        email = f"{account_id.hex}@demo.videothek.example"
        right: dict[str, Any] = {"id": new_id(), "account_id": account_id, "title_id": title_id}
        device = {"id": new_id(), "account_id": account_id, "jkt": key.jkt, "x": key.x, "y": key.y, "name": "Fernseher"}
        accounts.append(
            {
                "id": account_id,
                "kind": "customer",
                "email": email,
                "email_key": email,
                "locale": "de",
                "residence_country": "DE",
                "created_at": now,
            }
        )
        sessions.append(
            {
                "kind": "app",
                "account_id": account_id,
                "token_hash": hash_token(viewer.session_token, kind=SESSION),
                "epoch": 0,
                "amr": ["pwd"],
                "auth_at": now,
                "expires_at": now + timedelta(days=1),
                "ip_trunc": "127.0.0.0/24",
                "ua_short": "benchmark",
                "csrf_secret": secrets.token_bytes(32),
                **life,
            }
        )
        devices.append({**device, "registered_at": now, "last_used_at": now})
        rights.append({**right, "kind": "buy", "quality": "HD", "source": "goodwill", "granted_at": now})
        playbacks.append(
            {
                "id": viewer.playback_id,
                "account_id": account_id,
                "entitlement_id": right["id"],
                "device_id": device["id"],
                "title_id": title_id,
                "asset_id": asset_id,
                "start_confirmed": True,
                "opened_at": now,
                "beat_at": now,
            }
        )
    for table, rows in (
        (Account, accounts),
        (Session, sessions),
        (Device, devices),
        (Entitlement, rights),
        (PlaybackSession, playbacks),
    ):
        await session.execute(insert(table), rows)


def _post(base_url: str, path: str, headers: dict[str, str], body: dict[str, object]) -> bytes:
    content = msgspec.json.encode(body)
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(base_url).netloc}", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + content
