"""One request, one transaction: what was answered is saved, what was not saved is not answered."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from auth.ports import Jobs
from store.app import create_app
from store.database import Database
from store.settings import Settings
from tests.running import running
from tests.scratch import MovableTestClock

PROBE = """
    CREATE TABLE store.commit_probe (word text PRIMARY KEY);
    GRANT SELECT, INSERT ON store.commit_probe TO videothek_app;
    CREATE FUNCTION store.refuse_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'refused at commit'; END $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON store.commit_probe DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.word = 'fails at commit') EXECUTE FUNCTION store.refuse_at_commit();
"""


@post("/v1/probe/{word:str}", exclude_from_auth=True)
async def write_probe(
    word: FromPath[str], session: NamedDependency[AsyncSession], jobs: NamedDependency[SkipValidation[Jobs]]
) -> dict[str, Any]:
    """Write a row and a job, and answer as if all were well."""
    await session.execute(text("INSERT INTO store.commit_probe VALUES (:word)"), {"word": word})
    await jobs.enqueue(session, "probe_job", word=word)
    if word == "fails in the handler":
        raise RuntimeError(word)
    return {"written": True}


@pytest.fixture
async def probe_table(owner: asyncpg.Connection) -> AsyncIterator[None]:
    await owner.execute(PROBE)
    yield
    await owner.execute("DROP TABLE store.commit_probe; DROP FUNCTION store.refuse_at_commit()")


@pytest.fixture
async def probe_client(
    settings: Settings, database: Database, clock: MovableTestClock, probe_table: None
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, clock=clock, database=database, extra_routes=[write_probe])
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with running(app), httpx.AsyncClient(transport=transport, base_url=settings.base_url) as client:
        yield client


async def written(owner: asyncpg.Connection) -> tuple[list[str], list[str]]:
    """Rows of the probe and jobs of the queue."""
    rows = await owner.fetch("SELECT word FROM store.commit_probe")
    jobs = await owner.fetch("SELECT entrypoint FROM jobs.pgqueuer")
    return [row["word"] for row in rows], [job["entrypoint"] for job in jobs]


async def test_what_is_answered_is_saved_with_its_job(
    probe_client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    answer = await probe_client.post("/v1/probe/kept")
    assert (answer.status_code, await written(owner)) == (201, (["kept"], ["probe_job"]))


@pytest.mark.parametrize("fault", ["fails at commit", "fails in the handler"])
async def test_a_failure_is_a_500_and_leaves_neither_row_nor_job(
    probe_client: httpx.AsyncClient, owner: asyncpg.Connection, fault: str
) -> None:
    answer = await probe_client.post(f"/v1/probe/{fault}")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "internal_error"
    assert await written(owner) == ([], [])


async def test_a_job_waits_once_under_its_key(database: Database, owner: asyncpg.Connection) -> None:
    from store.jobs import PostgresJobs

    for _ in range(2):
        async with database.sessions.begin() as session:
            await PostgresJobs().enqueue(session, "probe_job", dedupe_key="once", word="kept")
    assert await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer") == 1
