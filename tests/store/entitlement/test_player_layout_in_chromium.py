"""The player on small screens: everything is on the screen, and large enough for a thumb."""

import pytest
from playwright.async_api import Page

from store.catalogue.models import Title
from store.database import Database
from tests.cinema import WAIT, Cinema
from tests.store.entitlement.parts import Customer, make_right

pytestmark = pytest.mark.browser

SCREENS = ((568, 320), (640, 360), (740, 360), (360, 640), (320, 568), (1280, 720))

OUTSIDE = """() => [...document.querySelectorAll(".above > *, .below > *, .below select")]
    .filter((part) => part.checkVisibility())
    .map((part) => [part.dataset.part || part.className, part.getBoundingClientRect()])
    .filter(([, box]) => box.left < 0 || box.right > innerWidth || box.bottom > innerHeight || box.width < 20)
    .map(([name, box]) => `${name} from ${box.left} to ${box.right}, ${box.bottom}`)"""

BELOW_THE_WAY_BACK = """() => {
    const back = document.querySelector(".above a").getBoundingClientRect();
    return document.querySelector("[data-panel]:not([hidden])").getBoundingClientRect().top >= back.bottom;
}"""

GRADIENT = "getComputedStyle(document.querySelector('.above')).backgroundImage"


async def read_on_all_screens(page: Page) -> None:
    """What stands below the way back, and is not darkened by it."""
    for width, height in SCREENS:
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate(BELOW_THE_WAY_BACK), (width, height)
        assert await page.evaluate(GRADIENT) == "none"


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_all_controls_are_on_the_screen_and_the_seek_bar_is_wide(
    cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title, locale: str
) -> None:
    page = cinema.page
    await make_right(database, customer, title, kind="buy")
    await page.goto(f"{live_server}/{locale}/watch/{title.slug}")
    await cinema.frames_advance()
    await page.locator('[data-part="subtitles"]').select_option("de")
    await page.keyboard.press("k")
    for width, height in SCREENS:
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate(OUTSIDE) == [], (width, height)
        seek = await page.get_by_role("slider").bounding_box()
        assert seek is not None
        assert seek["width"] >= 200, (width, height)


async def test_a_question_and_a_refusal_are_read_below_the_way_back(
    cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title
) -> None:
    page = cinema.page
    address = f"{live_server}/de/watch/{title.slug}"
    await page.goto(address)
    await cinema.refused()
    await read_on_all_screens(page)
    await make_right(database, customer, title)
    await page.goto(address)
    await page.get_by_role("button", name="Film starten").wait_for(timeout=WAIT)
    await read_on_all_screens(page)
