"""What one member of staff may still give back within 24 hours, and from where on a second person decides."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.models import Refund, RefundLimit, RefundState
from billing.money import Money


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of a currency and what is left of them for one member of staff."""

    needs_approval_above: Money
    per_day: Money
    left: Money


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
