"""The engine's pool: what the server closed is replaced before it is used, and who rested long is asked first."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from auth.plain_statements import driver_of
from store.database import ASK_AFTER, DATABASE_AWAY, Database


async def backend(database: Database) -> asyncpg.Connection:
    """The connection that the next transaction runs on, given back."""
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql("SELECT 1")
        driver: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
    return driver


async def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(
    owner_url: str, owner: asyncpg.Connection
) -> None:
    database = await Database.connect(owner_url, pool_size=1)
    closed = await backend(database)
    gone = asyncio.Event()
    closed.add_termination_listener(lambda _connection: gone.set())
    await owner.execute("SELECT pg_terminate_backend($1)", closed.get_server_pid())
    await gone.wait()

    assert await backend(database) is not closed
    await database.close()


@pytest.mark.parametrize(("ask_after", "last_said"), [(0.0, "ROLLBACK;"), (ASK_AFTER, "COMMIT;")])
async def test_only_a_connection_that_rested_is_asked_whether_the_server_is_there(
    owner_url: str, owner: asyncpg.Connection, ask_after: float, last_said: str
) -> None:
    database = await Database.connect(owner_url, pool_size=1, ask_after=ask_after)
    pid = (await backend(database)).get_server_pid()

    async with database.engine.connect():
        assert await owner.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", pid) == last_said
    await database.close()


async def test_a_transaction_that_is_called_off_leaves_nothing_and_gives_its_connection_back(
    database: Database, owner: asyncpg.Connection
) -> None:
    written, never = asyncio.Event(), asyncio.Event()

    async def write_and_wait() -> None:
        async with database.sessions.begin() as session:
            await session.execute(text("INSERT INTO billing.ledger_accounts (code, kind) VALUES ('asset:x', 'asset')"))
            written.set()
            await never.wait()

    task = asyncio.create_task(write_and_wait())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert await owner.fetchval("SELECT count(*) FROM billing.ledger_accounts WHERE code = 'asset:x'") == 0


async def test_a_transaction_whose_commit_fails_raises_and_gives_its_connection_back(
    database: Database, owner: asyncpg.Connection
) -> None:
    unbalanced = """
        INSERT INTO billing.journals (id, booked_at, source, source_id, kind, currency, description)
        VALUES (gen_random_uuid(), now(), 'test', gen_random_uuid(), 'test', 'EUR', 'without postings')
    """

    async def book() -> None:
        async with database.sessions.begin() as session:
            await session.execute(text(unbalanced))

    with pytest.raises(DBAPIError, match="does not balance"):
        await book()

    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert await owner.fetchval("SELECT count(*) FROM billing.journals") == 0


async def test_a_connection_that_is_lost_amid_a_transaction_is_told_as_such_and_replaced(
    database: Database, owner: asyncpg.Connection
) -> None:
    async def wait_for_a_lock() -> None:
        async with database.sessions.begin() as session:
            await (await driver_of(session)).execute("SELECT pg_advisory_lock(77)")

    await owner.execute("SELECT pg_advisory_lock(77)")
    task = asyncio.create_task(wait_for_a_lock())
    pid = None
    while pid is None:
        pid = await owner.fetchval("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    await owner.execute("SELECT pg_terminate_backend($1)", pid)
    with pytest.raises(DATABASE_AWAY):
        await task
    await owner.execute("SELECT pg_advisory_unlock(77)")

    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    async with database.sessions.begin() as session:
        assert await session.scalar(text("SELECT 1")) == 1
