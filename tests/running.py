"""Runs an application's lifespan in one task of its own, as a server does.

Fixtures are set up and torn down in different tasks, and Litestar's lifespan must end in the task it began in.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar


@asynccontextmanager
async def running(app: Litestar) -> AsyncIterator[Litestar]:
    """The application between its start and its end; what fails in them is raised here."""
    begun, end = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            begun.set()
            await end.wait()

    life = asyncio.create_task(live())
    beginning = asyncio.create_task(begun.wait())
    await asyncio.wait({life, beginning}, return_when=asyncio.FIRST_COMPLETED)
    beginning.cancel()
    try:
        if begun.is_set():
            yield app
    finally:
        end.set()
        await life
