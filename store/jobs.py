"""Background jobs: enqueued in the caller's transaction, run by `store.worker`."""

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final, cast

from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import JobId
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries
from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import driver_of

JOBS_SCHEMA = "jobs"
"""PostgreSQL schema of the queue's own tables."""


@cache
def queue_settings() -> DBSettings:
    """Where the queue's tables are: said here, never by an environment variable, which each making would look for."""
    return DBSettings(db_schema=JOBS_SCHEMA)


def job_queries(driver: Driver) -> Queries:
    """The queue's statements over a driver."""
    settings = queue_settings()
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(settings),
        qbq=QueryQueueBuilder(settings),
        qbs=QuerySchedulerBuilder(settings),
    )


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
        queries = job_queries(cast(Driver, _SessionDriver(session)))
        await queries.enqueue(
            job, json.dumps(payload).encode(), execute_after=after, dedupe_key=dedupe_key, on_conflict="skip"
        )

    async def requeue(self, session: AsyncSession, job_id: int) -> bool:
        """Have a parked job tried anew, from its first attempt; False if it is not parked, or a twin of it waits."""
        driver = _SessionDriver(session)
        if not await driver.fetch(_PARKED, job_id):
            return False
        await job_queries(cast(Driver, driver)).requeue_jobs([JobId(job_id)])
        return True
