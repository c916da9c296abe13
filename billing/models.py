"""Tables of what someone paid: quotes, orders, payments, refunds.

Amounts are integers in minor units beside an ISO 4217 currency; rates are basis points (1900 = 19 %);
spans are half-open; instants are UTC.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from auth.ids import NAMING, new_id
from auth.models import Account
from billing.money import Money

PROVIDER_KEY: Final = 255
"""Characters that a key of the provider's may have (Stripe: ids have at most 255)."""


class Base(DeclarativeBase):
    """Declarative base of schema `billing`."""

    metadata = MetaData(schema="billing", naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        int: BigInteger,
    }


def words_of(kind: type[StrEnum], name: str) -> Enum:
    """A text column that takes the values of a StrEnum only."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


class OrderState(StrEnum):
    """What became of an order."""

    OPEN = "open"
    """Waits for its payment."""
    PAID = "paid"
    """Paid, booked and granted."""
    CANCELLED = "cancelled"
    """Given up by the customer or by time; money that still comes is granted or goes back."""
    REFUNDED = "refunded"
    """All money goes back or went back: nothing could be granted, or the sale was undone."""


class PaymentState(StrEnum):
    """What the provider last said of a payment; `succeeded` and `returned` are final."""

    CREATING = "creating"
    UNKNOWN = "unknown"
    """The provider was asked and did not answer: ask again with the same key."""
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    CANCELED = "canceled"
    SUCCEEDED = "succeeded"
    RETURNED = "returned"
    """The money came but nothing could be granted for it: a refund row exists."""


FINAL: Final = (PaymentState.SUCCEEDED, PaymentState.RETURNED)
"""Nothing that the provider says later changes these."""


class RefundKind(StrEnum):
    """What is given back."""

    RETURN = "return"
    """Money that came without a claim of ours: there was no sale."""
    SALE = "sale"
    """The price of a sale, whole or in part: a credit note was written."""


class RefundState(StrEnum):
    """How far the way back of some money is."""

    AWAITING_APPROVAL = "awaiting_approval"
    """Asked for by support above its limit: a second person decides; nothing is booked yet."""
    REJECTED = "rejected"
    """The second person said no; nothing was booked."""
    REQUESTED = "requested"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    SETTLED = "settled"
    """The customer's bank paid it, by a dispute that we lost: nothing is sent any more."""


