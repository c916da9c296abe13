"""A case has a day by which somebody answers, waits for whose turn it is, and keeps what was said."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.ids import new_id
from store.database import Database
from tests.auth.post_office import deliver_mails, open_post_office, text_of
from tests.billing.tills import Till
from tests.scratch import MovableTestClock
from tests.store.consoles.people import Person, a_paid_order, a_person, some_history

TEXT = "Der Film bleibt nach zehn Minuten stehen."
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def business_time(clock: MovableTestClock) -> MovableTestClock:
    clock.fixed = NOW
    return clock


@pytest.fixture
async def customer(database: Database) -> Person:
    return await a_person(database)


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",))


async def report(client: httpx.AsyncClient, customer: Person, **fields: Any) -> httpx.Response:
    return await client.post("/v1/cases", json={"kind": "playback", "text": TEXT, **fields}, headers=customer.headers)


async def opened(client: httpx.AsyncClient, customer: Person, **fields: Any) -> dict[str, Any]:
    answer = await report(client, customer, **fields)
    assert answer.status_code == 201, answer.text
    case: dict[str, Any] = answer.json()["case"]
    return case


async def act(client: httpx.AsyncClient, agent: Person, case: dict[str, Any], deed: str, text: str) -> httpx.Response:
    return await client.post(f"/v1/staff/cases/{case['id']}/{deed}", json={"text": text}, headers=agent.headers)


async def seen(client: httpx.AsyncClient, customer: Person, case: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/cases/{case['id']}", headers=customer.headers)).json()
    return found


async def listed(client: httpx.AsyncClient, agent: Person, **query: str) -> list[str]:
    answer = await client.get("/v1/staff/cases", params=query, headers=agent.headers)
    return [one["case"]["id"] for one in answer.json()["cases"]]


@pytest.mark.usefixtures("business_time")
@pytest.mark.parametrize(("kind", "days"), [("playback", 1), ("payment", 2), ("other", 3)])
async def test_the_kind_says_by_when_somebody_answers(
    client: httpx.AsyncClient, customer: Person, kind: str, days: int
) -> None:
    case = await opened(client, customer, kind=kind)
    assert datetime.fromisoformat(case["answer_by"]) == NOW + timedelta(days=days)
    assert (case["state"], case["case_number"][:7]) == ("open", "A-2026-")


@pytest.mark.usefixtures("business_time")
async def test_the_time_to_answer_is_data(
    client: httpx.AsyncClient, customer: Person, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE store.case_kinds SET answer_within = '6 hours' WHERE kind = 'other'")
    try:
        case = await opened(client, customer, kind="other")
    finally:
        await owner.execute("UPDATE store.case_kinds SET answer_within = '3 days' WHERE kind = 'other'")
    assert datetime.fromisoformat(case["answer_by"]) == NOW + timedelta(hours=6)


async def test_a_case_goes_to_and_fro_and_the_customer_is_told_by_mail(
    app: Litestar, client: httpx.AsyncClient, business_time: MovableTestClock, customer: Person, agent: Person
) -> None:
    case = await opened(client, customer)
    business_time.fixed = NOW + timedelta(hours=3)
    answered = await act(client, agent, case, "answers", "Welches Gerät?\nUnd seit wann?")
    assert answered.status_code == 201
    assert answered.json()["case"]["assigned_to"] == str(agent.account.id)
    file = await seen(client, customer, case)
    assert (file["case"]["state"], file["case"]["answer_by"]) == ("waiting", None)
    with open_post_office(app.state.settings.smtp_url) as office:
        await deliver_mails(app)
    (letter,) = office.to(customer.account.email)
    assert letter["Subject"] == f"Zu Ihrem Anliegen {case['case_number']}"
    assert "Welches Gerät?\nUnd seit wann?" in text_of(letter).replace("\r\n", "\n")
    assert f"/de/account/cases/{case['id']}" in text_of(letter)

    business_time.fixed = NOW + timedelta(days=5)
    path = f"/v1/cases/{case['id']}/messages"
    file = (await client.post(path, json={"text": "Der Fernseher."}, headers=customer.headers)).json()
    assert file["case"]["state"] == "open"
    due = datetime.fromisoformat(file["case"]["answer_by"])
    assert due == NOW + timedelta(days=6)
    business_time.fixed = NOW + timedelta(days=5, hours=1)
    file = (await client.post(path, json={"text": "Seit gestern."}, headers=customer.headers)).json()
    assert datetime.fromisoformat(file["case"]["answer_by"]) == due, "who wrote once more does not wait longer"
    assert [(entry["by_support"], entry["text"]) for entry in file["entries"]] == [
        (False, TEXT),
        (True, "Welches Gerät?\nUnd seit wann?"),
        (False, "Der Fernseher."),
        (False, "Seit gestern."),
    ]


async def test_a_done_case_opens_again_for_thirty_days(
    client: httpx.AsyncClient, business_time: MovableTestClock, customer: Person, agent: Person
) -> None:
    case, late = await opened(client, customer), await opened(client, customer)
    for one in (case, late):
        assert (await act(client, agent, one, "closures", "Wir haben die Datei getauscht.")).status_code == 201
    assert (await seen(client, customer, case))["case"]["state"] == "done"
    again = await act(client, agent, case, "answers", "Noch etwas")
    assert (again.status_code, again.json()["code"]) == (409, "case_done")
    business_time.fixed = NOW + timedelta(days=30, seconds=-1)
    words = {"text": "Es ist wieder so."}
    taken_up = await client.post(f"/v1/cases/{case['id']}/messages", json=words, headers=customer.headers)
    assert taken_up.json()["case"]["state"] == "open"
    business_time.fixed = NOW + timedelta(days=30)
    refused = await client.post(f"/v1/cases/{late['id']}/messages", json=words, headers=customer.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "case_done")
    assert len((await seen(client, customer, late))["entries"]) == 2


@pytest.mark.usefixtures("business_time")
async def test_a_note_is_for_staff_alone(
    app: Litestar, client: httpx.AsyncClient, customer: Person, agent: Person, owner: asyncpg.Connection
) -> None:
    case = await opened(client, customer)
    noted = await act(client, agent, case, "notes", "Vermutlich die Charge vom Montag")
    assert [entry["is_internal"] for entry in noted.json()["entries"]] == [False, True]
    file = await seen(client, customer, case)
    assert [entry["text"] for entry in file["entries"]] == [TEXT]
    assert file["case"]["answer_by"] == case["answer_by"]
    assert await owner.fetchval("SELECT count(*) FROM store.mails") == 0


async def test_the_overdue_come_first_and_the_list_goes_on_where_a_page_ended(
    client: httpx.AsyncClient, business_time: MovableTestClock, customer: Person, agent: Person, database: Database
) -> None:
    slow = await opened(client, customer, kind="other")
    business_time.fixed = NOW + timedelta(hours=1)
    quick = await opened(client, customer, kind="playback")
    waiting = await opened(client, customer)
    await act(client, agent, waiting, "answers", "Bitte schreiben Sie uns das Gerät.")
    assert await listed(client, agent) == [quick["id"], slow["id"]]
    business_time.fixed = NOW + timedelta(days=2)
    answer = await client.get("/v1/staff/cases", headers=agent.headers)
    assert [one["is_overdue"] for one in answer.json()["cases"]] == [True, False]
    assert await listed(client, agent, state="waiting") == [waiting["id"]]
    assert await listed(client, agent, state="done") == []
    assert await listed(client, agent, assigned="me") == []
    path = f"/v1/staff/cases/{slow['id']}/assignment"
    mine = await client.put(path, json={"agent_id": str(agent.account.id)}, headers=agent.headers)
    assert mine.status_code == 200
    assert await listed(client, agent, assigned="me") == [slow["id"]]
    assert await listed(client, agent, assigned="nobody") == [quick["id"]]

    other = await a_person(database)
    many = [(await opened(client, other))["id"] for _ in range(10)]
    assert (await listed(client, agent))[2:] == many


async def test_a_page_of_fifty_leads_to_the_next(
    client: httpx.AsyncClient, business_time: MovableTestClock, agent: Person, database: Database
) -> None:
    people = [await a_person(database) for _ in range(6)]
    made = [(await opened(client, person))["id"] for person in people for _ in range(9)]
    first = (await client.get("/v1/staff/cases", headers=agent.headers)).json()
    assert len(first["cases"]) == 50
    rest = (await client.get("/v1/staff/cases", params={"cursor": first["next_cursor"]}, headers=agent.headers)).json()
    assert [one["case"]["id"] for one in [*first["cases"], *rest["cases"]]] == made
    assert rest["next_cursor"] is None
    refused = await client.get("/v1/staff/cases", params={"cursor": "x"}, headers=agent.headers)
    assert refused.status_code == 400


@pytest.mark.usefixtures("business_time")
async def test_it_is_about_something_of_ones_own(
    client: httpx.AsyncClient, customer: Person, database: Database, owner: asyncpg.Connection
) -> None:
    other = await a_person(database)
    for person in (customer, other):
        await some_history(database, person.account, at=NOW)
    order = await a_paid_order(Till(database), customer.account, at=NOW)
    right, device = [
        await owner.fetchval(f"SELECT id FROM store.{table} WHERE account_id = $1 LIMIT 1", customer.account.id)
        for table in ("entitlements", "devices")
    ]
    about = {"order_id": str(order.id), "entitlement_id": str(right), "device_id": str(device)}
    case = await opened(client, customer, **about)
    assert (case["order_number"], case["device"]) == (order.order_number, "Wohnzimmer")
    assert "Her" in case["title"]
    for name, value in about.items():
        refused = await report(client, other, **{name: value})
        assert (refused.status_code, refused.json()["code"]) == (404, "case_subject_not_found")
    assert (await report(client, customer, order_id=str(new_id()))).status_code == 404
    assert await owner.fetchval("SELECT count(*) FROM store.cases") == 1


async def test_another_customers_case_looks_like_none(
    client: httpx.AsyncClient, customer: Person, database: Database, owner: asyncpg.Connection
) -> None:
    case, stranger = await opened(client, customer), await a_person(database)
    path = f"/v1/cases/{case['id']}"
    missing = await client.get(f"/v1/cases/{new_id()}", headers=stranger.headers)
    foreign = await client.get(path, headers=stranger.headers)
    assert missing.status_code == foreign.status_code == 404
    assert missing.json() | {"instance": ""} == foreign.json() | {"instance": ""}
    written = await client.post(f"{path}/messages", json={"text": "Ich auch"}, headers=stranger.headers)
    assert written.status_code == 404
    page = await client.get(f"/de/account/cases/{case['id']}", headers=stranger.headers)
    assert page.status_code == 404
    assert (await client.get("/v1/cases", headers=stranger.headers)).json() == {"cases": []}
    assert await owner.fetchval("SELECT count(*) FROM store.case_entries") == 1


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "mit \u0000 NUL", "mit \u001b[31m", "x" * 4001])
async def test_words_are_read_and_bounded(
    client: httpx.AsyncClient, customer: Person, owner: asyncpg.Connection, text: str
) -> None:
    assert (await report(client, customer, text=text)).status_code == 400
    assert await owner.fetchval("SELECT count(*) FROM store.cases") == 0


async def test_the_eleventh_case_of_a_day_is_refused(
    client: httpx.AsyncClient, customer: Person, owner: asyncpg.Connection
) -> None:
    statuses = [(await report(client, customer)).status_code for _ in range(11)]
    assert statuses == [201] * 10 + [429]
    assert await owner.fetchval("SELECT count(*) FROM store.cases") == 10


async def test_support_takes_up_a_case_and_the_customer_is_told(
    app: Litestar, client: httpx.AsyncClient, customer: Person, agent: Person, owner: asyncpg.Connection
) -> None:
    path = f"/v1/staff/customers/{customer.account.id}/cases"
    taken = await client.post(path, json={"kind": "device", "text": "Anruf: Fernseher verloren"}, headers=agent.headers)
    assert taken.status_code == 201
    assert taken.json()["case"]["case"]["state"] == "open"
    assert taken.json()["case"]["assigned_to"] == str(agent.account.id)
    with open_post_office(app.state.settings.smtp_url) as office:
        await deliver_mails(app)
    assert "Fernseher verloren" in text_of(office.to(customer.account.email)[0])
    (case,) = (await client.get("/v1/cases", headers=customer.headers)).json()["cases"]
    for query in ({"case_number": case["case_number"].lower()}, {"email": customer.account.email or ""}):
        found = (await client.get("/v1/staff/customers", params=query, headers=agent.headers)).json()["customers"]
        assert [one["id"] for one in found] == [str(customer.account.id)]
    file = (await client.get(f"/v1/staff/customers/{customer.account.id}", headers=agent.headers)).json()
    assert [one["case_number"] for one in file["cases"]] == [case["case_number"]]
    actions = [entry["action"] for entry in file["audit"]]
    assert "case.open" in actions
    assert (
        await client.post(
            path.replace(str(customer.account.id), str(agent.account.id)),
            json={"kind": "other", "text": "über eine Kollegin"},
            headers=agent.headers,
        )
    ).status_code == 404
    assert await owner.fetchval("SELECT count(*) FROM store.cases") == 1


async def test_a_case_is_given_to_somebody_who_handles_cases(
    client: httpx.AsyncClient, customer: Person, agent: Person, database: Database
) -> None:
    case = await opened(client, customer)
    path = f"/v1/staff/cases/{case['id']}/assignment"
    colleague = await a_person(database, roles=("support_lead",))
    for person, status in (
        (colleague, 200),
        (await a_person(database, roles=("finance",)), 404),
        (await a_person(database, roles=("support",), status="disabled"), 404),
        (customer, 404),
    ):
        answer = await client.put(path, json={"agent_id": str(person.account.id)}, headers=agent.headers)
        assert answer.status_code == status
        shown = (await client.get(f"/v1/staff/cases/{case['id']}", headers=agent.headers)).json()
        assert shown["case"]["assigned_to"] == str(colleague.account.id)
    assert (await client.put(path, json={"agent_id": None}, headers=agent.headers)).json()["case"][
        "assigned_to"
    ] is None


@pytest.mark.parametrize("role", ["finance", "editor", "admin", None])
async def test_who_does_not_handle_cases_sees_and_does_nothing(
    client: httpx.AsyncClient, customer: Person, database: Database, owner: asyncpg.Connection, role: str | None
) -> None:
    case = await opened(client, customer)
    stranger = await a_person(database, roles=(role,) if role else ())
    path = f"/v1/staff/cases/{case['id']}"
    assert (await client.get(path, headers=stranger.headers)).status_code == 403
    for deed in ("answers", "notes", "closures"):
        assert (await act(client, stranger, case, deed, "Guten Tag")).status_code == 403
    assigned = await client.put(f"{path}/assignment", json={"agent_id": None}, headers=stranger.headers)
    assert assigned.status_code == 403
    for page in (f"/de/staff/cases/{case['id']}",):
        assert (await client.get(page, headers=stranger.headers)).status_code == 403
        posted = await client.post(f"{page}/answers", data={"text": "Guten Tag"}, headers=stranger.headers)
        assert posted.status_code == 403
    assert await owner.fetchval("SELECT count(*) FROM store.case_entries") == 1
    assert await owner.fetchval("SELECT state FROM store.cases") == "open"


async def test_every_look_and_deed_of_staff_is_in_the_audit_trail_of_the_customer(
    client: httpx.AsyncClient, customer: Person, agent: Person, owner: asyncpg.Connection
) -> None:
    case = await opened(client, customer)
    await client.get(f"/v1/staff/cases/{case['id']}", headers=agent.headers)
    await act(client, agent, case, "notes", "Notiz")
    await act(client, agent, case, "answers", "Antwort")
    await act(client, agent, case, "closures", "Ende")
    rows = await owner.fetch(
        "SELECT action, details->>'case_number' AS number FROM auth.audit_events "
        "WHERE actor_id = $1 AND target_id = $2 ORDER BY id",
        agent.account.id,
        str(customer.account.id),
    )
    assert [row["action"] for row in rows] == ["case.view", "case.note", "case.answer", "case.close"]
    assert {row["number"] for row in rows} == {case["case_number"]}
    assert "Antwort" not in str(await owner.fetch("SELECT * FROM auth.audit_events"))


async def test_what_was_said_cannot_be_changed_or_taken_out_by_anybody(
    client: httpx.AsyncClient, customer: Person, database: Database, owner: asyncpg.Connection
) -> None:
    await opened(client, customer)
    for statement in (
        "UPDATE store.case_entries SET text = 'anders'",
        "DELETE FROM store.case_entries",
        "TRUNCATE store.case_entries",
        "TRUNCATE store.cases CASCADE",
    ):
        for connection in (owner, database.reads):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.reads.execute("UPDATE store.case_kinds SET answer_within = '1 year'")
    assert await owner.fetchval("SELECT text FROM store.case_entries") == TEXT
    await database.reads.execute("DELETE FROM store.cases")
    assert await owner.fetchval("SELECT count(*) FROM store.case_entries") == 0
