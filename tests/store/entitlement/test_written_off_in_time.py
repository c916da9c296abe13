"""A lost download is written off while the rental may still be watched, and changes none of its deadlines."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.catalogue.models import Title
from store.database import Database
from store.entitlement.reminders import START_NOTICE, Reminders
from tests.auth.people import parts_of
from tests.scratch import MovableTestClock
from tests.store.consoles.people import Person, a_person
from tests.store.entitlement.downloading import kept
from tests.store.entitlement.parts import Customer, TestDevice, make_right
from tests.store.entitlement.test_after_a_new_beginning import mend
from tests.store.entitlement.test_lost_downloads import write_off

pytestmark = pytest.mark.usefixtures("contracts")

BEGIN = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def agent(database: Database, clock: MovableTestClock) -> Person:
    clock.fixed = BEGIN
    return await a_person(database, roles=("support",))


@pytest.fixture
async def lost(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    agent: Person,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> UUID:
    """A rental that was not begun, on a device that was removed."""
    right = await make_right(database, customer, title, granted_at=BEGIN, may_download=True)
    await kept(client, device, customer, title)
    await owner.execute("UPDATE store.devices SET removed_at = now()")
    return right


async def test_once_the_time_to_start_is_over_it_is_of_no_use_and_uses_up_no_remedy(
    client: httpx.AsyncClient,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    agent: Person,
    customer: Customer,
    lost: UUID,
) -> None:
    clock.fixed = BEGIN + 31 * DAY
    status, told = await write_off(client, agent, customer, lost)
    assert (status, told["code"], told["state"]) == (409, "remedy_not_for_this", "missed")
    assert told["detail"].endswith("nie begonnen oder ist vorbei.")
    for table in ("store.rental_remedies", "store.mails WHERE kind = 'rental_remedied'"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await owner.fetchval("SELECT ended_at FROM store.offline_licences") is None

    await mend(client, agent, customer, lost, hours=24)
    assert (await write_off(client, agent, customer, lost))[0] == 201


async def test_of_the_same_deadline_nobody_is_reminded_again(
    app: Litestar,
    client: httpx.AsyncClient,
    clock: MovableTestClock,
    agent: Person,
    customer: Customer,
    lost: UUID,
) -> None:
    parts = parts_of(app)
    reminders = Reminders(parts.database, parts.outbox)
    clock.fixed = BEGIN + 30 * DAY - START_NOTICE
    assert await reminders.send_due(at=clock.fixed) == 1
    assert (await write_off(client, agent, customer, lost))[0] == 201
    assert await reminders.send_due(at=clock.fixed) == 0
