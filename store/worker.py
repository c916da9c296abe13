"""The worker process: runs the jobs that requests enqueued, and the sweeps that repair what no request did."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Final, cast

import asyncpg
import structlog
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job, Schedule

from store.clock import Clock
from store.composition import JobHandler, Parts, assemble, job_handlers, periodic_jobs
from store.database import DATABASE_AWAY, Database
from store.forward_clock import ForwardClock
from store.invariants import check_if_never_checked
from store.jobs import WorkerQueries
from store.logs import configure_logs
from store.safe_start import check_database
from store.settings import Settings, UnsafeSettings

log = structlog.get_logger("worker")

MAX_ATTEMPTS = 20
"""A job that failed this often is parked (status `failed`) where a person sees it.

With the delays below that takes two hours: a mail outlives a mail server's restart and its greylisting.
"""

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=10)

LOOK_AFTER = timedelta(seconds=5)
"""A worker that nobody woke looks for jobs after so long."""

TAKEN_AGAIN_AFTER = timedelta(seconds=30)
"""A job whose worker has not been heard of for so long is taken by another one, or by that one when it is back."""

ASK_AGAIN = 0.5
"""Seconds between two tries to reach a database that is away."""


def build_worker(parts: Parts, stop: asyncio.Event, connection: asyncpg.Connection) -> PgQueuer:
    """A queue consumer that knows every job and every periodic sweep; `stop` is set when the process is to end.

    The queue has a connection of its own, which listens too: borrowing one costs as much as most of its statements.
    """
    driver = AsyncpgDriver(connection)
    worker = PgQueuer(driver, queries=WorkerQueries(driver))
    for name, handler in job_handlers(parts).items():
        run = partial(_run, name, handler, partial(_database_answers, parts.database, stop))
        worker.entrypoint(name, on_failure="hold", executor_factory=_with_retries)(run)
    for name, (crontab, sweep) in periodic_jobs(parts).items():
        worker.schedule(name, crontab)(partial(_sweep, sweep))
    return worker


def _with_retries(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
    return DatabaseRetryEntrypointExecutor(
        parameters, max_attempts=MAX_ATTEMPTS, initial_delay=FIRST_DELAY, max_delay=LONGEST_DELAY
    )


async def _run(name: str, handler: JobHandler, database_answers: Callable[[], Awaitable[None]], job: Job) -> None:
    payload: Mapping[str, str | int] = json.loads(job.payload or b"{}")
    with structlog.contextvars.bound_contextvars(job=name, job_id=job.id, attempt=job.attempts):
        try:
            await handler(**payload)
        except Exception:
            # The next try is noted in the database: while that is away, the queue could only park the job.
            await database_answers()
            raise
        log.info("done")


async def _database_answers(database: Database, stop: asyncio.Event) -> None:
    """Wait until the database answers, or the process is to end."""
    while not stop.is_set():
        try:
            await database.reads.fetchval("SELECT 1")
        except DATABASE_AWAY:
            await asyncio.sleep(ASK_AGAIN)
        else:
            return


async def _sweep(sweep: JobHandler, _schedule: Schedule) -> None:
    await sweep()


async def work(settings: Settings, *, clock: Clock | None = None) -> None:
    """Work until SIGTERM or SIGINT; jobs under way are finished first. The sandbox brings its own clock."""
    database = await Database.connect(settings.database_url)
    parts = await assemble(settings, database=database, clock=clock or ForwardClock(database))
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    log.info("working", mode=settings.mode)
    try:
        await check_if_never_checked(database)
        while not stop.is_set():
            await _work_until(stop, parts)
    finally:
        await parts.close()
        await database.close()


async def _work_until(stop: asyncio.Event, parts: Parts) -> None:
    """Work until told to stop, or until the database goes away; then return when it is back."""
    stopping = asyncio.create_task(stop.wait())
    try:
        async with own_connection(parts.database) as connection:
            worker = build_worker(parts, stop, connection)
            stopping.add_done_callback(lambda _stopped: worker.shutdown.set())
            # Nobody reads the library's statistics: they would write every line of its log a second time.
            await worker.run(
                dequeue_timeout=LOOK_AFTER,
                heartbeat_timeout=TAKEN_AGAIN_AFTER,
                log_aggregation_interval=timedelta(),
            )
    except (*DATABASE_AWAY, asyncpg.InterfaceError) as fault:  # the latter: closing what is closed already
        log.warning("database_lost", kind=type(fault).__name__)
        await _database_answers(parts.database, stop)
    finally:
        stopping.cancel()


OF_THE_QUEUE: Final = {"synchronous_commit": "off", "plan_cache_mode": "force_generic_plan"}
"""How the queue's connection differs. Its few statements are planned once.

That a job is taken or done waits for no disk: what the last half second before a breakdown of the database server
noted is forgotten, and the jobs of that time are done once more, as those of a worker that broke down. That there is a
job is another matter: it was committed with what caused it.
"""


@asynccontextmanager
async def own_connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool for as long as the worker works; what makes it special ends when it is given back."""
    async with database.reads.acquire() as connection:
        for name, value in OF_THE_QUEUE.items():
            await connection.execute("SELECT set_config($1, $2, false)", name, value)
        yield cast(asyncpg.Connection, connection)
        await connection.reset()


async def main() -> int:
    """Run the worker on the settings of the environment."""
    configure_logs()
    try:
        settings = Settings.from_env(os.environ)
        await check_database(settings)
    except UnsafeSettings as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2
    await work(settings)
    return 0


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
