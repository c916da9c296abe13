"""The queue's loop with our statements: it takes every job at once, in few statements, and misses none."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import asyncpg
import pytest
from pgqueuer import PgQueuer
from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job

from store.database import APP_ROLE, Database
from store.jobs import PostgresJobs, WorkerQueries
from store.worker import own_connection
from tests.journeys.waiting import eventually

POLL = timedelta(seconds=60)
"""The loop's own look: so late that no test passes by it."""


class CountingDriver(AsyncpgDriver):
    """Notes what the queue asks."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        super().__init__(connection)
        self.asked: list[str] = []

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        self.asked.append(query)
        return await super().fetch(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        self.asked.append(query)
        return await super().execute(query, *args)


@dataclass(slots=True)
class Works:
    """A running loop, what it did, and when."""

    driver: CountingDriver
    done: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    fails: int = 0
    """How many of the next jobs fail."""

    async def do(self, job: Job) -> None:
        if self.fails:
            self.fails -= 1
            raise RuntimeError
        assert job.payload is not None
        self.done.append(job.payload.decode())
        self.times.append(time.monotonic())

    async def have_done(self, number: int) -> None:
        async def look() -> bool | None:
            return True if len(self.done) >= number else None

        await eventually(look, patience=10)


Start = Callable[[], AbstractAsyncContextManager[Works]]


@pytest.fixture
def start(owner_url: str, database: Database) -> Start:
    """Runs the loop until the block ends."""

    @asynccontextmanager
    async def started() -> AsyncIterator[Works]:
        connection = await asyncpg.connect(owner_url)
        works = Works(CountingDriver(connection))
        worker = PgQueuer(works.driver, queries=WorkerQueries(works.driver))
        retrying = partial(
            DatabaseRetryEntrypointExecutor,
            max_attempts=3,
            initial_delay=timedelta(seconds=0.2),
            backoff_multiplier=1,
        )
        worker.entrypoint("probe", on_failure="hold", executor_factory=retrying)(works.do)
        running = asyncio.create_task(worker.run(dequeue_timeout=POLL, log_aggregation_interval=timedelta()))
        # It has begun to wait when it has asked when the next job is due.
        await eventually(lambda: _none_if(not any("due_in" in query for query in works.driver.asked)))
        try:
            yield works
        finally:
            worker.shutdown.set()
            await running
            await connection.close()

    return started


async def _none_if(is_missing: bool) -> bool | None:
    return None if is_missing else True


async def enqueue(database: Database, *words: str, after: timedelta | None = None) -> None:
    async with database.sessions.begin() as session:
        for word in words:
            await PostgresJobs().enqueue(session, "probe", after=after, word=word)


async def test_a_job_that_comes_alone_costs_the_loop_three_statements(start: Start, database: Database) -> None:
    async with start() as works:
        for number in range(1, 4):
            works.driver.asked.clear()
            await enqueue(database, str(number))
            await works.have_done(number)
            # The log is written a tenth of a second later.
            await asyncio.sleep(0.5)
            of_jobs = [query for query in works.driver.asked if "schedules" not in query]
            kinds = ["take" if "claimed" in query else "next" if "due_in" in query else query for query in of_jobs]
            assert (kinds[:2], len(kinds)) == (["take", "next"], 3), kinds
            assert "DELETE" in kinds[2]


async def test_more_jobs_than_a_batch_are_all_done_each_once(
    start: Start, database: Database, owner: asyncpg.Connection
) -> None:
    words = [str(number) for number in range(37)]
    async with start() as works:
        await enqueue(database, *words)
        await works.have_done(len(words))
        await asyncio.sleep(0.3)
    assert sorted(works.done) == sorted(f'{{"word": "{word}"}}' for word in words)
    assert await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer") == 0


async def test_jobs_that_come_while_others_are_taken_are_not_left_behind(start: Start, database: Database) -> None:
    async with start() as works:
        for number in range(60):
            await enqueue(database, str(number))
            await asyncio.sleep(0.002 * (number % 5))
        await works.have_done(60)


async def test_a_job_for_later_is_done_when_it_is_due(start: Start, database: Database) -> None:
    async with start() as works:
        begun = time.monotonic()
        await enqueue(database, "later", after=timedelta(seconds=1))
        await enqueue(database, "now")
        await works.have_done(2)
    assert [word[10:-2] for word in works.done] == ["now", "later"]
    assert 1 <= works.times[1] - begun < 5


async def test_a_job_that_failed_is_tried_again_without_waiting_for_the_next_look(
    start: Start, database: Database
) -> None:
    async with start() as works:
        works.fails = 2
        await enqueue(database, "stubborn")
        await works.have_done(1)


async def test_a_parked_job_that_is_queued_again_is_taken_at_once(
    start: Start, database: Database, owner: asyncpg.Connection
) -> None:
    async with start() as works:
        job_id = await owner.fetchval(
            "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, payload) VALUES (0, 'failed', 'probe', 'parked')"
            " RETURNING id"
        )
        await asyncio.sleep(0.3)
        assert works.done == []
        async with database.sessions.begin() as session:
            assert await PostgresJobs().requeue(session, job_id)
        await works.have_done(1)


async def test_nobody_is_woken_when_a_job_is_done(start: Start, database: Database, owner_url: str) -> None:
    heard: list[object] = []
    listener = await asyncpg.connect(owner_url)
    await listener.add_listener("ch_pgqueuer", lambda *told: heard.append(told[3]))
    async with start() as works:
        heard.clear()
        await enqueue(database, "alone")
        await works.have_done(1)
        await asyncio.sleep(0.5)
    await listener.close()
    assert len([word for word in heard if "table_changed_event" in str(word)]) == 1


async def test_what_makes_the_connection_of_the_queue_special_ends_with_its_work(owner_url: str) -> None:
    pools = await Database.connect(owner_url, pool_size=1)
    show = "SELECT current_setting('synchronous_commit'), current_setting('plan_cache_mode'), current_user::text"
    before = await pools.reads.fetchrow(show)
    async with own_connection(pools) as connection:
        await connection.add_listener("ch_pgqueuer", lambda *_: None)
        assert tuple(await connection.fetchrow(show) or ()) == ("off", "force_generic_plan", APP_ROLE)
    assert await pools.reads.fetchrow(show) == before
    assert before is not None
    assert tuple(before)[1:] == ("auto", APP_ROLE)
    assert await pools.reads.fetch("SELECT pg_listening_channels()") == []
    await pools.close()
