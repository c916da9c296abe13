"""A refusal is a readable page with the best way on first: no dead end, and a number where our operators can help."""

import asyncio
import re
from uuid import UUID

import asyncpg
import httpx
import pytest

from store.database import Database
from tests.fakes import FakeGateway
from tests.store.consoles.people import a_person
from tests.store.purchase.shops import make_offer
from tests.store.web.page_reading import faults_of
from tests.store.web.test_checkout_pages import order_in
from tests.store.web.visitors import OURS


@pytest.fixture
async def offer(database: Database) -> UUID:
    return await make_offer(database, kind="buy")


def ways(page: str) -> list[str]:
    """Where the buttons of the page lead, the main one first."""
    return re.findall(r'<a class="button(?: main)?" href="([^"]+)"', page.partition("<main")[2].partition("</main>")[0])


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_what_is_not_there_is_told_with_a_search(client: httpx.AsyncClient, locale: str) -> None:
    page = await client.get(f"/{locale}/nirgends")
    assert (page.status_code, ways(page.text)) == (404, [f"/{locale}", f"/{locale}/search"])
    assert faults_of(page.text, locale=locale) == []
    assert page.headers["x-request-id"] not in page.text


async def test_too_much_is_told_and_nothing_saved(client: httpx.AsyncClient) -> None:
    page = await client.post("/de/password/forgot", data={"email": "a" * 70_000}, headers=OURS)
    assert page.status_code == 413
    assert faults_of(page.text, locale="de") == []
    assert "Es ist nichts gespeichert worden." in page.text


async def test_staff_go_back_to_their_work(client: httpx.AsyncClient, database: Database) -> None:
    editor = await a_person(database, roles=("editor",))
    page = await client.get("/de/finance", headers=editor.headers)
    assert (page.status_code, ways(page.text)) == (403, ["/de/staff", "/de"])


async def test_what_is_owned_already_leads_to_the_own_films(
    browser: httpx.AsyncClient, offer: UUID, gateway: FakeGateway
) -> None:
    order_id = await order_in(browser, offer)
    gateway.pay(next(iter(gateway.intents)))
    await browser.get(f"/de/orders/{order_id}/return")
    page = await browser.get(f"/de/checkout/{offer}")
    assert (page.status_code, ways(page.text)[0]) == (409, "/de/library")


async def test_a_passing_fault_offers_the_same_page_again_and_a_number_to_name(
    client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    async with owner.transaction():
        await owner.execute("LOCK TABLE store.titles")
        asking = asyncio.create_task(client.get("/de/films"))
        while (waiting := await owner.fetchval("SELECT pid FROM pg_locks WHERE NOT granted")) is None:
            assert not asking.done()
        await owner.execute("SELECT pg_terminate_backend($1)", waiting)
        page = await asking
    assert (page.status_code, ways(page.text)) == (503, ["/de/films", "/de"])
    assert faults_of(page.text, locale="de") == []
    assert "Wir sind für einen Augenblick nicht erreichbar." in page.text
    assert page.headers["x-request-id"] in page.text
