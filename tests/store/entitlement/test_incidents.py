"""An incident is made good for everybody whom it met, once, however often it is noted."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from store.catalogue.models import Title
from store.composition import job_handlers
from store.database import Database
from store.entitlement.incidents import JOB, Span
from tests.auth.people import parts_of
from tests.scratch import MovableTestClock
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.entitlement.parts import Customer, make_customer, make_right

BEGIN = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FROM, TO = BEGIN - 5 * HOUR, BEGIN - 2 * HOUR - timedelta(minutes=30)
"""Two and a half hours: three begun ones."""


@pytest.fixture
async def lead(database: Database, clock: MovableTestClock) -> Person:
    clock.fixed = BEGIN
    return await a_person(database, roles=("support_lead",))


def wish(title: Title, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    span = {"begins_at": FROM.isoformat(), "ends_at": TO.isoformat()}
    return {"title": title.slug, "code": "keys_unreadable", **span, "reason": REASON} | (changes or {})


async def met(
    owner: asyncpg.Connection,
    customer: Customer,
    right: UUID,
    title: Title,
    at: datetime,
    code: str = "keys_unreadable",
) -> None:
    """The error met a customer."""
    await owner.execute(
        "INSERT INTO store.licence_events (id, at, recorded_at, step, outcome, reason, account_id, title_id,"
        " entitlement_id, kids, started_clock)"
        " VALUES ($1, $2, $2, 'licence', 'refused', $3, $4, $5, $6, '{}', false)",
        new_id(),
        at,
        code,
        customer.account_id,
        title.id,
        right,
    )


async def watchers(database: Database, owner: asyncpg.Connection, title: Title, number: int = 3) -> list[UUID]:
    """Customers whose rentals met the error, some of them more than once."""
    rights = []
    for _ in range(number):
        customer = await make_customer(database)
        right = await make_right(database, customer, title, granted_at=BEGIN - DAY, first_played_at=FROM)
        for minutes in (0, 10):
            await met(owner, customer, right, title, FROM + timedelta(minutes=minutes))
        rights.append(right)
    return rights


async def work(app: Litestar, incident_id: str) -> None:
    await job_handlers(parts_of(app))[JOB](incident_id=incident_id)


async def test_everybody_whom_it_met_gets_the_time_lost_and_nobody_else(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    lead: Person,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    rights = await watchers(database, owner, title)
    stranger = await make_customer(database)
    others = {
        "an hour too late": await make_right(database, stranger, title, granted_at=BEGIN - DAY, first_played_at=FROM),
        "another error": await make_right(database, stranger, title, granted_at=BEGIN - DAY, first_played_at=FROM),
    }
    await met(owner, stranger, others["an hour too late"], title, TO)
    await met(owner, stranger, others["another error"], title, FROM, "streams_busy")
    bought = await make_right(database, stranger, title, kind="buy")
    await met(owner, stranger, bought, title, FROM)
    query = {"title": title.slug, "code": "keys_unreadable", "from": FROM.isoformat(), "to": TO.isoformat()}
    counted = await client.get("/v1/staff/incident-previews", params=query, headers=lead.headers)
    assert counted.status_code == 200, counted.text
    assert counted.json() == {"rentals": 3, "customers": 3, "compensated": 0, "hours": 3, "price": []}
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == 0

    answer = await client.post("/v1/staff/incidents", json=wish(title), headers=lead.headers)
    assert answer.status_code == 201, answer.text
    incident = answer.json()["id"]
    queued = await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = $1", JOB)
    assert queued == 1
    await work(app, incident)
    ends = await owner.fetch("SELECT ends_at FROM store.entitlements WHERE id = ANY ($1)", rights)
    assert {end["ends_at"] for end in ends} == {FROM + 51 * HOUR}
    untouched = await owner.fetch("SELECT ends_at FROM store.entitlements WHERE id = ANY ($1)", list(others.values()))
    assert {end["ends_at"] for end in untouched} == {FROM + 48 * HOUR}
    shown = (await client.get(f"/v1/staff/incidents/{incident}", headers=lead.headers)).json()
    assert shown["extent"] == {"rentals": 3, "customers": 3, "compensated": 3, "hours": 3, "price": []}
    assert await owner.fetchval("SELECT count(*) FROM store.mails WHERE kind = 'rental_remedied'") == 3
    entries = await owner.fetch("SELECT action, target_id FROM auth.audit_events WHERE actor_id = $1", lead.account.id)
    assert {(entry["action"], entry["target_id"]) for entry in entries} == {
        ("incident.previewed", title.slug),
        ("incident.compensated", title.slug),
    }


async def test_noted_again_and_worked_on_twice_at_once_it_gives_nothing_twice(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    lead: Person,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    rights = await watchers(database, owner, title, 4)
    first = (await client.post("/v1/staff/incidents", json=wish(title), headers=lead.headers)).json()
    again = (await client.post("/v1/staff/incidents", json=wish(title), headers=lead.headers)).json()
    assert first["id"] == again["id"]
    await asyncio.gather(*(work(app, first["id"]) for _ in range(4)))
    ends = await owner.fetch("SELECT ends_at FROM store.entitlements WHERE id = ANY ($1)", rights)
    assert [end["ends_at"] for end in ends] == [FROM + 51 * HOUR] * 4
    late = await watchers(database, owner, title, 1)
    await work(app, first["id"])
    assert await owner.fetchval("SELECT ends_at FROM store.entitlements WHERE id = $1", late[0]) == FROM + 51 * HOUR
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == 5


async def test_a_span_that_is_corrected_gives_what_it_adds(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    lead: Person,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    [right] = await watchers(database, owner, title, 1)
    for later, hours in ((timedelta(0), 51), (timedelta(minutes=1), 51), (HOUR, 52), (HOUR, 52), (-HOUR, 52)):
        shifted = wish(title, {"ends_at": (TO + later).isoformat()})
        incident = (await client.post("/v1/staff/incidents", json=shifted, headers=lead.headers)).json()
        await work(app, incident["id"])
        ends_at = await owner.fetchval("SELECT ends_at FROM store.entitlements WHERE id = $1", right)
        assert ends_at == FROM + hours * HOUR
    assert await owner.fetchval("SELECT count(*) FROM store.incidents") == 4


@pytest.mark.parametrize(("day", "hours"), [((2026, 10, 25), 4), ((2027, 3, 28), 2), ((2027, 6, 1), 3)])
def test_a_night_in_which_the_clocks_change_is_as_long_as_it_was(day: tuple[int, int, int], hours: int) -> None:
    begins_at = datetime(*day, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert Span("her", "keys_unreadable", begins_at, begins_at.replace(hour=4)).hours == hours


async def test_a_fault_with_one_rental_keeps_nobody_else_waiting(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    lead: Person,
    title: Title,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await watchers(database, owner, title, 3)
    incident = (await client.post("/v1/staff/incidents", json=wish(title), headers=lead.headers)).json()
    outbox, calls = parts_of(app).outbox, []
    queue = type(outbox).queue

    async def breaks_once(self: Any, *asked: Any, **more: Any) -> UUID:
        calls.append(more)
        if len(calls) == 2:
            raise RuntimeError("the outbox broke")
        return await queue(self, *asked, **more)

    monkeypatch.setattr(type(outbox), "queue", breaks_once)
    with pytest.raises(ExceptionGroup):
        await work(app, incident["id"])
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == 2
    await work(app, incident["id"])
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == 3
    assert await owner.fetchval("SELECT count(*) FROM store.mails WHERE kind = 'rental_remedied'") == 3


async def test_a_rental_on_hold_is_left_out_and_the_others_are_not(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    lead: Person,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    held, free = await watchers(database, owner, title, 2)
    await owner.execute("UPDATE store.entitlements SET paused_at = now(), pause_reason = 'dispute' WHERE id = $1", held)
    incident = (await client.post("/v1/staff/incidents", json=wish(title), headers=lead.headers)).json()
    await work(app, incident["id"])
    [remedied] = await owner.fetch("SELECT entitlement_id, incident_id FROM store.rental_remedies")
    assert (remedied["entitlement_id"], str(remedied["incident_id"])) == (free, incident["id"])
    await owner.execute("UPDATE store.entitlements SET paused_at = NULL, pause_reason = NULL")
    await work(app, incident["id"])
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == 2


async def test_players_that_failed_are_found_too(
    client: httpx.AsyncClient, database: Database, lead: Person, title: Title, owner: asyncpg.Connection
) -> None:
    customer = await make_customer(database)
    right = await make_right(database, customer, title, granted_at=BEGIN - DAY, first_played_at=FROM)
    device = await owner.fetchval(
        "INSERT INTO store.devices (id, account_id, jkt, x, y, name, registered_at, last_used_at)"
        " VALUES ($1, $2, 'j', 'x', 'y', 'TV', now(), now()) RETURNING id",
        new_id(),
        customer.account_id,
    )
    await owner.execute(
        "INSERT INTO store.playback_sessions (id, account_id, entitlement_id, device_id, title_id, asset_id,"
        " start_confirmed, opened_at, beat_at, position, ended_at, end_reason)"
        " SELECT $1, $2, $3, $4, $5, id, true, $6, $6, 0, $6, 'failed' FROM store.media_assets LIMIT 1",
        new_id(),
        customer.account_id,
        right,
        device,
        title.id,
        FROM,
    )
    query = {"title": title.slug, "code": "player_failed", "from": FROM.isoformat(), "to": TO.isoformat()}
    counted = await client.get("/v1/staff/incident-previews", params=query, headers=lead.headers)
    assert counted.json()["rentals"] == 1


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"ends_at": FROM.isoformat()}, 400, "incident_span_invalid"),
        ({"ends_at": (FROM - HOUR).isoformat()}, 400, "incident_span_invalid"),
        ({"ends_at": (FROM + 73 * HOUR).isoformat()}, 400, "incident_span_invalid"),
        ({"title": "no-such-film"}, 404, "film_unknown"),
        ({"begins_at": "2026-12-01T07:00:00"}, 400, "malformed_request"),
        ({"code": "DROP TABLE"}, 400, "malformed_request"),
        ({"reason": "kurz"}, 400, "malformed_request"),
    ],
)
async def test_a_wish_that_cannot_be_is_refused(
    client: httpx.AsyncClient,
    lead: Person,
    title: Title,
    owner: asyncpg.Connection,
    changes: dict[str, Any],
    status: int,
    code: str,
) -> None:
    answer = await client.post("/v1/staff/incidents", json=wish(title, changes), headers=lead.headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await owner.fetchval("SELECT count(*) FROM store.incidents") == 0


@pytest.mark.parametrize("role", ["support", "finance", "editor", "admin"])
async def test_only_a_lead_may(client: httpx.AsyncClient, database: Database, title: Title, role: str) -> None:
    person = await a_person(database, roles=(role,))
    answer = await client.post("/v1/staff/incidents", json=wish(title), headers=person.headers)
    assert answer.status_code == 403
    assert (await client.get(f"/v1/staff/incidents/{new_id()}", headers=person.headers)).status_code == 403


async def test_the_console_counts_and_makes_good(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    lead: Person,
    title: Title,
    owner: asyncpg.Connection,
) -> None:
    await watchers(database, owner, title, 2)
    # Local time in Berlin: an hour ahead of UTC in winter.
    form = {"title": title.slug, "code": "keys_unreadable", "begins": "2026-12-01T08:00", "ends": "2026-12-01T10:30"}
    page = "/de/staff/incidents"
    shown = await client.get(page, params=form, headers=lead.headers)
    assert "3 Std." in shown.text
    assert "Allen die Zeit geben" in shown.text
    short = await client.post(page, data={**form, "reason": "kurz"}, headers=lead.headers)
    assert (short.status_code, "aria-invalid" in short.text) == (400, True)
    for _ in range(2):
        done = await client.post(page, data={**form, "reason": REASON}, headers=lead.headers)
        assert done.headers["location"] == f"{page}?done=incident_noted"
    incident = await owner.fetchval("SELECT id FROM store.incidents")
    await work(app, str(incident))
    again = (await client.get(page, params=form, headers=lead.headers)).text
    assert "Allen die Zeit geben" not in again, "nobody is left"
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == 2
    for changes, field in (({"title": "no-such-film"}, "title"), ({"ends": "gestern"}, "ends")):
        wrong = await client.get(page, params={**form, **changes}, headers=lead.headers)
        assert wrong.status_code in (400, 404)
        assert f'id="{field}"' in wrong.text
        assert "aria-invalid" in wrong.text
