"""One storm: concurrent purchases while processes are killed and engines fail, then quiet, then the verdict."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import asyncpg
import httpx
from sqlalchemy import insert

from auth.passwords import PasswordHasher
from billing.provider_records import BlockedCard
from billing.sandbox.payment_methods import TestCard
from store.composition import assemble, periodic_jobs
from store.database import Database
from store.settings import Settings
from tests.crash.buyers import BLOCKED_CARD, ENDS, PATIENCE, Buyer, Line, Manner
from tests.crash.machines import WEB, WORKER, Machines, running_machines
from tests.crash.verdict import Verdict, judge
from tests.journeys.waiting import eventually
from tests.scratch import MovableTestClock
from tests.store.purchase.shops import make_offer, sign_in

FILMS: Final = 6
"""Films on sale; each customer buys each of them once at most."""

SURE_ANSWERS: Final = 3
"""Answers of the store that every purchase needs at least: what happens meanwhile is planned by their number."""

SWEEPS_AHEAD: Final = timedelta(minutes=10)
"""How late the last sweep believes it is, so that nothing is too young for it."""

Deed = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Size:
    """How big a storm is."""

    purchases: int
    kills: int
    """Of web and worker processes."""
    at_once: int
    """Purchases under way at the same time."""
    database_crashes: int


@dataclass(slots=True)
class Storm:
    """The purchases of one storm and what happens meanwhile, all drawn from one seed."""

    machines: Machines
    size: Size
    seed: int
    progress: Callable[[int, int], None]
    answers: int = 0
    """Answers of the store so far; the storm's own clock."""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    ends: dict[str, frozenset[str]] = field(default_factory=dict)
    """In which state every order must be at the end."""

    def answered(self) -> None:
        """The store gave an answer."""
        self.answers += 1
        self.came.set()

    async def rage(self, line: Line, draw: random.Random) -> None:
        """Buy and destroy until both are done."""
        buyers, offers = await self._people_and_films(line)
        manners = list(islice(cycle(Manner), self.size.purchases))
        draw.shuffle(manners)
        pairs = [(buyer, offer) for buyer in buyers for offer in offers][: self.size.purchases]
        wishes = iter(list(zip(pairs, manners, strict=True)))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._destroy(self._plan(draw)))
            for _ in range(self.size.at_once):
                group.create_task(self._buy_one_after_another(wishes))

    async def _buy_one_after_another(self, wishes: Iterator[tuple[tuple[Buyer, str], Manner]]) -> None:
        for (buyer, offer_id), manner in wishes:
            self.ends[await buyer.buy(offer_id, manner)] = ENDS[manner]
            self.progress(len(self.ends), self.size.purchases)

    async def _destroy(self, plan: list[tuple[int, Deed]]) -> None:
        for moment, deed in plan:
            while self.answers < moment:
                self.came.clear()
                await self.came.wait()
            await deed()

    def _plan(self, draw: random.Random) -> list[tuple[int, Deed]]:
        """What happens after how many answers."""
        machines, last = self.machines, self.size.purchases * SURE_ANSWERS
        kills = [partial(machines.kill, name) for name in islice(cycle((*WEB, WORKER)), self.size.kills)]
        crashes = [machines.crash_postgresql] * self.size.database_crashes
        plan: list[tuple[int, Deed]] = [(draw.randrange(last), deed) for deed in (*kills, *crashes)]
        plan += [
            (last // 5, machines.flush_redis),
            (last // 4, machines.stop_redis),
            (last // 2, machines.start_redis),
        ]
        return sorted(plan, key=lambda planned: planned[0])

    async def _people_and_films(self, line: Line) -> tuple[list[Buyer], list[str]]:
        database = await Database.connect(self.machines.database_url, pool_size=2)
        offers = [str(await make_offer(database, kind=("rent", "buy")[number % 2])) for number in range(FILMS)]
        buyers = []
        for number in range(-(-self.size.purchases // FILMS)):
            headers = await sign_in(database)
            headers["X-Forwarded-For"] = f"198.51.{100 + number // 250}.{1 + number % 250}"
            buyers.append(Buyer(line, headers))
        blocked = {"fingerprint": TestCard(BLOCKED_CARD, "mastercard", "4444").fingerprint, "reason": "fraud_warning"}
        async with database.sessions.begin() as session:
            await session.execute(insert(BlockedCard).values(**blocked, blocked_at=datetime.now(UTC)))
        await database.close()
        return buyers, offers


@dataclass(frozen=True, slots=True)
class Report:
    """What a storm was like and how it ended."""

    verdict: Verdict
    happened: dict[str, int]
    """What the storm was like, in figures."""


async def run_storm(
    folder: Path, size: Size, *, seed: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> Report:
    """Run one storm with its data below `folder`, wait for quiet, and judge."""
    began, draw = time.monotonic(), random.Random(seed)
    limits = httpx.Limits(max_keepalive_connections=2 * size.at_once)
    async with (
        running_machines(folder) as machines,
        httpx.AsyncClient(timeout=30, trust_env=False, limits=limits) as client,
    ):
        storm = Storm(machines, size, seed, progress)
        line = Line(client, machines.web, machines.stripe, draw, storm.answered)
        await _allow_many_tries(machines)
        await machines.control("webhooks", repeat=2)
        await storm.rage(line, draw)
        await machines.control("webhooks", repeat=1)
        await become_quiet(machines)
        await machines.end(*WEB, WORKER, "stripe")
        verdict = await judge(machines.database_url, machines.stripe_store, storm.ends)
        return Report(
            verdict,
            {
                "purchases": len(storm.ends),
                "answers of the store": storm.answers,
                **{f"{name} killed": count for name, count in sorted(machines.kills.items())},
                **{f"{name} ended by itself": count for name, count in sorted(machines.ended_by_themselves.items())},
                **dict(sorted(line.tally.items())),
                "seconds": round(time.monotonic() - began),
            },
        )


async def _allow_many_tries(machines: Machines) -> None:
    """All who are declined here hold one and the same test card: to the store that would be card testing."""
    owner = await asyncpg.connect(machines.database_url)
    await owner.execute("UPDATE billing.try_limits SET most = 1000000")
    await owner.close()


async def become_quiet(machines: Machines) -> None:
    """Sweep at once what a sweep would find later, and let a fresh worker take over the jobs of killed ones."""
    await machines.end(WORKER)
    await _sweep(machines)
    owner = await asyncpg.connect(machines.database_url)
    await owner.execute("UPDATE jobs.pgqueuer SET heartbeat = now() - interval '1 hour', execute_after = now()")
    await machines.by_hand(machines.start, WORKER)

    async def nothing_left_to_do() -> bool | None:
        left = await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE status <> 'failed'")
        return True if left == 0 else None

    await eventually(nothing_left_to_do, patience=PATIENCE)
    await owner.close()


async def _sweep(machines: Machines) -> None:
    """The worker's own sweep of payments and refunds, some minutes ahead of the clock."""
    database = await Database.connect(machines.database_url, pool_size=2)
    parts = await assemble(
        Settings.from_env(machines.environment),
        database=database,
        clock=MovableTestClock(ahead=SWEEPS_AHEAD),
        hasher=PasswordHasher(memory_kibibytes=1024, passes=1),
    )
    _times, sweep = periodic_jobs(parts)["sweep_payments"]
    await sweep()
    await parts.close()
    await database.close()
