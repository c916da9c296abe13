"""Orders without a price: what the store gives by hand, so that it is delivered and told to licensors like a sale.

No money moves: there is no payment, no invoice and no journal. The line holds what the licensor is owed for the title,
as agreed at this moment; whoever reports to licensors reads it there, as of every other line.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Account
from auth.plain_statements import add
from billing.models import Base, Order, OrderLine, OrderState
from billing.orders import new_order_number
from billing.ports import Fulfilment
from billing.quotes import ForSale
from billing.tax import rate_on

CHANNEL: Final = "support"
"""On which interface such an order is made."""


class Gift(Base):
    """Who gave an order away, and why; only the words may go, with their customer."""

    __tablename__ = "gifts"
    __table_args__ = (
        CheckConstraint("char_length(reason) <= 500", name="reason"),
        Index(None, "agent_id", "given_at"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id), primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    reason: Mapped[str]
    given_at: Mapped[datetime]
    """Real time."""


async def give(
    session: AsyncSession,
    fulfilment: Fulfilment,
    *,
    order_id: UUID,
    account: Account,
    market: str,
    sale: ForSale,
    agent_id: UUID,
    reason: str,
    at: datetime,
    real_now: datetime,
) -> Order:
    """Write an order of `order_id` without a price and deliver it.

    Raises `TaxRateUnknown`, or why nothing may be delivered (the customer has the title already).
    """
    order = Order(
        id=order_id,
        order_number=await new_order_number(session, at),
        account_id=account.id,
        customer_pseudonym=account.pseudonym,
        quote_id=None,
        market=market,
        channel=CHANNEL,
        locale=account.locale,
        state=OrderState.PAID,
        currency=sale.price.currency,
        gross=0,
        net=0,
        tax=0,
        tax_country=sale.tax_country,
        tax_evidence={"residence_country": account.residence_country},
        texts={},
        button="",
        ordered_at=at,
        created_at=at,
        expires_at=at,
        paid_at=at,
        closed_at=at,
    )
    line = OrderLine(
        order_id=order.id,
        position=1,
        account_id=account.id,
        is_open=False,
        item=sale.item,
        subject=sale.subject,
        kind=sale.kind,
        description=dict(sale.description),
        gross=0,
        net=0,
        tax=0,
        tax_rate_bp=await rate_on(session, country=sale.tax_country, at=at, category=sale.tax_category),
        terms=dict(sale.terms),
        licensor_terms=dict(sale.licensor_terms),
    )
    refusal = await fulfilment.may_deliver(session, account_id=account.id, line=line, at=at)
    if refusal is not None:
        raise refusal
    await add(session, order, line, Gift(order_id=order.id, agent_id=agent_id, reason=reason, given_at=real_now))
    await fulfilment.deliver(session, order=order, lines=[line], at=at)
    return order


DDL: Final[tuple[str, ...]] = (
    "REVOKE UPDATE, DELETE, TRUNCATE ON billing.gifts FROM videothek_app",
    "GRANT UPDATE (reason) ON billing.gifts TO videothek_app",
)
