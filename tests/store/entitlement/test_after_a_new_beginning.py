"""A rental that support let begin anew, or a player that was reloaded: what was before counts no longer."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.catalogue.models import Title
from store.database import Database
from store.entitlement.reminders import END_NOTICE, Reminders
from tests.auth.people import parts_of
from tests.scratch import MovableTestClock
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.entitlement.downloading import give_back, kept
from tests.store.entitlement.parts import TEST_FILM, Customer, TestDevice, make_right
from tests.store.entitlement.test_incidents import FROM, met, wish, work

BEGIN = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def agent(database: Database, clock: MovableTestClock) -> Person:
    clock.fixed = BEGIN
    return await a_person(database, roles=("support",))


async def mend(
    client: httpx.AsyncClient, agent: Person, customer: Customer, right: object, *, hours: int | None = None
) -> None:
    """Let a rental begin anew, or extend it by hours."""
    kind = "extended" if hours else "rearmed"
    wish = {"entitlement_id": str(right), "kind": kind, "hours": hours, "reason": REASON}
    path = f"/v1/staff/customers/{customer.account_id}/rental-remedies"
    answer = await client.post(path, json=wish, headers=agent.headers)
    assert answer.status_code == 201, answer.text


async def test_a_player_that_fails_after_a_new_beginning_gives_the_start_back(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    agent: Person,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN)
    spoilt = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, spoilt["token"])).status_code == 200
    await device.beat(client, customer, spoilt["id"], position=600)
    await mend(client, agent, customer, right)
    clock.fixed = BEGIN + HOUR
    playback = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, playback["token"])).status_code == 200
    assert (await device.fail(client, customer, playback["id"])).json()["start_taken_back"] is True
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None


@pytest.mark.parametrize(("position", "is_taken_back"), [(0, True), (3, False)])
async def test_a_page_that_was_reloaded_gives_back_the_start_that_it_began_unless_a_picture_was_seen(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    device: TestDevice,
    title: Title,
    position: int,
    is_taken_back: bool,
) -> None:
    await make_right(database, customer, title)
    black = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, black["token"])).status_code == 200
    await device.beat(client, customer, black["id"], position=position)
    reloaded = (await device.open(client, customer, title)).json()
    assert (await device.licence(client, reloaded["token"])).status_code == 200
    assert (await device.fail(client, customer, reloaded["id"])).json()["start_taken_back"] is is_taken_back


async def test_what_was_watched_before_a_new_beginning_keeps_no_reminder_away(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    agent: Person,
    customer: Customer,
    device: TestDevice,
    title: Title,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN)
    parts = parts_of(app)
    reminders = Reminders(parts.database, parts.outbox)
    for number, is_watched in enumerate((True, False)):
        playback = (await device.open(client, customer, title)).json()
        assert (await device.licence(client, playback["token"])).status_code == 200
        if is_watched:
            await device.beat(client, customer, playback["id"], position=TEST_FILM.seconds)
        due = await clock.now() + 48 * HOUR - END_NOTICE
        clock.fixed = due
        assert await reminders.send_due(at=due) == number
        await mend(client, agent, customer, right)


@pytest.mark.usefixtures("contracts")
@pytest.mark.parametrize("played", [-HOUR, HOUR], ids=["before", "after"])
@pytest.mark.parametrize("by", ["rearmed", "extended", "incident"])
async def test_a_download_that_is_returned_begins_nothing_of_what_was_let_begin_anew_and_more_time_takes_no_play_back(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    agent: Person,
    customer: Customer,
    device: TestDevice,
    title: Title,
    by: str,
    played: timedelta,
) -> None:
    began = BEGIN - 47 * HOUR if by == "rearmed" else None
    right = await make_right(
        database, customer, title, granted_at=BEGIN - 2 * DAY, first_played_at=began, may_download=True
    )
    issued = await kept(client, device, customer, title)
    clock.fixed = BEGIN + 3 * DAY
    if by == "incident":
        await met(owner, customer, right, title, FROM)
        lead = await a_person(database, roles=("support_lead",))
        noted = await client.post("/v1/staff/incidents", json=wish(title), headers=lead.headers)
        await work(app, noted.json()["id"])
    else:
        await mend(client, agent, customer, right, hours=24 if by == "extended" else None)
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == 1
    clock.fixed += DAY
    told = BEGIN + 3 * DAY + played
    body = {"first_played_at": told.isoformat()}
    assert (await give_back(client, device, customer, issued["download"]["id"], **body)).status_code == 200
    row = await owner.fetchrow("SELECT first_played_at, ends_at FROM store.entitlements")
    # What ran before it was let begin anew had lapsed on the device by the time that it tells.
    assert tuple(row) == ((None, None) if by == "rearmed" else (told, told + 48 * HOUR))
