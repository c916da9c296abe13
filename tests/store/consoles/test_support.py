"""Support finds one customer by a whole key, sees one page, and has a reset link mailed without ever seeing it."""

import re
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from billing.orders import invoice_of
from store.database import Database
from tests.billing.tills import Till
from tests.store.consoles.people import REASON, Person, a_paid_order, a_person, some_history
from tests.store.web.page_reading import faults_of

NOW = datetime.now(UTC)


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",), email="agentin@example.org")


async def entries(owner: asyncpg.Connection, action: str) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await owner.fetch(
        "SELECT * FROM auth.audit_events WHERE action = $1 ORDER BY at", action
    )
    return found


async def test_a_customer_is_found_by_address_order_number_or_invoice_number(
    client: httpx.AsyncClient, database: Database, agent: Person
) -> None:
    customer = (await a_person(database, email="Anna.Beispiel@Example.org")).account
    order = await a_paid_order(Till(database), customer, at=NOW)
    async with database.sessions() as session:
        invoice = await invoice_of(session, order.id)
    assert invoice is not None
    for query in (
        {"email": " anna.beispiel@EXAMPLE.org "},
        {"order_number": order.order_number.lower()},
        {"invoice_number": invoice.document_number},
    ):
        answer = await client.get("/v1/staff/customers", params=query, headers=agent.headers)
        assert [found["id"] for found in answer.json()["customers"]] == [str(customer.id)], query
        assert answer.json()["customers"][0]["email_masked"] == "A•••@e•••.org"
        assert "beispiel" not in answer.text.lower()


PARTS_AND_PATTERNS: tuple[tuple[str, str], ...] = (
    ("email", "anna"),
    ("email", "anna@"),
    ("email", "%"),
    ("email", "anna%@example.org"),
    ("email", "anna@example.or_"),
    ("email", "ann@example.org"),
    ("email", "anna+1@example.org"),
    ("email", "\N{CYRILLIC SMALL LETTER A}nna@example.org"),
    ("order_number", "V-2026"),
    ("order_number", "%"),
    ("order_number", "V-____-____-____"),
    ("order_number", "' OR 1=1 --"),
    ("invoice_number", "R-"),
    ("invoice_number", "R-%"),
)


async def test_parts_and_patterns_find_nobody(
    client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection
) -> None:
    customer = (await a_person(database, email="anna@example.org")).account
    await a_paid_order(Till(database), customer, at=NOW)
    for key, value in PARTS_AND_PATTERNS:
        answer = await client.get("/v1/staff/customers", params={key: value}, headers=agent.headers)
        assert (answer.status_code, answer.json()) == (200, {"customers": []}), value
        page = await client.post("/de/support/searches", data={"find": value}, headers=agent.headers)
        assert page.status_code == 200
        assert str(customer.id) not in page.text
    searches = await entries(owner, "customer.searched")
    assert len(searches) == 2 * len(PARTS_AND_PATTERNS)
    assert {entry["target_id"] for entry in searches} == {"unknown"}
    assert str(customer.id) not in str(searches)


async def test_there_is_no_list_and_no_unclear_search(
    client: httpx.AsyncClient, database: Database, agent: Person
) -> None:
    await a_person(database)
    for query in (
        "",
        "?email=",
        "?email=a@b.example&order_number=V-1",
        "?name=anna",
        "?email=a%00b@example.org",
        f"?email={'a' * 300}",
    ):
        answer = await client.get(f"/v1/staff/customers{query}", headers=agent.headers)
        assert answer.status_code == 400, query
        assert answer.headers["content-type"] == "application/problem+json"
        assert "customers" not in answer.json()


async def test_staff_are_out_of_reach(
    client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection
) -> None:
    colleague = (await a_person(database, roles=("finance",), email="kollege@example.org")).account
    found = await client.get("/v1/staff/customers", params={"email": "kollege@example.org"}, headers=agent.headers)
    assert found.json() == {"customers": []}
    for account in (colleague, agent.account):
        opened = await client.get(f"/v1/staff/customers/{account.id}", headers=agent.headers)
        unknown = await client.get(f"/v1/staff/customers/{new_id()}", headers=agent.headers)
        assert opened.status_code == unknown.status_code == 404
        assert opened.json() | {"instance": ""} == unknown.json() | {"instance": ""}
        page = await client.get(f"/de/support/customers/{account.id}", headers=agent.headers)
        assert page.status_code == 404
        shown = await client.post(
            f"/v1/staff/customers/{account.id}/address-views", json={"reason": REASON}, headers=agent.headers
        )
        assert shown.status_code == 404
        reset = await client.post(
            f"/v1/staff/customers/{account.id}/password-resets", json={"reason": REASON}, headers=agent.headers
        )
        assert reset.status_code == 403
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 0
    viewed = await entries(owner, "customer.viewed")
    assert {entry["outcome"] for entry in viewed} == {"refused"}
    assert [entry["reason"] for entry in viewed].count("not_a_customer") == 4


