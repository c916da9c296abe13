"""Content keys at rest, and proofs that are forgotten once they are too old."""

import asyncio
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy import select

from auth.ids import new_id
from store.catalogue.models import Title
from store.cli import reseal_content_keys
from store.database import Database
from store.entitlement.dpop import Proof, PublicKey, forget_old_proofs, use_once
from store.entitlement.films import register_test_film
from store.entitlement.keys import KeySeal, reseal_keys
from store.entitlement.licence_errors import KeysUnreadable
from store.entitlement.models import ContentKey
from store.settings import Settings
from tests.store.entitlement.parts import KEYS, SPELLINGS, Customer, TestDevice, make_right


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


async def test_a_film_plays_before_while_and_after_its_keys_are_sealed_with_another_secret(
    client: httpx.AsyncClient,
    app: Litestar,
    database: Database,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    """Both secrets are in force, also after a run that was killed: one key is sealed anew and two are not."""
    await make_right(database, customer, title, kind="buy")
    rotated = KeySeal.from_secret(b"n" * 32, settings.content_key_secret)
    app.state.parts = replace(app.state.parts, seal=rotated)
    token = (await device.open(client, customer, title)).json()["token"]
    answers = [await device.licence(client, token)]
    async with database.sessions.begin() as session:
        row = (await session.scalars(select(ContentKey).limit(1))).one()
        anew = rotated.seal(kid=row.kid, asset_id=row.asset_id, track=row.track, key=rotated.open(row))
        row.sealed, row.sealed_with = anew.sealed, anew.sealed_with
    answers.append(await device.licence(client, token))
    assert sorted(await asyncio.gather(reseal_keys(database, rotated), reseal_keys(database, rotated))) == [0, 2]
    answers.append(await device.licence(client, token))
    app.state.parts = replace(app.state.parts, seal=KeySeal.from_secret(b"n" * 32))
    answers.append(await device.licence(client, token))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert all(answer.json()["keys"] == answers[0].json()["keys"] for answer in answers)
    assert await reseal_keys(database, rotated) == 0, "once more, there is nothing to do"


async def test_a_key_that_neither_secret_opens_is_named_and_left_as_it_is(
    database: Database, owner: asyncpg.Connection, title: Title
) -> None:
    before = await owner.fetch("SELECT kid, sealed FROM store.content_keys ORDER BY kid")
    with pytest.raises(KeysUnreadable):
        await reseal_keys(database, KeySeal.from_secret(b"n" * 32, b"o" * 32))
    assert await owner.fetch("SELECT kid, sealed FROM store.content_keys ORDER BY kid") == before


async def test_the_command_seals_the_keys_anew_and_tells_no_secret(
    settings: Settings, title: Title, owner: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = replace(settings, content_key_secret=b"n" * 32, content_key_secret_before=settings.content_key_secret)
    assert await reseal_content_keys(changed, Namespace()) == 0
    told = "".join(capsys.readouterr())
    assert told.startswith("3 content keys")
    assert not [spelling for spelling in SPELLINGS if spelling in told]
    [row] = await owner.fetch("SELECT DISTINCT sealed_with FROM store.content_keys")
    assert row["sealed_with"] == KeySeal.from_secret(b"n" * 32).name


async def test_old_proofs_are_forgotten_and_fresh_ones_kept(database: Database, owner: asyncpg.Connection) -> None:
    now = datetime.now(UTC)
    for jti, age in (("an old proof", 600), ("a fresh proof", 0)):
        issued_at = int((now - timedelta(seconds=age)).timestamp())
        await use_once(database, Proof(key=PublicKey(x="x", y="y"), jti=jti, issued_at=issued_at))
    await forget_old_proofs(database, real_now=now)
    assert [row["jti"] for row in await owner.fetch("SELECT jti FROM store.dpop_proofs")] == ["a fresh proof"]
