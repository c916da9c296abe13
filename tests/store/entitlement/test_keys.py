"""Content keys at rest, and proofs that are forgotten once they are too old."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.dpop import Proof, PublicKey, forget_old_proofs, use_once
from store.entitlement.errors import KeysUnreadable
from store.entitlement.films import register_test_film
from store.entitlement.keys import KeySeal
from store.entitlement.models import ContentKey
from store.settings import Settings
from tests.store.entitlement.parts import KEYS


def test_a_key_opens_only_with_its_secret_its_id_its_film_and_its_track() -> None:
    seal, other = KeySeal.from_secret(b"a" * 32), KeySeal.from_secret(b"b" * 32)
    facts: dict[str, Any] = {"kid": new_id(), "asset_id": new_id(), "track": "HD"}
    row = seal.seal(**facts, key=b"0123456789abcdef")
    assert seal.open(row) == b"0123456789abcdef"
    assert (row.sealed_with, len(row.sealed)) == (seal.name, 44)
    assert seal.name != other.name
    with pytest.raises(KeysUnreadable):
        other.open(row)
    for changed in ({"kid": new_id()}, {"asset_id": new_id()}, {"track": "SD"}):
        with pytest.raises(KeysUnreadable):
            seal.open(ContentKey(**{**facts, **changed}, sealed=row.sealed, sealed_with=row.sealed_with))


def test_a_key_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        KeySeal.from_secret(b"a" * 32).seal(kid=new_id(), asset_id=new_id(), track="HD", key=b"short")


def test_no_secret_shows_in_a_representation() -> None:
    seal = KeySeal.from_secret(b"a" * 32)
    assert str(seal.wrapping_key) not in repr(seal)


async def test_loading_the_test_film_again_seals_its_keys_with_the_present_secret(
    database: Database, settings: Settings, title: Title
) -> None:
    changed = replace(settings, content_key_secret=b"another secret of thirty-two by.")
    seal = KeySeal.from_secret(changed.content_key_secret)
    async with database.sessions.begin() as session:
        await register_test_film(session, seal=seal, at=datetime(2026, 1, 1, tzinfo=UTC))
    async with database.sessions() as session:
        rows = list(await session.scalars(select(ContentKey)))
    assert {row.track: seal.open(row) for row in rows} == KEYS


async def test_old_proofs_are_forgotten_and_fresh_ones_kept(database: Database, owner: asyncpg.Connection) -> None:
    now = datetime.now(UTC)
    for jti, age in (("an old proof", 600), ("a fresh proof", 0)):
        issued_at = int((now - timedelta(seconds=age)).timestamp())
        await use_once(database, Proof(key=PublicKey(x="x", y="y"), jti=jti, issued_at=issued_at))
    await forget_old_proofs(database, real_now=now)
    assert [row["jti"] for row in await owner.fetch("SELECT jti FROM store.dpop_proofs")] == ["a fresh proof"]
