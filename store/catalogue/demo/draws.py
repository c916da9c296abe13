"""Chance that is no chance: the same key always draws the same, on every machine and in every release."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar
from uuid import UUID

from auth.ids import uuid7

Thing = TypeVar("Thing")

BIRTH: Final = 1_767_225_600_000
"""Unix milliseconds in the ids of the demonstration: 2026-01-01T00:00:00Z."""


def demo_id(kind: str, key: str) -> UUID:
    """The id of a row of the demonstration, from its kind and its natural key."""
    return uuid7(BIRTH, int.from_bytes(_digest(f"{kind}:{key}", 10)) >> 6)


def draw(key: str, sides: int) -> int:
    """0 to `sides` - 1."""
    return int.from_bytes(_digest(key, 8)) % sides


class Draws:
    """A stream of draws from one key."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._count = 0
        self._pool = b""

    def number(self, sides: int) -> int:
        """0 to `sides` - 1."""
        if not self._pool:
            self._pool = _digest(f"{self._key}/{self._count}", 64)
            self._count += 1
        value, self._pool = self._pool[:4], self._pool[4:]
        return int.from_bytes(value) % sides

    def one(self, things: Sequence[Thing]) -> Thing:
        """One of them."""
        return things[self.number(len(things))]

    def chance(self, percent: int) -> bool:
        """Whether something of this probability happens."""
        return self.number(100) < percent


def _digest(text: str, size: int) -> bytes:
    return blake2b(text.encode(), digest_size=size).digest()
