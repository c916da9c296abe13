"""An account in a real browser: registered, confirmed by mail, its sign-ins ended, its password changed and renewed."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.cinema import WAIT, Cinema
from tests.journeys.street import PASSWORD, Customer, Street

pytestmark = pytest.mark.browser

CHANGED, RENEWED = "vier Pinguine lesen Zeitung", "fünf Kraniche ziehen südwärts"

REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 40[0-9]")
"""The browser reports refused forms as errors of loading."""


@pytest.fixture
async def context(chromium: Browser, street: Street) -> AsyncIterator[BrowserContext]:
    """A browser of someone in Germany."""
    context = await chromium.new_context(
        base_url=street.store.web, viewport={"width": 1280, "height": 900}, locale="de-DE"
    )
    context.set_default_timeout(WAIT)
    yield context
    await context.close()


@pytest.fixture
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A page whose every complaint, those about the content policy included, fails the journey."""
    cinema = await Cinema.in_page_of(context)
    yield cinema.page
    assert [text for text in cinema.complaints if not REFUSED.match(text)] == []


async def sign_in(page: Page, email: str, password: str) -> None:
    await page.goto("/de/sign-in?next=/de/account")
    form = page.get_by_role("main")
    await form.get_by_label("E-Mail-Adresse").fill(email)
    await form.get_by_label("Passwort", exact=True).fill(password)
    await form.get_by_role("button", name="Anmelden", exact=True).click()


async def test_a_customer_registers_and_confirms_by_the_mailed_link_without_typing_its_code(
    page: Page, street: Street
) -> None:
    mailbox = street.mailbox()
    await page.goto("/de/register")
    form = page.get_by_role("main")
    await form.get_by_label("E-Mail-Adresse").fill(mailbox.address)
    await form.get_by_label("Passwort", exact=True).fill(PASSWORD)
    await form.get_by_role("checkbox").check()
    await form.get_by_role("button", name="Konto anlegen").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Noch ein Schritt")

    letter = await mailbox.receives("Bestätigen Sie Ihre Adresse")
    await page.goto(letter.link_with_code)
    await expect(page.get_by_role("heading", level=1)).to_have_text("E-Mail-Adresse bestätigen")
    await expect(page.get_by_label("Code aus der E-Mail")).to_have_value(letter.code)
    assert letter.code not in page.url, "the code leaves the address bar, and so the history"
    await page.get_by_role("main").get_by_label("Passwort", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Bestätigen").click()
    await expect(page.get_by_role("main")).to_contain_text("Ihr Konto ist bereit, und Sie sind angemeldet.")
    await page.goto("/de/account")
    await expect(page.get_by_role("main")).to_contain_text(mailbox.address)
    await expect(page.get_by_role("region", name="Wo Sie angemeldet sind")).to_contain_text("Chrome, Linux")


async def test_a_customer_sees_the_own_sign_ins_ends_one_and_changes_the_password(page: Page, street: Street) -> None:
    customer = await street.customer()
    other = await street.signed_in_program(customer)
    await sign_in(page, customer.email, customer.password)
    listed = page.get_by_role("region", name="Wo Sie angemeldet sind")
    await expect(listed.get_by_role("listitem")).to_have_count(2)
    await listed.get_by_role("button", name="Beenden", exact=True).click()
    await expect(listed.get_by_role("listitem")).to_have_count(1)
    await expect(listed).to_contain_text("diese Anmeldung")
    await other.get("/v1/account", status=401)

    another = await street.signed_in_program(customer)
    await page.get_by_role("link", name="Passwort ändern").click()
    form = page.get_by_role("main")
    await form.get_by_label("Bisheriges Passwort").fill("etwas ganz anderes")
    await form.get_by_label("Neues Passwort").fill(CHANGED)
    await form.get_by_role("button", name="Passwort ändern").click()
    await expect(form.get_by_label("Bisheriges Passwort")).to_have_attribute("aria-invalid", "true")
    await form.get_by_label("Bisheriges Passwort").fill(customer.password)
    await form.get_by_label("Neues Passwort").fill(CHANGED)
    await form.get_by_role("button", name="Passwort ändern").click()
    await expect(page.get_by_role("main")).to_contain_text("Ihr neues Passwort gilt.")
    await another.get("/v1/account", status=401)
    await customer.mailbox.receives("Ihr Passwort wurde geändert")


async def test_a_forgotten_password_is_renewed_by_the_mailed_link_and_the_old_one_opens_nothing(
    page: Page, street: Street
) -> None:
    customer: Customer = await street.customer()
    await sign_in(page, customer.email, "etwas ganz anderes")
    await expect(page.get_by_role("main").get_by_role("alert")).to_be_visible()
    await page.goto("/de/password/forgot")
    await page.get_by_role("main").get_by_label("E-Mail-Adresse").fill(customer.email)
    await page.get_by_role("main").get_by_role("button", name="Link anfordern").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Schauen Sie in Ihr Postfach")

    letter = await customer.mailbox.receives("Ihr Link für ein neues Passwort")
    await page.goto(letter.link_with_code)
    await expect(page.get_by_label("Code aus der E-Mail")).to_have_value(letter.code)
    assert letter.code not in page.url
    await page.get_by_label("Neues Passwort").fill("zu kurz")
    await page.get_by_role("button", name="Passwort festlegen").click()
    await expect(page.get_by_label("Neues Passwort")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Neues Passwort").fill(RENEWED)
    await page.get_by_role("button", name="Passwort festlegen").click()
    await expect(page.get_by_role("main")).to_contain_text("Ihr neues Passwort gilt.")

    await sign_in(page, customer.email, customer.password)
    await expect(page.get_by_role("main").get_by_role("alert")).to_be_visible()
    await sign_in(page, customer.email, RENEWED)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Konto")
