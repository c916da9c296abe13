"""Tries to pay that were declined: kept for good, so that a later try that succeeds does not hide them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from billing.models import PROVIDER_KEY, Base, Payment
from billing.ports import Charge, Failure

LONGEST_REASON = 120


class DeclinedTry(Base):
    """One declined try of a payment, for the order's story; card testing is noticed by `payment_tries`."""

    __tablename__ = "declined_tries"

    key: Mapped[str] = mapped_column(String(PROVIDER_KEY), primary_key=True)
    """The provider's: of the charge, or where the bank was never asked, of the payment method that was tried."""
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(Payment.id), index=True)
    decline: Mapped[str] = mapped_column(String(32))
    """Why, in the words of `billing.declines`."""
    reason: Mapped[str | None] = mapped_column(String(LONGEST_REASON))
    """The provider's word for it, for support."""
    at: Mapped[datetime]


async def keep_declined(
    session: AsyncSession, payment: Payment, charge: Charge | None, failure: Failure | None, *, at: datetime
) -> None:
    """Keep a declined charge, and what failed before there was one; what was kept before changes nothing."""
    failures = [] if failure is None else [failure]
    if charge is not None and charge.is_declined:
        failures.append(Failure(charge.id, charge.decline or "declined", charge.reason))
    for failed in failures:
        keeping = insert(DeclinedTry).values(
            key=failed.key,
            payment_id=payment.id,
            decline=failed.decline,
            reason=failed.reason[:LONGEST_REASON] if failed.reason else None,
            at=at,
        )
        await session.execute(keeping.on_conflict_do_nothing())
