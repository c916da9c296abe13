"""What happened to orders beside the orders themselves: tries to pay, money that goes back, disputes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.declined_tries import DeclinedTry
from billing.dispute_records import Dispute
from billing.models import Order, OrderState, Payment, Refund
from billing.money_states import OrderMoney, money_of


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """All that belongs to one order, each list in the order of time."""

    payments: list[Payment] = field(default_factory=list)
    declined: list[DeclinedTry] = field(default_factory=list)
    """Tries of the payments that were declined."""
    refunds: list[Refund] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)


async def histories_of(session: AsyncSession, order_ids: Sequence[UUID]) -> Mapping[UUID, OrderHistory]:
    """The history of each order, by four queries however many they are."""
    histories: defaultdict[UUID, OrderHistory] = defaultdict(OrderHistory)
    for payment in await session.scalars(
        select(Payment).where(Payment.order_id.in_(order_ids)).order_by(Payment.attempt)
    ):
        histories[payment.order_id].payments.append(payment)
    declined = select(Payment.order_id, DeclinedTry).join(Payment, Payment.id == DeclinedTry.payment_id)
    for order_id, tried in await session.execute(
        declined.where(Payment.order_id.in_(order_ids)).order_by(DeclinedTry.at, DeclinedTry.key)
    ):
        histories[order_id].declined.append(tried)
    await _add_what_came_after(session, histories, order_ids)
    return histories


async def money_by_order(session: AsyncSession, orders: Sequence[Order]) -> Mapping[UUID, OrderMoney]:
    """What became of the money of each order, by at most two queries: of one that waits for it nothing is asked."""
    histories: defaultdict[UUID, OrderHistory] = defaultdict(OrderHistory)
    if closed := [order.id for order in orders if order.state is not OrderState.OPEN]:
        await _add_what_came_after(session, histories, closed)
    return {order.id: money_of(order, histories[order.id].refunds, histories[order.id].disputes) for order in orders}


async def _add_what_came_after(
    session: AsyncSession, histories: defaultdict[UUID, OrderHistory], order_ids: Sequence[UUID]
) -> None:
    for refund in await session.scalars(
        select(Refund).where(Refund.order_id.in_(order_ids)).order_by(Refund.created_at, Refund.id)
    ):
        histories[refund.order_id].refunds.append(refund)
    for dispute in await session.scalars(
        select(Dispute).where(Dispute.order_id.in_(order_ids)).order_by(Dispute.created_at, Dispute.id)
    ):
        histories[dispute.order_id].disputes.append(dispute)
