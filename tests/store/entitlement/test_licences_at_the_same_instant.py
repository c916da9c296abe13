"""A licence and the end of its right at the same instant: one comes first, and the other one knows of it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.entitlement.errors import WithdrawalLost
from store.entitlement.grants import Grants
from store.entitlement.licences import Licences
from tests.store.entitlement.parts import Customer, TestDevice, confirm, make_order, make_right


async def somebody_waits_for_a_lock(owner: asyncpg.Connection) -> None:
    async with asyncio.timeout(20):
        while not await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass


@pytest.mark.parametrize("kind", ["rent", "buy"])
async def test_a_licence_that_waits_for_a_withdrawal_gets_no_key(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    kind: str,
) -> None:
    now = datetime.now(UTC)
    right = await make_right(database, customer, title, kind=kind)
    order, line = await make_order(owner, customer, title, kind=kind)
    await confirm(owner, order)
    await owner.execute("UPDATE store.entitlements SET order_line_id = $1 WHERE id = $2", line.id, right)
    token = (await device.open(client, customer, title)).json()["token"]
    async with database.sessions.begin() as session:
        assert await Grants().may_withdraw(session, lines=[line], at=now) is None
        licence = asyncio.create_task(device.licence(client, token))
        await somebody_waits_for_a_lock(owner)
        await Grants().take_back(session, lines=[line], reason="withdrawal", at=now)
    answer = await licence
    assert (answer.status_code, answer.json()["code"]) == (403, "right_revoked")
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None


@pytest.mark.parametrize("is_confirmed", [True, False])
async def test_after_a_licence_the_right_of_withdrawal_is_lost_if_the_contract_was_confirmed_before(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    is_confirmed: bool,
) -> None:
    right = await make_right(database, customer, title)
    order, line = await make_order(owner, customer, title)
    await confirm(owner, order)
    await owner.execute("UPDATE store.entitlements SET order_line_id = $1 WHERE id = $2", line.id, right)
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    await device.fail(client, customer, playback["id"])
    if not is_confirmed:  # as it was possible once
        await owner.execute("UPDATE store.mails SET sent_at = now() + interval '1 hour'")
    async with database.sessions.begin() as session:
        refusal = await Grants().may_withdraw(session, lines=[line], at=datetime.now(UTC))
    assert isinstance(refusal, WithdrawalLost) is is_confirmed, "the keys are out, even if the rental is not begun"


async def test_a_failure_that_waits_for_its_licence_takes_the_start_back(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    right = await make_right(database, customer, title)
    playback = (await device.open(client, customer, title)).json()
    async with owner.transaction():
        await owner.execute("SELECT 1 FROM store.entitlements WHERE id = $1 FOR UPDATE", right)
        licence = asyncio.create_task(device.licence(client, playback["token"]))
        await somebody_waits_for_a_lock(owner)
        failure = asyncio.create_task(device.fail(client, customer, playback["id"]))
        async with asyncio.timeout(20):
            while await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < 2:
                pass
    assert (await licence).status_code == 200
    assert (await failure).json()["start_taken_back"] is True
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None


async def test_a_licence_whose_ground_changes_again_and_again_is_given_up_and_may_be_asked_for_once_more(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await make_right(database, customer, title)
    token = (await device.open(client, customer, title)).json()["token"]
    record, tries = Licences._record, 0

    async def too_late(licences: Licences, *decided: Any, **more: Any) -> asyncpg.Record:
        nonlocal tries
        tries += 1
        await owner.execute("UPDATE store.playback_sessions SET beat_at = beat_at")
        return await record(licences, *decided, **more)

    monkeypatch.setattr(Licences, "_record", too_late)
    given_up = await device.licence(client, token)
    assert (given_up.status_code, given_up.json()["code"], tries) == (409, "concurrent_change", 5)
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None
    granted = "SELECT count(*) FROM store.licence_events WHERE step = 'licence' AND outcome = 'granted'"
    assert await owner.fetchval(granted) == 0

    monkeypatch.undo()
    assert (await device.licence(client, token)).status_code == 200
    assert await owner.fetchval(granted) == 1
