"""No film begins before its contract is confirmed on a durable medium; nobody waits for a mail that never comes."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from litestar import Litestar
from playwright.async_api import Browser

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.auth.people import parts_of
from tests.auth.post_office import open_post_office, text_of
from tests.cinema import WAIT, Cinema
from tests.fakes import FakeGateway
from tests.scratch import run_due_jobs
from tests.store.entitlement.parts import Customer, TestDevice
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event
from tests.store.web.page_reading import faults_of

CONFIRMATION = "SELECT confirmed_at FROM billing.orders"
SENT = "SELECT sent_at FROM store.mails WHERE kind = 'order_confirmation'"


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture(params=["rent", "buy"])
async def order_id(
    request: pytest.FixtureRequest,
    client: httpx.AsyncClient,
    database: Database,
    customer: Customer,
    title: Title,
    gateway: FakeGateway,
) -> str:
    """The film, paid; its mail is queued, and nobody has sent it."""
    buyer = Buyer(client, customer.headers)
    order = await buyer.order(await make_offer(database, title_id=title.id, kind=request.param))
    intent = intent_of(gateway, await buyer.payment(order["id"]))
    gateway.pay(intent)
    assert (await send_event(client, intent)).json() == {"outcome": "paid"}
    return str(order["id"])


async def play(client: httpx.AsyncClient, device: TestDevice, customer: Customer, title: Title) -> Any:
    """Open a playback and ask for its licence; gives the first refusal, or None."""
    opened = await device.open(client, customer, title)
    if opened.status_code != 201:
        return opened.json()
    licence = await device.licence(client, opened.json()["token"])
    return None if licence.status_code == 200 else licence.json()


async def withdraw(client: httpx.AsyncClient, customer: Customer, order_id: str) -> httpx.Response:
    path = f"/v1/orders/{order_id}/withdrawals"
    return await client.post(path, headers=customer.headers, json={"declared": True})


async def test_once_the_mail_server_has_the_confirmation_the_film_plays_and_the_consent_counts(
    client: httpx.AsyncClient,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    order_id: str,
) -> None:
    with open_post_office(settings.smtp_url) as office:
        await run_due_jobs(owner, parts_of(app))
    assert len(office.letters) == 1
    assert await owner.fetchval(CONFIRMATION) is None, "nobody had to know yet"

    assert await play(client, device, customer, title) is None

    assert await owner.fetchval(CONFIRMATION) == await owner.fetchval(SENT)
    refused = await withdraw(client, customer, order_id)
    assert (refused.status_code, refused.json()["code"]) == (409, "withdrawal_lost")


async def test_without_a_mail_server_nothing_begins_until_the_customer_saves_the_confirmation(
    client: httpx.AsyncClient,
    app: Litestar,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    order_id: str,
) -> None:
    with pytest.raises(Exception, match="SMTPConnectError"):
        await run_due_jobs(owner, parts_of(app))
    refused = await play(client, device, customer, title)
    assert (refused["code"], refused["id"]) == ("confirmation_outstanding", order_id)
    [reason] = [reason for reason in refused["reasons"] if reason["code"] == "confirmation_outstanding"]
    assert reason["retry"]
    assert (reason["action"]["name"], reason["action"]["api"]) == ("save_confirmation", "/v1/orders/{id}/confirmations")
    assert await owner.fetchval("SELECT count(*) FROM store.entitlements WHERE first_played_at IS NOT NULL") == 0

    path = f"/v1/orders/{order_id}/confirmations"
    saved = await client.post(path, headers=customer.headers)
    assert saved.status_code == 201, saved.text
    again = await client.post(path, headers=customer.headers)
    assert again.json() == saved.json()

    first = await owner.fetchval(CONFIRMATION)
    assert await play(client, device, customer, title) is None
    assert await owner.fetchval(CONFIRMATION) == first
    assert (await withdraw(client, customer, order_id)).json()["code"] == "withdrawal_lost"
    detail = (await client.get(f"/v1/orders/{order_id}", headers=customer.headers)).json()
    assert datetime.fromisoformat(detail["consents"]["confirmation_sent_at"]) == first


async def test_what_is_saved_says_what_the_mail_says(
    client: httpx.AsyncClient,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
    customer: Customer,
    order_id: str,
) -> None:
    saved = (await client.post(f"/v1/orders/{order_id}/confirmations", headers=customer.headers)).json()
    with open_post_office(settings.smtp_url) as office:
        await run_due_jobs(owner, parts_of(app))
    [letter] = office.letters
    assert saved["text"].split() == text_of(letter).split()
    number = await owner.fetchval("SELECT order_number FROM billing.orders")
    assert saved["file_name"] == f"{number}.txt"


async def test_what_was_not_begun_can_be_sent_back_although_it_was_confirmed(
    client: httpx.AsyncClient, customer: Customer, order_id: str
) -> None:
    await client.post(f"/v1/orders/{order_id}/confirmations", headers=customer.headers)
    assert (await withdraw(client, customer, order_id)).status_code == 201


async def test_a_mail_forgotten_years_later_stops_nobody(
    client: httpx.AsyncClient,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    order_id: str,
) -> None:
    with open_post_office(settings.smtp_url):
        await run_due_jobs(owner, parts_of(app))
    assert await play(client, device, customer, title) is None
    await owner.execute("DELETE FROM store.mails")
    assert await play(client, device, customer, title) is None


@pytest.mark.parametrize("order_id", ["buy"], indirect=True)
async def test_the_page_of_the_order_saves_it_without_javascript(
    client: httpx.AsyncClient, owner: asyncpg.Connection, customer: Customer, order_id: str
) -> None:
    page = await client.get(f"/en/orders/{order_id}", headers=customer.headers)
    assert faults_of(page.text, locale="en") == []
    assert f'action="/en/orders/{order_id}/confirmation"' in page.text

    file = await client.post(f"/en/orders/{order_id}/confirmation", headers=customer.headers)

    assert file.status_code == 200, file.text
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert file.headers["content-disposition"].startswith('attachment; filename="V-')
    assert "YOUR DECLARATIONS" in file.text
    assert await owner.fetchval(CONFIRMATION) is not None


@pytest.mark.parametrize("order_id", ["buy"], indirect=True)
async def test_nobody_else_and_no_unpaid_order_gets_a_confirmation(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, customer: Customer, order_id: str
) -> None:
    other = Buyer(client, customer.headers)
    unpaid = await other.order(await make_offer(database))
    refused = await client.post(f"/v1/orders/{unpaid['id']}/confirmations", headers=customer.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "order_not_paid")
    nothing = await client.post(f"/v1/orders/{UUID(int=1)}/confirmations", headers=customer.headers)
    assert nothing.status_code == 404
    assert await owner.fetchval(f"{CONFIRMATION} WHERE id = $1", UUID(unpaid["id"])) is None


@pytest.mark.browser
@pytest.mark.parametrize("order_id", ["buy"], indirect=True)
async def test_the_player_saves_it_and_starts(
    chromium: Browser,
    live_server: str,
    settings: Settings,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
    order_id: str,
) -> None:
    context = await chromium.new_context(viewport={"width": 1280, "height": 720}, locale="de-DE")
    await context.add_cookies([{"name": settings.session_cookie, "value": customer.token, "url": live_server}])
    cinema = await Cinema.in_page_of(context)
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    save = cinema.page.get_by_role("button", name="Bestätigung speichern und starten")
    await save.wait_for(timeout=WAIT)
    assert "ist noch nicht bei Ihnen" in await cinema.page.inner_text('[data-part="refusal-sentence"]')

    async with cinema.page.expect_download() as downloading:
        await save.click()
    saved = await downloading.value
    await cinema.frames_advance()

    number = await owner.fetchval("SELECT order_number FROM billing.orders")
    assert saved.suggested_filename == f"{number}.txt"
    assert "IHRE ERKLÄRUNGEN" in (await saved.path()).read_text()
    await context.close()


@pytest.mark.browser
@pytest.mark.parametrize("order_id", ["buy"], indirect=True)
async def test_the_player_waits_a_moment_for_a_mail_that_is_about_to_leave(
    chromium: Browser,
    live_server: str,
    app: Litestar,
    settings: Settings,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
    order_id: str,
) -> None:
    context = await chromium.new_context(viewport={"width": 1280, "height": 720}, locale="de-DE")
    await context.add_cookies([{"name": settings.session_cookie, "value": customer.token, "url": live_server}])
    cinema = await Cinema.in_page_of(context)
    async with cinema.page.expect_response(lambda answer: answer.status == 409):
        await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    with open_post_office(settings.smtp_url):
        await run_due_jobs(owner, parts_of(app))
    await cinema.frames_advance()
    assert order_id
    await context.close()
