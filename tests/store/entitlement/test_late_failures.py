"""A failure is told late, or again, or while another device plays: what comes of the rental's hours."""

from datetime import timedelta

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import Customer, TestDevice, make_right

STARTED = "SELECT first_played_at FROM store.entitlements"


@pytest.mark.parametrize("falls_silent", ["unseen", "seen by a decision"])
async def test_who_was_without_a_connection_gets_the_start_back_when_it_is_there_again(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    falls_silent: str,
) -> None:
    await make_right(database, customer, title)
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    await owner.execute("UPDATE store.playback_sessions SET beat_at = beat_at - interval '2 minutes'")
    if falls_silent == "seen by a decision":
        await owner.execute("UPDATE store.playback_sessions SET ended_at = beat_at, end_reason = 'silent'")
    told = await device.fail(client, customer, playback["id"])
    assert (told.status_code, told.json()["start_taken_back"]) == (200, True), told.text
    assert await owner.fetchval(STARTED) is None
    assert await owner.fetchval("SELECT end_reason FROM store.playback_sessions") == "failed"


async def test_after_a_quarter_of_an_hour_it_is_too_late(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    clock.fixed = await clock.now()
    await make_right(database, customer, title, granted_at=clock.fixed)
    playback = (await device.open(client, customer, title)).json()
    await device.licence(client, playback["token"])
    clock.fixed += timedelta(minutes=15)
    told = await device.fail(client, customer, playback["id"])
    assert (told.status_code, told.json()["start_taken_back"]) == (200, False)
    assert await owner.fetchval(STARTED) is not None


async def test_an_answer_that_was_lost_is_given_again_until_the_hours_run(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    playback = (await device.open(client, customer, title)).json()
    await device.licence(client, playback["token"])
    for _ in range(2):
        told = (await device.fail(client, customer, playback["id"])).json()
        assert (told["start_taken_back"], told["ends_at"]) == (True, None)
    again = (await device.open(client, customer, title)).json()
    await device.licence(client, again["token"])
    assert (await device.fail(client, customer, playback["id"])).json()["start_taken_back"] is False
    assert await owner.fetchval(STARTED) is not None


async def test_what_was_stopped_did_not_fail(
    client: httpx.AsyncClient, database: Database, customer: Customer, device: TestDevice, title: Title
) -> None:
    await make_right(database, customer, title)
    playback = (await device.open(client, customer, title)).json()
    await client.delete(f"/v1/playback-sessions/{playback['id']}", headers=customer.headers)
    told = await device.fail(client, customer, playback["id"])
    assert (told.status_code, told.json()["end_reason"]) == (410, "stopped")


@pytest.fixture
async def two_streams(owner: asyncpg.Connection, customer: Customer) -> None:
    await owner.execute(
        "INSERT INTO store.device_limits (account_id, devices, new_devices, new_device_days, streams,"
        " streams_per_rental) VALUES ($1, 5, 5, 30, 2, 2)",
        customer.account_id,
    )


@pytest.mark.usefixtures("two_streams")
async def test_a_picture_on_a_device_that_had_opened_before_keeps_the_start(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    await make_right(database, customer, title)
    other = TestDevice(settings.base_url)
    await other.register(client, customer)
    first = (await device.open(client, customer, title)).json()
    second = (await other.open(client, customer, title)).json()
    assert (await other.licence(client, second["token"])).status_code == 200
    assert (await device.licence(client, first["token"])).status_code == 200
    assert (await device.beat(client, customer, first["id"], position=600)).status_code == 200
    assert (await other.fail(client, customer, second["id"])).json()["start_taken_back"] is False
    assert await owner.fetchval(STARTED) is not None
    assert (await device.beat(client, customer, first["id"], position=630)).status_code == 200


@pytest.mark.usefixtures("two_streams")
async def test_nobody_plays_on_with_keys_of_a_start_that_was_taken_back(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    """The other device has keys, and did not tell of a picture yet: it opens anew, and is asked again."""
    await make_right(database, customer, title)
    other = TestDevice(settings.base_url)
    await other.register(client, customer)
    first = (await device.open(client, customer, title)).json()
    second = (await other.open(client, customer, title)).json()
    assert (await other.licence(client, second["token"])).status_code == 200
    assert (await device.licence(client, first["token"])).status_code == 200
    assert (await other.fail(client, customer, second["id"])).json()["start_taken_back"] is True
    beat = await device.beat(client, customer, first["id"], position=600)
    assert (beat.status_code, beat.json()["end_reason"]) == (410, "stopped")
    asked = await device.open(client, customer, title, start_confirmed=False)
    assert asked.json()["code"] == "start_confirmation_needed"
