"""The place of a film in a real browser: told when it matters, never moved by a device that only stands there."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from playwright.async_api import Request

from store.catalogue.models import Title
from store.database import Database
from store.settings import Settings
from tests.cinema import UNTIL_PICTURE, WAIT, Cinema
from tests.store.entitlement.parts import Customer, TestDevice, make_right

pytestmark = pytest.mark.browser

KEPT = "SELECT position FROM store.watch_progress"
HAS_SLEPT = "UPDATE store.playback_sessions SET beat_at = beat_at - interval '3 minutes'"
STANDS_AT = """([time, patience]) => new Promise((resolve, reject) => {
    const video = document.querySelector("video");
    const late = setTimeout(() => reject(new Error("it is not shown")), patience);
    video.addEventListener("seeked", () => { clearTimeout(late); resolve(video.currentTime); }, { once: true });
    video.currentTime = time;
})"""
"""Moves the film without the viewer, and gives where it stands then."""


def is_heartbeat(request: Any) -> bool:
    return str(request.url).endswith("/heartbeats")


async def press_and_tell(cinema: Cinema, key: str) -> None:
    """Press a key after which the player tells its place."""
    async with cinema.page.expect_response("**/heartbeats"):
        await cinema.page.keyboard.press(key)


@pytest.fixture
async def film(cinema: Cinema, live_server: str, database: Database, customer: Customer, title: Title) -> Cinema:
    """A bought film that plays, and has told its first place."""
    await make_right(database, customer, title, kind="buy")
    async with cinema.page.expect_response("**/heartbeats"):
        await cinema.page.goto(f"{live_server}/de/watch/{title.slug}")
        await cinema.frames_advance()
    return cinema


async def test_a_paused_device_that_wakes_up_does_not_move_the_place_of_another(
    film: Cinema,
    client: httpx.AsyncClient,
    owner: asyncpg.Connection,
    settings: Settings,
    customer: Customer,
    title: Title,
) -> None:
    page = film.page
    await page.clock.install()
    await page.reload()
    await film.frames_advance()
    await press_and_tell(film, "k")
    await owner.execute(HAS_SLEPT)
    television = TestDevice(settings.base_url)
    await television.register(client, customer)
    playback = (await television.open(client, customer, title)).json()["id"]
    assert (await television.beat(client, customer, playback, position=29.5)).status_code == 200
    async with page.expect_response("**/heartbeats") as told:
        await page.clock.fast_forward(31_000)
    assert (await told.value).status == 410
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/playback-sessions" in request.url else None)
    for _ in range(2):
        await page.evaluate("fetch('/health/ready')")
        await page.clock.fast_forward(31_000)
    await page.evaluate("fetch('/health/ready')")
    assert asked == [], "a paused film asks for no place"
    assert await owner.fetchval(KEPT) == 29.5
    async with page.expect_response("**/v1/playback-sessions") as opened:
        await press_and_tell(film, "k")
    assert (await opened.value).status == 201, "who plays takes a place again"
    await page.evaluate(UNTIL_PICTURE, [(await film.picture())["frames"] + 10, 0, WAIT])


async def test_a_move_back_after_sleep_is_kept(film: Cinema, owner: asyncpg.Connection) -> None:
    page = film.page
    await page.evaluate(STANDS_AT, [20, WAIT])
    await press_and_tell(film, "k")
    assert await owner.fetchval(KEPT) >= 20
    await owner.execute(HAS_SLEPT)
    await press_and_tell(film, "ArrowLeft")
    async with page.expect_response("**/v1/playback-sessions"):
        await press_and_tell(film, "k")
    await press_and_tell(film, "k")
    stands = (await film.picture())["time"]
    assert stands < 15
    assert await owner.fetchval(KEPT) == pytest.approx(stands, abs=0.01)


async def test_a_film_that_is_over_frees_its_place_and_takes_one_to_be_seen_again(
    film: Cinema, owner: asyncpg.Connection
) -> None:
    page = film.page
    async with page.expect_response(lambda answer: answer.request.method == "DELETE") as freed:
        await page.evaluate(STANDS_AT, [28.5, WAIT])
    assert (await freed.value).status == 204
    assert await page.evaluate("document.querySelector('video').ended") is True
    assert await owner.fetchval("SELECT finished FROM store.watch_progress") is True
    assert await owner.fetchval("SELECT count(*) FROM store.playback_sessions WHERE ended_at IS NULL") == 0
    async with page.expect_response("**/v1/playback-sessions") as opened:
        await page.keyboard.press("k")
    assert (await opened.value).status == 201
    await page.evaluate(UNTIL_PICTURE, [(await film.picture())["frames"] + 10, 0.5, WAIT])
    await press_and_tell(film, "k")
    assert (await film.picture())["time"] < 20, "it began anew"
    assert await owner.fetchval("SELECT finished FROM store.watch_progress") is False


async def test_a_drag_over_the_film_is_told_once(film: Cinema, owner: asyncpg.Connection) -> None:
    page = film.page
    await press_and_tell(film, "k")
    told: list[Request] = []
    page.on("request", lambda request: told.append(request) if is_heartbeat(request) else None)
    box = await page.get_by_role("slider").bounding_box()
    assert box is not None
    across = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + 20, across)
    await page.mouse.down()
    async with page.expect_response("**/heartbeats"):
        await page.mouse.move(box["x"] + box["width"] * 0.8, across, steps=20)
        await page.mouse.up()
    assert len(told) == 1
    assert await owner.fetchval(KEPT) == pytest.approx((await film.picture())["time"], abs=0.01)


async def test_a_page_that_is_left_tells_its_last_place(
    film: Cinema, live_server: str, owner: asyncpg.Connection
) -> None:
    await film.page.evaluate(UNTIL_PICTURE, [0, 3, WAIT])
    assert await owner.fetchval(KEPT) < 3, "the next heartbeat comes later"
    await film.page.goto(f"{live_server}/de/library")
    told = f"SELECT end_reason = 'stopped' AND ({KEPT}) >= 3 FROM store.playback_sessions"
    # Nobody hears the answers to a page that has gone.
    for _ in range(WAIT // 50):
        if await owner.fetchval(told):
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the place was not told, or not freed")
