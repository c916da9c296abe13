"""Background jobs: enqueued in the caller's transaction, run by `store.worker`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, cast

from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import JobId, QueueEntrypoint
from pgqueuer.models import Job
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries
from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import driver_of

JOBS_SCHEMA = "jobs"
"""PostgreSQL schema of the queue's own tables."""


WAKE_UPS: Final = (
    "CREATE OR REPLACE TRIGGER tg_pgqueuer_changed AFTER INSERT ON jobs.pgqueuer"
    " EXECUTE FUNCTION jobs.fn_pgqueuer_changed()",
    "CREATE TRIGGER tg_pgqueuer_queued_again AFTER UPDATE OF status ON jobs.pgqueuer"
    " FOR EACH ROW WHEN (NEW.status = 'queued' AND OLD.status <> 'queued')"
    " EXECUTE FUNCTION jobs.fn_pgqueuer_changed()",
)
"""When workers are woken: where there is a job to take. The library's own trigger wakes them also when one is done."""

_NEXT: Final = """
    SELECT min(next.execute_after) - now() AS due_in
      FROM unnest($1::text[]) AS wanted (entrypoint)
     CROSS JOIN LATERAL (
        SELECT execute_after FROM jobs.pgqueuer
         WHERE entrypoint = wanted.entrypoint AND status = 'queued' ORDER BY execute_after LIMIT 1) AS next
"""


@cache
def queue_settings() -> DBSettings:
    """Where the queue's tables are: said here, never by an environment variable, which each making would look for."""
    return DBSettings(db_schema=JOBS_SCHEMA)


def job_queries(driver: Driver) -> Queries:
    """The queue's statements over a driver."""
    return Queries(driver, **_builders())


@cache
def _builders() -> Mapping[str, Any]:
    """What writes the queue's statements: it keeps nothing but their text."""
    settings = queue_settings()
    return {
        "qbe": QueryBuilderEnvironment(settings),
        "qbq": QueryQueueBuilder(settings),
        "qbs": QuerySchedulerBuilder(settings),
    }


@cache
def _enqueue_statement() -> str:
    """The library's own: priority, entrypoint, payload, delay, dedupe key and headers, a list of each.

    Asked by us, for the library's way to it takes six times as long as the driver's.
    """
    builder: QueryQueueBuilder = _builders()["qbq"]
    return builder.build_enqueue_query("skip")


class WorkerQueries(Queries):
    """The queue's statements as the worker's loop needs them: two for a job that comes alone, not five.

    The library's loop asks for jobs until none comes, then in three questions when the next one will be due.
    """

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver, **_builders())
        self._took_all = False
        self._due_in: timedelta | None = None

    async def dequeue(self, batch_size: int, *conditions: Any, **named: Any) -> list[Job]:
        """Take what is due. A batch that was not full took all of it, so the next answer is known once.

        What came in between is seen by `eligible_queued_work`, which the loop asks before it waits.
        """
        if self._took_all:
            self._took_all = False
            return []
        jobs = await super().dequeue(batch_size, *conditions, **named)
        self._took_all = 0 < len(jobs) < batch_size
        return jobs

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """Whether a job is due; keeps what the loop asks next."""
        (answer,) = await self.driver.fetch(_NEXT, entrypoints)
        self._due_in = cast(timedelta | None, answer["due_in"])
        return int(self._due_in is not None and self._due_in <= timedelta())

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        """How long until the next job is due, as it was known a moment ago."""
        return self._due_in

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """Whether any job waits, as it was known a moment ago."""
        return int(self._due_in is not None)


@dataclass(frozen=True, slots=True)
class _SessionDriver:
    """Lets the queue write through a SQLAlchemy session, inside the transaction that is open there."""

    session: AsyncSession

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        driver = await driver_of(self.session)
        return [dict(row) for row in await driver.fetch(query, *args)]

    async def execute(self, query: str, *args: object) -> None:
        driver = await driver_of(self.session)
        await driver.execute(query, *args)


_PARKED: Final = """
    SELECT id FROM jobs.pgqueuer AS parked WHERE id = $1 AND status = 'failed' AND NOT EXISTS (
        SELECT FROM jobs.pgqueuer AS twin
         WHERE twin.dedupe_key = parked.dedupe_key AND twin.status IN ('queued', 'picked'))
    FOR UPDATE
"""


@dataclass(frozen=True, slots=True)
class PostgresJobs:
    """The `auth.ports.Jobs` port over pgqueuer's tables: a rollback takes its jobs with it."""

    async def enqueue(
        self,
        session: AsyncSession,
        job: str,
        *,
        dedupe_key: str | None = None,
        after: timedelta | None = None,
        **payload: str | int,
    ) -> None:
        """Enqueue `job` with a payload of ids (never a secret); a waiting job of the same key is kept instead."""
        driver, delay = await driver_of(session), after or timedelta()
        one_each = ([0], [job], [json.dumps(payload).encode()], [delay], [dedupe_key], ["null"])
        await driver.execute(_enqueue_statement(), *one_each)

    async def requeue(self, session: AsyncSession, job_id: int) -> bool:
        """Have a parked job tried anew, from its first attempt; False if it is not parked, or a twin of it waits."""
        driver = _SessionDriver(session)
        if not await driver.fetch(_PARKED, job_id):
            return False
        await job_queries(cast(Driver, driver)).requeue_jobs([JobId(job_id)])
        return True
