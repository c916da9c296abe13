"""Movements of our account at the provider: each recorded once, and explained by a journal of ours or booked as one.

What it cannot explain stays unmatched with one of these reasons:

    not_ours          no payment, refund or dispute of ours caused it
    under_way         its payment or refund is not decided yet; the books wait for that
    not_booked        it is ours, and no free journal says so
    amount_differs    it is ours, and the books say another amount
    unknown_kind      a kind that these books have no account for
    contents_missing  a payout that is booked, but whose contents do not add up to it (yet)
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.books import Journal, Posting
from billing.dispute_records import Dispute
from billing.disputes import movement_key
from billing.ledger import BANK, CLEARING, FEES, book
from billing.models import Order, Payment, PaymentState, Refund, RefundKind, RefundState
from billing.ports import Movement
from billing.provider_records import ProviderTransaction

log = structlog.get_logger("movements")

RECONCILE: Final = "reconcile"
"""Name of the job that reads the provider's list of movements."""

PAYOUT: Final = "payout"
NOT_OURS: Final = "not_ours"
UNDER_WAY: Final = "under_way"
NOT_BOOKED: Final = "not_booked"
AMOUNT_DIFFERS: Final = "amount_differs"
UNKNOWN_KIND: Final = "unknown_kind"
CONTENTS_MISSING: Final = "contents_missing"
REASONS: Final = (NOT_OURS, UNDER_WAY, NOT_BOOKED, AMOUNT_DIFFERS, UNKNOWN_KIND, CONTENTS_MISSING)

_CHARGES: Final = ("charge", "payment")
_REFUNDS: Final = ("refund", "payment_refund")
_OF_PROVIDER_FEES: Final = ("stripe_fee", "stripe_fx_fee", "tax_fee")
_UNDECIDED: Final = (RefundState.REQUESTED, RefundState.PENDING)

Explanation = Journal | str | None
"""The journal that explains a movement, or the reason why there is none; None: explained, and nothing to book."""


async def take_in_movement(session: AsyncSession, movement: Movement, *, at: datetime) -> None:
    """Record one movement and explain it; safe to repeat and to race."""
    await record_movements(session, [movement])
    await explain(session, movement.id, at=at)


async def record_movements(session: AsyncSession, movements: Sequence[Movement]) -> int:
    """Record movements, each once; answers how many were new."""
    if not movements:
        return 0
    rows = [
        {
            "id": movement.id,
            "kind": movement.kind,
            "source_id": movement.source_id,
            "intent_id": movement.intent_id,
            "amount": movement.amount.minor,
            "fee": movement.fee.minor,
            "currency": movement.amount.currency,
            "created_at": movement.created_at,
        }
        for movement in movements
    ]
    recording = insert(ProviderTransaction).values(rows).on_conflict_do_nothing().returning(ProviderTransaction.id)
    return len((await session.scalars(recording)).all())


