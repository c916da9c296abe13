"""What staff see of refunds: an order with what is left of it and of their day, and what waits for a second person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from auth.models import Account
from billing.errors import OrderNotFound
from billing.models import Order, Refund, RefundState
from billing.money import Money
from billing.refund_allowance import Allowance, allowance_of
from billing.sale_refunds import SaleRefunds

NEWEST = 100
"""Rows of the list."""


@dataclass(frozen=True, slots=True)
class RefundableOrder:
    """An order, and how much of it a member of staff may still give back."""

    order: Order
    left: Money
    allowance: Allowance | None


@dataclass(frozen=True, slots=True)
class AwaitingRefund:
    """A refund that waits for a second person."""

    id: UUID
    order_number: str
    customer_id: UUID
    amount: Money
    is_whole: bool
    """Whether the right to the film ends with it."""
    reason: str
    note: str
    asked_by: str
    """Address of the member of staff."""
    asked_at: datetime
    is_own: bool
    """Whether the reader asked for it."""


async def open_order(
    session: AsyncSession, sale_refunds: SaleRefunds, *, order_id: UUID, agent_id: UUID, at: datetime
) -> RefundableOrder:
    """An order of any customer; raises `OrderNotFound`."""
    order = await session.scalar(select(Order).where(Order.id == order_id).options(selectinload(Order.lines)))
    if order is None:
        raise OrderNotFound()
    allowance = await allowance_of(session, agent_id=agent_id, currency=order.currency, at=at)
    return RefundableOrder(order, await sale_refunds.left_of(order), allowance)


async def list_awaiting(session: AsyncSession, *, reader_id: UUID) -> Sequence[AwaitingRefund]:
    """What waits for a second person, the oldest first."""
    rows = await session.execute(
        select(Refund, Order, Account.email)
        .join(Order, Order.id == Refund.order_id)
        .outerjoin(Account, Account.id == Refund.requested_by)
        .where(Refund.state == RefundState.AWAITING_APPROVAL)
        .order_by(Refund.created_at)
        .limit(NEWEST)
    )
    return [
        AwaitingRefund(
            id=refund.id,
            order_number=order.order_number,
            customer_id=order.account_id,
            amount=refund.money,
            is_whole=refund.amount == order.gross,
            reason=refund.reason,
            note=refund.note or "",
            asked_by=asked_by or "",
            asked_at=refund.created_at,
            is_own=refund.requested_by == reader_id,
        )
        for refund, order, asked_by in rows
    ]
