"""What a process keeps: facts that may be a little old, nothing of a visitor."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from litestar.datastructures import State

T = TypeVar("T")


@dataclass(slots=True)
class _Fact:
    """A fact as of some time; one request at a time reads it anew."""

    as_of: Hashable = None
    value: Any = None
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


async def keep(state: State, key: tuple[str, ...], *, as_of: Hashable, read: Callable[[], Awaitable[T]]) -> T:
    """The fact of this key, read when `as_of` is another than before.

    While one request reads it anew, all others get the one before: a full house must not ask the same dear question
    at once. They only wait where there is none yet.
    """
    facts: dict[tuple[str, ...], _Fact] = state.setdefault("kept_facts", {})
    fact = facts.setdefault(key, _Fact())
    is_another_reading = fact.as_of is not None and fact.reading.locked()
    if fact.as_of != as_of and not is_another_reading:
        async with fact.reading:
            if fact.as_of != as_of:
                fact.value, fact.as_of = await read(), as_of
    value: T = fact.value
    return value
