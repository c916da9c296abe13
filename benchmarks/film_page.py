"""The film page under load: our handler against a bare one and a one-query one that send as many bytes."""

import random
from collections.abc import Sequence

import asyncpg

from benchmarks.baselines import TABLE
from benchmarks.load import Load, measure
from benchmarks.processes import serving
from store.database import Database
from store.settings import Settings

REQUESTS = 4000
"""Requests of one measured load."""


async def compare(settings: Settings, owner_url: str, *, environment: dict[str, str]) -> list[Load]:
    """Measure the two baselines and the film page (API and web) in turns, twice, and keep the second round."""
    slugs = await _most_wanted(settings)
    await _make_documents(owner_url, settings, slugs)
    pages = [f"/v1/titles/{slug}" for slug in slugs]
    loads: list[Load] = []
    for _round in range(2):
        with serving("benchmarks.baselines:create_app", environment) as (url, process):
            bare = await measure("bare handler", url, [f"/bare/{slug}" for slug in slugs], server=process)
            one_query = await measure("one query", url, [f"/one-query/{slug}" for slug in slugs], server=process)
        with serving("store.app:create_app", environment) as (url, process):
            api = await measure("film page, API", url, pages, server=process)
            web = await measure("film page, web", url, [f"/de/films/{slug}" for slug in slugs[:400]], server=process)
        loads = [bare, one_query, api, web]
    return loads


async def _most_wanted(settings: Settings) -> list[str]:
    """Slugs of films drawn at random (always the same ones)."""
    database = await Database.connect(settings.database_url, pool_size=2)
    rows = await database.reads.fetch("SELECT slug FROM store.titles WHERE kind = 'film' ORDER BY slug")
    await database.close()
    return random.Random(2013).sample([row["slug"] for row in rows], k=REQUESTS)  # noqa: S311 - no secret is drawn


async def _make_documents(owner_url: str, settings: Settings, slugs: Sequence[str]) -> None:
    """Fill the baselines' table with the very documents that the film page sends."""
    connection = await asyncpg.connect(owner_url)
    await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
    await connection.execute(
        f"CREATE TABLE {TABLE} AS SELECT t.slug AS key, p.document FROM store.title_pages p "  # noqa: S608
        f"JOIN store.titles t ON t.id = p.title_id WHERE p.market = 'DE' AND p.locale = 'de'"
    )
    await connection.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (key)")
    await connection.execute(f"GRANT SELECT ON {TABLE} TO PUBLIC; ANALYZE {TABLE}")
    missing = await connection.fetchval(
        f"SELECT count(*) FROM unnest($1::text[]) AS wanted LEFT JOIN {TABLE} ON key = wanted WHERE key IS NULL",  # noqa: S608
        list(slugs),
    )
    await connection.close()
    if missing:
        raise RuntimeError(f"{missing} film pages are not prepared")
