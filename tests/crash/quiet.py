"""After the storm: what a sweep or a new worker would do later is done at once, and waited for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import asyncpg

from auth.passwords import PasswordHasher
from billing.movements import RECONCILE
from store.composition import Parts, assemble, job_handlers, periodic_jobs
from store.database import Database
from store.settings import Settings
from tests.crash.buyers import PATIENCE
from tests.crash.machines import WORKER, Machines
from tests.journeys.waiting import eventually
from tests.scratch import MovableTestClock

SWEEPS_AHEAD: Final = timedelta(minutes=10)
"""How late a sweep believes it is, so that nothing is too young for it."""

_NOBODY_IS_AT_IT: Final = """
    UPDATE jobs.pgqueuer SET heartbeat = now() - interval '1 hour', execute_after = now() WHERE status <> 'failed'
"""


async def become_quiet(machines: Machines) -> None:
    """Sweep, have a fresh worker finish all jobs, then look for lost events and hold the books against the provider."""
    await machines.end(WORKER)
    await sweep_later(machines)
    owner = await asyncpg.connect(machines.database_url)
    await finish_jobs(machines, owner)
    await owner.close()
    await machines.control("settlements")
    async with parts_ahead(machines) as parts:
        _times, search_lost_events = periodic_jobs(parts)["search_lost_events"]
        await search_lost_events()
        await job_handlers(parts)[RECONCILE]()


async def sweep_later(machines: Machines) -> None:
    """The worker's own sweep of payments and refunds."""
    async with parts_ahead(machines) as parts:
        _times, sweep_payments = periodic_jobs(parts)["sweep_payments"]
        await sweep_payments()


@asynccontextmanager
async def parts_ahead(machines: Machines) -> AsyncIterator[Parts]:
    """What the worker works with, in this process and some minutes ahead of the clock."""
    database = await Database.connect(machines.database_url, pool_size=2)
    clock, hasher = MovableTestClock(ahead=SWEEPS_AHEAD), PasswordHasher(memory_kibibytes=1024, passes=1)
    settings = Settings.from_env(machines.environment)
    parts = await assemble(settings, database=database, clock=clock, hasher=hasher)
    try:
        yield parts
    finally:
        await parts.close()
        await database.close()


async def finish_jobs(machines: Machines, owner: asyncpg.Connection) -> None:
    """Start a worker that takes over what killed ones had begun; wait until nothing is left but what failed for good.

    No other worker may run.
    """
    await owner.execute(_NOBODY_IS_AT_IT)
    await machines.by_hand(machines.start, WORKER)

    async def nothing_left_to_do() -> bool | None:
        left = await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE status <> 'failed'")
        return True if left == 0 else None

    await eventually(nothing_left_to_do, patience=PATIENCE)


async def block_card(machines: Machines, name: str) -> None:
    """Note that a card's owner reported it."""
    customer = await machines.ask_stripe("POST", "/v1/customers")
    method = await machines.ask_stripe("POST", f"/v1/payment_methods/{name}/attach", customer=customer["id"])
    owner = await asyncpg.connect(machines.database_url)
    await owner.execute(
        "INSERT INTO billing.blocked_cards (fingerprint, reason, blocked_at) VALUES ($1, 'fraud_warning', now())",
        method["card"]["fingerprint"],
    )
    await owner.close()
