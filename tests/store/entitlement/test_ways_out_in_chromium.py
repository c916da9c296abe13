"""What stops a film in a real browser is said with the way out of it, and costs nobody their hours."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from playwright.async_api import Route, expect

from store.catalogue.models import Title
from store.database import Database
from tests.cinema import UNTIL_PICTURE, WAIT, Cinema
from tests.store.entitlement.parts import Customer, make_right

pytestmark = pytest.mark.browser


async def test_what_only_the_customer_service_can_mend_leads_there(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    await make_right(database, customer, title, kind="buy")
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    await owner.execute("UPDATE store.entitlements SET paused_at = now(), pause_reason = 'dispute'")
    await cinema.page.keyboard.press("k")
    way = cinema.page.get_by_role("link", name="An den Kundendienst schreiben")
    await expect(way).to_have_attribute("href", "/de/account/cases/new", timeout=WAIT)
    assert await cinema.page.get_attribute("#player", "data-code") == "right_paused"


async def test_a_licence_whose_answer_is_lost_gives_the_start_back_as_soon_as_it_can_be_told(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        await route.abort()

    async def lose(route: Route) -> None:
        await route.abort()

    page, began = cinema.page, "SELECT first_played_at IS NOT NULL FROM store.entitlements"
    await make_right(database, customer, title)
    await page.route("**/v1/playback-licences/clearkey", lose_the_answer)
    await page.route("**/failures", lose)
    await page.goto(f"{live_server}/de/watch/{title.slug}")
    await page.get_by_role("button", name="Film starten").click(timeout=WAIT)
    assert "ob Ihre Leihzeit zählt" in await cinema.refused()
    assert await owner.fetchval(began) is True
    await page.unroute_all()
    await page.get_by_role("button", name="Noch einmal versuchen").click()
    await page.get_by_role("button", name="Film starten").wait_for(timeout=WAIT)
    assert await owner.fetchval(began) is False, "it is a question again"


async def test_a_film_that_is_bought_while_its_rental_runs_goes_on_when_that_ends(
    cinema: Cinema, live_server: str, database: Database, owner: asyncpg.Connection, customer: Customer, title: Title
) -> None:
    began = datetime.now(UTC) - timedelta(hours=1)
    rental = await make_right(database, customer, title, granted_at=began, first_played_at=began)
    await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
    await cinema.frames_advance()
    bought = await make_right(database, customer, title, kind="buy")
    await owner.execute("UPDATE store.entitlements SET ends_at = now() WHERE id = $1", rental)
    async with cinema.page.expect_response("**/heartbeats"):
        await cinema.page.keyboard.press("k")
    async with cinema.page.expect_response("**/v1/playback-sessions"):
        await cinema.page.keyboard.press("k")
    shown = (await cinema.picture())["frames"]
    await cinema.page.evaluate(UNTIL_PICTURE, [shown + 10, 0, WAIT])
    right = "SELECT entitlement_id FROM store.playback_sessions ORDER BY opened_at DESC LIMIT 1"
    assert await owner.fetchval(right) == bought