async def explain(session: AsyncSession, movement_id: str, *, at: datetime) -> None:
    """Look for the journal that explains a movement, or book the movement where only the provider can tell of it."""
    row = await session.scalar(
        select(ProviderTransaction)
        .where(ProviderTransaction.id == movement_id, ProviderTransaction.matched_at.is_(None))
        # Whoever holds the row explains it. Waiting could be for ever: a webhook holds its order's lock by now, and
        # the other one needs that for its booking.
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if row is None or row.journal_id is not None:
        return
    explanation = await _explanation(session, row, at)
    if isinstance(explanation, str):
        row.note = explanation
        return
    row.journal_id = explanation.id if explanation else None
    if row.kind == PAYOUT:
        row.note = CONTENTS_MISSING
        return
    row.matched_at, row.note = at, None


async def _explanation(session: AsyncSession, row: ProviderTransaction, at: datetime) -> Explanation:
    match row.kind:
        case kind if kind in _CHARGES:
            return await _with_fee(session, row, await _of_payment(session, row), at)
        case kind if kind in _REFUNDS:
            found = await _of_refund(session, row, ("refund_paid", "unfulfilled_refund"))
            return await _with_fee(session, row, found, at)
        case "refund_failure":
            found = await _of_refund(session, row, ("refund_reversal",))
            if found == NOT_BOOKED:  # it failed before it had succeeded, so the books never knew of it
                return await _of_announced(session, row, _REFUNDS, at)
            return await _with_fee(session, row, found, at)
        case "payment_failure_refund":
            return await _of_announced(session, row, _CHARGES, at)
        case "adjustment":
            return await _of_dispute(session, row)
        case "payout" | "payout_failure" | "payout_cancel":
            return await _book_payout(session, row, at)
        case kind if kind in _OF_PROVIDER_FEES:
            return await _book_provider_fee(session, row, fee=row.fee - row.amount, at=at)
    return UNKNOWN_KIND


async def _of_payment(session: AsyncSession, row: ProviderTransaction) -> Explanation:
    if row.intent_id is None:
        return NOT_OURS
    payment = await session.scalar(select(Payment).where(Payment.intent_id == row.intent_id))
    returns = select(Refund.id).where(Refund.intent_id == row.intent_id, Refund.kind == RefundKind.RETURN)
    found = await _free_journal(
        session,
        row,
        or_(
            and_(Journal.source == "payment", Journal.source_id == (payment.id if payment else None)),
            and_(Journal.kind == "unfulfilled_receipt", Journal.source == "refund", Journal.source_id.in_(returns)),
        ),
        clearing=row.amount,
    )
    if found is not None:
        return found
    if payment is None:
        return NOT_OURS
    return UNDER_WAY if payment.state is PaymentState.PROCESSING else NOT_BOOKED


async def _of_refund(session: AsyncSession, row: ProviderTransaction, kinds: Sequence[str]) -> Explanation:
    refund = await session.scalar(
        select(Refund).where(Refund.provider_refund_id == row.source_id, Refund.provider_refund_id.is_not(None))
    )
    if refund is None:
        return NOT_OURS
    found = await _free_journal(
        session,
        row,
        and_(Journal.source == "refund", Journal.source_id == refund.id, Journal.kind.in_(kinds)),
        clearing=row.amount,
    )
    return found or (UNDER_WAY if refund.state in _UNDECIDED else NOT_BOOKED)


async def _of_dispute(session: AsyncSession, row: ProviderTransaction) -> Explanation:
    """A dispute is booked together with its fee, by `billing.disputes`."""
    found = await _free_journal(
        session,
        row,
        and_(Journal.source == "provider", Journal.source_id == movement_key(row.id)),
        clearing=row.amount - row.fee,
    )
    if found is not None:
        return found
    is_ours = await session.scalar(select(exists().where(Dispute.provider_dispute_id == row.source_id)))
    return NOT_BOOKED if is_ours else NOT_OURS


async def _free_journal(
    session: AsyncSession, row: ProviderTransaction, which: ColumnElement[bool], *, clearing: int
) -> Journal | str | None:
    """The journal of these that moves the clearing account by an amount and explains no other movement."""
    moved = func.sum(Posting.minor)
    candidates = (
        await session.execute(
            select(Journal, moved)
            .join(Posting, and_(Posting.journal_id == Journal.id, Posting.account == CLEARING))
            .where(which, ~exists().where(ProviderTransaction.journal_id == Journal.id))
            .group_by(Journal.id)
        )
    ).all()
    for journal, minor in candidates:
        if (journal.currency, minor) == (row.currency, clearing):
            return journal
    return AMOUNT_DIFFERS if candidates else None


async def _with_fee(
    session: AsyncSession, row: ProviderTransaction, explanation: Explanation, at: datetime
) -> Explanation:
    """Book what the provider kept of an explained movement, as a journal of its own."""
    if isinstance(explanation, Journal) and row.fee:
        order = await session.get_one(Order, explanation.order_id)
        await book(
            session,
            kind="fee",
            source=("provider", movement_key(row.id)),
            order=order,
            payment_id=explanation.payment_id,
            document_number=None,
            description=f"Gebühr zu {order.order_number}",
            currency=row.currency,
            sides={FEES: row.fee, CLEARING: -row.fee},
            at=at,
        )
    return explanation


async def _of_announced(
    session: AsyncSession, row: ProviderTransaction, kinds: Sequence[str], at: datetime
) -> Explanation:
    """A debit or refund that fails undoes what it had announced: the two explain each other, and their fees remain."""
    announced = await session.scalar(
        select(ProviderTransaction)
        .where(ProviderTransaction.source_id == row.source_id, ProviderTransaction.kind.in_(kinds))
        .where(ProviderTransaction.amount == -row.amount, ProviderTransaction.currency == row.currency)
        .where(ProviderTransaction.matched_at.is_(None))
        .with_for_update()
    )
    if announced is None:
        return NOT_BOOKED
    announced.matched_at, announced.note = at, None
    row.matched_at = at
    return await _book_provider_fee(session, row, fee=row.fee + announced.fee, at=at)


async def _book_provider_fee(
    session: AsyncSession, row: ProviderTransaction, *, fee: int, at: datetime
) -> Journal | None:
    if fee == 0:
        return None
    return await _book_own(session, row, kind="provider_fee", text="Gebühr", sides={FEES: fee, CLEARING: -fee}, at=at)


async def _book_payout(session: AsyncSession, row: ProviderTransaction, at: datetime) -> Journal:
    """Book the way to our bank, or back from it."""
    sides = {CLEARING: row.amount - row.fee, BANK: -row.amount, FEES: row.fee}
    kind, text = (PAYOUT, "Auszahlung") if row.kind == PAYOUT else ("payout_reversal", "Auszahlung zurück")
    return await _book_own(session, row, kind=kind, text=text, sides=sides, at=at)


async def _book_own(
    session: AsyncSession, row: ProviderTransaction, *, kind: str, text: str, sides: dict[str, int], at: datetime
) -> Journal:
    """Book what belongs to no order; the movement itself is the source."""
    return await book(
        session,
        kind=kind,
        source=("provider", movement_key(row.id)),
        order=None,
        payment_id=None,
        document_number=None,
        description=f"{text} {row.source_id or row.id}",
        currency=row.currency,
        sides=sides,
        at=at,
    )
