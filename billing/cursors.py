"""Opaque places in lists that are sorted by an instant and an id."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from billing.errors import CursorInvalid

Place = tuple[datetime, UUID]

TextPlace = tuple[datetime, str]
"""For lists whose ids are the provider's."""


def cursor_of(place: Place | TextPlace) -> str:
    """The place as a text that clients only hand back."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(cursor: str | None) -> Place | None:
    """The place of a cursor, None for none; raises `CursorInvalid` for anything that `cursor_of` did not make."""
    place = text_place_of(cursor)
    if place is None:
        return None
    try:
        return place[0], UUID(place[1])
    except ValueError as fault:
        raise CursorInvalid() from fault


def text_place_of(cursor: str | None) -> TextPlace | None:
    """The same for lists whose ids are texts."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        instant, row_id = msgspec.json.decode(raw, type=TextPlace)
        place = instant.astimezone(UTC), row_id
    except (ValueError, OverflowError, msgspec.MsgspecError) as fault:
        raise CursorInvalid() from fault
    if instant.tzinfo is None or not row_id.isprintable():
        raise CursorInvalid()
    return place
