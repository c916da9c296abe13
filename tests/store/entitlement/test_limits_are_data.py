"""The limits of streams and devices are those of the row that is in force for the account, whatever they are."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.scratch import MovableTestClock
from tests.store.entitlement.parts import Customer, TestDevice, make_right, make_title

NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)

Limit = Callable[..., Awaitable[None]]


@pytest.fixture
async def limit(owner: asyncpg.Connection, customer: Customer) -> AsyncIterator[Limit]:
    """Gives the customer limits of their own."""

    async def set_limits(*, new_devices: int = 5, new_device_days: int = 30, streams: int = 2) -> None:
        await owner.execute(
            "INSERT INTO store.device_limits"
            " (account_id, devices, new_devices, new_device_days, streams, streams_per_rental)"
            " VALUES ($1, 5, $2, $3, $4, 1)",
            customer.account_id,
            new_devices,
            new_device_days,
            streams,
        )

    yield set_limits
    await owner.execute("DELETE FROM store.device_limits WHERE account_id = $1", customer.account_id)


@pytest.mark.parametrize("streams", [1, 3])
async def test_as_many_films_play_at_a_time_as_the_limit_says(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    customer: Customer,
    title: Title,
    limit: Limit,
    streams: int,
) -> None:
    await limit(streams=streams)
    for number in range(streams + 1):
        film, device = await make_title(database), TestDevice(settings.base_url)
        await make_right(database, customer, film, kind="buy")
        assert (await device.register(client, customer, name=f"Gerät {number}")).status_code == 201
        answer = await device.open(client, customer, film)
        if number < streams:
            assert answer.status_code == 201, answer.text
    refusal = answer.json()
    assert (answer.status_code, refusal["code"], refusal["limit"]) == (409, "streams_busy", streams)
    assert [stream["device"] for stream in refusal["sessions"]] == [f"Gerät {number}" for number in range(streams)]


async def test_new_devices_are_counted_over_as_many_days_as_the_limit_says(
    client: httpx.AsyncClient, settings: Settings, clock: MovableTestClock, customer: Customer, limit: Limit
) -> None:
    await limit(new_devices=1, new_device_days=7)
    clock.fixed = NOW
    first, second = TestDevice(settings.base_url), TestDevice(settings.base_url)
    assert (await first.register(client, customer)).status_code == 201
    clock.fixed = NOW + timedelta(days=7, microseconds=-1)
    refusal = (await second.register(client, customer)).json()
    assert (refusal["code"], refusal["days"]) == ("new_devices_exhausted", 7)
    assert refusal["next_free_at"] == "2026-12-08T20:00:00Z"
    clock.fixed = NOW + timedelta(days=7)
    assert (await second.register(client, customer)).status_code == 201


async def test_a_device_was_used_last_when_it_opened_a_playback(
    client: httpx.AsyncClient,
    database: Database,
    clock: MovableTestClock,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    """By this the devices are listed, and support looks at the one that comes first."""
    clock.fixed = NOW
    await make_right(database, customer, title, kind="buy", granted_at=NOW)
    tv, laptop = TestDevice(settings.base_url), TestDevice(settings.base_url)
    assert (await tv.register(client, customer, name="TV")).status_code == 201
    clock.fixed = NOW + timedelta(hours=1)
    assert (await laptop.register(client, customer, name="Laptop")).status_code == 201
    clock.fixed = NOW + timedelta(days=1)
    assert (await tv.open(client, customer, title)).status_code == 201
    listed = (await client.get("/v1/devices", headers=customer.headers)).json()["devices"]
    assert [(one["name"], one["last_used_at"]) for one in listed] == [
        ("TV", "2026-12-02T20:00:00Z"),
        ("Laptop", "2026-12-01T21:00:00Z"),
    ]
