"""Money on its way back: written down with its key, requested by a job, booked when the provider says it went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.ids import new_id
from auth.ports import Jobs, OpenDatabase, Outbox
from billing.disputed_refunds import is_waiting_for_bank, left_of_lost_dispute, settle_by_dispute
from billing.errors import BillingError, PaymentProviderRefused, PaymentUnknownToProvider
from billing.ledger import book_owed
from billing.models import Order, Payment, Refund, RefundKind, RefundState
from billing.orders import lock_order
from billing.ports import Intent, PaymentGateway, ProviderRefund

log = structlog.get_logger("refunds")

SWEEP_AFTER: Final = timedelta(minutes=2)
KEY_LIFETIME: Final = timedelta(hours=23)
"""The provider may forget an idempotency key after 24 hours; before that it is searched instead."""

MAIL: Final = "refund"
"""Kind of the mail that tells a customer which money goes back, and why."""

_NEXT: Final[dict[RefundState, frozenset[RefundState]]] = {
    RefundState.AWAITING_APPROVAL: frozenset(),
    RefundState.REJECTED: frozenset(),
    RefundState.REQUESTED: frozenset(
        {RefundState.PENDING, RefundState.SUCCEEDED, RefundState.FAILED, RefundState.CANCELED}
    ),
    RefundState.PENDING: frozenset({RefundState.SUCCEEDED, RefundState.FAILED, RefundState.CANCELED}),
    # A bank can send a refund back days after it had succeeded.
    RefundState.SUCCEEDED: frozenset({RefundState.FAILED}),
    RefundState.FAILED: frozenset(),
    RefundState.CANCELED: frozenset(),
    RefundState.SETTLED: frozenset(),
}
"""Which states may follow which; anything else is old news."""


async def give_back(
    session: AsyncSession,
    jobs: Jobs,
    outbox: Outbox,
    *,
    order: Order,
    payment: Payment,
    intent: Intent,
    reason: str,
    at: datetime,
) -> bool:
    """Book money that came for nothing and have it sent back by a job; False if that was done before."""
    writing = (
        insert(Refund)
        .values(
            id=new_id(),
            order_id=order.id,
            payment_id=payment.id,
            intent_id=intent.id,
            kind=RefundKind.RETURN,
            amount=intent.received.minor,
            currency=intent.received.currency,
            reason=reason,
            idempotency_key=f"return:{intent.id}",
            state=RefundState.REQUESTED,
            created_at=at,
            updated_at=at,
        )
        .on_conflict_do_nothing(index_elements=[Refund.idempotency_key])
        .returning(Refund.id)
    )
    refund_id = await session.scalar(writing)
    if refund_id is None:
        return False
    await book_owed(
        session,
        kind="unfulfilled_receipt",
        order=order,
        payment_id=payment.id,
        refund_id=refund_id,
        received=intent.received,
        at=at,
    )
    await send_off(session, jobs, refund_id)
    await outbox.queue(session, kind=MAIL, account_id=order.account_id, reference=refund_id, locale=order.locale)
    return True


async def given_back(session: AsyncSession, order_id: UUID, *, booked: bool) -> int:
    """Minor units of a sale that went back or will; with `booked`, only what was decided.

    A failed refund still counts, for it is owed until it is tried again; its new try is the same debt.
    """
    left_out = [RefundState.REJECTED, *([RefundState.AWAITING_APPROVAL] if booked else [])]
    total = await session.scalar(
        select(func.coalesce(func.sum(Refund.amount), 0)).where(
            Refund.order_id == order_id,
            Refund.kind == RefundKind.SALE,
            Refund.replaces_id.is_(None),
            Refund.state.not_in(left_out),
        )
    )
    return int(total or 0)


async def list_awaiting(session: AsyncSession, *, limit: int) -> Sequence[Refund]:
    """Refunds that wait for a second person, the oldest first."""
    waiting = select(Refund).where(Refund.state == RefundState.AWAITING_APPROVAL).order_by(Refund.created_at)
    return (await session.scalars(waiting.limit(limit))).all()


async def send_off(session: AsyncSession, jobs: Jobs, refund_id: UUID) -> None:
    """Have a refund that is written down requested from the provider, once the transaction commits."""
    await jobs.enqueue(session, "request_refund", dedupe_key=f"request_refund:{refund_id}", refund_id=str(refund_id))


async def note_refund(session: AsyncSession, observed: ProviderRefund, *, at: datetime) -> bool:
    """Bring a refund to what the provider says, booking what that means; False if it is none of ours."""
    mine = [Refund.provider_refund_id == observed.id]
    if observed.refund_id is not None:
        mine.append(Refund.id == observed.refund_id)
    found = (await session.execute(select(Refund.id, Refund.order_id).where(or_(*mine)).limit(1))).one_or_none()
    if found is None:
        return False
    await lock_order(session, found.order_id)
    refund = await session.get_one(Refund, found.id, with_for_update=True, populate_existing=True)
    if refund.provider_refund_id not in (None, observed.id):
        return False  # It went by another one already (`SaleRefunds.adopt`): money that went twice is for a person.
    refund.provider_refund_id = observed.id
    if observed.state not in _NEXT[refund.state]:
        if observed.state is refund.state is RefundState.PENDING:
            refund.updated_at = at  # Asked about less and less often, and after those that wait longer.
        return True
    before, refund.state, refund.updated_at = refund.state, observed.state, at
    if observed.state is RefundState.SUCCEEDED:
        is_return = refund.kind is RefundKind.RETURN
        await _book(session, refund, kind="unfulfilled_refund" if is_return else "refund_paid", sign=-1, at=at)
    elif observed.state in (RefundState.FAILED, RefundState.CANCELED):
        log.error("refund failed: a person has to send the money", refund_id=str(refund.id), before=before)
        if before is RefundState.SUCCEEDED:
            await _book(session, refund, kind="refund_reversal", sign=1, at=at)
    if observed.state is not RefundState.PENDING:
        await settle_by_dispute(session, refund, at=at)
    return True


async def _book(session: AsyncSession, refund: Refund, *, kind: str, sign: int, at: datetime) -> None:
    order = await session.get_one(Order, refund.order_id)
    await book_owed(
        session,
        kind=kind,
        order=order,
        payment_id=refund.payment_id,
        refund_id=refund.id,
        received=refund.money if sign > 0 else -refund.money,
        at=at,
    )


@dataclass(frozen=True, slots=True)
class Refunds:
    """Asks the provider for refunds that are written down; used by the worker, in short transactions of its own."""

    database: OpenDatabase
    gateway: PaymentGateway

    async def request(self, *, refund_id: UUID, at: datetime) -> None:
        """Ask for one refund with its persisted key and note the answer; safe to repeat.

        While a bank has the money it waits; what the bank keeps is not sent any more. Raises `PaymentOutcomeUnknown`
        when no answer came: the job is tried again with the same key.
        """
        async with self.database.sessions() as session:
            # One view of both: between two, a twin could settle the refund, and it would be sent once more.
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            refund = await session.scalar(select(Refund).where(Refund.id == refund_id, ~is_waiting_for_bank()))
            if refund is None or refund.state not in (RefundState.REQUESTED, RefundState.PENDING):
                return
            is_lost = await left_of_lost_dispute(session, refund) > 0
        if is_lost and refund.provider_refund_id is None:
            await self._settle(refund, at)
            return
        try:
            observed = await self._ask(refund, at)
        except (PaymentProviderRefused, PaymentUnknownToProvider):
            await self._note_refusal(refund, at)
            raise
        async with self.database.sessions.begin() as session:
            await note_refund(session, observed, at=at)

    async def _settle(self, refund: Refund, at: datetime) -> None:
        """Close a refund whose money a bank took, unless it went before and only its answer was lost."""
        observed = await self.gateway.find_refund(intent_id=refund.intent_id, refund_id=refund.id)
        async with self.database.sessions.begin() as session:
            if observed is not None:
                await note_refund(session, observed, at=at)
                return
            await lock_order(session, refund.order_id)
            locked = await session.get_one(Refund, refund.id, with_for_update=True)
            if locked.state is RefundState.REQUESTED and locked.provider_refund_id is None:
                await settle_by_dispute(session, locked, at=at)

    async def _note_refusal(self, refund: Refund, at: datetime) -> None:
        """Keep when the provider refused, so that it is asked less and less often."""
        async with self.database.sessions.begin() as session:
            await session.execute(
                update(Refund)
                .where(Refund.id == refund.id, Refund.state.in_((RefundState.REQUESTED, RefundState.PENDING)))
                .values(updated_at=at)
            )

    async def sweep(self, *, at: datetime) -> int:
        """Ask again for every refund that has not arrived and was not looked at lately; answers how many."""
        waiting = at - Refund.updated_at
        async with self.database.sessions() as session:
            stale = (
                await session.scalars(
                    select(Refund.id)
                    .where(Refund.state.in_((RefundState.REQUESTED, RefundState.PENDING)), ~is_waiting_for_bank())
                    .where(Refund.updated_at <= at - SWEEP_AFTER)
                    # What was refused is asked for again after half of the time that it has been waiting already.
                    .where(waiting + waiting >= Refund.updated_at - Refund.created_at)
                    .order_by(Refund.updated_at)
                    .limit(100)
                )
            ).all()
        for refund_id in stale:
            try:
                await self.request(refund_id=refund_id, at=at)
            except BillingError as refusal:
                log.warning("not requested", refund_id=str(refund_id), code=refusal.code)
            except Exception:
                # One refund that breaks must not keep the others waiting.
                log.exception("not requested", refund_id=str(refund_id))
        return len(stale)

    async def _ask(self, refund: Refund, at: datetime) -> ProviderRefund:
        if refund.provider_refund_id is not None:
            return await self.gateway.retrieve_refund(refund.provider_refund_id)
        if at - refund.created_at > KEY_LIFETIME:
            found = await self.gateway.find_refund(intent_id=refund.intent_id, refund_id=refund.id)
            if found is not None:
                return found
        return await self.gateway.request_refund(
            intent_id=refund.intent_id,
            amount=refund.money,
            idempotency_key=refund.idempotency_key,
            refund_id=refund.id,
        )
