"""Support's work in a real browser: know the caller, start a reset, see its mail arrive; axe finds nothing."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from store.sandbox.demo_accounts import PASSWORD as DEMO_PASSWORD
from tests.cinema import WAIT
from tests.journeys.staff import demo_code
from tests.journeys.street import Street
from tests.journeys.waiting import eventually
from tests.store.web.test_accessibility_in_chromium import SHIFTS, faults_of_page

pytestmark = pytest.mark.browser

SUPPORT = "support@demo.videothek.example"
REASON = "Anruf, Vorgang 4711: kann sich nicht anmelden"


@pytest.fixture
async def desk(chromium: Browser, street: Street) -> AsyncIterator[Page]:
    """The page of somebody at work; the checker is a script that the pages' own policy would forbid."""
    context: BrowserContext = await chromium.new_context(
        base_url=street.store.web,
        viewport={"width": 1280, "height": 900},
        locale="de-DE",
        reduced_motion="reduce",
        bypass_csp=True,
    )
    context.set_default_timeout(WAIT)
    await context.add_init_script(SHIFTS)
    yield await context.new_page()
    await context.close()


async def test_an_agent_knows_the_caller_and_sees_the_mail_of_a_reset_arrive(
    desk: Page, street: Street, axe_script: str
) -> None:
    customer = await street.customer()
    app = await street.signed_in_program(customer)
    bought = await app.buy("rent")
    order_number = bought["order"]["order_number"]

    await sign_in(desk)
    await desk.goto("/de/support")
    await desk.get_by_label("E-Mail-Adresse, Bestell- oder Rechnungsnummer").fill(order_number)
    await desk.get_by_role("button", name="Konto öffnen").click()
    await expect(desk.get_by_role("heading", level=1)).to_contain_text("•••@")
    for part, words in (("orders", order_number), ("rights", "Her"), ("mails", "Bestellbestätigung")):
        await expect(sheet(desk, part)).to_contain_text(words)
    assert await faults_of_page(desk, axe_script) == []

    await desk.get_by_role("button", name="Code zeigen lassen").click()
    letter = await customer.mailbox.receives("Ihr Code für das Gespräch")
    found = re.search(r"^\s*(\d{3} \d{3})\s*$", letter.text, re.MULTILINE)
    assert found is not None
    assert found[1] not in await desk.content()
    field = desk.get_by_label("Vorgelesener Code")
    await field.fill("000 000" if found[1] != "000 000" else "111 111")
    await desk.get_by_role("button", name="Prüfen").click()
    await expect(desk.get_by_text("Das ist nicht der Code.")).to_be_visible()
    await expect(field).to_be_focused()
    assert await faults_of_page(desk, axe_script) == []
    await field.fill(found[1])
    await desk.get_by_role("button", name="Prüfen").click()
    await expect(desk.get_by_text("Die Person hat sich ausgewiesen")).to_be_visible()

    await desk.locator("#reset-reason").fill(REASON)
    await desk.get_by_role("button", name="Link schicken lassen").click()
    await expect(desk.get_by_text("Der Link für ein neues Passwort geht an")).to_be_visible()
    reset = await customer.mailbox.receives("Ihr Link für ein neues Passwort")
    await eventually(lambda: told_as_accepted(desk))
    await expect(sheet(desk, "resets")).to_contain_text("ausgewiesen")
    await expect(sheet(desk, "audit")).to_contain_text(REASON)
    content = await desk.content()
    assert not [secret for secret in (customer.email, reset.code, "vt1_") if secret in content]
    assert await faults_of_page(desk, axe_script) == []


async def sign_in(desk: Page) -> None:
    """By password and code."""
    await desk.goto("/de/sign-in")
    form = desk.locator("main form").filter(has=desk.get_by_label("Passwort", exact=True))
    await form.get_by_label("E-Mail-Adresse").fill(SUPPORT)
    await form.get_by_label("Passwort", exact=True).fill(DEMO_PASSWORD)
    await form.get_by_role("button", name="Anmelden", exact=True).click()
    await desk.locator("main").get_by_label("Code").fill(await demo_code(SUPPORT))
    await desk.locator("main").get_by_role("button", name="Anmelden", exact=True).click()
    await expect(desk.get_by_role("heading", level=1)).not_to_have_text("Code eingeben")


def sheet(desk: Page, name: str) -> Locator:
    """One of the tables of a customer's page."""
    return desk.locator(f"section.part:has(#{name})")


async def told_as_accepted(desk: Page) -> str | None:
    """What the page says of the reset, once the mail server took the mail with its link."""
    await desk.reload()
    told = await sheet(desk, "resets").inner_text()
    return told if "vom Mailserver angenommen" in told else None