async def test_every_search_and_every_look_leaves_an_entry_without_the_address(
    client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection
) -> None:
    customer = (await a_person(database, email="anna@example.org")).account
    await client.get("/v1/staff/customers", params={"email": "anna@example.org"}, headers=agent.headers)
    moved = await client.post("/de/support/searches", data={"find": "anna@example.org"}, headers=agent.headers)
    assert moved.status_code == 303
    assert moved.headers["location"] == f"/de/support/customers/{customer.id}"
    await client.get(f"/v1/staff/customers/{customer.id}", headers=agent.headers)
    await client.get(moved.headers["location"], headers=agent.headers)
    searched, viewed = await entries(owner, "customer.searched"), await entries(owner, "customer.viewed")
    assert len(searched) == len(viewed) == 2
    for entry in (*searched, *viewed):
        assert (entry["actor_id"], entry["target_id"]) == (agent.account.id, str(customer.id))
        assert entry["outcome"] == "done"
        assert entry["request_id"]
        assert "anna" not in str(dict(entry))
    assert searched[0]["details"] == '{"by": "email", "found": true}'


async def test_the_page_shows_the_whole_history_and_no_secret(
    client: httpx.AsyncClient, database: Database, agent: Person
) -> None:
    customer = await a_person(database, email="anna@example.org")
    order = await a_paid_order(Till(database), customer.account, at=NOW, name="Her <b>")
    await some_history(database, customer.account, at=NOW)
    file = (await client.get(f"/v1/staff/customers/{customer.account.id}", headers=agent.headers)).json()
    assert [found["order_number"] for found in file["orders"]] == [order.order_number]
    assert file["orders"][0]["total"] == {"amount": 399, "currency": "EUR"}
    assert file["orders"][0]["documents"][0]["kind"] == "invoice"
    assert [(paid["kind"], paid["state"]) for paid in file["payments"]] == [("payment", "succeeded")]
    assert sorted((right["kind"], right["state"]) for right in file["rights"]) == [
        ("buy", "ready"),
        ("rent", "over"),
        ("rent", "ready"),
    ]
    assert {right["title"] for right in file["rights"]} == {"Her (deutsch)"}
    assert [device["name"] for device in file["devices"]] == ["Wohnzimmer"]
    assert [one["kind"] for one in file["sessions"]] == ["web"]
    assert sorted(mail["status"] for mail in file["mails"]) == ["refused", "sent"]
    assert [entry["action"] for entry in file["audit"]] == ["customer.viewed"]

    for locale in ("de", "en"):
        answer = await client.get(f"/{locale}/support/customers/{customer.account.id}", headers=agent.headers)
        assert answer.status_code == 200
        assert faults_of(answer.text, locale=locale) == []
        assert order.order_number in answer.text
        assert "Wohnzimmer" in answer.text
        assert "Her &lt;b&gt;" in answer.text
        assert answer.headers["cache-control"] == "no-store"
        everything = answer.text + str(file)
        assert "anna@example.org" not in everything
        assert customer.cookie.removeprefix("sid=") not in everything
        assert "first_played" not in everything


async def test_the_whole_address_needs_a_reason_and_stays_open_for_a_while_in_that_session_only(
    client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection
) -> None:
    customer = (await a_person(database, email="anna@example.org")).account
    page = f"/de/support/customers/{customer.id}"
    for reason in ("", "         ", "zu kurz"):
        answer = await client.post(f"{page}/address-views", data={"reason": reason}, headers=agent.headers)
        shown = await client.get(answer.headers["location"], headers=agent.headers)
        assert "mindestens zehn Zeichen" in shown.text
        assert "anna@example.org" not in shown.text
    assert await entries(owner, "customer.address_viewed") == []
    answer = await client.post(f"{page}/address-views", data={"reason": REASON}, headers=agent.headers)
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert "anna@example.org" in (await client.get(page, headers=agent.headers)).text
    assert [entry["reason"] for entry in await entries(owner, "customer.address_viewed")] == [REASON]

    colleague = await a_person(database, roles=("support",))
    assert "anna@example.org" not in (await client.get(page, headers=colleague.headers)).text
    # The trail is append-only: an hour goes by for this entry only with the triggers off.
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE auth.audit_events SET at = at - $1::interval", timedelta(minutes=15))
    await owner.execute("SET session_replication_role = origin")
    assert "anna@example.org" not in (await client.get(page, headers=agent.headers)).text


