"""Disputes: a bank takes a payment back; the right waits with it, comes back when won and ends when lost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.ids import new_id
from billing.books import Journal
from billing.dispute_records import Dispute, DisputeState
from billing.disputed_refunds import TWICE, book_twice, list_owed, settle_by_dispute
from billing.ledger import CLEARING, DISPUTE_FEES, DISPUTED, LOST, book, vat_account
from billing.models import Order, OrderLine, Payment, PaymentState, RefundState
from billing.money import Money
from billing.orders import lines_of, lock_order
from billing.ports import Fulfilment, Movement, ProviderDispute
from billing.provider_records import BlockedCard
from billing.refund_shares import share_out
from billing.refunds import given_back

log = structlog.get_logger("disputes")

HOLD: Final = "dispute"
"""Why a right is paused or ended."""

_STOLEN: Final = "fraudulent"
"""The provider's word for a payment that the card's owner did not make."""

_NEXT: Final[dict[DisputeState, frozenset[DisputeState]]] = {
    DisputeState.INQUIRY: frozenset({DisputeState.OPEN, DisputeState.WON, DisputeState.LOST, DisputeState.CLOSED}),
    DisputeState.OPEN: frozenset({DisputeState.WON, DisputeState.LOST}),
    # An inquiry that was closed can still become a dispute.
    DisputeState.CLOSED: frozenset({DisputeState.OPEN, DisputeState.WON, DisputeState.LOST}),
    DisputeState.WON: frozenset(),
    DisputeState.LOST: frozenset(),
}
"""Which states may follow which; anything else is old news."""


async def note_dispute(
    session: AsyncSession, fulfilment: Fulfilment, observed: ProviderDispute, *, at: datetime
) -> bool:
    """Bring a dispute to what the provider says: book what moved, hold, release or end the right.

    Safe to repeat and to race; False if it is about no payment of ours.
    """
    payment = await session.scalar(select(Payment).where(Payment.intent_id == observed.intent_id))
    if observed.intent_id is None or payment is None:
        return False
    order = await lock_order(session, payment.order_id)
    dispute = await _dispute(session, observed, order, payment, at)
    for movement in observed.movements:
        await _book_movement(session, order, payment, dispute, movement, at)
    if observed.evidence_due_by is not None:
        dispute.evidence_due_by = observed.evidence_due_by
    if observed.state is not dispute.state and observed.state not in _NEXT[dispute.state]:
        return True
    dispute.state, dispute.updated_at = observed.state, at
    await session.flush()
    if payment.state is PaymentState.SUCCEEDED:
        await _act(session, fulfilment, order, payment, dispute, at)
    elif dispute.state is DisputeState.LOST:
        await _book_loss(session, order, payment, dispute, (), at)
    return True


async def _dispute(
    session: AsyncSession, observed: ProviderDispute, order: Order, payment: Payment, at: datetime
) -> Dispute:
    writing = insert(Dispute).values(
        id=new_id(),
        order_id=order.id,
        payment_id=payment.id,
        provider_dispute_id=observed.id,
        state=DisputeState.INQUIRY,
        reason=observed.reason[:40],
        amount=observed.amount.minor,
        currency=observed.amount.currency,
        created_at=at,
        updated_at=at,
    )
    await session.execute(writing.on_conflict_do_nothing(index_elements=[Dispute.provider_dispute_id]))
    found = await session.scalars(
        select(Dispute)
        .where(Dispute.provider_dispute_id == observed.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.one()


async def _act(
    session: AsyncSession, fulfilment: Fulfilment, order: Order, payment: Payment, dispute: Dispute, at: datetime
) -> None:
    lines = await lines_of(session, order.id)
    match dispute.state:
        case DisputeState.OPEN:
            log.warning("payment disputed", order_id=str(order.id), reason=dispute.reason)
            await fulfilment.hold(session, lines=lines, reason=HOLD, at=at)
            if dispute.reason == _STOLEN:
                await block_card(session, payment, reason=HOLD, at=at)
        case DisputeState.WON | DisputeState.CLOSED if not await _has_open_one(session, order):
            await fulfilment.release(session, lines=lines, reason=HOLD, at=at)
        case DisputeState.LOST:
            await _book_loss(session, order, payment, dispute, lines, at)
            await fulfilment.take_back(session, lines=lines, reason=HOLD, at=at)


async def _has_open_one(session: AsyncSession, order: Order) -> bool:
    """Whether a bank has money of the order, by any of its disputes."""
    is_open = exists().where(Dispute.order_id == order.id, Dispute.state == DisputeState.OPEN)
    return bool(await session.scalar(select(is_open)))


async def block_card(session: AsyncSession, payment: Payment, *, reason: str, at: datetime) -> None:
    """Refuse the card of a payment from now on, if it was one."""
    fingerprint = (payment.method or {}).get("fingerprint")
    if fingerprint is not None:
        blocking = insert(BlockedCard).values(fingerprint=fingerprint, reason=reason, blocked_at=at)
        await session.execute(blocking.on_conflict_do_nothing())


async def _book_movement(
    session: AsyncSession, order: Order, payment: Payment, dispute: Dispute, movement: Movement, at: datetime
) -> None:
    """Book what a dispute took from our account or gave back to it, each movement once."""
    kind = "dispute_withdrawn" if movement.amount.minor < 0 else "dispute_reinstated"
    source = ("provider", movement_key(movement.id))
    if await _is_booked(session, source, kind):
        return
    await book(
        session,
        kind=kind,
        source=source,
        order=order,
        payment_id=payment.id,
        document_number=None,
        description=f"Rückbuchung zu {order.order_number} ({dispute.reason})",
        currency=movement.amount.currency,
        sides={
            CLEARING: movement.amount.minor - movement.fee.minor,
            DISPUTED: -movement.amount.minor,
            DISPUTE_FEES: movement.fee.minor,
        },
        at=at,
    )


async def _book_loss(
    session: AsyncSession, order: Order, payment: Payment, dispute: Dispute, lines: Sequence[OrderLine], at: datetime
) -> None:
    """Book a lost dispute: the net price is lost, its VAT is no longer owed (UStG 17(2) no. 1).

    What was not of the sale any more pays what is owed, and is lost where the customer had it back already. A refund
    that the provider may have is left to `Refunds`, which asks for it first.
    """
    source = ("dispute", dispute.id)
    if await _is_booked(session, source, "dispute_lost") or await _is_booked(session, source, TWICE):
        return
    owed = await list_owed(session, order, payment.intent_id)
    before = await given_back(session, order.id, booked=True) if lines else order.gross
    of_sale = min(dispute.amount, order.gross - before)
    had_twice = max(0, dispute.amount - of_sale - sum(refund.amount for refund in owed))
    sides: dict[str, int] = defaultdict(int)
    for share in share_out(lines, before=before, amount=of_sale) if of_sale else ():
        sides[LOST] += share.net
        sides[vat_account(order, share.line)] += share.tax
        sides[DISPUTED] -= share.gross
    if any(sides.values()):
        await _book_lost(session, order, payment, source, sides, at)
    if had_twice:
        # A journal of its own: a refund that fails after all undoes it.
        await book_twice(session, order, payment.id, source, Money(had_twice, dispute.currency), at=at)
    for refund in owed:
        if refund.state in (RefundState.FAILED, RefundState.CANCELED):
            await settle_by_dispute(session, refund, at=at)


async def _book_lost(
    session: AsyncSession,
    order: Order,
    payment: Payment,
    source: tuple[str, UUID],
    sides: Mapping[str, int],
    at: datetime,
) -> None:
    await book(
        session,
        kind="dispute_lost",
        source=source,
        order=order,
        payment_id=payment.id,
        document_number=None,
        description=f"Verlorene Rückbuchung zu {order.order_number}",
        currency=order.currency,
        sides=sides,
        at=at,
    )


async def _is_booked(session: AsyncSession, source: tuple[str, UUID], kind: str) -> bool:
    """Whether a journal stands; asked under the order's lock, so nobody writes it meanwhile."""
    found = await session.scalar(
        select(Journal.id).where(Journal.source == source[0], Journal.source_id == source[1], Journal.kind == kind)
    )
    return found is not None


def movement_key(movement_id: str) -> UUID:
    """The books' key of a movement of the provider's account: always the same for the same movement."""
    return uuid5(NAMESPACE_URL, f"provider-movement:{movement_id}")
