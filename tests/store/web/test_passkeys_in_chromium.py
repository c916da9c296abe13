"""Passkeys in a real browser with a virtual authenticator: set up, signed in by, asked for anew, cancelled, removed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest
from litestar import Litestar
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, expect

from auth.models import Account
from tests.auth.people import AUTHENTICATOR, GOOD_PASSWORD, a_colleague, a_customer
from tests.auth.test_second_factor import a_newcomer
from tests.cinema import WAIT, Cinema

pytestmark = pytest.mark.browser

VIRTUAL = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


OFFERS_NONE = """
if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false;
"""


@dataclass(slots=True)
class Desk:
    """A browser with an authenticator in it."""

    page: Page
    context: BrowserContext
    cdp: CDPSession
    authenticator: str

    async def credentials(self) -> list[dict[str, object]]:
        found = await self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        credentials: list[dict[str, object]] = found["credentials"]
        return credentials

    async def verifies(self, yes: bool) -> None:
        """Whether the finger on the sensor is the owner's."""
        params = {"authenticatorId": self.authenticator, "isUserVerified": yes}
        await self.cdp.send("WebAuthn.setUserVerified", params)

    async def sign_in(self, account: Account) -> None:
        """By the password, and a code where one is asked for."""
        page = self.page
        await page.goto("/de/sign-in")
        form = page.locator("main form").filter(has=page.get_by_label("Passwort"))
        await form.get_by_label("E-Mail-Adresse").fill(account.email or "")
        await form.get_by_label("Passwort").fill(GOOD_PASSWORD)
        await form.get_by_role("button", name="Anmelden").click()
        if account.kind == "staff":
            await page.get_by_label("Code").fill(AUTHENTICATOR.now())
            await page.locator("main").get_by_role("button", name="Anmelden").click()
        await expect(page).to_have_url("/de")

    async def add_passkey(self) -> None:
        page = self.page
        await page.goto("/de/account")
        await page.get_by_role("link", name="Passkeys verwalten").click()
        await page.get_by_label("Name").fill("Mein Rechner")
        await page.get_by_role("button", name="Passkey hinzufügen").click()
        await expect(page.get_by_text("Der Passkey ist eingerichtet")).to_be_visible()
        await expect(page.locator(".rows")).to_contain_text("Mein Rechner")

    async def sign_out(self) -> None:
        await self.context.clear_cookies()


@asynccontextmanager
async def a_desk(chromium: Browser, address: str, *, before: str = "") -> AsyncIterator[Desk]:
    context = await chromium.new_context(base_url=address, viewport={"width": 1280, "height": 900}, locale="de-DE")
    context.set_default_timeout(WAIT)
    await context.add_init_script(before)
    cinema = await Cinema.in_page_of(context)
    cdp = await context.new_cdp_session(cinema.page)
    await cdp.send("WebAuthn.enable")
    added = await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": VIRTUAL})
    yield Desk(cinema.page, context, cdp, added["authenticatorId"])
    await context.close()
    assert [text for text in cinema.complaints if "Failed to load resource" not in text] == []


@pytest.fixture
async def desk(chromium: Browser, live_server: str) -> AsyncIterator[Desk]:
    """With a browser that offers no passkeys by itself, so that only a button asks for one."""
    offers_none = (
        "if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false"
    )
    async with a_desk(chromium, live_server, before=offers_none) as desk:
        yield desk


@pytest.fixture
async def offering_desk(chromium: Browser, live_server: str) -> AsyncIterator[Desk]:
    """With a browser that offers passkeys in the address field; its authenticator takes the first offer."""
    async with a_desk(chromium, live_server) as desk:
        yield desk


async def test_a_customer_adds_a_passkey_and_signs_in_by_it_alone(app: Litestar, desk: Desk) -> None:
    customer = await a_customer(app)
    await desk.sign_in(customer)
    await desk.add_passkey()
    (made,) = await desk.credentials()
    assert made["isResidentCredential"]
    await desk.sign_out()
    await desk.page.goto("/de/sign-in?next=/de/account")
    await desk.page.get_by_role("button", name="Mit Passkey anmelden").click()
    await expect(desk.page).to_have_url("/de/account")
    await expect(desk.page.locator("main")).to_contain_text(customer.email or "")


async def test_the_browser_offers_the_passkey_in_the_address_field(app: Litestar, offering_desk: Desk) -> None:
    desk = offering_desk
    await desk.sign_in(await a_customer(app))
    await desk.add_passkey()
    await desk.sign_out()
    await desk.page.goto("/de/sign-in?next=/de/account/passkeys")
    await expect(desk.page).to_have_url("/de/account/passkeys")


