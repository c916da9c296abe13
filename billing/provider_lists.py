"""Where reading the provider's lists goes on: a stored cursor, read again by ten minutes, moved when all is in."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.provider_records import ProviderCursor

OVERLAP: Final = timedelta(minutes=10)
"""Read again each time: a list may show an entry a little after its own time, and after a later one."""

BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Older than anything that the provider keeps."""


async def read_from(session: AsyncSession, name: str) -> datetime:
    """The instant from which on a list has to be read."""
    cursor = await session.get(ProviderCursor, name)
    return cursor.read_until - OVERLAP if cursor else BEGINNING


async def note_read(session: AsyncSession, name: str, *, until: datetime | None, found: int) -> None:
    """Move a list's cursor, never back, and count what was found."""
    moving = insert(ProviderCursor).values(name=name, read_until=until or BEGINNING, found=found)
    await session.execute(
        moving.on_conflict_do_update(
            index_elements=[ProviderCursor.name],
            set_={
                "read_until": func.greatest(ProviderCursor.read_until, moving.excluded.read_until),
                "found": ProviderCursor.found + moving.excluded.found,
            },
        )
    )
