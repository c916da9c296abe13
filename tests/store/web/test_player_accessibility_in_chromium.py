"""axe-core reads the player in a real browser: its question, its film and its refusal hinder nobody."""

import pytest
from playwright.async_api import Browser

from store.database import Database
from store.settings import Settings
from tests.cinema import WAIT, Cinema
from tests.store.entitlement.parts import load_test_film, make_customer, make_right, make_title
from tests.store.web.test_accessibility_in_chromium import DESKTOP, PHONE, SHIFTS, faults_of_page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("locale", ["de", "en"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_the_player_hinders_nobody(
    chromium: Browser,
    live_server: str,
    axe_script: str,
    database: Database,
    settings: Settings,
    viewport: dict[str, int],
    locale: str,
) -> None:
    await load_test_film(database, settings)
    customer, title = await make_customer(database), await make_title(database)
    # The pages forbid scripts that are not theirs; the checker is one.
    context = await chromium.new_context(viewport=viewport, bypass_csp=True, reduced_motion="reduce")  # type: ignore[arg-type]
    await context.add_cookies([{"name": settings.session_cookie, "value": customer.token, "url": live_server}])
    await context.add_init_script(SHIFTS)
    cinema = await Cinema.in_page_of(context)
    page, address = cinema.page, f"{live_server}/{locale}/watch/{title.slug}"
    await page.goto(address)
    await cinema.refused()
    faults = await faults_of_page(page, axe_script)
    await make_right(database, customer, title)
    await page.goto(address)
    start = page.locator('[data-part="confirm"]')
    await start.wait_for(timeout=WAIT)
    faults += await faults_of_page(page, axe_script)
    await start.click()
    await cinema.frames_advance()
    await page.keyboard.press("k")
    faults += await faults_of_page(page, axe_script)
    assert faults == []
    await context.close()