async def test_the_api_shows_the_whole_address_for_a_reason(
    client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection
) -> None:
    customer = (await a_person(database, email="anna@example.org")).account
    address = f"/v1/staff/customers/{customer.id}/address-views"
    for body in ({}, {"reason": "kurz"}, {"reason": "lang genug, aber\u0000"}, {"reason": REASON, "other": 1}):
        assert (await client.post(address, json=body, headers=agent.headers)).status_code == 400
    assert await entries(owner, "customer.address_viewed") == []
    answer = await client.post(address, json={"reason": REASON}, headers=agent.headers)
    assert answer.json() == {"email": "anna@example.org"}


async def test_a_reset_is_mailed_and_support_never_sees_link_token_or_password(
    client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection
) -> None:
    customer = (await a_person(database, email="anna@example.org")).account
    page = f"/de/support/customers/{customer.id}"
    before = (await client.get(page, headers=agent.headers)).text
    assert "Sie sehen weder Link noch Passwort" in before
    assert not re.search(r'type="password"', before)
    short = await client.post(f"{page}/password-resets", data={"reason": "kurz"}, headers=agent.headers)
    assert "mindestens zehn Zeichen" in (await client.get(short.headers["location"], headers=agent.headers)).text
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 0

    answer = await client.post(f"{page}/password-resets", data={"reason": REASON}, headers=agent.headers)
    assert answer.status_code == 303
    after = await client.get(answer.headers["location"], headers=agent.headers)
    assert "a•••@e•••.org und gilt 30 Minuten" in after.text
    assert faults_of(after.text, locale="de") == []
    for text in (answer.text, after.text, str(answer.headers)):
        assert "vt1_" not in text
        assert "#t=" not in text
        assert "anna@example.org" not in text
    reset = await owner.fetchrow("SELECT * FROM auth.password_resets")
    assert (reset["channel"], reset["requested_by"], reset["reason"]) == ("support", agent.account.id, REASON)
    assert await owner.fetchval("SELECT count(*) FROM store.mails WHERE kind = 'password_reset'") == 1
    assert [entry["reason"] for entry in await entries(owner, "password_reset.start")] == [REASON]


async def test_a_refused_reset_says_why_beside_the_field_and_sends_nothing(
    client: httpx.AsyncClient, database: Database, agent: Person, owner: asyncpg.Connection
) -> None:
    customer = (await a_person(database)).account
    path = f"/de/support/customers/{customer.id}/password-resets"
    for _ in range(3):
        await client.post(path, data={"reason": REASON}, headers=agent.headers)
    answer = await client.post(path, data={"reason": REASON}, headers=agent.headers)
    assert answer.status_code == 303
    shown = await client.get(answer.headers["location"], headers=agent.headers)
    assert "Die Grenze ist erreicht" in shown.text
    assert 'aria-invalid="true"' in shown.text
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets") == 3
    started = await entries(owner, "password_reset.start")
    assert [entry["outcome"] for entry in started] == ["done", "done", "done", "refused"]


async def test_a_disabled_account_offers_no_reset(client: httpx.AsyncClient, database: Database, agent: Person) -> None:
    customer = (await a_person(database, status="disabled")).account
    page = await client.get(f"/de/support/customers/{customer.id}", headers=agent.headers)
    assert "/password-resets" not in page.text
    answer = await client.post(
        f"/de/support/customers/{customer.id}/password-resets", data={"reason": REASON}, headers=agent.headers
    )
    shown = await client.get(answer.headers["location"], headers=agent.headers)
    assert shown.status_code == 200


async def test_what_the_address_bar_says_is_shown_as_our_own_words_only(
    client: httpx.AsyncClient, database: Database, agent: Person
) -> None:
    customer = (await a_person(database)).account
    for query in ("refused=%3Cscript%3E&form=reset", "refused=no_reason&form=%22%3E%3Cb%3E", "done=%3Cb%3E"):
        page = await client.get(f"/de/support/customers/{customer.id}?{query}", headers=agent.headers)
        assert page.status_code == 200
        assert "<b>" not in page.text
        assert "<script>" not in page.text


async def test_the_search_page_is_readable_in_both_languages(client: httpx.AsyncClient, agent: Person) -> None:
    for locale in ("de", "en"):
        page = await client.get(f"/{locale}/support", headers=agent.headers)
        assert faults_of(page.text, locale=locale) == []
        missed = await client.post(
            f"/{locale}/support/searches", data={"find": "V-2026-KRMT-4821"}, headers=agent.headers
        )
        assert faults_of(missed.text, locale=locale) == []
        empty = await client.post(f"/{locale}/support/searches", data={"find": " "}, headers=agent.headers)
        assert empty.status_code == 400
