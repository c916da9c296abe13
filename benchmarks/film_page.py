"""The film page under load: our handler against a bare one and a one-query one that send as many bytes."""

import random
from collections.abc import Sequence

import asyncpg

from benchmarks.baselines import TABLE
from benchmarks.load import Load, measure, median_of
from benchmarks.processes import serving
from store.database import Database
from store.settings import Settings

TITLES = 4000
"""Different films that are asked for."""

ROUNDS = 9
"""Rounds of every load, odd; their median is shown, so that a disturbed one does not count."""

REQUESTS = 1000
"""Requests of one load in one round."""

WEB_REQUESTS = 200
"""The same for the web page, which costs several times as much."""


async def compare(settings: Settings, owner_url: str, *, environment: dict[str, str]) -> list[Load]:
    """Measure the two baselines and the film page (API and web) in turns; gives the median of each.

    The loads take turns in short rounds, so that whatever else the machine does meets all of them alike. The first
    round warms everything up and is not counted.
    """
    slugs = await drawn_films(settings)
    await make_documents(owner_url, slugs)
    rounds: list[list[Load]] = []
    with (
        serving("benchmarks.baselines:create_app", environment) as (baselines, bare_process),
        serving("store.app:create_app", environment) as (store, store_process),
    ):
        for number in range(ROUNDS + 1):
            films = random.Random(number).sample(slugs, k=REQUESTS)  # noqa: S311 - no secret is drawn
            loads = (
                ("bare handler", baselines, bare_process, [f"/bare/{slug}" for slug in films]),
                ("one query", baselines, bare_process, [f"/one-query/{slug}" for slug in films]),
                ("film page, API", store, store_process, [f"/v1/titles/{slug}" for slug in films]),
                ("film page, web", store, store_process, [f"/de/films/{slug}" for slug in films[:WEB_REQUESTS]]),
            )
            rounds.append([await measure(name, url, paths, server=server) for name, url, server, paths in loads])
    return [median_of(loads) for loads in zip(*rounds[1:], strict=True)]


async def drawn_films(settings: Settings) -> list[str]:
    """Slugs of films with a page, drawn at random (always the same ones)."""
    database = await Database.connect(settings.database_url, pool_size=2)
    rows = await database.reads.fetch(
        """
        SELECT slug FROM store.titles JOIN store.title_pages USING (slug)
         WHERE kind = 'film' AND market = 'DE' AND locale = 'de' ORDER BY slug
        """
    )
    await database.close()
    return random.Random(2013).sample([row["slug"] for row in rows], k=TITLES)  # noqa: S311 - no secret is drawn


async def make_documents(owner_url: str, slugs: Sequence[str]) -> None:
    """Fill the baselines' table with the very documents that the film page sends for these films."""
    connection = await asyncpg.connect(owner_url)
    await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
    await connection.execute(f"CREATE TABLE {TABLE} (key text PRIMARY KEY, document bytea NOT NULL)")
    await connection.execute(
        f"INSERT INTO {TABLE} SELECT slug, document FROM store.title_pages "  # noqa: S608
        f"WHERE market = 'DE' AND locale = 'de' AND slug = ANY ($1::text[])",
        list(slugs),
    )
    await connection.execute(f"GRANT SELECT ON {TABLE} TO PUBLIC; ANALYZE {TABLE}")
    made = await connection.fetchval(f"SELECT count(*) FROM {TABLE}")  # noqa: S608
    await connection.close()
    if made != len(slugs):
        raise RuntimeError(f"{len(slugs) - made} film pages are not prepared")
