"""Tables of the audit trail: its entries, the addresses that stand apart from them, and the chain that seals them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Base


class AuditEvent(Base):
    """Who did what to whom, and what was refused; nobody changes or deletes it. Never a secret."""

    __tablename__ = "audit_events"
    __table_args__ = (
        CheckConstraint("outcome IN ('done', 'refused')", name="outcome"),
        Index(None, "actor_id", "at"),
        Index(None, "target_kind", "target_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    """None: nobody signed in, or the system itself."""
    actor_roles: Mapped[list[str]]
    session_id: Mapped[UUID | None]
    action: Mapped[str]
    """`<thing>.<verb>`, e.g. `password_reset.start`."""
    target_kind: Mapped[str]
    target_id: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    request_id: Mapped[str | None]
    ip: Mapped[str | None]
    """Entries of the first version only: the address now stands apart, as the chain lets nobody forget it here."""
    details: Mapped[dict[str, Any]]


class AuditAddress(Base):
    """From which address an audited deed came: kept apart from the trail, because it is forgotten before it."""

    __tablename__ = "audit_addresses"

    audit_event_id: Mapped[UUID] = mapped_column(ForeignKey(AuditEvent.id), primary_key=True)
    ip: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)


class AuditSeal(Base):
    """A link of the hash chain over the audit trail, made by a job and not by whoever acts."""

    __tablename__ = "audit_seals"
    __table_args__ = (CheckConstraint("octet_length(hash) = 32", name="hash"),)

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=False), primary_key=True)
    """Without gaps: 1, 2, 3, …"""
    audit_event_id: Mapped[UUID] = mapped_column(ForeignKey(AuditEvent.id), unique=True)
    previous_hash: Mapped[bytes]
    """32 zero bytes before the first link."""
    hash: Mapped[bytes]
    """SHA-256 over the previous hash and the event's canonical JSON."""
    sealed_at: Mapped[datetime]


_APPEND_ONLY = ("auth.audit_events", "auth.audit_seals")

DDL: tuple[str, ...] = (
    """
    CREATE OR REPLACE FUNCTION auth.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    *(
        f"CREATE OR REPLACE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION auth.refuse_change()"
        for table in _APPEND_ONLY
    ),
    *(
        f"CREATE OR REPLACE TRIGGER append_only_table BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change()"
        for table in _APPEND_ONLY
    ),
    *(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM videothek_app" for table in _APPEND_ONLY),
)
"""What metadata cannot say: the audit trail refuses UPDATE, DELETE and TRUNCATE, whoever asks."""
