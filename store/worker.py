"""The worker process: runs the jobs that requests enqueued, and the sweeps that repair what no request did."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import structlog
from pgqueuer import PgQueuer
from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job, Schedule

from store.clock import Clock, SystemClock
from store.composition import JobHandler, Parts, assemble, job_handlers, periodic_jobs
from store.database import Database
from store.jobs import job_queries
from store.logs import configure_logs
from store.settings import Settings, UnsafeSettings

log = structlog.get_logger("worker")

MAX_ATTEMPTS = 20
"""A job that failed this often is parked (status `failed`) where a person sees it.

With the delays below that takes two hours: a mail outlives a mail server's restart and its greylisting.
"""

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=10)


def build_worker(parts: Parts) -> PgQueuer:
    """A queue consumer that knows every job and every periodic sweep."""
    driver = AsyncpgPoolDriver(parts.database.reads)
    worker = PgQueuer(driver, queries=job_queries(driver))
    for name, handler in job_handlers(parts).items():
        worker.entrypoint(name, on_failure="hold", executor_factory=_with_retries)(partial(_run, name, handler))
    for name, (crontab, sweep) in periodic_jobs(parts).items():
        worker.schedule(name, crontab)(partial(_sweep, sweep))
    return worker


def _with_retries(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
    return DatabaseRetryEntrypointExecutor(
        parameters, max_attempts=MAX_ATTEMPTS, initial_delay=FIRST_DELAY, max_delay=LONGEST_DELAY
    )


async def _run(name: str, handler: JobHandler, job: Job) -> None:
    payload: Mapping[str, str | int] = json.loads(job.payload or b"{}")
    with structlog.contextvars.bound_contextvars(job=name, job_id=job.id, attempt=job.attempts):
        await handler(**payload)
        log.info("done")


async def _sweep(sweep: JobHandler, _schedule: Schedule) -> None:
    await sweep()


async def work(settings: Settings, *, clock: Clock | None = None) -> None:
    """Work until SIGTERM or SIGINT; jobs under way are finished first. The sandbox brings its own clock."""
    database = await Database.connect(settings.database_url)
    parts = await assemble(settings, database=database, clock=clock or SystemClock())
    worker = build_worker(parts)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.shutdown.set)
    log.info("working", mode=settings.mode)
    try:
        await worker.run(dequeue_timeout=timedelta(seconds=5))
    finally:
        await parts.close()
        await database.close()


async def main() -> int:
    """Run the worker on the settings of the environment."""
    configure_logs()
    try:
        settings = Settings.from_env(os.environ)
    except UnsafeSettings as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2
    await work(settings)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
