"""Waiting for what another process does at its own pace: a mail that arrives, a webhook that pays."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE = 20.0
"""Seconds; a busy machine is slow, what is broken never comes."""

LOOK_AGAIN = 0.05
"""Seconds."""


async def eventually(look: Callable[[], Awaitable[Found | None]], *, patience: float = PATIENCE) -> Found:
    """What is found as soon as there is something; `TimeoutError` if nothing ever is."""
    async with asyncio.timeout(patience):
        while True:
            found = await look()
            if found is not None:
                return found
            await asyncio.sleep(LOOK_AGAIN)
