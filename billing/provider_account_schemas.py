"""Shapes of the answers about our account at the provider."""

from datetime import datetime
from typing import Self

import msgspec

from auth.schemas import Reason
from billing.money import Money, MoneyOut
from billing.provider_account import AccountMovement, Payout
from billing.provider_records import ProviderTransaction


class ProviderTransactionOut(msgspec.Struct, frozen=True):
    """A movement of our account at the provider, and what the books say of it."""

    id: str
    """The provider's key."""
    kind: str
    """The provider's word: `charge`, `refund`, `adjustment`, `payout`, …"""
    source_id: str | None
    """Charge, refund, dispute or payout that moved the money."""
    created_at: datetime
    amount: MoneyOut
    """Positive to us, before the fee."""
    fee: MoneyOut
    payout_id: str | None
    """The payout by which it reached our bank."""
    order_number: str | None
    is_matched: bool
    reason: str | None
    """Why no booking explains it: `not_ours`, `under_way`, `not_booked`, `amount_differs`, `unknown_kind` or
    `contents_missing`; None for what is matched or was not looked at yet."""

    @classmethod
    def of(cls, movement: AccountMovement) -> Self:
        """The answer's form of a movement."""
        return cls(
            id=movement.id,
            kind=movement.kind,
            source_id=movement.source_id,
            created_at=movement.created_at,
            amount=MoneyOut.of(movement.amount),
            fee=MoneyOut.of(movement.fee),
            payout_id=movement.payout_id,
            order_number=movement.order_number,
            is_matched=movement.is_matched,
            reason=movement.note,
        )


class AcknowledgementIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A movement is none of ours."""

    reason: Reason


class AcknowledgementOut(msgspec.Struct, frozen=True):
    """A movement that was booked as unresolved."""

    provider_transaction_id: str
    amount: MoneyOut
    """Positive to us, before the fee."""
    fee: MoneyOut
    reason: str

    @classmethod
    def of(cls, row: ProviderTransaction, reason: str) -> Self:
        """The answer's form of an acknowledged movement."""
        amount, fee = Money(row.amount, row.currency), Money(row.fee, row.currency)
        return cls(row.id, MoneyOut.of(amount), MoneyOut.of(fee), reason)


class ProviderTransactionsOut(msgspec.Struct, frozen=True):
    """A page of movements in the order of time."""

    provider_transactions: list[ProviderTransactionOut]
    next_cursor: str | None
    """Give it back to go on; None: that was all."""


class PayoutOut(msgspec.Struct, frozen=True):
    """What went to our bank; amount = charges + refunds + disputes + fees + others once it is complete."""

    id: str
    """The provider's key."""
    created_at: datetime
    is_complete: bool
    """Whether its contents are known and add up to it."""
    count: int
    """Movements that it consists of."""
    charges: MoneyOut
    refunds: MoneyOut
    disputes: MoneyOut
    fees: MoneyOut
    """Negative."""
    others: MoneyOut
    amount: MoneyOut

    @classmethod
    def of(cls, payout: Payout) -> Self:
        """The answer's form of a payout."""
        return cls(
            id=payout.id,
            created_at=payout.created_at,
            is_complete=payout.is_complete,
            count=payout.count,
            charges=MoneyOut.of(payout.charges),
            refunds=MoneyOut.of(payout.refunds),
            disputes=MoneyOut.of(payout.disputes),
            fees=MoneyOut.of(payout.fees),
            others=MoneyOut.of(payout.others),
            amount=MoneyOut.of(payout.amount),
        )


class PayoutsOut(msgspec.Struct, frozen=True):
    """The payouts of a period, the oldest first."""

    payouts: list[PayoutOut]
