"""The sandbox's business clock: the real time plus what somebody moved it forward by, kept in PostgreSQL.

Its table is no part of the schema: `make run` makes it, and production has neither the table nor the routes.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import asyncpg
import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, URLEncodedBody
from litestar.types import ControllerRouterHandler

from store.clock import Clock
from store.database import APP_ROLE
from store.web.pages import Frame

LONGEST_STEP: Final = 366 * 86_400
"""Seconds that one step may have at most: a slip of the finger shall not end every rental for good."""

FURTHEST: Final = timedelta(days=3660)
"""How far ahead of the real time the clock may be in all."""

DDL: Final[tuple[str, ...]] = (
    "CREATE TABLE IF NOT EXISTS store.business_clock ("
    " single boolean PRIMARY KEY DEFAULT true CHECK (single),"
    " ahead interval NOT NULL CHECK (ahead >= interval '0'))",
    "INSERT INTO store.business_clock (ahead) VALUES (interval '0') ON CONFLICT DO NOTHING",
    f"GRANT SELECT, UPDATE (ahead) ON store.business_clock TO {APP_ROLE}",
)
"""Run by the owner of the tables, after the migrations; safe to repeat."""


class MovableClock:
    """Business time of web and worker alike: both read the one row, so that a step counts everywhere at once."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._ahead = timedelta()
        """What was read last."""

    async def now(self) -> datetime:
        """The present business time, in UTC."""
        return datetime.now(UTC) + await self.ahead()

    def recent(self) -> datetime:
        """The same by what was read last: every page reads it, so another process's step is missed for a moment."""
        return datetime.now(UTC) + self._ahead

    async def ahead(self) -> timedelta:
        """How far the business time is ahead of the real time."""
        pool = await self._connected()
        self._ahead = await pool.fetchval("SELECT ahead FROM store.business_clock")
        return self._ahead

    async def move_forward(self, by: timedelta) -> None:
        """Move the clock forward; never backward, and no further ahead than `FURTHEST`."""
        if by <= timedelta():
            raise ValueError("the clock moves forward only")
        pool = await self._connected()
        await pool.execute(
            "UPDATE store.business_clock SET ahead = least(ahead + $1, greatest(ahead, $2))", by, FURTHEST
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _connected(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._database_url, min_size=1, max_size=4, server_settings={"role": APP_ROLE, "timezone": "UTC"}
                )
        return self._pool


class ClockStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of the business clock."""

    forward_seconds: Annotated[
        int, msgspec.Meta(ge=1, le=LONGEST_STEP, description="Seconds to move forward by.", examples=[172_800])
    ]


class ClockOut(msgspec.Struct, frozen=True):
    """What the clocks say."""

    business_time: datetime
    """What windows, rentals, quotes and deadlines are measured by."""
    real_time: datetime
    """What sessions, proofs and limits are measured by."""
    ahead_seconds: int


async def _read(clock: Clock) -> ClockOut:
    business, real = await clock.now(), datetime.now(UTC)
    return ClockOut(business, real, round((business - real).total_seconds()))


def _movable(clock: Clock) -> MovableClock:
    if not isinstance(clock, MovableClock):
        raise TypeError("these routes belong to the sandbox, whose clock can be moved")
    return clock


@get("/v1/sandbox/clock", summary="What time is it in the sandbox?", tags=["Sandbox"], exclude_from_auth=True)
async def read_clock(clock: NamedDependency[Any]) -> ClockOut:
    """Business time and real time."""
    return await _read(clock)


@post(
    "/v1/sandbox/clock",
    summary="Move the business time forward",
    tags=["Sandbox"],
    exclude_from_auth=True,
    status_code=200,
)
async def move_clock(clock: NamedDependency[Any], data: JSONBody[ClockStep]) -> ClockOut:
    """Move the business time forward, for everybody in this sandbox; it cannot be moved back."""
    await _movable(clock).move_forward(timedelta(seconds=data.forward_seconds))
    return await _read(clock)


STEPS: Final = {
    "ten_minutes": timedelta(minutes=10),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "two_days": timedelta(days=2),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
"""What the page offers."""


class StepForm(msgspec.Struct, frozen=True):
    """Which button was pressed."""

    step: Annotated[str, msgspec.Meta(max_length=20)] = ""


@get("/sandbox/clock", exclude_from_auth=True)
async def show_clock(frame: NamedDependency[Frame], clock: NamedDependency[Any]) -> Response[str]:
    """The page that shows and moves the clock."""
    return frame.page(
        "sandbox/clock.html", real_now=datetime.now(UTC), ahead=await _movable(clock).ahead(), steps=STEPS
    )


@post("/sandbox/clock", exclude_from_auth=True)
async def step_clock(
    frame: NamedDependency[Frame], clock: NamedDependency[Any], data: URLEncodedBody[StepForm]
) -> Response[Any]:
    """Move the clock by one of the steps; any other word does nothing."""
    if step := STEPS.get(data.step):
        await _movable(clock).move_forward(step)
        return frame.go("/sandbox/clock", done="clock_moved")
    return frame.go("/sandbox/clock")


API: Final[Sequence[ControllerRouterHandler]] = (read_clock, move_clock)
PAGES: Final[Sequence[ControllerRouterHandler]] = (show_clock, step_clock)
