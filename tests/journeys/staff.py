"""The demo staff at their work: signed in by password and code."""

from store.sandbox.demo_accounts import PASSWORD, SECRET
from tests.authenticators import Authenticator
from tests.journeys.browser import Browser
from tests.journeys.waiting import eventually

AUTHENTICATOR = Authenticator(SECRET)


async def demo_code(email: str) -> str:
    """A code that this account has not used; one account gets at most one every half minute for long."""

    async def look() -> str | None:
        return AUTHENTICATOR.code(email)

    return await eventually(look, patience=60)


async def staff_sign_in(browser: Browser, email: str) -> None:
    """Sign in by the two forms."""
    await browser.open("/de/sign-in")
    page = await browser.press("Anmelden", {"E-Mail-Adresse": email, "Passwort": PASSWORD})
    assert page.heading == "Code eingeben"
    await browser.press("Anmelden", {"Code": await demo_code(email)})
