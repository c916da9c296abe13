"""A payment form that does not come, or breaks, says so with a way out; what was ordered is kept."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from store.database import Database
from tests.fakes import FakeGateway
from tests.store.consoles.people import Person, a_person
from tests.store.purchase.shops import CONSENTS, make_film, make_offer

pytestmark = pytest.mark.browser

FORM = """
window.Stripe = () => ({
  elements: () => ({
    create: () => ({ on: (kind, act) => { if (kind === "ready") READY; }, mount() {} }),
    submit: async () => ({}),
  }),
  confirmPayment: CONFIRM,
});
"""
"""As much of the payment service's script as the page needs."""

WORKING = FORM.replace("READY", "setTimeout(act)").replace("CONFIRM", "async () => ({ error: { message: 'no' } })")
SILENT = FORM.replace("READY", "void act").replace("CONFIRM", "null")
BREAKING = FORM.replace("READY", "setTimeout(act)").replace(
    "CONFIRM", "async () => { throw new Error('the connection broke') }"
)

IS_IN_SIGHT = """(element) => {
    const box = element.getBoundingClientRect();
    return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === element;
}"""

NOT_LOADED = {"de": "Das Bezahlformular lässt sich gerade nicht laden.", "en": "The payment form cannot be loaded"}
RELOAD = {"de": "Seite neu laden", "en": "Load the page again"}
ORDER = {"de": "Zahlungspflichtig bestellen", "en": "Order with obligation to pay"}


@pytest.fixture
async def customer(database: Database) -> Person:
    return await a_person(database)


@pytest.fixture
async def window(chromium: Browser, customer: Person, live_server: str) -> AsyncIterator[BrowserContext]:
    """A browser in which the customer is signed in."""
    context = await chromium.new_context(viewport={"width": 390, "height": 780})
    name, _, value = customer.cookie.partition("=")
    await context.add_cookies([{"name": name, "value": value, "url": live_server}])
    yield context
    await context.close()


async def serve(page: Page, script: str) -> None:
    """Have the payment service answer with a script."""
    await page.unroute_all(behavior="ignoreErrors")
    await page.route("**/v3/", lambda route: route.fulfill(content_type="text/javascript", body=script))


async def order_of(client: httpx.AsyncClient, customer: Person, offer: object) -> str:
    """An order that waits for its payment."""
    quote = await client.post("/v1/quotes", headers=customer.headers, json={"offer_id": str(offer)})
    body = {"quote_id": quote.json()["id"], "consents": CONSENTS}
    return str((await client.post("/v1/orders", headers=customer.headers, json=body)).json()["order"]["id"])


@pytest.mark.parametrize("locale", ["de", "en"])
@pytest.mark.parametrize(
    "script", ["throw new Error('broken')", "window.Stripe = () => { throw new Error('broken') }", None]
)
async def test_a_script_that_breaks_or_cannot_be_loaded_is_told_at_once(
    window: BrowserContext, live_server: str, database: Database, locale: str, script: str | None
) -> None:
    page = await window.new_page()
    if script is None:
        await page.route("**/v3/", lambda route: route.abort())
    else:
        await serve(page, script)
    offer = await make_offer(database, title_id=await make_film(database))
    await page.goto(f"{live_server}/{locale}/checkout/{offer}")

    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text(NOT_LOADED[locale])
    await expect(page.get_by_role("button", name=ORDER[locale])).to_be_disabled()
    assert await database.reads.fetchval("SELECT count(*) FROM billing.orders") == 0
    again = alert.get_by_role("button", name=RELOAD[locale])
    assert await again.evaluate(IS_IN_SIGHT), "on a phone the bar with the ordering button must not hide the way out"

    await serve(page, WORKING)
    await again.click()
    await expect(page.get_by_role("button", name=ORDER[locale])).to_be_enabled()
    await expect(alert).to_be_empty()


@pytest.mark.parametrize("script", [None, SILENT], ids=["no answer", "never ready"])
async def test_after_ten_seconds_without_a_form_the_page_says_so_and_the_order_is_kept(
    window: BrowserContext,
    live_server: str,
    database: Database,
    client: httpx.AsyncClient,
    customer: Person,
    script: str | None,
) -> None:
    order_id = await order_of(client, customer, await make_offer(database))
    page, hanging = await window.new_page(), asyncio.Event()

    async def hang(route: Route) -> None:
        await hanging.wait()
        await route.fulfill(content_type="text/javascript", body=WORKING)

    await page.clock.install()
    await (page.route("**/v3/", hang) if script is None else serve(page, script))
    await page.goto(f"{live_server}/de/orders/{order_id}/pay", wait_until="domcontentloaded")
    alert = page.get_by_role("alert")
    await page.clock.run_for(5_000)
    await expect(alert).to_be_empty()
    await page.clock.run_for(5_000)

    await expect(alert).to_contain_text(NOT_LOADED["de"])
    await expect(alert).to_contain_text("Ihre Bestellung wartet bis")
    assert await database.reads.fetchval("SELECT state FROM billing.orders") == "open"
    if script is None:
        hanging.set()
        await page.clock.run_for(1_000)
        await expect(page.get_by_role("button", name=ORDER["de"])).to_be_enabled()
        await expect(alert).to_be_empty()


async def test_a_confirmation_without_an_answer_leads_to_the_page_that_asks_what_became_of_it(
    window: BrowserContext, live_server: str, database: Database, client: httpx.AsyncClient, customer: Person
) -> None:
    order_id = await order_of(client, customer, await make_offer(database))
    page = await window.new_page()
    await serve(page, BREAKING)
    await page.goto(f"{live_server}/de/orders/{order_id}/pay")

    await page.get_by_role("button", name=ORDER["de"]).click()

    await page.wait_for_url(f"{live_server}/de/orders/{order_id}/return")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Die Zahlung kam nicht zustande")
    await expect(page.get_by_role("link", name="Noch einmal versuchen")).to_be_visible()


async def test_an_order_whose_payment_broke_and_arrived_all_the_same_is_paid(
    window: BrowserContext,
    live_server: str,
    database: Database,
    client: httpx.AsyncClient,
    customer: Person,
    gateway: FakeGateway,
) -> None:
    order_id = await order_of(client, customer, await make_offer(database))
    await client.post(f"/v1/orders/{order_id}/payments", headers=customer.headers)
    page = await window.new_page()
    await serve(page, BREAKING)
    await page.goto(f"{live_server}/de/orders/{order_id}/pay")
    gateway.pay(next(iter(gateway.intents)))

    await page.get_by_role("button", name=ORDER["de"]).click()

    await page.wait_for_url(f"{live_server}/de/orders/{order_id}/return")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Viel Freude mit")
