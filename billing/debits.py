"""SEPA debits: to whom they are offered, and announcing each one, as the rulebook asks of the creditor.

A debit that is allowed by mistake costs its amount: for eight weeks the customer can take it back without a reason.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import CheckConstraint, String, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.ports import Jobs, OpenDatabase, Outbox
from billing.dispute_records import Dispute, DisputeState
from billing.models import Base, Order, OrderState, Payment, PaymentState
from billing.ports import DEBITS, Intent, PaymentGateway

log = structlog.get_logger("debits")

ANNOUNCE: Final = "announce_debit"
"""Name of the job that announces a debit."""

ANNOUNCEMENT_MAIL: Final = "debit_announced"
"""Kind of the mail that tells a customer what will be debited, when and under which mandate."""


class DebitRule(Base):
    """From when on a customer counts as known well enough for debits of a currency; finance changes the rows."""

    __tablename__ = "debit_rules"

    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    card_days: Mapped[int]
    """Days that a purchase paid by card must be old, and still be paid."""

    __table_args__ = (CheckConstraint("card_days >= 0", name="card_days"),)


async def may_debit(session: AsyncSession, *, account_id: UUID, kind: str, currency: str, at: datetime) -> bool:
    """Whether a customer may pay an order of this kind by debit: a purchase, with a history that is good enough.

    Rentals never: they would be over before the bank answers. Nobody may in a currency without a rule.
    """
    rule = await session.get(DebitRule, currency) if kind == "buy" else None
    if rule is None:
        return False
    paid_by_card = exists().where(
        Order.account_id == account_id,
        Order.state == OrderState.PAID,
        Order.paid_at <= at - timedelta(days=rule.card_days),
        Payment.order_id == Order.id,
        Payment.state == PaymentState.SUCCEEDED,
        Payment.method["kind"].astext == "card",
    )
    taken_back = exists().where(
        Order.account_id == account_id,
        Dispute.order_id == Order.id,
        Dispute.state.in_((DisputeState.OPEN, DisputeState.LOST)),
    )
    return bool(await session.scalar(select(paid_by_card & ~taken_back)))


async def have_announced(session: AsyncSession, jobs: Jobs, payment: Payment, intent: Intent) -> None:
    """Have a debit announced that the bank is about to make; anything else is none of its business."""
    is_debit = intent.charge is not None and intent.charge.paid_by.kind in DEBITS
    if is_debit and intent.state is PaymentState.PROCESSING:
        await jobs.enqueue(session, ANNOUNCE, dedupe_key=f"{ANNOUNCE}:{payment.id}", payment_id=str(payment.id))


@dataclass(frozen=True, slots=True)
class Debits:
    """Announces debits; used by the worker, in short transactions of its own."""

    database: OpenDatabase
    gateway: PaymentGateway
    outbox: Outbox

    async def announce(self, *, payment_id: UUID) -> None:
        """Ask for the reference of the mandate and have the debit announced by mail, once per mandate.

        Safe to repeat. Raises `PaymentOutcomeUnknown` when no answer came: the job is tried again.
        """
        async with self.database.sessions() as session:
            payment = await session.get_one(Payment, payment_id)
        method = payment.method or {}
        if payment.state is not PaymentState.PROCESSING or method.get("kind") not in DEBITS:
            return
        if method.get("mandate") is None:
            log.error("a debit without a mandate", payment_id=str(payment_id))
            return
        reference = await self.gateway.retrieve_mandate_reference(method["mandate"])
        async with self.database.sessions.begin() as session:
            noting = (
                update(Payment)
                .where(Payment.id == payment_id, Payment.mandate_reference.is_distinct_from(reference))
                .values(mandate_reference=reference)
                .returning(Payment.order_id)
            )
            order_id = await session.scalar(noting)
            if order_id is None:
                return
            order = await session.get_one(Order, order_id)
            await self.outbox.queue(
                session,
                kind=ANNOUNCEMENT_MAIL,
                account_id=order.account_id,
                reference=payment_id,
                locale=order.locale,
            )
