"""Opaque places in lists that are sorted by an instant and an id."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from billing.errors import CursorInvalid

Place = tuple[datetime, UUID]


def cursor_of(place: Place) -> str:
    """The place as a text that clients only hand back."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(cursor: str | None) -> Place | None:
    """The place of a cursor, None for none; raises `CursorInvalid` for anything that `cursor_of` did not make."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        instant, row_id = msgspec.json.decode(raw, type=Place)
    except (ValueError, msgspec.MsgspecError) as fault:
        raise CursorInvalid() from fault
    if instant.tzinfo is None:
        raise CursorInvalid()
    return instant.astimezone(UTC), row_id
