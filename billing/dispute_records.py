"""The table of disputes: banks that take payments back."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from billing.models import PROVIDER_KEY, Base, Order, Payment, words_of


class DisputeState(StrEnum):
    """Where a dispute stands; `won` and `lost` are final."""

    INQUIRY = "inquiry"
    """The bank asks; no money was taken yet."""
    OPEN = "open"
    """The bank took the money until it has decided."""
    WON = "won"
    LOST = "lost"
    CLOSED = "closed"
    """An inquiry that ended without a dispute."""


class Dispute(Base):
    """A bank takes a payment back on its customer's word, until it is won or lost."""

    __tablename__ = "disputes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id), index=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(Payment.id))
    provider_dispute_id: Mapped[str] = mapped_column(String(PROVIDER_KEY), unique=True)
    state: Mapped[DisputeState] = mapped_column(words_of(DisputeState, "state"))
    reason: Mapped[str] = mapped_column(String(40))
    """The provider's word: `fraudulent`, `product_not_received`, …"""
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    evidence_due_by: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        Index("ix_disputes_updated_at_open", "updated_at", postgresql_where=text("state IN ('inquiry', 'open')")),
    )