async def test_staff_sign_in_by_a_passkey_alone_and_after_the_password(
    app: Litestar, desk: Desk, owner: asyncpg.Connection
) -> None:
    colleague = await a_colleague(app)
    await desk.sign_in(colleague)
    await desk.add_passkey()
    await owner.execute("UPDATE auth.second_factors SET removed_at = $1, sealed_secret = NULL", datetime.now(UTC))
    await desk.sign_out()
    page = desk.page
    await page.goto("/de/sign-in?next=/de/staff")
    form = page.locator("main form").filter(has=page.get_by_label("Passwort"))
    await form.get_by_label("E-Mail-Adresse").fill(colleague.email or "")
    await form.get_by_label("Passwort").fill(GOOD_PASSWORD)
    await form.get_by_role("button", name="Anmelden").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Mit Passkey bestätigen")
    await expect(page.get_by_label("Code")).to_have_count(0)
    await page.get_by_role("button", name="Mit Passkey bestätigen").click()
    await expect(page).to_have_url("/de/staff")

    await desk.sign_out()
    await page.goto("/de/sign-in?next=/de/staff")
    await page.get_by_role("button", name="Mit Passkey anmelden").click()
    await expect(page).to_have_url("/de/staff")


async def test_staff_set_a_passkey_up_at_their_first_sign_in(
    app: Litestar, desk: Desk, owner: asyncpg.Connection
) -> None:
    newcomer, page = await a_newcomer(app), desk.page
    await page.goto("/de/sign-in?next=/de/staff")
    form = page.locator("main form").filter(has=page.get_by_label("Passwort"))
    await form.get_by_label("E-Mail-Adresse").fill(newcomer.email or "")
    await form.get_by_label("Passwort").fill(GOOD_PASSWORD)
    await form.get_by_role("button", name="Anmelden").click()
    await page.get_by_role("button", name="Statt der App einen Passkey einrichten").click()
    await expect(page).to_have_url("/de/staff")
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys WHERE account_id = $1", newcomer.id) == 1


async def test_a_passkey_is_a_proof_anew_and_the_last_factor_stays(
    app: Litestar, desk: Desk, owner: asyncpg.Connection
) -> None:
    await desk.sign_in(await a_colleague(app))
    await desk.add_passkey()
    await owner.execute("UPDATE auth.second_factors SET removed_at = $1, sealed_secret = NULL", datetime.now(UTC))
    await owner.execute("UPDATE auth.sessions SET auth_at = auth_at - interval '1 hour', step_up_at = NULL")
    page = desk.page
    await page.get_by_role("button", name="Entfernen").click()
    await page.get_by_role("button", name="Mit Passkey bestätigen").click()
    await expect(page).to_have_url("/de/account/passkeys")
    await page.get_by_role("button", name="Entfernen").click()
    await expect(page.get_by_role("alert").filter(has_text="letzter zweiter Faktor")).to_be_visible()
    assert await owner.fetchval("SELECT count(*) FROM auth.passkeys WHERE removed_at IS NULL") == 1


async def test_a_stale_session_proves_itself_before_a_passkey_is_added(
    app: Litestar, desk: Desk, owner: asyncpg.Connection
) -> None:
    await desk.sign_in(await a_customer(app))
    await owner.execute("UPDATE auth.sessions SET auth_at = auth_at - interval '1 hour'")
    page = desk.page
    await page.goto("/de/account/passkeys")
    await page.get_by_role("button", name="Passkey hinzufügen").click()
    await expect(page).to_have_url("/de/step-up?next=%2Fde%2Faccount%2Fpasskeys")
    await page.get_by_label("Passwort").fill(GOOD_PASSWORD)
    await page.get_by_role("button", name="Bestätigen").click()
    await expect(page).to_have_url("/de/account/passkeys")
    await page.get_by_role("button", name="Passkey hinzufügen").click()
    await expect(page.get_by_text("Der Passkey ist eingerichtet")).to_be_visible()


async def test_who_is_not_recognised_is_told_so_and_may_go_on_otherwise(
    app: Litestar, desk: Desk, owner: asyncpg.Connection
) -> None:
    customer = await a_customer(app)
    await desk.sign_in(customer)
    await desk.add_passkey()
    await desk.page.get_by_role("button", name="Passkey hinzufügen").click()
    await expect(desk.page.get_by_role("alert").filter(has_text="Dort liegt schon ein Passkey")).to_be_visible()
    await desk.sign_out()
    await desk.verifies(False)
    await desk.page.goto("/de/sign-in")
    await desk.page.get_by_role("button", name="Mit Passkey anmelden").click()
    await expect(desk.page.get_by_role("alert").filter(has_text="nicht bestätigt")).to_be_visible()
    assert await owner.fetchval("SELECT last_used_at FROM auth.passkeys") is None
    await desk.sign_in(customer)
