"""A network that goes and comes back: the film waits, says so, and goes on; a failure is told as soon as it can be."""

import asyncpg
import pytest
from playwright.async_api import Page, Route, expect

from store.catalogue.models import Title
from store.database import Database
from tests.cinema import UNTIL_PICTURE, WAIT, Cinema
from tests.store.entitlement.parts import Customer, make_right

pytestmark = pytest.mark.browser

MEDIA = "**/media/**"
WAITS = "Der Film wartet auf die Verbindung."
LICENCE = "**/v1/playback-licences/clearkey"
UNTOLD = "ob Ihre Leihzeit zählt"
TAKEN_BACK = "Ihre Leihzeit gilt deshalb als nicht begonnen."
BEGAN = "SELECT first_played_at IS NOT NULL FROM store.entitlements"


async def lose(route: Route) -> None:
    await route.abort("internetdisconnected")


async def lose_the_answer(route: Route) -> None:
    await route.fetch()
    await route.abort()


async def empty_the_buffer(page: Page) -> None:
    """The film is moved to where nothing was fetched yet, and nothing comes."""
    await page.route(MEDIA, lose)
    await page.evaluate("document.querySelector('video').currentTime = 27")
    await expect(page.get_by_text(WAITS)).to_be_visible(timeout=WAIT)


async def test_a_film_waits_for_the_network_and_goes_on(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    page = cinema.page
    await make_right(database, customer, title, kind="buy")
    await page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    await empty_the_buffer(page)
    await expect(page.get_by_role("status")).to_have_text(WAITS)
    await expect(page.locator(".waiting .breath")).to_be_visible()
    await expect(page.locator('[data-part="clock"]')).to_have_text("0:27 / 0:30")
    assert await page.get_by_role("slider").input_value() == "27"
    assert await page.get_attribute("#player", "data-awake") == "true"
    frames = (await cinema.picture())["frames"]
    await page.unroute_all()
    await page.evaluate(UNTIL_PICTURE, [frames + 10, 27, WAIT])
    await expect(page.get_by_text(WAITS)).to_be_hidden()
    assert await page.get_attribute("#player", "data-refused") is None
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions WHERE end_reason = 'failed'") == 0


async def test_a_film_that_waits_in_vain_says_so_and_is_no_failure(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    page = cinema.page
    await make_right(database, customer, title, kind="buy")
    await page.clock.install()
    await page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    await empty_the_buffer(page)
    await page.clock.fast_forward(61_000)
    await expect(page.get_by_role("alert")).to_contain_text("Der Film geht dort weiter", timeout=WAIT)
    await page.unroute_all()
    await page.get_by_role("button", name="Noch einmal versuchen").click()
    await page.evaluate(UNTIL_PICTURE, [5, 26, WAIT])
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions WHERE end_reason = 'failed'") == 0


@pytest.mark.parametrize("status", [401, 403, 429, 503])
async def test_a_failure_stays_untold_until_the_server_has_taken_it(
    cinema: Cinema,
    live_server: str,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    title: Title,
    status: int,
) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=status, json={"code": "refused", "detail": "Bitte etwas später."})

    page = cinema.page
    await make_right(database, customer, title)
    await page.route(LICENCE, lose_the_answer)
    await page.route("**/failures", refuse)
    await page.goto(f"{live_server}/de/watch/{title.slug}")
    await page.get_by_role("button", name="Film starten").click(timeout=WAIT)
    assert UNTOLD in await cinema.refused()
    assert await owner.fetchval(BEGAN) is True
    await page.unroute_all()
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.get_by_role("alert")).to_contain_text(TAKEN_BACK, timeout=WAIT)
    assert await owner.fetchval(BEGAN) is False
    await page.get_by_role("button", name="Noch einmal versuchen").click()
    await page.get_by_role("button", name="Film starten").wait_for(timeout=WAIT)
    assert await owner.fetchval(BEGAN) is False, "it is a question again"


async def test_a_failure_is_told_once_though_two_ask_for_it(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    page, told = cinema.page, 0

    async def count(route: Route) -> None:
        nonlocal told
        told += 1
        await route.continue_()

    await make_right(database, customer, title)
    await page.route(LICENCE, lose_the_answer)
    await page.route("**/failures", lose)
    await page.goto(f"{live_server}/de/watch/{title.slug}")
    await page.get_by_role("button", name="Film starten").click(timeout=WAIT)
    assert UNTOLD in await cinema.refused()
    await page.unroute_all()
    await page.route("**/failures", count)
    again = page.get_by_role("button", name="Noch einmal versuchen")
    await again.evaluate("(again) => { dispatchEvent(new Event('online')); again.click(); }")
    await page.get_by_role("button", name="Film starten").wait_for(timeout=WAIT)
    assert told == 1
    assert await owner.fetchval(BEGAN) is False


async def test_a_start_whose_failure_nobody_knows_is_a_question_again(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    async def is_over(route: Route) -> None:
        await route.fulfill(status=410, json={"code": "playback_ended", "end_reason": "silent", "detail": "Vorbei."})

    page = cinema.page
    await make_right(database, customer, title)
    await page.route(LICENCE, lose)
    await page.route("**/failures", is_over)
    await page.goto(f"{live_server}/de/watch/{title.slug}")
    await page.get_by_role("button", name="Film starten").click(timeout=WAIT)
    await cinema.refused()
    await page.unroute_all()
    await page.get_by_role("button", name="Noch einmal versuchen").click()
    await page.get_by_role("button", name="Film starten").wait_for(timeout=WAIT)
    assert await owner.fetchval(BEGAN) is False
