"""What the worker costs alone: the confirmation of a paid order, by job and mail, and a while without work.

`python -m benchmarks.confirmations` on the catalogue that `make bench` made. The jobs come as from a shop with some
customers, one by one and a moment apart. They are enqueued by this process, over a connection that is not counted.
"""

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psutil
from pgqueuer.db import AsyncpgDriver
from rich.console import Console

from auth.ids import new_id
from benchmarks.__main__ import FOLDER, prepare, settings_on
from benchmarks.film_page import drawn_films, make_documents
from benchmarks.processes import CpuMeter
from benchmarks.purchase import Shop, ask_one_query, buy, open_shop
from benchmarks.statements import begin_logging, end_logging
from store.jobs import job_queries
from store.sandbox.engines import running_engines
from store.settings import Settings

console = Console()

ROUNDS: Final = 5
"""Rounds, odd; the median is shown. One more warms up and is not counted."""

MAILS: Final = 100
"""Confirmations of a round."""

APART: Final = 0.1
"""Seconds between two of them."""

_NOTE: Final = """
    INSERT INTO store.mails (id, kind, account_id, reference, locale, created_at)
    SELECT $1, 'order_confirmation', account_id, id, locale, now() FROM billing.orders WHERE id = $2
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds of a confirmation, and of the one-query handler beside it."""

    worker_ms: float
    database_ms: float
    one_query_ms: float

    @property
    def multiple(self) -> float:
        """As a multiple of the one-query handler."""
        return (self.worker_ms + self.database_ms) / self.one_query_ms


class Office:
    """Has confirmations of one paid order sent, and knows what its own connection cost the database."""

    def __init__(self, shop: Shop, order_id: UUID, backend: int) -> None:
        self._shop, self._order_id, self._backend = shop, order_id, psutil.Process(backend)

    async def send(self, number: int) -> None:
        """Have confirmations sent one by one; all have left when it returns."""
        for _ in range(number):
            async with self._shop.watcher.transaction():
                mail_id = new_id()
                await self._shop.watcher.execute(_NOTE, mail_id, self._order_id)
                payload = f'{{"mail_id": "{mail_id}"}}'.encode()
                await job_queries(AsyncpgDriver(self._shop.watcher)).enqueue(
                    "deliver_mail", payload, dedupe_key=f"mail:{mail_id}", on_conflict="skip"
                )
            await asyncio.sleep(APART)
        while True:
            if not await self._shop.watcher.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE status <> 'failed'"):
                return
            await asyncio.sleep(0.2)

    def own_ms(self) -> float:
        """CPU milliseconds of its own connection so far, in the database."""
        times = self._backend.cpu_times()
        return float(times.user + times.system) * 1000

    async def measure(self) -> Cost:
        """What one confirmation costs, and the one-query handler before it."""
        one_query = await ask_one_query(self._shop)
        meter, own = CpuMeter(self._shop.worker), self.own_ms()
        await self.send(MAILS)
        worker_ms, database_ms = meter.milliseconds()
        return Cost(worker_ms / MAILS, (database_ms - self.own_ms() + own) / MAILS, one_query.cpu_ms)


async def run(settings: Settings, owner_url: str, environment: dict[str, str], *, idle: float) -> None:
    """Measure confirmations in rounds, their statements, and `idle` seconds without work; print it all."""
    log = FOLDER / "postgresql.log"
    await make_documents(owner_url, await drawn_films(settings))
    async with open_shop(settings, FOLDER, environment) as shop:
        buyer = shop.buyers[0]
        await buy(shop, buyer.shop, next(buyer.offers))
        order_id = await shop.watcher.fetchval("SELECT id FROM billing.orders ORDER BY created_at DESC LIMIT 1")
        office = Office(shop, order_id, shop.watcher.get_server_pid())
        costs = [await office.measure() for _ in range(ROUNDS + 1)][1:]
        begun = await begin_logging(owner_url, log)
        await office.send(MAILS)
        statements = await end_logging(owner_url, log, begun)
        cost = sorted(costs, key=lambda cost: cost.multiple)[ROUNDS // 2]
        console.print(
            f"one confirmation: worker {cost.worker_ms:.2f} ms, database {cost.database_ms:.2f} ms of CPU; "
            f"{cost.multiple:.1f} x query ({cost.one_query_ms:.3f} ms)"
        )
        _show_statements("statements of one", statements, MAILS)
        if idle:
            await _measure_idle(shop, owner_url, seconds=idle)


async def _measure_idle(shop: Shop, owner_url: str, *, seconds: float) -> None:
    """Print what the worker costs in a minute without work; its sweeps run in it as ever."""
    log = FOLDER / "postgresql.log"
    # What the work before left to do is done by then.
    await asyncio.sleep(5)
    meter = CpuMeter(shop.worker)
    await asyncio.sleep(seconds)
    worker_ms, database_ms = (spent * 60 / seconds for spent in meter.milliseconds())
    console.print(f"a minute without work: worker {worker_ms:.0f} ms, database {database_ms:.0f} ms of CPU")
    begun = await begin_logging(owner_url, log)
    await asyncio.sleep(seconds)
    _show_statements("statements of a minute without work", await end_logging(owner_url, log, begun), seconds / 60)


def _show_statements(title: str, counts: Counter[str], share: float) -> None:
    """Print how many statements there were, by their first word."""
    words = ", ".join(f"{word} {times / share:.1f}" for word, times in sorted(counts.items()))
    console.print(f"{title}: {sum(counts.values()) / share:.1f} ({words})")


def main() -> int:
    """Measure on the engines of the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.confirmations", description=__doc__)
    parser.add_argument("--idle", type=float, default=60, help="seconds without work, twice; 0 leaves that out")
    wanted = parser.parse_args()
    with running_engines(FOLDER, durable=True) as engines:
        settings, environment = settings_on(engines)
        asyncio.run(prepare(settings))
        asyncio.run(run(settings, engines.database_url, environment, idle=wanted.idle))
    return 0


if __name__ == "__main__":
    sys.exit(main())
