"""An incident that is noted while it is worked on is worked on again; one that waits for a second lead is in sight."""

from datetime import timedelta

import asyncpg
import httpx
import pytest

from store.catalogue.models import Title
from store.database import Database
from store.entitlement.incidents import JOB
from tests.scratch import MovableTestClock
from tests.store.consoles.people import Person, a_person
from tests.store.entitlement.test_incident_money import PAGE, money
from tests.store.entitlement.test_incidents import BEGIN, TO, watchers, wish


@pytest.fixture
async def lead(database: Database, clock: MovableTestClock) -> Person:
    clock.fixed = BEGIN
    return await a_person(database, roles=("support_lead",))


async def test_who_was_left_out_by_a_job_that_runs_gets_another_one(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, title: Title, lead: Person
) -> None:
    await watchers(database, owner, title, 1)
    queued = f"SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = '{JOB}' AND status = 'queued'"
    for _ in range(2):
        assert (await client.post("/v1/staff/incidents", json=wish(title), headers=lead.headers)).status_code == 201
        assert await owner.fetchval(queued) == 1
        await owner.execute("UPDATE jobs.pgqueuer SET status = 'picked' WHERE entrypoint = $1", JOB)


async def test_money_that_waits_is_listed_however_many_incidents_came_later(
    client: httpx.AsyncClient, owner: asyncpg.Connection, title: Title, lead: Person, database: Database
) -> None:
    noted = (await client.post("/v1/staff/incidents", json=money(title), headers=lead.headers)).json()
    for minutes in range(20):
        later = wish(title, {"ends_at": (TO + timedelta(minutes=minutes)).isoformat()})
        assert (await client.post("/v1/staff/incidents", json=later, headers=lead.headers)).status_code == 201
    second = await a_person(database, roles=("support_lead",))
    assert f"{PAGE}/{noted['id']}/approvals" in (await client.get(PAGE, headers=second.headers)).text
