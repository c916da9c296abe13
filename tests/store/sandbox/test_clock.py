"""The movable business clock: forward only, the same for every process, and absent from production."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest
from babel.dates import format_date

from store.app import create_app
from store.database import Database
from store.forward_clock import ForwardClock
from store.sandbox import clock as sandbox_clock
from store.sandbox.clock import FURTHEST, LONGEST_STEP, MovableClock
from store.settings import Settings
from store.web.routes import page_routers

CLOCK = "/v1/sandbox/clock"


@pytest.fixture
async def clock(settings: Settings, owner: asyncpg.Connection) -> AsyncIterator[MovableClock]:
    """A clock over a table of its own, which is gone after the test."""
    for statement in sandbox_clock.DDL:
        await owner.execute(statement)
    clock = MovableClock(settings.database_url)
    yield clock
    await clock.close()
    await owner.execute("DROP TABLE store.business_clock")


@pytest.fixture
async def visitor(settings: Settings, database: Database, clock: MovableClock) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who talks to a sandbox."""
    routes = [*sandbox_clock.API, *page_routers(sandbox_clock.PAGES)]
    app = create_app(settings, clock=clock, database=database, extra_routes=routes)
    begun, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            begun.set()
            await over.wait()

    living = asyncio.create_task(live())
    await begun.wait()
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=settings.base_url) as client:
        yield client
    over.set()
    await living


async def test_the_clock_begins_at_the_real_time(clock: MovableClock) -> None:
    before = datetime.now(UTC)
    assert before <= await clock.now() <= datetime.now(UTC)


async def test_a_step_counts_for_every_process_at_once(clock: MovableClock, settings: Settings) -> None:
    other = MovableClock(settings.database_url)
    assert await other.ahead() == timedelta()
    await clock.move_forward(timedelta(hours=48))
    assert await other.ahead() == timedelta(hours=48)
    assert await other.now() - datetime.now(UTC) > timedelta(hours=47, minutes=59)
    await other.close()


async def test_steps_at_the_same_time_all_count(clock: MovableClock) -> None:
    await asyncio.gather(*(clock.move_forward(timedelta(hours=1)) for _ in range(6)))
    assert await clock.ahead() == timedelta(hours=6)


@pytest.mark.parametrize("step", [timedelta(), timedelta(seconds=-1)])
async def test_the_clock_does_not_go_back(clock: MovableClock, step: timedelta) -> None:
    await clock.move_forward(timedelta(hours=1))
    with pytest.raises(ValueError, match="forward only"):
        await clock.move_forward(step)
    assert await clock.ahead() == timedelta(hours=1)


async def test_the_clock_stops_ten_years_ahead(clock: MovableClock) -> None:
    for _ in range(3):
        await clock.move_forward(FURTHEST)
    assert await clock.ahead() == FURTHEST


async def test_the_application_cannot_set_the_clock_to_before_the_real_time(
    clock: MovableClock, database: Database
) -> None:
    assert await clock.ahead() == timedelta()
    with pytest.raises(asyncpg.CheckViolationError):
        await database.reads.execute("UPDATE store.business_clock SET ahead = interval '-1 second'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.reads.execute("DELETE FROM store.business_clock")
    assert await clock.ahead() == timedelta()


async def test_the_api_moves_the_clock(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post(CLOCK, json={"forward_seconds": 172_800})
    assert answer.status_code == 200
    assert answer.json()["ahead_seconds"] == 172_800
    told = (await visitor.get(CLOCK)).json()
    assert told["ahead_seconds"] == 172_800
    ahead = datetime.fromisoformat(told["business_time"]) - datetime.fromisoformat(told["real_time"])
    assert round(ahead.total_seconds()) == 172_800


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"forward_seconds": 0},
        {"forward_seconds": -60},
        {"forward_seconds": LONGEST_STEP + 1},
        {"forward_seconds": 0.5},
        {"forward_seconds": 60, "backward": True},
        [],
        None,
    ],
)
async def test_the_api_refuses_a_step_that_is_none(
    visitor: httpx.AsyncClient, clock: MovableClock, body: object
) -> None:
    answer = await visitor.post(CLOCK, json=body)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert await clock.ahead() == timedelta()


@pytest.mark.parametrize(("locale", "words"), [("de", "Geschäftsuhr"), ("en", "business clock")])
async def test_the_page_shows_and_moves_the_clock(
    visitor: httpx.AsyncClient, clock: MovableClock, locale: str, words: str
) -> None:
    page = await visitor.get(f"/{locale}/sandbox/clock")
    assert page.status_code == 200
    assert words in page.text
    origin = {"Origin": str(visitor.base_url).rstrip("/")}
    moved = await visitor.post(f"/{locale}/sandbox/clock", data={"step": "two_days"}, headers=origin)
    assert moved.status_code == 303
    assert await clock.ahead() == timedelta(days=2)


async def test_the_page_ignores_a_step_that_it_does_not_offer(visitor: httpx.AsyncClient, clock: MovableClock) -> None:
    origin = {"Origin": str(visitor.base_url).rstrip("/")}
    answer = await visitor.post("/de/sandbox/clock", data={"step": "century"}, headers=origin)
    assert answer.status_code == 303
    assert await clock.ahead() == timedelta()


async def test_another_site_cannot_move_the_clock(visitor: httpx.AsyncClient, clock: MovableClock) -> None:
    answer = await visitor.post(
        "/de/sandbox/clock",
        data={"step": "year"},
        headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    assert await clock.ahead() == timedelta()


async def test_production_has_neither_the_routes_nor_the_table(
    settings: Settings, database: Database, owner: asyncpg.Connection
) -> None:
    app = create_app(settings, clock=ForwardClock(database), database=database)
    assert not [route.path for route in app.routes if "sandbox" in route.path]
    assert await owner.fetchval("SELECT to_regclass('store.business_clock')") is None


def hundred_days_ahead() -> str:
    """The day in a hundred days as the German shop writes it: its day begins at midnight in Berlin."""
    ahead = datetime.now(UTC) + timedelta(days=100)
    return format_date(ahead.astimezone(ZoneInfo("Europe/Berlin")), "d. MMMM", locale="de")


async def test_a_page_about_a_fault_tells_the_business_time(visitor: httpx.AsyncClient, clock: MovableClock) -> None:
    await visitor.post(CLOCK, json={"forward_seconds": 100 * 86_400})
    before = hundred_days_ahead()
    page = await visitor.get("/de/nirgends")
    assert page.status_code == 404
    ribbon = page.text.partition('class="ribbon"')[2].partition("</aside>")[0]
    # Midnight may fall between the two.
    assert before in ribbon or hundred_days_ahead() in ribbon, ribbon
