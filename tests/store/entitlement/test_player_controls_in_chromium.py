"""The player's controls by keyboard and by mouse: they do what they say, say what they did, and leave no key behind."""

import pytest
from playwright.async_api import Page, expect

from store.catalogue.models import Title
from store.database import Database
from tests.cinema import WAIT, Cinema
from tests.store.entitlement.parts import Customer, make_right

pytestmark = pytest.mark.browser

FOCUS = "document.activeElement.dataset.part || document.activeElement.tagName"


@pytest.fixture
async def page(cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title) -> Page:
    """A bought film that plays."""
    await make_right(database, customer, title, kind="buy")
    await cinema.page.clock.install()
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    return cinema.page


async def time_of(page: Page) -> float:
    time: float = await page.evaluate("document.querySelector('video').currentTime")
    return time


async def test_the_slider_moves_as_the_other_keys_do_and_speaks_only_then(page: Page) -> None:
    await page.keyboard.press("k")
    slider = page.get_by_role("slider", name="Stelle im Film")
    await slider.focus()
    began = await time_of(page)
    for key, step in (("ArrowRight", 10), ("ArrowUp", 10), ("ArrowDown", -10), ("ArrowLeft", -10)):
        before = await time_of(page)
        await page.keyboard.press(key)
        assert await time_of(page) == pytest.approx(before + step, abs=0.2), key
    assert await time_of(page) == pytest.approx(began, abs=0.2)
    await page.keyboard.press("ArrowRight")
    await expect(slider).to_have_attribute("aria-valuetext", f"0:{int(began) + 10} / 0:30")
    await page.keyboard.press("PageUp")
    assert await time_of(page) == 30
    await page.keyboard.press("PageDown")
    assert await time_of(page) == 0
    assert await page.evaluate("document.querySelector('video').volume") == 1
    await expect(slider).to_have_attribute("aria-valuetext", "0:00 / 0:30")
    await page.keyboard.press(" ")
    await page.evaluate("document.querySelector('video').currentTime = 5")
    await expect(page.locator('[data-part="clock"]')).to_have_text("0:06 / 0:30", timeout=WAIT)
    await expect(slider).to_have_attribute("aria-valuetext", "0:00 / 0:30")


async def test_the_controls_fade_after_a_click_and_the_keys_are_the_films_again(page: Page) -> None:
    bar = page.locator(".below")
    await page.get_by_role("button", name="Ton aus").click()
    assert await page.evaluate(FOCUS) == "BODY"
    await page.keyboard.press(" ")
    assert await page.evaluate("document.querySelector('video').paused") is True
    assert await page.evaluate("document.querySelector('video').muted") is True
    await page.keyboard.press(" ")
    await page.get_by_role("slider").click()
    assert await page.evaluate(FOCUS) == "BODY"
    await page.clock.fast_forward(4_000)
    await expect(bar).to_have_css("opacity", "0")
    await page.keyboard.press("Tab")
    await page.locator('[data-part="toggle"]').focus()
    await page.clock.fast_forward(4_000)
    await expect(bar).to_have_css("opacity", "1")


async def test_a_list_that_was_chosen_from_by_mouse_does_not_keep_the_keys(page: Page) -> None:
    sound = page.get_by_role("combobox", name="Ton", exact=True)
    await sound.hover()
    await page.mouse.down()
    await page.mouse.up()
    async with page.expect_response("**/v1/track-choice"):
        await sound.select_option("en")
    assert await page.evaluate(FOCUS) == "BODY"
    await page.keyboard.press("ArrowDown")
    assert await sound.input_value() == "en"
    await expect(page.get_by_role("status")).to_have_text("Lautstärke 90 %")


async def test_the_volume_is_shown_and_said_for_a_moment(page: Page) -> None:
    line = page.get_by_role("status")
    await page.keyboard.press("ArrowDown")
    await expect(line).to_have_text("Lautstärke 90 %")
    await expect(line).to_be_visible()
    await page.keyboard.press("m")
    await expect(line).to_have_text("Lautstärke 0 %")
    await page.clock.fast_forward(2_500)
    await expect(line).to_be_empty()


async def test_each_list_says_what_it_chooses_and_the_film_has_the_heading(page: Page, title: Title) -> None:
    for name in ("Ton", "Untertitel", "Bild"):
        await expect(page.get_by_role("combobox", name=name, exact=True)).to_be_visible()
        await expect(page.locator(".pick").get_by_text(name, exact=True)).to_be_visible()
    headings = page.get_by_role("heading", level=1)
    await expect(headings).to_have_count(1)
    await expect(headings).to_have_text(title.original_title)


async def test_subtitles_do_not_glide_where_motion_is_not_wanted(page: Page) -> None:
    """The ground's rule against motion does not reach this part of the browser's own."""
    glides = """() => [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
        .filter((rule) => rule.cssText.includes("text-track-container") && rule.cssText.includes("transition"))
        .map((rule) => rule.conditionText || "always")"""
    assert await page.evaluate(glides) == ["(prefers-reduced-motion: no-preference)"]
