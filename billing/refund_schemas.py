"""Shapes of what is sent and answered when money goes back."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

import msgspec
from msgspec import Meta

from auth.schemas import Reason
from billing.models import Refund
from billing.money import Money, MoneyOut

Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3, description="ISO 4217.", examples=["EUR"])]


class WithdrawalIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The second of the two steps: the customer pressed "confirm withdrawal"."""

    declared: Literal[True]
    """`true`: I withdraw from this contract."""


class AmountIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount of money in minor units."""

    amount: Annotated[int, Meta(ge=1, le=100_000_000, examples=[300])]
    currency: Currency


class RefundIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What support wants to give back."""

    order_id: UUID
    reason: Literal["technical_fault", "wrong_purchase", "duplicate_purchase", "goodwill"]
    note: Reason
    amount: AmountIn | None = None
    """Null: all that is left; then the right to the film ends."""

    def money(self) -> Money | None:
        """The amount, if one was given."""
        return Money(self.amount.amount, self.amount.currency) if self.amount else None


class RefundOut(msgspec.Struct, frozen=True):
    """Money on its way back."""

    id: UUID
    order_id: UUID
    state: str
    """`awaiting_approval`, `rejected`, `requested`, `pending`, `succeeded`, `failed`, `canceled` or
    `settled` (by a dispute that was lost)."""
    amount: MoneyOut
    reason: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, refund: Refund) -> Self:
        """The answer's form of a refund."""
        return cls(
            id=refund.id,
            order_id=refund.order_id,
            state=refund.state.value,
            amount=MoneyOut.of(refund.money),
            reason=refund.reason,
            created_at=refund.created_at,
            updated_at=refund.updated_at,
        )


class RefundsOut(msgspec.Struct, frozen=True):
    """Refunds, the oldest first."""

    refunds: list[RefundOut]
