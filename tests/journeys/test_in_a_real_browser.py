"""People with a real browser: the film page, paying on the checkout page, and the film whose frames really advance."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.cinema import WAIT, Cinema
from tests.journeys.street import Customer, Street

pytestmark = pytest.mark.browser

EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of 40[0-9]")
"""The browser itself reports refused calls as errors of loading; a decline or a question is none."""

OFFLINE = re.compile(r"ERR_INTERNET_DISCONNECTED|^htmx:(afterRequest|sendError)")
"""What browser and htmx note of a connection that a journey has cut."""

LICENCE_REQUEST_FAILED = "6007"
"""Shaka Player's code."""


@pytest.fixture
async def context(chromium: Browser, street: Street) -> AsyncIterator[BrowserContext]:
    """A browser of someone in Germany, on the store's doorstep."""
    context = await chromium.new_context(
        base_url=street.store.web, viewport={"width": 1280, "height": 900}, locale="de-DE"
    )
    context.set_default_timeout(WAIT)
    yield context
    await context.close()


@pytest.fixture
async def cinema(context: BrowserContext) -> AsyncIterator[Cinema]:
    """A page whose every complaint, those about the content policy included, fails the journey."""
    cinema = await Cinema.in_page_of(context)
    yield cinema
    assert [text for text in cinema.complaints if not EXPECTED.match(text)] == []


@pytest.fixture
async def customer(street: Street) -> Customer:
    return await street.customer()


@pytest.mark.parametrize(
    ("locale", "rent", "opinion", "other"),
    [("de", "Leihen", "Unsere Meinung", "English"), ("en", "Rent", "Our opinion", "Deutsch")],
)
async def test_the_film_page_is_found_by_typing_and_shows_prices_posters_and_people(
    cinema: Cinema, street: Street, locale: str, rent: str, opinion: str, other: str
) -> None:
    page = cinema.page
    await page.goto(f"/{locale}/search")
    await page.locator("#q").press_sequentially("her")
    await page.locator("#results").get_by_role("link", name="Her", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Her")
    assert await page.locator(".film .poster").evaluate("(image) => image.complete && image.naturalWidth > 0")
    await expect(page.get_by_role("heading", name=opinion)).to_be_visible()
    choice = page.locator("form[data-kind=rent]")
    for quality, price in (await prices_of_her(street)).items():
        await choice.locator("label").filter(has_text=re.compile(f"^{quality}$")).click()
        await expect(choice.locator(".price").filter(visible=True)).to_contain_text(price[locale])
    await expect(choice.get_by_role("button", name=rent)).to_be_visible()
    await expect(page.locator(".cards .card")).not_to_have_count(0)
    await page.get_by_role("link", name=other).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Her")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_signing_in_happens_on_the_page_and_what_goes_wrong_is_told_there(
    cinema: Cinema, context: BrowserContext, customer: Customer
) -> None:
    page = cinema.page
    await page.goto("/de/films/her-2013")
    await page.get_by_role("button", name="Anmelden").first.click()
    panel = page.locator("#sign-in")
    await panel.get_by_label("E-Mail-Adresse").fill(customer.email)
    await panel.get_by_label("Passwort").fill("etwas ganz anderes")
    await panel.get_by_role("button", name="Anmelden").click()
    await expect(panel.get_by_role("alert")).to_be_visible()
    assert page.url.endswith("/de/films/her-2013")

    await context.set_offline(True)
    await panel.get_by_label("Passwort").fill(customer.password)
    await panel.get_by_role("button", name="Anmelden").click()
    sorry = page.get_by_role("dialog", name="Das ging leider nicht")
    await expect(sorry).to_contain_text("Die Verbindung ist unterbrochen.")
    await sorry.get_by_role("button", name="Schließen").click()
    await expect(sorry).to_be_hidden()
    await context.set_offline(False)
    cinema.complaints[:] = [text for text in cinema.complaints if not OFFLINE.search(text)]

    if await panel.is_hidden():
        await page.get_by_role("button", name="Anmelden").first.click()
    await panel.get_by_label("Passwort").fill(customer.password)
    await panel.get_by_role("button", name="Anmelden").click()
    await expect(page.get_by_role("link", name="Meine Filme").first).to_be_visible()
    assert page.url.endswith("/de/films/her-2013"), "nobody is led away"


