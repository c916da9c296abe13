"""The handlers that everything is compared with: one sends bytes, the others ask the database for them first."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from store.database import Database

TABLE = "public.benchmark_documents"
"""A table of the documents that the film page sends, made by `benchmarks.film_page`."""

_MIDDLING = f"""
    SELECT document FROM {TABLE}, (SELECT avg(length(document)) AS mean FROM {TABLE}) AS sizes
    ORDER BY abs(length(document) - mean) LIMIT 1
"""  # noqa: S608
"""The document whose length is nearest to the mean."""


def create_app() -> Litestar:
    """A bare Litestar application over the database of DATABASE_URL.

    It reads through the pool of the store itself (`Database.connect`): the same role, the same settings, and no round
    trip to reset a connection, so that the difference in cost is the store's own.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        database = await Database.connect(os.environ["DATABASE_URL"])
        app.state.reads = database.reads
        app.state.document = await database.reads.fetchval(_MIDDLING)
        async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=8) as plain_pool:
            app.state.plain_pool = plain_pool
            yield
        await database.close()

    return Litestar([bare, one_query, plain_query], lifespan=[lifespan], openapi_config=None, logging_config=None)


@get("/bare/{key:str}")
async def bare(state: State, key: FromPath[str]) -> Response[bytes]:
    """Send as many bytes as a film page has; they are already there."""
    return Response(state.document, media_type="application/json")


@get("/one-query/{key:str}")
async def one_query(state: State, key: FromPath[str]) -> Response[bytes]:
    """Ask for one document by its key and send it."""
    document = await state.reads.fetchval(f"SELECT document FROM {TABLE} WHERE key = $1", key)  # noqa: S608
    return Response(document, media_type="application/json")


@get("/plain-query/{key:str}")
async def plain_query(state: State, key: FromPath[str]) -> Response[bytes]:
    """Ask for one document through asyncpg's pool as it comes: it resets a connection after each use."""
    document = await state.plain_pool.fetchval(f"SELECT document FROM {TABLE} WHERE key = $1", key)  # noqa: S608
    return Response(document, media_type="application/json")
