"""Primary keys and the names of constraints, the same in every package."""

import secrets
import time
from typing import Final
from uuid import UUID

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Naming convention for every `MetaData`, so that migrations can name what they drop."""


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    return uuid7(milliseconds, secrets.randbits(74))


def uuid7(milliseconds: int, random_bits: int) -> UUID:
    """The UUID version 7 of a given instant (Unix milliseconds) and 74 given bits."""
    high, low = random_bits >> 62 & 0xFFF, random_bits & (1 << 62) - 1
    return UUID(int=(milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
