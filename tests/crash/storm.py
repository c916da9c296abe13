"""One storm: concurrent purchases while processes are killed and engines fail, then quiet, then the verdict."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import asyncpg
import httpx

from auth.accounts import Accounts
from auth.passwords import PasswordHasher
from store.database import Database
from tests.crash.buyers import BLOCKED_CARD, ENDS, PASSWORD, Buyer, Line, Manner
from tests.crash.machines import WEB, WORKER, Machines, running_machines
from tests.crash.quiet import become_quiet, block_card
from tests.crash.verdict import Verdict, judge, rows_of
from tests.store.purchase.shops import make_offer

FILMS: Final = 6
"""Films on sale; each customer buys each of them once at most."""

SURE_ANSWERS: Final = 4
"""Answers of the store that purchases need at least, on average over all manners: what happens is planned by them."""

BAD_DAY: Final = {
    "webhooks": {"repeat": 2, "scatter_ms": 1500, "drop_percent": 15},
    "answers": {"drop_percent": 5, "fail_percent": 5, "slow_ms": 50},
}
"""What the payment service does meanwhile: events twice, out of order and never; answers lost, failing and slow."""

OVERLOAD: Final = 3.0
"""Seconds for which the payment service answers nobody."""

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
        for control, settings in BAD_DAY.items():
            await self.machines.control(control, **settings)
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
            (last * 3 // 5, self._overload_stripe),
        ]
        return sorted(plan, key=lambda planned: planned[0])

    async def _overload_stripe(self) -> None:
        """For a while the payment service answers everything with 429."""
        await self.machines.control("answers", fail_percent=100, fail_status=429)
        await asyncio.sleep(OVERLOAD)
        await self.machines.control("answers", fail_status=500, **BAD_DAY["answers"])

    async def _people_and_films(self, line: Line) -> tuple[list[Buyer], list[str]]:
        database = await Database.connect(self.machines.database_url, pool_size=2)
        offers = [str(await make_offer(database, kind=("rent", "buy")[number % 2])) for number in range(FILMS)]
        hasher, buyers = PasswordHasher(memory_kibibytes=1024, passes=1), []
        async with database.sessions.begin() as session:
            for number in range(-(-self.size.purchases // FILMS)):
                email = f"buyer-{number}@example.org"
                await Accounts(session, hasher).create_customer(
                    email=email, password=PASSWORD, residence_country="DE", at=datetime.now(UTC)
                )
                # Each comes from an address of its own, as customers do.
                headers = {"X-Forwarded-For": f"198.51.{100 + number // 250}.{1 + number % 250}"}
                buyers.append(Buyer(line, headers, email))
        hasher.close()
        await database.close()
        await block_card(self.machines, BLOCKED_CARD)
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
        storm = Storm(machines, size, progress)
        line = Line(client, machines.web, machines.stripe, draw, storm.answered)
        await _allow_many_tries(machines)
        await storm.rage(line, draw)
        deliveries = (await machines.ask_stripe("GET", "/_sandbox"))["deliveries"]
        await machines.control("calm")
        await become_quiet(machines)
        await machines.end(*WEB, WORKER, "stripe")
        owner = await asyncpg.connect(machines.database_url)
        verdict = await judge(owner, rows_of(machines.stripe_store), storm.ends)
        await owner.close()
        return Report(
            verdict,
            {
                "purchases": len(storm.ends),
                "answers of the store": storm.answers,
                **{f"{name} killed": count for name, count in sorted(machines.kills.items())},
                **{f"{name} ended by itself": count for name, count in sorted(machines.ended_by_themselves.items())},
                **dict(sorted(line.tally.items())),
                "events sent at least twice": deliveries["delivered"],
                "events lost": deliveries["dropped"],
                "seconds": round(time.monotonic() - began),
            },
        )


async def _allow_many_tries(machines: Machines) -> None:
    """All who are declined here hold one and the same test card: to the store that would be card testing."""
    owner = await asyncpg.connect(machines.database_url)
    await owner.execute("UPDATE billing.try_limits SET most = 1000000")
    await owner.close()
