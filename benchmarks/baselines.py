"""The two handlers that everything is compared with: one sends bytes, one asks the database for them first."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

TABLE = "public.benchmark_documents"
"""A table of documents of the size of a film page, made by `benchmarks.film_page`."""


def create_app() -> Litestar:
    """A bare Litestar application over the database of DATABASE_URL."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=8)
        app.state.document = await app.state.pool.fetchval(f"SELECT document FROM {TABLE} LIMIT 1")  # noqa: S608
        yield
        await app.state.pool.close()

    return Litestar([bare, one_query], lifespan=[lifespan], openapi_config=None, logging_config=None)


@get("/bare/{key:str}")
async def bare(state: State, key: FromPath[str]) -> Response[bytes]:
    """Send bytes that are already there."""
    return Response(state.document, media_type="application/json")


@get("/one-query/{key:str}")
async def one_query(state: State, key: FromPath[str]) -> Response[bytes]:
    """Ask for one document by its key and send it."""
    document = await state.pool.fetchval(f"SELECT document FROM {TABLE} WHERE key = $1", key)  # noqa: S608
    return Response(document, media_type="application/json")
