"""What one member of staff may still give back within 24 hours, and from where on a second person decides."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, String, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from billing.models import Base, Refund, RefundState
from billing.money import Money


class RefundLimit(Base):
    """How much of a currency support may give back alone; finance changes the rows."""

    __tablename__ = "refund_limits"

    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    needs_approval_above: Mapped[int]
    """Minor units: a larger refund waits for a second person."""
    per_agent_and_day: Mapped[int]
    """Minor units that one member of staff may ask for within 24 hours."""

    __table_args__ = (CheckConstraint("needs_approval_above >= 0 AND per_agent_and_day >= 0", name="amounts"),)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of a currency and what is left of them for one member of staff."""

    needs_approval_above: Money
    per_day: Money
    left: Money


async def needs_second_person(session: AsyncSession, amount: Money) -> bool:
    """Whether an amount, whichever way it goes, is too large for one person alone."""
    limit = await session.get(RefundLimit, amount.currency)
    return limit is None or abs(amount.minor) > limit.needs_approval_above


async def allowance_of(
    session: AsyncSession, *, agent_id: UUID, currency: str, at: datetime, lock: bool = False
) -> Allowance | None:
    """What is left of an agent's day; None where the currency has no limits: a second person decides everything.

    With `lock`, the limit's row is held until the transaction ends, so that two requests at once are both counted.
    """
    limit = await session.get(RefundLimit, currency, with_for_update=lock or None)
    if limit is None:
        return None
    asked = await session.scalar(
        select(func.coalesce(func.sum(Refund.amount), 0)).where(
            Refund.requested_by == agent_id,
            Refund.currency == currency,
            Refund.replaces_id.is_(None),
            Refund.state != RefundState.REJECTED,
            Refund.created_at > at - timedelta(days=1),
        )
    )
    return Allowance(
        needs_approval_above=Money(limit.needs_approval_above, currency),
        per_day=Money(limit.per_agent_and_day, currency),
        left=Money(max(0, limit.per_agent_and_day - int(asked or 0)), currency),
    )
