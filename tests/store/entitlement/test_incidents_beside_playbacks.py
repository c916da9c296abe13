"""An incident is made good while its customers try to watch: nobody waits for the other in a circle, nothing stops."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.catalogue.models import Title
from store.database import Database
from tests.fakes import FakeGateway
from tests.scratch import MovableTestClock
from tests.store.consoles.people import Person, a_person
from tests.store.entitlement.parts import Customer, TestDevice, make_right
from tests.store.entitlement.takedown_orders import bought
from tests.store.entitlement.test_incident_money import agree, money
from tests.store.entitlement.test_incidents import BEGIN, DAY, FROM, HOUR, met, wish, work


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def lead(database: Database) -> Person:
    return await a_person(database, roles=("support_lead",))


async def test_money_waits_for_no_playback(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    gateway: FakeGateway,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    lead: Person,
) -> None:
    """Who opens a playback has locked the one that fell silent, and then wants the order: as here, in this order."""
    await bought(client, database, gateway, owner, customer, title, kind="rent")
    assert (await device.open(client, customer, title)).status_code == 201
    right = await owner.fetchval("SELECT id FROM store.entitlements")
    clock.fixed = datetime.now(UTC)
    begins_at = clock.fixed - 2 * HOUR
    await met(owner, customer, right, title, begins_at)
    span = {"begins_at": begins_at.isoformat(), "ends_at": (begins_at + HOUR).isoformat()}
    noted = (await client.post("/v1/staff/incidents", json=money(title, span), headers=lead.headers)).json()
    second = await a_person(database, roles=("support_lead",))
    assert (await agree(client, second, noted["id"])).status_code == 201
    async with owner.transaction(), asyncio.timeout(20):
        await owner.execute("SELECT id FROM store.playback_sessions WHERE ended_at IS NULL FOR UPDATE")
        await work(app, noted["id"])
        await owner.execute("UPDATE billing.orders SET confirmed_at = now()")
    assert await owner.fetchval("SELECT count(*) FROM billing.refunds") == 1


async def test_more_time_stops_nobody_who_is_about_to_begin(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    customer: Customer,
    device: TestDevice,
    title: Title,
    lead: Person,
) -> None:
    clock.fixed = BEGIN
    right = await make_right(database, customer, title, granted_at=BEGIN - DAY)
    await met(owner, customer, right, title, FROM)
    playback = (await device.open(client, customer, title)).json()
    noted = (await client.post("/v1/staff/incidents", json=wish(title), headers=lead.headers)).json()
    await work(app, noted["id"])
    assert await owner.fetchval("SELECT start_by FROM store.entitlements") == BEGIN + 29 * DAY + 3 * HOUR
    assert (await device.licence(client, playback["token"])).status_code == 200
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") == BEGIN
