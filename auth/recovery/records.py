"""Changes that support asks for on an owner's behalf: another address, no second factor. Their table and states."""

from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Account, Base

Kind = Literal["email_change", "second_factor_removal"]
Evidence = Literal["order_number", "invoice_number", "last_digits", "devices", "films"]
"""What a caller could name; of what kind is kept, never what was said."""
Outcome = Literal["completed", "cancelled", "rejected", "lapsed"]
State = Literal["awaiting_approval", "held", "link_sent", "completed", "cancelled", "rejected", "lapsed"]

EVIDENCE: Final[tuple[Evidence, ...]] = get_args(Evidence)

HOLD: Final = timedelta(hours=72)
"""From the request on; for so long nothing happens, so that the owner can call it off."""
REMIND_BEFORE: Final = timedelta(hours=24)
"""So long before the hold ends the owner is told once more."""
LINK_LIVES: Final = timedelta(hours=24)
APPROVE_WITHIN: Final = timedelta(days=14)
"""What nobody approved by then is over."""

_OPEN: Final = "ended_at IS NULL"


class Recovery(Base):
    """A change of address or the removal of a second factor, asked for by one member of staff, approved by another."""

    __tablename__ = "recoveries"
    __table_args__ = (
        CheckConstraint("kind IN ('email_change', 'second_factor_removal')", name="kind"),
        CheckConstraint(
            "(kind = 'email_change') = (new_email_key IS NOT NULL) AND (new_email IS NULL) = (new_email_key IS NULL)",
            name="new_address",
        ),
        CheckConstraint(
            "evidence <@ ARRAY['order_number', 'invoice_number', 'last_digits', 'devices', 'films']::varchar[]",
            name="evidence",
        ),
        CheckConstraint("approved_by <> requested_by", name="four_eyes"),
        CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name="approval"),
        CheckConstraint("outcome IN ('completed', 'cancelled', 'rejected', 'lapsed')", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="end"),
        CheckConstraint("outcome <> 'completed' OR approved_at IS NOT NULL", name="completed_is_approved"),
        CheckConstraint(
            "link_sent_at IS NULL OR link_sent_at >= hold_until AND approved_at IS NOT NULL", name="link_after_hold"
        ),
        Index("uq_recoveries_account_id_open", "account_id", unique=True, postgresql_where=text(_OPEN)),
        Index(None, "account_id", "requested_at"),
        Index(None, "requested_by", "requested_at"),
        Index("ix_recoveries_hold_until_open", "hold_until", postgresql_where=text(_OPEN)),
        Index(None, "verification_id", postgresql_where=text("verification_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"))
    kind: Mapped[str]
    old_email_key: Mapped[str]
    """The account's address when it was asked for: if it changes meanwhile, nothing comes of this."""
    new_email: Mapped[str | None]
    new_email_key: Mapped[str | None]
    requested_by: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    requested_at: Mapped[datetime]
    reason: Mapped[str]
    evidence: Mapped[list[str]]
    """Kinds of what the caller could name."""
    verification_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("auth.caller_verifications.id", ondelete="SET NULL")
    )
    """By which the caller was proved to be the customer."""
    hold_until: Mapped[datetime]
    reminded_at: Mapped[datetime | None]
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    approved_at: Mapped[datetime | None]
    link_sent_at: Mapped[datetime | None]
    """When the hold was over and it was approved; the link is on its way since."""
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the token that carries it out; None until it is mailed."""
    cancel_token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the token with which the owner calls it off; None until it is mailed."""
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """Who ended it: the owner, or who rejected it; None: a mailed link, or the time that went by."""

    def state(self) -> State:
        """How it stands."""
        if self.outcome is not None:
            ended: Outcome = next(one for one in get_args(Outcome) if one == self.outcome)
            return ended
        if self.link_sent_at is not None:
            return "link_sent"
        return "awaiting_approval" if self.approved_at is None else "held"


async def lock_recovery(session: AsyncSession, recovery_id: UUID) -> tuple[Recovery, Account] | None:
    """An open recovery and its account, the account locked first, as everything does that ends sessions."""
    account_id = await session.scalar(select(Recovery.account_id).where(Recovery.id == recovery_id))
    account = await session.scalar(select(Account).where(Account.id == account_id).with_for_update())
    recovery = await session.scalar(
        select(Recovery).where(Recovery.id == recovery_id, Recovery.ended_at.is_(None)).with_for_update()
    )
    return (recovery, account) if recovery is not None and account is not None else None


async def close_recoveries(session: AsyncSession, *, account_id: UUID, at: datetime, only: Kind | None = None) -> None:
    """Let nothing come any more of what support asked for: whoever has the mailbox acted on their own."""
    which = [Recovery.account_id == account_id, Recovery.ended_at.is_(None)]
    if only is not None:
        which.append(Recovery.kind == only)
    await session.execute(update(Recovery).where(*which).values(ended_at=at, outcome="cancelled"))