class Quote(Base):
    """A price promised to one account for ten minutes, with all that the order will copy."""

    __tablename__ = "quotes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    market: Mapped[str] = mapped_column(String(8))
    device_id: Mapped[UUID | None]
    item: Mapped[str] = mapped_column(String(80))
    """What to grant; billing does not read it."""
    subject: Mapped[str] = mapped_column(String(80))
    """What must not be bought twice at once; billing does not read it."""
    kind: Mapped[str] = mapped_column(String(16))
    """`rent`, `buy`, …: part of the revenue account's name."""
    description: Mapped[dict[str, Any]]
    """`{"de": ..., "en": ...}`: what is bought, in words."""
    currency: Mapped[str] = mapped_column(String(3))
    gross: Mapped[int]
    net: Mapped[int]
    tax: Mapped[int]
    tax_rate_bp: Mapped[int]
    tax_country: Mapped[str] = mapped_column(String(2))
    terms: Mapped[dict[str, Any]]
    """What the grant needs (days to start, hours to watch, …), as data."""
    licensor_terms: Mapped[dict[str, Any]]
    """What is owed to the licensor for this sale, as agreed at this moment."""
    texts: Mapped[dict[str, Any]]
    """`{name: {"version": ..., "sha256": {"de": ..., "en": ...}}}` of every legal text shown."""
    device_fit: Mapped[dict[str, Any] | None]
    """What was said of what the buyer's device can use of it; billing does not read it."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("gross > 0 AND net + tax = gross AND tax >= 0", name="amounts"),
        CheckConstraint("expires_at > created_at", name="span"),
    )

    @property
    def price(self) -> Money:
        """What the customer pays, VAT included."""
        return Money(self.gross, self.currency)


class Order(Base):
    """A contract: the copy of everything that was agreed, and what became of it."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    order_number: Mapped[str] = mapped_column(String(24), unique=True)
    """What people say aloud, such as `V-2026-KRMT-4821`."""
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    customer_pseudonym: Mapped[UUID]
    """The only customer key that goes into the books."""
    quote_id: Mapped[UUID | None] = mapped_column(ForeignKey(Quote.id), unique=True)
    """A quote opens at most one order; None: it was given, and has no price (`billing.gifts`)."""
    market: Mapped[str] = mapped_column(String(8))
    channel: Mapped[str] = mapped_column(String(16))
    """`web` or `api`: the interface on which the contract was made."""
    locale: Mapped[str] = mapped_column(String(5))
    state: Mapped[OrderState] = mapped_column(words_of(OrderState, "state"))
    currency: Mapped[str] = mapped_column(String(3))
    gross: Mapped[int]
    net: Mapped[int]
    tax: Mapped[int]
    tax_country: Mapped[str] = mapped_column(String(2))
    tax_evidence: Mapped[dict[str, Any]]
    """Why this country: the items of Regulation (EU) 282/2011, Article 24f, as known when it was ordered."""
    texts: Mapped[dict[str, Any]]
    """Versions and hashes of the legal texts that the customer saw."""
    button: Mapped[str] = mapped_column(String(80))
    """The words on the button that ordered (BGB 312j(3))."""
    ordered_at: Mapped[datetime]
    """When the button was pressed."""
    performance_consent_at: Mapped[datetime | None]
    """When the customer asked for immediate performance (BGB 356(5) no. 2)."""
    withdrawal_loss_acknowledged_at: Mapped[datetime | None]
    """When the customer acknowledged losing the right of withdrawal by that (BGB 356(5) no. 3)."""
    client_address: Mapped[str | None] = mapped_column(String(45))
    """IP address from which was ordered."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    """An order that is unpaid until then is cancelled by the sweep."""
    paid_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    """When the contract was confirmed on a durable medium, as far as that had to be known; real time."""
    failure_told_at: Mapped[datetime | None]
    """When the customer was last told by mail that a payment failed."""

    lines: Mapped[list["OrderLine"]] = relationship(order_by="OrderLine.position", lazy="raise", viewonly=True)
    """Only where the query asked for them."""

    __table_args__ = (
        CheckConstraint("gross >= 0 AND net + tax = gross AND tax >= 0", name="amounts"),
        CheckConstraint("(quote_id IS NULL) = (gross = 0)", name="given"),
        CheckConstraint("state <> 'paid' OR paid_at IS NOT NULL", name="paid"),
        Index("ix_orders_account_id_created_at", "account_id", "created_at"),
        Index("ix_orders_expires_at_open", "expires_at", postgresql_where=text("state = 'open'")),
    )

    @property
    def is_gift(self) -> bool:
        """Whether it was given by the store: nothing is to be paid, and nothing can go back."""
        return self.quote_id is None

    @property
    def price(self) -> Money:
        """What the customer pays, VAT included."""
        return Money(self.gross, self.currency)


class OrderLine(Base):
    """One thing bought: what to grant, what must not be bought twice, and the copy of its terms."""

    __tablename__ = "order_lines"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id))
    position: Mapped[int]
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    is_open: Mapped[bool]
    """Whether the order still waits for its payment: at most one such line per account and subject."""
    item: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(16))
    description: Mapped[dict[str, Any]]
    gross: Mapped[int]
    net: Mapped[int]
    tax: Mapped[int]
    tax_rate_bp: Mapped[int]
    terms: Mapped[dict[str, Any]]
    licensor_terms: Mapped[dict[str, Any]]

    __table_args__ = (
        UniqueConstraint("order_id", "position"),
        CheckConstraint("net + tax = gross AND tax >= 0", name="amounts"),
        Index(
            "uq_order_lines_open_subject",
            "account_id",
            "subject",
            unique=True,
            postgresql_where=text("is_open"),
        ),
    )


class Payment(Base):
    """One attempt to pay an order: one PaymentIntent, reused when a card is declined."""

    __tablename__ = "payments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id))
    attempt: Mapped[int]
    provider: Mapped[str] = mapped_column(String(16))
    idempotency_key: Mapped[str] = mapped_column(String(120), unique=True)
    """Written before the provider is asked, so that asking again makes no second intent."""
    intent_id: Mapped[str | None] = mapped_column(String(PROVIDER_KEY), unique=True)
    state: Mapped[PaymentState] = mapped_column(words_of(PaymentState, "state"))
    decline: Mapped[str | None] = mapped_column(String(32))
    """Why the last try was declined, in the words of `billing.declines`."""
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    charge_id: Mapped[str | None] = mapped_column(String(PROVIDER_KEY), index=True)
    """The provider's key of the last charge, paid or declined."""
    method: Mapped[dict[str, Any] | None]
    """What paid, as `billing.ports.PaidBy`: kind, brand, last four digits, country, fingerprint; never a number."""
    opened_at: Mapped[datetime | None]
    """When the provider was first asked to open it; real time."""
    address_key: Mapped[str | None] = mapped_column(String(32))
    """Keyed hash of the network address that it was last opened from."""
    device_id: Mapped[UUID | None]
    """The device that the quote was for."""
    mandate_reference: Mapped[str | None] = mapped_column(String(PROVIDER_KEY))
    """Debits: what the customer's bank knows the mandate by, once the debit was announced."""
    allows_debit: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it may be paid by a debit; kept, because the same key must always ask the provider the same."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("order_id", "attempt"),
        CheckConstraint("amount > 0", name="amount"),
        Index("uq_payments_succeeded", "order_id", unique=True, postgresql_where=text("state = 'succeeded'")),
        Index(
            "ix_payments_updated_at_pending",
            "updated_at",
            postgresql_where=text("state NOT IN ('succeeded', 'returned', 'canceled')"),
        ),
        Index(
            "ix_payments_address_key_opened_at",
            "address_key",
            "opened_at",
            postgresql_where=text("address_key IS NOT NULL"),
        ),
        Index(
            "ix_payments_address_key_opened_at_unpaid",
            "address_key",
            "opened_at",
            postgresql_where=text("state <> 'succeeded'"),
        ),
    )


