"""Every answer about a rental tells its deadlines and the server's time, so that no device counts by its own clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import LICENCE_PATH, Customer, TestDevice, make_right

NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)
START_BY, ENDS_AT = NOW + timedelta(days=30), NOW + timedelta(hours=48)


def instants(answer: httpx.Response, *names: str) -> dict[str, datetime | None]:
    told: dict[str, Any] = answer.json()
    return {name: datetime.fromisoformat(told[name]) if told[name] else None for name in names}


async def test_from_the_decision_to_the_end_of_the_rental(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = NOW
    await make_right(database, customer, title, granted_at=NOW)
    both = {"start_by": START_BY, "ends_at": ENDS_AT, "server_time": NOW}

    asked = await device.open(client, customer, title, start_confirmed=False)
    assert asked.json()["code"] == "start_confirmation_needed"
    assert instants(asked, *both) == both
    opened = await device.open(client, customer, title)
    assert instants(opened, *both) == both
    licence = await device.licence(client, opened.json()["token"])
    assert instants(licence, "licence_ends_at", "server_time") == {"licence_ends_at": ENDS_AT, "server_time": NOW}
    beat = await device.beat(client, customer, opened.json()["id"], position=1)
    assert instants(beat, *both) == both
    library = await client.get("/v1/library", headers=customer.headers)
    assert library.json()["server_time"] == "2026-12-01T20:00:00Z"
    streams = await client.get("/v1/playback-sessions", headers=customer.headers)
    assert instants(streams, "server_time") == {"server_time": NOW}

    clock.fixed = ENDS_AT
    over = {"ended_at": ENDS_AT, "server_time": ENDS_AT}
    for refusal in (
        await device.beat(client, customer, opened.json()["id"], position=2),
        await device.licence(client, opened.json()["token"]),
        await device.open(client, customer, title),
    ):
        assert refusal.json()["code"] == "rental_over", refusal.text
        assert instants(refusal, *over) == over
    failed = await device.fail(client, customer, opened.json()["id"])
    assert instants(failed, *both) == {**both, "server_time": ENDS_AT}


async def test_the_token_of_the_last_heartbeat_is_good_for_what_is_left_of_the_right(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = ENDS_AT - timedelta(seconds=5)
    await make_right(database, customer, title, granted_at=NOW, first_played_at=NOW)
    opened = await device.open(client, customer, title)
    beat = await device.beat(client, customer, opened.json()["id"])
    latest = datetime.now(UTC) + timedelta(seconds=5)
    for answer in (opened, beat):
        [expires_at] = instants(answer, "token_expires_at").values()
        assert expires_at is not None
        assert expires_at <= latest, answer.text


async def test_a_playback_that_was_stopped_tells_the_time(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = NOW
    await make_right(database, customer, title, granted_at=NOW)
    opened = (await device.open(client, customer, title)).json()
    await client.delete(f"/v1/playback-sessions/{opened['id']}", headers=customer.headers)
    for refusal in (
        await device.beat(client, customer, opened["id"]),
        await device.licence(client, opened["token"]),
        await device.fail(client, customer, opened["id"]),
    ):
        assert refusal.status_code == 410
        assert instants(refusal, "server_time") == {"server_time": NOW}


@pytest.mark.parametrize("gone", ["the token is foreign", "the proof is old"])
async def test_a_401_tells_the_business_time_to_nobody(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    gone: str,
) -> None:
    """A device that is told the time with a 401 signs its next proofs by it."""
    clock.fixed = NOW + timedelta(days=300)
    await make_right(database, customer, title, granted_at=clock.fixed)
    opened = (await device.open(client, customer, title)).json()
    if gone == "the proof is old":
        proof = device.proof("POST", LICENCE_PATH, token=opened["token"], iat=1_700_000_000)
        answer = await device.licence(client, opened["token"], proof=proof)
        told = datetime.fromisoformat(answer.json()["server_time"])
        assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)
    else:
        await owner.execute("UPDATE auth.accounts SET status = 'disabled' WHERE id = $1", customer.account_id)
        answer = await device.licence(client, opened["token"])
        assert "server_time" not in answer.json()
    assert answer.status_code == 401, answer.text
