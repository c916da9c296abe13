"""A licence and a heartbeat: proof, right, device, keys and record included, for many customers who are watching."""

import asyncpg

from benchmarks.baselines import TABLE
from benchmarks.load import Load, measure, measure_requests, median_of
from benchmarks.processes import serving
from benchmarks.viewers import make_viewers
from store.database import Database
from store.entitlement.tokens import PlaybackTokens
from store.settings import Settings

VIEWERS = 1000
"""Each asks once in every round of either load; so many that the processes' clocks, which count in 10 ms, can tell."""

PLAIN = "plain query"
"""The handler of one query by which purchases and sessions are judged, too (docs/decisions/0022)."""

ROUNDS = 7
"""Odd; the median is shown. One more warms up and is not counted."""


async def measure_playback(settings: Settings, *, environment: dict[str, str]) -> list[Load]:
    """Measure the three baselines, and the heartbeats and licences of `VIEWERS` customers, in turns.

    The table of the baselines is there already: `benchmarks.film_page` made it.
    """
    database = await Database.connect(settings.database_url, pool_size=2)
    try:
        viewers = await make_viewers(settings, database, count=VIEWERS)
        keys = [row["key"] for row in await database.reads.fetch(f"SELECT key FROM {TABLE} LIMIT {VIEWERS}")]  # noqa: S608
    finally:
        await database.close()
    await _settle(settings.database_owner_url)
    tokens = PlaybackTokens.from_seed(settings.licence_signing_key, issuer=settings.base_url)
    rounds: list[list[Load]] = []
    port = int(settings.base_url.rpartition(":")[2])
    with (
        serving("benchmarks.baselines:create_app", environment) as (baselines, bare_process),
        serving("store.app:create_app", environment, port=port) as (address, process),
    ):
        for number in range(ROUNDS + 1):
            bare = await measure("bare handler", baselines, [f"/bare/{key}" for key in keys], server=bare_process)
            query = await measure("one query", baselines, [f"/one-query/{key}" for key in keys], server=bare_process)
            plain = await measure(PLAIN, baselines, [f"/plain-query/{key}" for key in keys], server=bare_process)
            # Signed beforehand, for the customers' devices do that work, not the store.
            beats = [viewer.heartbeat(address, position=60.0 * (number + 1)) for viewer in viewers]
            beating = await measure_requests("heartbeat", address, beats, server=process)
            licences = [viewer.licence(address, tokens) for viewer in viewers]
            licensing = await measure_requests("licence", address, licences, server=process)
            rounds.append([bare, query, plain, beating, licensing])
    return [median_of(loads) for loads in zip(*rounds[1:], strict=True)]


async def _settle(owner_url: str) -> None:
    """Have new rows counted and tidied, as they are in a shop that runs; else PostgreSQL does that while we measure."""
    owner = await asyncpg.connect(owner_url)
    try:
        await owner.execute("VACUUM (ANALYZE)")
    finally:
        await owner.close()
