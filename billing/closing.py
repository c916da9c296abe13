"""Closing the books: a period that is over and was exported stays as it is; what comes late is booked behind it."""

from datetime import datetime
from typing import Final

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.plain_statements import driver_of
from billing.books import ClosedUntil
from billing.provider_lists import BEGINNING

BOOKS: Final = "books"

_CLOSED_UNTIL: Final = "SELECT closed_until FROM billing.closed_until WHERE code = $1 FOR SHARE"


async def close_books(session: AsyncSession, *, end: datetime, at: datetime) -> None:
    """Close a period that is over, once everything that is being booked at this moment stands; else do nothing."""
    if end > at:
        return
    closing = insert(ClosedUntil).values(code=BOOKS, closed_until=end)
    await session.execute(
        closing.on_conflict_do_update(
            index_elements=[ClosedUntil.code],
            set_={"closed_until": closing.excluded.closed_until},
            where=ClosedUntil.closed_until < closing.excluded.closed_until,
        )
    )


async def booking_time(session: AsyncSession, *, at: datetime) -> datetime:
    """When something that happened at `at` is booked: then, or at the start of what is open yet.

    The row is shared until the transaction ends, so that closing waits for what is being booked.
    """
    driver = await driver_of(session)
    closed_until = await driver.fetchval(_CLOSED_UNTIL, BOOKS)
    if closed_until is None:
        beginning = insert(ClosedUntil).values(code=BOOKS, closed_until=BEGINNING)
        await session.execute(beginning.on_conflict_do_nothing())
        closed_until = await driver.fetchval(_CLOSED_UNTIL, BOOKS)
    return max(at, closed_until or at)
