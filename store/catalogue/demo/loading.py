"""Loads the demonstration's catalogue into an empty database, in one transaction."""

import gc
import lzma
from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec

from store.catalogue.demo.draws import demo_id
from store.catalogue.demo.invented_series import invent_series
from store.catalogue.demo.packing import PACKED_FILMS, PackedFilms
from store.catalogue.demo.records import own_records
from store.catalogue.demo.rows import COLUMNS, LICENSORS, CatalogueRows, Row

CHUNK: Final = 20_000
"""Rows between two reports of progress."""

LOAD_LOCK: Final = 8_112_014
"""Key of the advisory lock that lets one process load at a time."""


async def load_demo_catalogue(
    connection: asyncpg.Connection,
    *,
    progress: Callable[[int, int], None],
    build: Callable[[], CatalogueRows] | None = None,
) -> None:
    """Load the catalogue unless it is there already; `progress` is told how many of how many rows are in.

    All or nothing: one transaction. The connection must be the tables' owner: from any other role PostgreSQL skips
    ANALYZE with no more than a warning, and then the first film pages take half a minute each.
    `build` makes the rows, when they are needed; `build_catalogue` unless given.
    """
    tables = ", ".join(f"store.{table}" for table in COLUMNS)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOAD_LOCK)
        if await _is_loaded(connection):
            return
        await connection.execute("SET LOCAL store.has_no_pages = 'on'")
        # After a load that died the tables may be counted as empty. Each is counted anew with its first rows, and by
        # nobody else until all is in: the check of a foreign key would else read a whole wrong index for every row.
        await connection.execute(f"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE")
        rows = (build or build_catalogue)()
        total = sum(len(table) for table in rows.tables.values())
        done = 0
        for table, columns in COLUMNS.items():
            made: list[Row] = rows.tables[table]
            for start in range(0, len(made), CHUNK):
                chunk = made[start : start + CHUNK]
                await connection.copy_records_to_table(table, schema_name="store", columns=columns, records=chunk)
                if start == 0:
                    await connection.execute(f"ANALYZE store.{table}")
                done += len(chunk)
                progress(done, total)
    await connection.execute(f"ANALYZE {tables}")


def build_catalogue() -> CatalogueRows:
    """All rows, made in memory: the dozen records, the other real films, the invented series."""
    collects = gc.isenabled()
    gc.disable()  # half a million tuples that all stay: looking through them again and again costs seconds
    try:
        return _build_catalogue()
    finally:
        if collects:
            gc.enable()


def _build_catalogue() -> CatalogueRows:
    rows = CatalogueRows()
    records = own_records()
    for record in records:
        rows.add_record(record)
    own = {record.imdb for record in records}
    packed = msgspec.json.decode(lzma.decompress(PACKED_FILMS.read_bytes()), type=PackedFilms)
    for film in packed.films:
        if film.imdb not in own:
            rows.add_film(film, packed.people)
    for series in invent_series():
        rows.add_series(series)
    rows.finish()
    return rows


def count_videos_of(rows: CatalogueRows) -> int:
    """How many films and episodes there are."""
    kind = COLUMNS["titles"].index("kind")
    return sum(row[kind] in ("film", "episode") for row in rows.tables["titles"])


async def _is_loaded(connection: asyncpg.Connection) -> bool:
    marker = demo_id("licensor", LICENSORS[0])
    loaded: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM store.licensors WHERE id = $1)", marker)
    return loaded
