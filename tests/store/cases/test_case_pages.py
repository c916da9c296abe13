"""Pages of cases: customers report and read them in their account, support answers them on its console."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from store.database import Database
from tests.billing.tills import Till
from tests.scratch import MovableTestClock
from tests.store.consoles.people import Person, a_paid_order, a_person
from tests.store.web.page_reading import faults_of

TEXT = "Der Film bleibt stehen.\r\nImmer an derselben Stelle."


@pytest.fixture
async def customer(database: Database) -> Person:
    return await a_person(database)


@pytest.fixture
async def agent(database: Database) -> Person:
    return await a_person(database, roles=("support",))


async def report(client: httpx.AsyncClient, customer: Person, locale: str = "de", **fields: str) -> httpx.Response:
    data = {"kind": "playback", "about": "", "text": TEXT, **fields}
    return await client.post(f"/{locale}/account/cases", data=data, headers=customer.headers)


async def case_id(owner: asyncpg.Connection) -> UUID:
    found: UUID = await owner.fetchval("SELECT id FROM store.cases")
    return found


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_a_customer_reports_reads_and_adds(
    client: httpx.AsyncClient, customer: Person, database: Database, owner: asyncpg.Connection, locale: str
) -> None:
    order = await a_paid_order(Till(database), customer.account, at=datetime.now(UTC))
    empty = await client.get(f"/{locale}/account/cases", headers=customer.headers)
    form = await client.get(f"/{locale}/account/cases/new?about=order:{order.id}", headers=customer.headers)
    assert f'value="order:{order.id}" selected' in form.text
    posted = await report(client, customer, locale, about=f"order:{order.id}")
    assert posted.status_code == 303
    page = await client.get(posted.headers["location"], headers=customer.headers)
    assert "Der Film bleibt stehen.\nImmer an derselben Stelle." in page.text
    assert order.order_number in page.text
    path = f"/{locale}/account/cases/{await case_id(owner)}"
    written = await client.post(f"{path}/messages", data={"text": "<b>Noch</b> etwas"}, headers=customer.headers)
    assert written.headers["location"] == f"{path}?done=case_written"
    again = await client.get(path, headers=customer.headers)
    assert "&lt;b&gt;Noch&lt;/b&gt; etwas" in again.text
    listed = await client.get(f"/{locale}/account/cases", headers=customer.headers)
    for shown in (empty, form, page, again, listed):
        assert faults_of(shown.text, locale=locale) == []


async def test_what_is_missing_is_said_beside_its_field_and_nothing_is_lost(
    client: httpx.AsyncClient, customer: Person, owner: asyncpg.Connection
) -> None:
    for fields in ({"kind": ""}, {"kind": "nonsense"}, {"text": "  "}, {"text": "x" * 4001}):
        refused = await report(client, customer, **fields)
        assert refused.status_code == 400, fields
        assert 'aria-invalid="true"' in refused.text
    assert "Immer an derselben Stelle." in (await report(client, customer, kind="")).text
    for about in (f"order:{new_id()}", "order:1", f"nonsense:{new_id()}"):
        assert (await report(client, customer, about=about)).status_code == 404
    assert await owner.fetchval("SELECT count(*) FROM store.cases") == 0


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_support_reads_notes_answers_and_closes(
    client: httpx.AsyncClient,
    customer: Person,
    agent: Person,
    owner: asyncpg.Connection,
    clock: MovableTestClock,
    locale: str,
) -> None:
    await report(client, customer)
    found = await case_id(owner)
    clock.fixed = datetime.now(UTC) + timedelta(days=3)
    listed = await client.get(f"/{locale}/staff/cases", headers=agent.headers)
    overdue = {"de": "überfällig", "en": "overdue"}[locale]
    assert overdue in listed.text
    path = f"/{locale}/staff/cases/{found}"
    page = await client.get(path, headers=agent.headers)
    assert overdue in page.text
    customers_page = await client.get(f"/{locale}/support/customers/{customer.account.id}", headers=agent.headers)
    assert f'href="{path}"' in customers_page.text
    for deed, words in (
        ("notes", "Charge prüfen"),
        ("answers", "Bitte noch einmal starten."),
        ("closures", "Getauscht."),
    ):
        refused = await client.post(f"{path}/{deed}", data={"text": " "}, headers=agent.headers)
        assert refused.status_code == 400
        assert 'aria-invalid="true"' in refused.text
        done = await client.post(f"{path}/{deed}", data={"text": words}, headers=agent.headers)
        assert done.status_code == 303, done.text
    closed = await client.get(path, headers=agent.headers)
    assert f"{path}/answers" not in closed.text
    late = await client.post(f"{path}/answers", data={"text": "Noch etwas"}, headers=agent.headers)
    assert late.status_code == 409
    for shown in (listed, page, customers_page, closed, late):
        assert faults_of(shown.text, locale=locale) == []
    own = await client.get(f"/de/account/cases/{found}", headers=customer.headers)
    assert "Getauscht." in own.text
    assert "Charge prüfen" not in own.text


async def test_taking_and_giving_up(
    client: httpx.AsyncClient, customer: Person, agent: Person, owner: asyncpg.Connection
) -> None:
    await report(client, customer)
    path = f"/de/staff/cases/{await case_id(owner)}"
    await client.post(f"{path}/takings", headers=agent.headers)
    assert await owner.fetchval("SELECT assigned_to FROM store.cases") == agent.account.id
    await client.post(f"{path}/releases", headers=agent.headers)
    assert await owner.fetchval("SELECT assigned_to FROM store.cases") is None


async def test_support_takes_up_what_was_reported_by_telephone(
    client: httpx.AsyncClient, customer: Person, agent: Person, owner: asyncpg.Connection
) -> None:
    path = f"/de/support/customers/{customer.account.id}/cases"
    refused = await client.post(path, data={"kind": "other", "text": " "}, headers=agent.headers)
    shown = await client.get(refused.headers["location"], headers=agent.headers)
    assert "Bitte schreiben Sie auf, was gemeldet wurde" in shown.text
    taken = await client.post(path, data={"kind": "other", "text": "Anruf: Rechnung fehlt"}, headers=agent.headers)
    assert taken.headers["location"] == f"/de/staff/cases/{await case_id(owner)}?done=case_opened_for_customer"
    number = await owner.fetchval("SELECT case_number FROM store.cases")
    moved = await client.post("/de/support/searches", data={"find": number}, headers=agent.headers)
    assert moved.headers["location"] == f"/de/support/customers/{customer.account.id}"
    missed = await client.post("/de/support/searches", data={"find": "A-2026-XXXX-0000"}, headers=agent.headers)
    assert "Diese Nummer eines Anliegens gibt es nicht" in missed.text


@pytest.mark.parametrize("query", ["of=nonsense", "assigned=nonsense", "cursor=nonsense", "of=done&assigned=me"])
async def test_what_the_address_bar_says_breaks_nothing(client: httpx.AsyncClient, agent: Person, query: str) -> None:
    page = await client.get(f"/de/staff/cases?{query}", headers=agent.headers)
    assert page.status_code == (400 if "cursor" in query else 200)
