"""Tables of what the provider told us: its events, tries to pay, cards to refuse, movements of our account there."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Account
from billing.books import Journal
from billing.models import PROVIDER_KEY, Base


class PaymentTry(Base):
    """One try to pay that the provider told us of: what card testing is noticed by."""

    __tablename__ = "payment_tries"

    charge_id: Mapped[str] = mapped_column(String(PROVIDER_KEY), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    fingerprint: Mapped[str | None] = mapped_column(String(PROVIDER_KEY))
    """The provider's key of the card, the same for every customer who uses it."""
    address_key: Mapped[str | None] = mapped_column(String(32))
    """As in `Payment`."""
    device_id: Mapped[UUID | None]
    is_declined: Mapped[bool]
    at: Mapped[datetime]
    """Real time."""

    __table_args__ = (
        Index("ix_payment_tries_account_id_at_declined", "account_id", "at", postgresql_where=text("is_declined")),
        Index("ix_payment_tries_fingerprint_at_declined", "fingerprint", "at", postgresql_where=text("is_declined")),
        Index("ix_payment_tries_address_key_at_declined", "address_key", "at", postgresql_where=text("is_declined")),
        Index("ix_payment_tries_device_id_at_declined", "device_id", "at", postgresql_where=text("is_declined")),
    )


class TryLimit(Base):
    """How many of something within a span of time are card testing; finance changes the rows."""

    __tablename__ = "try_limits"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    """What is counted, as `billing.card_testing` knows it."""
    most: Mapped[int]
    """With so many within the span nothing more is let through."""
    within: Mapped[timedelta]

    __table_args__ = (CheckConstraint("most > 0 AND within > interval '0'", name="figures"),)


class BlockedCard(Base):
    """A card whose owner reported it, or whose payment was disputed: no payment of it is kept."""

    __tablename__ = "blocked_cards"

    fingerprint: Mapped[str] = mapped_column(String(PROVIDER_KEY), primary_key=True)
    reason: Mapped[str] = mapped_column(String(40))
    blocked_at: Mapped[datetime]


class ProviderTransaction(Base):
    """A movement of our account at the provider, recorded once; unmatched until the books explain it."""

    __tablename__ = "provider_transactions"

    id: Mapped[str] = mapped_column(String(PROVIDER_KEY), primary_key=True)
    """The provider's key."""
    kind: Mapped[str] = mapped_column(String(40))
    """The provider's word: `charge`, `refund`, `adjustment`, `payout`, …"""
    source_id: Mapped[str | None] = mapped_column(String(PROVIDER_KEY), index=True)
    """Charge, refund, dispute or payout that moved the money."""
    intent_id: Mapped[str | None] = mapped_column(String(PROVIDER_KEY))
    """The provider's key of the payment that it belongs to."""
    amount: Mapped[int]
    """Minor units: positive to us, before the fee."""
    fee: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime]
    """The provider's time."""
    payout_id: Mapped[str | None] = mapped_column(String(PROVIDER_KEY), index=True)
    """The payout by which it reached our bank."""
    matched_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(String(120))
    """Why it is not matched: a code of `billing.movements`."""
    journal_id: Mapped[UUID | None] = mapped_column(ForeignKey(Journal.id), unique=True)
    """The journal that explains its amount; none explains two."""

    __table_args__ = (
        Index("ix_provider_transactions_unmatched", "created_at", postgresql_where=text("matched_at IS NULL")),
    )


class ProviderCursor(Base):
    """How far one of the provider's lists was read."""

    __tablename__ = "provider_cursors"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    """`events` or `movements`."""
    read_until: Mapped[datetime]
    """The provider's time; everything before it is taken in."""
    found: Mapped[int] = mapped_column(server_default="0")
    """Entries that only reading the list brought, counted since the beginning."""


class WebhookEvent(Base):
    """An event from outside, recorded once by its key; its payload stays with the provider."""

    __tablename__ = "webhook_events"

    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(PROVIDER_KEY), primary_key=True)
    type: Mapped[str] = mapped_column(String(80))
    object_id: Mapped[str | None] = mapped_column(String(PROVIDER_KEY))
    outcome: Mapped[str] = mapped_column(String(32))
    """`settled`, `updated`, …, or `parked` with the reason in `note`."""
    note: Mapped[str | None] = mapped_column(String(120))
    received_at: Mapped[datetime]
    happened_at: Mapped[datetime | None]
    """The provider's time of the event."""
    object_kind: Mapped[str | None] = mapped_column(String(40))

    __table_args__ = (
        Index("ix_webhook_events_received_at_parked", "received_at", postgresql_where=text("outcome = 'parked'")),
        Index("ix_webhook_events_happened_at", "happened_at"),
    )