class Refund(Base):
    """Money on its way back; the row and its key exist before the provider is asked."""

    __tablename__ = "refunds"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id), index=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(Payment.id), index=True)
    intent_id: Mapped[str] = mapped_column(String(PROVIDER_KEY))
    """The intent whose money goes back (it may be a second one that claims the same payment)."""
    kind: Mapped[RefundKind] = mapped_column(words_of(RefundKind, "kind"), server_default=RefundKind.RETURN.value)
    amount: Mapped[int]
    net: Mapped[int | None]
    """Sales only: the part of the amount that was revenue."""
    tax: Mapped[int | None]
    """Sales only: the part of the amount that was VAT."""
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str] = mapped_column(String(40))
    """Code: of the refusal (`amount_mismatch`, `already_entitled`, …), or of why a sale is undone (`withdrawal`, …)."""
    note: Mapped[str | None] = mapped_column(String(500))
    """Why, in the words of the member of staff who asked for it."""
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """Customer or member of staff; None: the store itself."""
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """The second person who approved or rejected it."""
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing.refunds.id"), unique=True)
    """The failed refund that this one tries again: the same debt, so nothing is booked a second time."""
    idempotency_key: Mapped[str] = mapped_column(String(PROVIDER_KEY), unique=True)
    provider_refund_id: Mapped[str | None] = mapped_column(String(PROVIDER_KEY), unique=True)
    state: Mapped[RefundState] = mapped_column(words_of(RefundState, "state"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("kind = 'return' OR (net + tax = amount AND tax >= 0)", name="split"),
        CheckConstraint("decided_by <> requested_by", name="four_eyes"),
        Index("ix_refunds_requested_by_created_at", "requested_by", "created_at"),
        Index(
            "ix_refunds_created_at_awaiting",
            "created_at",
            postgresql_where=text("state = 'awaiting_approval'"),
        ),
        Index(
            "ix_refunds_updated_at_pending",
            "updated_at",
            postgresql_where=text("state IN ('requested', 'pending')"),
        ),
    )

    @property
    def money(self) -> Money:
        """What goes back."""
        return Money(self.amount, self.currency)