async def test_a_declined_card_is_told_another_one_pays_and_the_film_plays_until_its_hours_end(
    cinema: Cinema, customer: Customer, street: Street
) -> None:
    page = cinema.page
    await order(page, customer, "/de/films/her-2013", "Leihen")
    button = page.get_by_role("button", name="Zahlungspflichtig bestellen")
    await page.get_by_role("radio", name="Zahlung gelingt").check()
    await button.click()
    await expect(page.locator("#immediate_performance-note")).to_contain_text("Bitte stimmen Sie zu")
    await agree(page)
    await page.get_by_role("radio", name="Karte wird abgelehnt").check()
    await button.click()
    await expect(page.locator("#checkout-problem")).to_contain_text("Die Karte wurde abgelehnt.")
    await page.get_by_role("radio", name="Zahlung gelingt").check()
    await button.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Viel Freude mit Her")
    assert "secret" not in page.url

    await page.get_by_role("link", name="Zu „Meine Filme“").click()
    await page.get_by_role("link", name="Ansehen Her").click()
    await page.get_by_role("button", name="Film starten").click()
    picture = await cinema.frames_advance()
    assert picture["width"] in (640, 1280)

    await page.goto("/de/library")
    await expect(page.get_by_role("main")).to_contain_text("Noch 47 Stunden")
    await page.route("**/media/**/manifest.mpd", lambda route: let_the_hours_pass(route, street))
    await page.get_by_role("link", name="Weitersehen Her").click()
    sentence = "Ihre Leihe ist vorbei. Sie können den Film noch einmal leihen oder kaufen."
    assert await cinema.refused() == sentence, "the licence was refused, and not one frame was shown"
    assert await page.get_attribute("#player", "data-code") == "rental_over"
    assert await page.get_attribute("#player", "data-fault") == LICENCE_REQUEST_FAILED


async def test_three_d_secure_leads_over_the_bank_and_the_film_is_there_for_good(
    cinema: Cinema, customer: Customer
) -> None:
    page = cinema.page
    await order(page, customer, "/de/films/her-2013", "Kaufen")
    await agree(page)
    await page.get_by_role("radio", name="3-D Secure").check()
    await page.get_by_role("button", name="Zahlungspflichtig bestellen").click()
    await page.get_by_role("button", name="Zahlung freigeben").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Viel Freude mit Her")
    await page.get_by_role("link", name="Zur Rechnung").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Rechnung R-")
    await page.goto("/de/library")
    await page.get_by_role("link", name="Ansehen Her").click()
    await cinema.frames_advance()
    await page.goto("/de/account/devices")
    await expect(page.get_by_role("main")).to_contain_text("Chrome · Linux")


async def test_without_a_right_there_is_a_sentence_and_not_one_frame(cinema: Cinema, customer: Customer) -> None:
    await cinema.page.goto("/de/watch/her-2013")
    await sign_in(cinema.page, customer)
    assert await cinema.refused() == "Diesen Film haben Sie nicht geliehen oder gekauft."
    await cinema.page.get_by_role("link", name="Zur Seite des Films").click()
    await expect(cinema.page.get_by_role("heading", level=1)).to_have_text("Her")


async def prices_of_her(street: Street) -> dict[str, dict[str, str]]:
    """What renting costs by quality, as each language writes it."""
    offers = (await street.program().get("/v1/titles/her-2013"))["offers"]
    euros = {offer["quality"]: f"{offer['price']['amount'] / 100:.2f}" for offer in offers if offer["kind"] == "rent"}
    assert set(euros) == {"SD", "HD", "UHD"}
    return {quality: {"de": text.replace(".", ","), "en": text} for quality, text in euros.items()}


async def order(page: Page, customer: Customer, film: str, action: str) -> None:
    """From the film's page over signing in to its checkout."""
    await page.goto(film)
    await page.get_by_role("button", name=action, exact=True).click()
    await sign_in(page, customer)
    await expect(page.get_by_role("button", name="Zahlungspflichtig bestellen")).to_be_enabled()


async def sign_in(page: Page, customer: Customer) -> None:
    form = page.get_by_role("main")
    await form.get_by_label("E-Mail-Adresse").fill(customer.email)
    await form.get_by_label("Passwort").fill(customer.password)
    await form.get_by_role("button", name="Anmelden", exact=True).click()


async def agree(page: Page) -> None:
    await page.get_by_label("Ich stimme ausdrücklich zu").check()
    await page.get_by_label("Mir ist bekannt").check()


async def let_the_hours_pass(route: Any, street: Street) -> None:
    """The film was allowed a moment ago; before the player asks for its keys, two days go by."""
    await street.program().post("/v1/sandbox/clock", {"forward_seconds": 48 * 3600}, status=200)
    await route.continue_()
