"""Opaque cursors of lists: the sort keys of the last row, bound to the list that gave them."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import msgspec

from store.catalogue.errors import CursorNotValid

LONGEST: Final = 600
"""Characters of a cursor."""

_TYPES: Final[dict[str, Any]] = {"i": int, "s": str, "t": datetime, "d": date, "u": UUID}
_LARGEST_NUMBER: Final = 2**31 - 1


class _Content(msgspec.Struct, array_like=True, frozen=True):
    binding: str
    keys: list[Any]


def write(keys: Sequence[Any], *, binding: Sequence[str]) -> str:
    """The cursor after a row with these sort keys, of the list with these conditions."""
    content = msgspec.json.encode(_Content(_digest(binding), list(keys)))
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def read(cursor: str, *, binding: Sequence[str], kinds: str) -> list[Any]:
    """The sort keys in a cursor; raises `CursorNotValid` for one that this list never gave.

    `kinds` names their types, a letter each: i (32 bits), s, t (an instant), d (a day), u (UUID).
    """
    if len(cursor) > LONGEST:
        raise CursorNotValid
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        content = msgspec.json.decode(raw, type=_Content)
        keys = [_key(key, kind) for key, kind in zip(content.keys, kinds, strict=True)]
    except (binascii.Error, msgspec.MsgspecError, ValueError, OverflowError) as fault:
        raise CursorNotValid from fault
    if content.binding != _digest(binding):
        raise CursorNotValid
    return keys


def _key(value: Any, kind: str) -> Any:
    key = msgspec.convert(value, _TYPES[kind], strict=True)
    match key:
        case int() if abs(key) > _LARGEST_NUMBER:
            raise ValueError("too large")
        case str() if not key.isprintable():
            raise ValueError("not printable")
        case datetime() if key.tzinfo is None:
            raise ValueError("no time zone")
        case datetime():
            return key.astimezone(UTC)  # overflows at the ends of the calendar
    return key


def _digest(binding: Sequence[str]) -> str:
    return blake2b("\0".join(binding).encode(), digest_size=6).hexdigest()
