"""Tables of what customers report: kinds with their time to answer, cases, and what was said about each."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Interval, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Account
from billing.models import Order
from store.catalogue.models import Base
from store.database import APP_ROLE
from store.entitlement.models import Device, Entitlement


class CaseKind(Base):
    """What a case can be about, and within which time somebody answers; whoever leads support changes the rows."""

    __tablename__ = "case_kinds"
    __table_args__ = (CheckConstraint("answer_within > interval '0'", name="answer_within"),)

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    answer_within: Mapped[timedelta] = mapped_column(Interval)


class Case(Base):
    """Something that a customer reported, and how it stands. Instants are business time."""

    __tablename__ = "cases"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'waiting', 'done')", name="state"),
        CheckConstraint("(state = 'open') = (due_at IS NOT NULL)", name="open_is_due"),
        CheckConstraint("(state = 'done') = (closed_at IS NOT NULL)", name="done_is_closed"),
        Index(None, "account_id", "opened_at"),
        Index(None, "due_at", "id", postgresql_where=text("state = 'open'")),
        Index(None, "state", "changed_at", "id", postgresql_where=text("state <> 'open'")),
        Index(None, "order_id", postgresql_where=text("order_id IS NOT NULL")),
        Index(None, "entitlement_id", postgresql_where=text("entitlement_id IS NOT NULL")),
        Index(None, "device_id", postgresql_where=text("device_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_number: Mapped[str] = mapped_column(unique=True)
    """What people say aloud, such as `A-2026-KRMT-4821`."""
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    kind: Mapped[str] = mapped_column(ForeignKey(CaseKind.kind))
    state: Mapped[str]
    """`open`: support is to answer; `waiting`: for the customer; `done`."""
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey(Order.id, ondelete="SET NULL"))
    entitlement_id: Mapped[UUID | None] = mapped_column(ForeignKey(Entitlement.id, ondelete="SET NULL"))
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey(Device.id, ondelete="SET NULL"))
    assigned_to: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """The member of staff who deals with it."""
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """By when support is to answer; only while it is open."""
    closed_at: Mapped[datetime | None]


class CaseEntry(Base):
    """What was said in a case or noted about it; nobody changes it, and it goes only together with its case."""

    __tablename__ = "case_entries"
    __table_args__ = (
        CheckConstraint("agent_id IS NOT NULL OR NOT is_internal", name="customers_write_openly"),
        Index(None, "case_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(ForeignKey(Case.id, ondelete="CASCADE"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """The member of staff who wrote it; None: the customer."""
    is_internal: Mapped[bool]
    """A note among staff."""
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


FIRST_KINDS: Final = (
    "('playback', '1 day'), ('account', '1 day'), ('payment', '2 days'), ('device', '2 days'), ('defect', '3 days'), "
    "('other', '3 days')"
)

DDL: Final = (
    # Rows that exist are left as support set them.
    f"INSERT INTO store.case_kinds (kind, answer_within) VALUES {FIRST_KINDS} ON CONFLICT DO NOTHING",  # noqa: S608
    f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON store.case_kinds FROM {APP_ROLE}",
    # Deeper than the first trigger: the deletion of the case took it along.
    "CREATE OR REPLACE FUNCTION store.keep_case_entry() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN IF TG_OP = 'DELETE' AND pg_trigger_depth() > 1 THEN RETURN OLD; END IF; "
    "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$",
    "CREATE OR REPLACE TRIGGER case_entries_are_kept BEFORE UPDATE OR DELETE ON store.case_entries"
    " FOR EACH ROW EXECUTE FUNCTION store.keep_case_entry()",
    "CREATE OR REPLACE TRIGGER case_entries_are_not_emptied BEFORE TRUNCATE ON store.case_entries"
    " FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_change()",
    f"REVOKE UPDATE, DELETE, TRUNCATE ON store.case_entries FROM {APP_ROLE}",
)
"""What metadata cannot say: the kinds that a store begins with, and that what was said stays as it was said."""
