"""Movements at the provider that are none of ours: finance acknowledges one, and it is booked as unresolved."""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from billing.disputes import movement_key
from billing.errors import MovementNotFound, MovementNotUnexplained
from billing.ledger import CLEARING, FEES, UNRESOLVED, book
from billing.movements import NOT_OURS, UNKNOWN_KIND
from billing.provider_records import ProviderTransaction

ACKNOWLEDGEABLE: Final = (NOT_OURS, UNKNOWN_KIND)
"""Reasons of movements that no booking of ours will ever explain; the others wait for theirs."""

KIND: Final = "acknowledged"
"""Kind of the journal."""


async def find_movement(session: AsyncSession, movement_id: str) -> ProviderTransaction:
    """A movement, locked until the transaction ends; raises `MovementNotFound`."""
    row = await session.get(ProviderTransaction, movement_id, with_for_update=True)
    if row is None:
        raise MovementNotFound()
    return row


async def acknowledge(session: AsyncSession, *, movement_id: str, at: datetime) -> ProviderTransaction:
    """Book a movement that is none of ours, so that the clearing account is again what the provider owes us.

    It stays booked: what it turns out to be is booked from the unresolved account. Raises `MovementNotFound`, or
    `MovementNotUnexplained` if it is matched, or is ours.
    """
    row = await find_movement(session, movement_id)
    if row.matched_at is not None or row.journal_id is not None or row.note not in ACKNOWLEDGEABLE:
        raise MovementNotUnexplained()
    if row.amount or row.fee:
        journal = await book(
            session,
            kind=KIND,
            source=("provider", movement_key(row.id)),
            order=None,
            payment_id=None,
            document_number=None,
            description=f"Fremde Bewegung {row.source_id or row.id}",
            currency=row.currency,
            sides={CLEARING: row.amount - row.fee, FEES: row.fee, UNRESOLVED: -row.amount},
            at=at,
        )
        row.journal_id = journal.id
    row.matched_at, row.note = at, None
    await session.flush()
    return row
