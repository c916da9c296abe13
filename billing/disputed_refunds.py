"""Refunds of a payment that a bank took back: they wait for its decision, and a lost dispute settles what is owed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from auth.ids import new_id
from billing.books import Journal, Posting
from billing.dispute_records import Dispute, DisputeState
from billing.ledger import DISPUTED, LOST, TO_REFUND, book
from billing.models import Order, Payment, Refund, RefundState
from billing.money import Money

log = structlog.get_logger("disputed_refunds")

TWICE: Final = "refund_lost"
SETTLED: Final = "refund_settled"
"""Kinds of journals: the customer had the money twice; what was owed came from the customer's bank."""

_OWED: Final = (RefundState.REQUESTED, RefundState.PENDING, RefundState.FAILED, RefundState.CANCELED)
"""Booked, and not with the customer yet."""


def is_waiting_for_bank() -> ColumnElement[bool]:
    """Whether a refund cannot be asked for yet: the provider refuses it while a bank has the money."""
    is_taken = exists().where(
        Payment.intent_id == Refund.intent_id, Dispute.payment_id == Payment.id, Dispute.state == DisputeState.OPEN
    )
    return (Refund.state == RefundState.REQUESTED) & Refund.provider_refund_id.is_(None) & is_taken


async def list_owed(session: AsyncSession, order: Order, intent_id: str | None) -> Sequence[Refund]:
    """What of an intent was decided to go back and did not arrive, each debt in its last try, the oldest first."""
    again = aliased(Refund)
    owed = (
        select(Refund)
        .where(Refund.order_id == order.id, Refund.intent_id == intent_id, Refund.state.in_(_OWED))
        .where(~exists().where(again.replaces_id == Refund.id))
        .order_by(Refund.created_at, Refund.id)
    )
    return (await session.scalars(owed.with_for_update().execution_options(populate_existing=True))).all()


async def left_of_lost_dispute(session: AsyncSession, refund: Refund) -> int:
    """Minor units that a lost dispute took of a refund's payment and that are not booked as anything yet."""
    disputes = select(Dispute.state).join(Payment, Payment.id == Dispute.payment_id)
    states = set(await session.scalars(disputes.where(Payment.intent_id == refund.intent_id)))
    if DisputeState.LOST not in states or DisputeState.OPEN in states:
        return 0
    taken = await session.scalar(
        select(func.sum(Posting.minor))
        .join(Journal, Journal.id == Posting.journal_id)
        .where(Journal.payment_id == refund.payment_id, Posting.account == DISPUTED)
    )
    return max(0, int(taken or 0))


async def settle_by_dispute(session: AsyncSession, refund: Refund, *, at: datetime) -> None:
    """Close a refund out of what a lost dispute took, so that the customer has the money once; its order is locked.

    What is owed is owed no longer, for the bank has paid it; a refund that arrived all the same is lost. One that fails
    after it was lost is not: what the customer has, the bank has paid.
    """
    order, is_there = await session.get_one(Order, refund.order_id), refund.state is RefundState.SUCCEEDED
    covered = min(refund.amount, await left_of_lost_dispute(session, refund))
    if is_there:
        if covered:
            log.error("the customer has the money twice", refund_id=str(refund.id), amount=covered)
            source, money = ("refund", refund.id), Money(covered, refund.currency)
            await book_twice(session, order, refund.payment_id, source, money, at=at)
        return
    undone = min(refund.amount - covered, await _had_twice(session, refund))
    if covered + undone == 0:
        return
    refund.state, refund.updated_at = RefundState.SETTLED, at
    await book(
        session,
        kind=SETTLED,
        source=("refund", refund.id),
        order=order,
        payment_id=refund.payment_id,
        document_number=None,
        description=f"Rückzahlung durch Rückbuchung zu {order.order_number}",
        currency=refund.currency,
        sides={TO_REFUND: covered + undone, DISPUTED: -covered, LOST: -undone},
        at=at,
    )
    if covered + undone < refund.amount:
        session.add(next_try(refund, amount=refund.amount - covered - undone, at=at))


async def book_twice(
    session: AsyncSession, order: Order, payment_id: UUID, source: tuple[str, UUID], amount: Money, *, at: datetime
) -> None:
    """Book as lost what a dispute took although the customer had it back already."""
    await book(
        session,
        kind=TWICE,
        source=source,
        order=order,
        payment_id=payment_id,
        document_number=None,
        description=f"Rückzahlung und Rückbuchung zu {order.order_number}",
        currency=amount.currency,
        sides={LOST: amount.minor, DISPUTED: -amount.minor},
        at=at,
    )


async def _had_twice(session: AsyncSession, refund: Refund) -> int:
    """Minor units of a refund's payment that are booked as had twice and not undone yet."""
    lost = await session.scalar(
        select(func.sum(Posting.minor))
        .join(Journal, Journal.id == Posting.journal_id)
        .where(Journal.payment_id == refund.payment_id, Journal.kind.in_((TWICE, SETTLED)), Posting.account == LOST)
    )
    return max(0, int(lost or 0))


def next_try(refund: Refund, *, amount: int, at: datetime, requested_by: UUID | None = None) -> Refund:
    """The same debt, or what is left of it, with a key of its own: nothing is booked until it is paid."""
    net = None if refund.net is None else refund.net * amount // refund.amount
    return Refund(
        id=(again_id := new_id()),
        order_id=refund.order_id,
        payment_id=refund.payment_id,
        intent_id=refund.intent_id,
        kind=refund.kind,
        amount=amount,
        net=net,
        tax=None if net is None else amount - net,
        currency=refund.currency,
        reason=refund.reason,
        note=refund.note,
        requested_by=requested_by,
        replaces_id=refund.id,
        idempotency_key=f"refund:{again_id}",
        state=RefundState.REQUESTED,
        created_at=at,
        updated_at=at,
    )
