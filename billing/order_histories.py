"""What happened to orders beside the orders themselves: tries to pay, money that goes back, disputes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.models import Dispute, Payment, Refund


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """All that belongs to one order, each list in the order of time."""

    payments: list[Payment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)


async def histories_of(session: AsyncSession, order_ids: Sequence[UUID]) -> Mapping[UUID, OrderHistory]:
    """The history of each order, by three queries however many they are."""
    histories: defaultdict[UUID, OrderHistory] = defaultdict(OrderHistory)
    for payment in await session.scalars(
        select(Payment).where(Payment.order_id.in_(order_ids)).order_by(Payment.attempt)
    ):
        histories[payment.order_id].payments.append(payment)
    for refund in await session.scalars(
        select(Refund).where(Refund.order_id.in_(order_ids)).order_by(Refund.created_at, Refund.id)
    ):
        histories[refund.order_id].refunds.append(refund)
    for dispute in await session.scalars(
        select(Dispute).where(Dispute.order_id.in_(order_ids)).order_by(Dispute.created_at, Dispute.id)
    ):
        histories[dispute.order_id].disputes.append(dispute)
    return histories
