"""Support gives a rental more time, or lets it begin anew: within limits, with a reason, and the customer is told."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.scratch import MovableTestClock
from tests.store.consoles.people import REASON, Person, a_person
from tests.store.entitlement.parts import Customer, TestDevice, make_right

BEGIN = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",))


@pytest.fixture
def path(customer: Customer, clock: MovableTestClock) -> str:
    clock.fixed = BEGIN
    return f"/v1/staff/customers/{customer.account_id}/rental-remedies"


def wish(right_id: object, *, kind: str = "extended", hours: int | None = 24) -> dict[str, Any]:
    return {"entitlement_id": str(right_id), "kind": kind, "hours": hours, "reason": REASON}


async def test_a_rental_that_runs_goes_on_for_longer(
    client: httpx.AsyncClient, database: Database, customer: Customer, agent: Person, title: Title, path: str
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN - DAY, first_played_at=BEGIN - 47 * HOUR)
    answer = await client.post(path, json=wish(right), headers=agent.headers)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["state"], datetime.fromisoformat(told["ends_at"])) == ("running", BEGIN + 25 * HOUR)


@pytest.mark.parametrize("hours_ago", [49, 24 * 20])
async def test_what_is_over_goes_on_from_now_and_can_be_watched(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    agent: Person,
    title: Title,
    device: TestDevice,
    path: str,
    hours_ago: int,
) -> None:
    begun = BEGIN - hours_ago * HOUR
    right = await make_right(database, customer, title, granted_at=begun, first_played_at=begun)
    assert (await device.open(client, customer, title)).json()["code"] == "rental_over"
    told = (await client.post(path, json=wish(right, hours=48), headers=agent.headers)).json()
    assert (told["state"], datetime.fromisoformat(told["ends_at"])) == ("running", BEGIN + 48 * HOUR)
    assert (await device.open(client, customer, title)).status_code == 201


async def test_one_that_was_never_started_may_be_started_later(
    client: httpx.AsyncClient, database: Database, customer: Customer, agent: Person, title: Title, path: str
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN - 31 * DAY)
    told = (await client.post(path, json=wish(right), headers=agent.headers)).json()
    assert (told["state"], told["ends_at"]) == ("ready", None)
    assert datetime.fromisoformat(told["start_by"]) == BEGIN + DAY
    anew = await client.post(path, json=wish(right, kind="rearmed", hours=None), headers=agent.headers)
    assert (anew.status_code, anew.json()["code"]) == (409, "remedy_not_for_this"), "it waits already"


async def test_a_spoilt_evening_begins_anew_and_its_hours_run_from_the_next_start(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    agent: Person,
    title: Title,
    device: TestDevice,
    owner: asyncpg.Connection,
    path: str,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN - 29 * DAY, first_played_at=BEGIN - 3 * DAY)
    await owner.execute("INSERT INTO store.rental_reminders VALUES ($1, 'end', $2)", right, BEGIN)
    answer = await client.post(path, json=wish(right, kind="rearmed", hours=None), headers=agent.headers)
    told = answer.json()
    assert (told["state"], told["ends_at"]) == ("ready", None)
    assert datetime.fromisoformat(told["start_by"]) == BEGIN + 7 * DAY
    assert await owner.fetchval("SELECT count(*) FROM store.rental_reminders") == 0
    showing = (await device.open(client, customer, title)).json()
    assert showing["starts_rental"] is True
    assert (await device.licence(client, showing["token"])).status_code == 200
    assert await owner.fetchval("SELECT ends_at FROM store.entitlements") == BEGIN + 48 * HOUR
    kept = await owner.fetchrow("SELECT * FROM store.rental_remedies")
    assert (kept["ends_at_before"], kept["ends_at_after"]) == (BEGIN - DAY, None)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.reads.execute("UPDATE store.rental_remedies SET hours = 1")


async def test_what_still_plays_when_a_rental_begins_anew_ends_and_starts_nothing(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    agent: Person,
    title: Title,
    device: TestDevice,
    owner: asyncpg.Connection,
    path: str,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN - DAY)
    token = (await device.open(client, customer, title)).json()["token"]
    assert (await device.licence(client, token)).status_code == 200
    anew = await client.post(path, json=wish(right, kind="rearmed", hours=None), headers=agent.headers)
    assert anew.status_code == 201
    assert (await device.licence(client, token)).json()["code"] == "playback_ended"
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None


async def test_the_customer_and_the_trail_are_told(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    agent: Person,
    title: Title,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    settings: Settings,
) -> None:
    clock.fixed = BEGIN
    person = await a_person(database)
    customer = Customer(person.account.id, "")
    right = await make_right(database, customer, title, granted_at=BEGIN - DAY, first_played_at=BEGIN - DAY)
    path = f"/v1/staff/customers/{customer.account_id}/rental-remedies"
    assert (await client.post(path, json=wish(right), headers=agent.headers)).status_code == 201
    with open_post_office(settings.smtp_url) as post_office:
        await deliver_mails(app)
    [mail] = post_office.letters
    assert title.original_title in mail["Subject"]
    assert "Sie können den Film bis" in text_of(mail)
    refused = await client.post(path, json=wish(new_id()), headers=agent.headers)
    assert (refused.status_code, refused.json()["code"]) == (404, "rental_not_found")
    entries = await owner.fetch("SELECT * FROM auth.audit_events WHERE action = 'rental.remedied' ORDER BY at")
    assert [(entry["outcome"], entry["reason"]) for entry in entries] == [
        ("done", REASON),
        ("refused", "rental_not_found"),
    ]


async def test_more_than_the_limits_allow_is_refused(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    agent: Person,
    title: Title,
    owner: asyncpg.Connection,
    path: str,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN - DAY, first_played_at=BEGIN - DAY)
    for hours in (73, None):
        large = await client.post(path, json=wish(right, hours=hours), headers=agent.headers)
        assert (large.status_code, large.json()["code"]) == (400, "remedy_too_large")
    answers = await asyncio.gather(*(client.post(path, json=wish(right), headers=agent.headers) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers if answer.status_code == 409} == {"rental_remedies_used"}
    assert await owner.fetchval("SELECT ends_at FROM store.entitlements") == BEGIN + 72 * HOUR

    old = await make_right(database, customer, title, granted_at=BEGIN - 90 * DAY, first_played_at=BEGIN - 40 * DAY)
    late = await client.post(path, json=wish(old), headers=agent.headers)
    assert (late.status_code, late.json()["code"]) == (409, "remedy_too_late")
    bought = await make_right(database, customer, title, kind="buy")
    assert (await client.post(path, json=wish(bought), headers=agent.headers)).json()["code"] == "remedy_not_for_this"
    await owner.execute("UPDATE store.entitlements SET revoked_at = now(), revoke_reason = 'refund' WHERE id = $1", old)
    assert (await client.post(path, json=wish(old), headers=agent.headers)).json()["code"] == "remedy_not_for_this"

    fresh = await make_right(database, customer, title, granted_at=BEGIN - DAY)
    await owner.execute("UPDATE store.remedy_limits SET most = 2 WHERE name = 'per_agent_and_day'")
    limited = await client.post(path, json=wish(fresh), headers=agent.headers)
    assert (limited.status_code, limited.json()["code"]) == (429, "remedy_limit_reached")
    await owner.execute("UPDATE store.remedy_limits SET most = 30 WHERE name = 'per_agent_and_day'")


async def test_sent_again_with_its_key_it_is_done_once(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    agent: Person,
    title: Title,
    owner: asyncpg.Connection,
    path: str,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN - DAY)
    headers = {**agent.headers, "Idempotency-Key": "key-1"}
    answers = [await client.post(path, json=wish(right), headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == 1


async def test_the_console_extends_a_rental_once_however_often_the_form_is_sent(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    agent: Person,
    title: Title,
    owner: asyncpg.Connection,
    path: str,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN - DAY, first_played_at=BEGIN - 3 * DAY)
    page = f"/de/support/customers/{customer.account_id}"
    shown = (await client.get(f"{page}/playback", headers=agent.headers)).text
    assert f'<option value="{right}"' in shown
    form = {"request": str(new_id()), "rental": str(right), "what": "48", "reason": REASON}
    for reason, outcome in (("kurz", "refused=no_reason"), (REASON, "done=rental_remedied"), (REASON, "done=")):
        answer = await client.post(f"{page}/rental-remedies", data={**form, "reason": reason}, headers=agent.headers)
        assert outcome in answer.headers["location"]
    assert await owner.fetchval("SELECT ends_at FROM store.entitlements") == BEGIN + 48 * HOUR
    other = {**form, "request": str(new_id()), "what": "anew"}
    await client.post(f"{page}/rental-remedies", data=other, headers=agent.headers)
    third = await client.post(
        f"{page}/rental-remedies", data={**other, "request": str(new_id())}, headers=agent.headers
    )
    location = third.headers["location"]
    assert "refused=rental_remedies_used" in location
    assert "aria-invalid" in (await client.get(location, headers=agent.headers)).text


@pytest.mark.parametrize("role", ["support_lead", "finance", "editor", "admin"])
async def test_only_support_may(
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    title: Title,
    owner: asyncpg.Connection,
    path: str,
    role: str,
) -> None:
    right = await make_right(database, customer, title, granted_at=BEGIN - DAY)
    person = await a_person(database, roles=(role,))
    form = {"request": str(new_id()), "rental": str(right), "what": "24", "reason": REASON}
    page = f"/de/support/customers/{customer.account_id}/rental-remedies"
    by_program = await client.post(path, json=wish(right), headers=person.headers)
    by_console = await client.post(page, data=form, headers=person.headers)
    may = role == "support_lead"
    assert (by_program.status_code, by_console.status_code) == ((201, 303) if may else (403, 403))
    outcomes = await owner.fetch("SELECT outcome FROM auth.audit_events WHERE actor_id = $1", person.account.id)
    assert [entry["outcome"] for entry in outcomes] == ["done" if may else "refused"] * 2
    assert await owner.fetchval("SELECT count(*) FROM store.rental_remedies") == (2 if may else 0)
