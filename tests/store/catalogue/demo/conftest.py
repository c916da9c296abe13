"""The whole demonstration's catalogue in a database of its own, loaded once for all tests after a first try died."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from auth.ids import new_id
from store.catalogue.demo.loading import build_catalogue, load_demo_catalogue
from store.catalogue.demo.rows import COLUMNS, CatalogueRows
from store.database import Database
from store.migrations import migrate


@dataclass(frozen=True, slots=True)
class LoadedCatalogue:
    """The loaded catalogue, and what the first, broken try had left of itself."""

    url: str
    database: Database
    reported_before_the_crash: int
    """Rows that the broken try had written when it died."""
    titles_after_the_crash: int
    reports: list[tuple[int, int]]
    """What the loading that succeeded told of its progress."""


@pytest.fixture(scope="session")
async def demo(engines: tuple[str, str]) -> AsyncIterator[LoadedCatalogue]:
    server, name = engines[0], f"videothek_demo_{new_id().hex[-12:]}"
    connection = await asyncpg.connect(server)
    await connection.execute(f'CREATE DATABASE "{name}"')
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    await migrate(url)
    rows = build_catalogue()
    reported = await die_while_loading(url, rows)
    await count_as_empty(url)
    database = await Database.connect(url, pool_size=2)
    left = await database.reads.fetchval("SELECT count(*) FROM store.titles")
    reports = await load(url, rows)
    yield LoadedCatalogue(url, database, reported, left, reports)
    await database.close()
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


async def die_while_loading(url: str, rows: CatalogueRows) -> int:
    """Load with a connection that breaks off after a third, as when the process is killed; gives the rows sent."""
    connection = await asyncpg.connect(url)
    sent = 0

    def die_after_a_third(done: int, total: int) -> None:
        nonlocal sent
        sent = done
        if done > total // 3:
            connection.terminate()

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await load_demo_catalogue(connection, progress=die_after_a_third, build=lambda: rows)
    return sent


async def count_as_empty(url: str) -> None:
    """Have the planner believe what it may come to believe by itself after a load died: many pages, no rows."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "UPDATE pg_class SET reltuples = 0, relpages = 500 WHERE oid = ANY ($1::text[]::regclass[])",
        [f"store.{table}" for table in COLUMNS],
    )
    await connection.close()


async def load(url: str, rows: CatalogueRows) -> list[tuple[int, int]]:
    """Load; gives the reports of progress."""
    connection = await asyncpg.connect(url)
    reports: list[tuple[int, int]] = []
    await load_demo_catalogue(
        connection, progress=lambda done, total: reports.append((done, total)), build=lambda: rows
    )
    await connection.close()
    return reports
