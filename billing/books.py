"""Tables of the books: tax rates, the ledger, and its numbered documents.

Amounts are integers in minor units beside an ISO 4217 currency; rates are basis points (1900 = 19 %).
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from billing.models import Base, Order, Refund
from billing.schema_rules import DDL as DDL


class TaxRate(Base):
    """The VAT rate of a country and category from a day on, until the next row's day."""

    __tablename__ = "tax_rates"

    country: Mapped[str] = mapped_column(String(2), primary_key=True)
    """ISO 3166-1 alpha-2."""
    category: Mapped[str] = mapped_column(String(32), primary_key=True)
    """`standard`, or another category that a market names."""
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    rate_bp: Mapped[int]

    __table_args__ = (CheckConstraint("rate_bp BETWEEN 0 AND 10000", name="rate"),)


class LedgerAccount(Base):
    """An account of the ledger, such as `clearing:stripe` or `vat:DE:19`."""

    __tablename__ = "ledger_accounts"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))

    __table_args__ = (CheckConstraint("kind IN ('asset', 'liability', 'revenue', 'expense')", name="kind"),)


class DocumentSeries(Base):
    """The next number of a series of documents, such as `R-2026`: a locked row, so that none is skipped."""

    __tablename__ = "document_series"

    code: Mapped[str] = mapped_column(String(24), primary_key=True)
    next_number: Mapped[int]


class Document(Base):
    """An invoice or a credit note: written once, never changed; mistakes are cancelled by another document."""

    __tablename__ = "documents"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    series: Mapped[str] = mapped_column(ForeignKey(DocumentSeries.code))
    number: Mapped[int]
    document_number: Mapped[str] = mapped_column(String(32), unique=True)
    """What stands on the document, such as `R-2026-000042`."""
    kind: Mapped[str] = mapped_column(String(16))
    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.id))
    issued_at: Mapped[datetime]
    currency: Mapped[str] = mapped_column(String(3))
    gross: Mapped[int]
    net: Mapped[int]
    tax: Mapped[int]
    content: Mapped[dict[str, Any]]
    """Seller, lines, rates and texts as printed."""

    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey(Refund.id), unique=True)
    """Credit notes: the refund that it is written for."""

    __table_args__ = (
        UniqueConstraint("series", "number"),
        Index("uq_documents_order_id_invoice", "order_id", unique=True, postgresql_where=text("kind = 'invoice'")),
        Index("ix_documents_order_id", "order_id"),
        CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind"),
        CheckConstraint("(kind = 'credit_note') = (refund_id IS NOT NULL)", name="refund"),
        CheckConstraint("net + tax = gross", name="amounts"),
    )


class ClosedUntil(Base):
    """Up to which instant the books are closed: a locked row, so that what is under way is in or behind it."""

    __tablename__ = "closed_until"

    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    """`books`: there is one row."""
    closed_until: Mapped[datetime]
    """Exclusive end of what was exported: nothing is booked before it any more."""


class Journal(Base):
    """One money event of the books; its postings sum up to nothing. Nobody can change or remove it."""

    __tablename__ = "journals"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    booked_at: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(16))
    """`payment`, `refund`, `dispute`, `provider` or `resolution`: what caused it."""
    source_id: Mapped[UUID]
    """Key of the row that caused it; for `provider`, made of the key of its movement."""
    kind: Mapped[str] = mapped_column(String(32))
    """`sale`, `unfulfilled_receipt`, …: see `billing.exports`."""
    currency: Mapped[str] = mapped_column(String(3))
    country: Mapped[str | None] = mapped_column(String(2))
    """Where the supply is taxed (ISO 3166-1 alpha-2); None for what belongs to no order (a payout)."""
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey(Order.id), index=True)
    order_number: Mapped[str | None] = mapped_column(String(24))
    document_number: Mapped[str | None] = mapped_column(String(32))
    payment_id: Mapped[UUID | None]
    customer_pseudonym: Mapped[UUID | None]
    description: Mapped[str] = mapped_column(String(200))
    """What was sold, in the seller's language."""

    __table_args__ = (
        UniqueConstraint("source", "source_id", "kind"),
        Index("ix_journals_booked_at_id", "booked_at", "id"),
    )


class Posting(Base):
    """One side of a journal: debit is positive, credit negative, in the journal's currency."""

    __tablename__ = "postings"

    journal_id: Mapped[UUID] = mapped_column(ForeignKey(Journal.id), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey(LedgerAccount.code), index=True)
    minor: Mapped[int]

    __table_args__ = (CheckConstraint("minor <> 0", name="minor"),)
