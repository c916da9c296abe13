"""What support does for a spoilt rental: more time, or a new beginning. The rules, and the record of each."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Account
from billing.models import Refund
from store.catalogue.models import Base
from store.database import APP_ROLE
from store.entitlement.download_records import OfflineLicence
from store.entitlement.models import Device, Entitlement, PlaybackSession, RentalReminder
from store.entitlement.remedy_errors import DownloadNotLost, RemedyNotForThis, RemedyTooLarge, RemedyTooLate
from store.entitlement.rights import Terms, holds, standing

REMEDIED_MAIL: Final = "rental_remedied"
"""Kind of the mail that tells a customer."""

RemedyKind = Literal["extended", "rearmed", "written_off"]


class RemedyLimit(Base):
    """How much of a remedy there may be."""

    __tablename__ = "remedy_limits"
    __table_args__ = (CheckConstraint("most > 0", "most"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    """`per_rental`, `hours` (of one extension), `rearmed_days` (to start anew), `late_days` (after the end) or
    `per_agent_and_day`."""
    most: Mapped[int]


class RentalRemedy(Base):
    """What was done for a rental, with its deadlines before and after; never changed."""

    __tablename__ = "rental_remedies"
    __table_args__ = (
        CheckConstraint("kind IN ('extended', 'rearmed', 'written_off', 'credited')", "kind"),
        CheckConstraint("(kind IN ('extended', 'credited')) = (hours IS NOT NULL)", "hours"),
        CheckConstraint("(kind = 'credited') = (refund_id IS NOT NULL)", "refund"),
        UniqueConstraint("incident_id", "entitlement_id"),
        Index(None, "agent_id", "done_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    entitlement_id: Mapped[UUID] = mapped_column(ForeignKey(Entitlement.id), index=True)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    kind: Mapped[str]
    hours: Mapped[int | None]
    """Extensions: by how much; credits: for how much."""
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey(Refund.id))
    """Credits: the money."""
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("store.incidents.id"))
    """The incident that it makes good; None: one customer's case."""
    reason: Mapped[str]
    start_by_before: Mapped[datetime]
    ends_at_before: Mapped[datetime | None]
    start_by_after: Mapped[datetime]
    ends_at_after: Mapped[datetime | None]
    at: Mapped[datetime]
    """Business time."""
    done_at: Mapped[datetime]
    """Real time."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The two deadlines of a rental."""

    start_by: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class RemedyLimits:
    """The limits in force."""

    per_rental: int
    hours: int
    rearmed_days: int
    late_days: int
    per_agent_and_day: int


async def find_remedy_limits(session: AsyncSession) -> RemedyLimits:
    """The limits as they are in the table."""
    rows = await session.execute(select(RemedyLimit.name, RemedyLimit.most))
    return RemedyLimits(**{row.name: row.most for row in rows})


def extended(right: Terms, *, hours: int, limits: RemedyLimits, at: datetime) -> Deadlines:
    """The deadlines of a rental that gets more time: to watch if it was begun, else to begin.

    What is over already goes on from now. Raises `RemedyNotForThis`, `RemedyTooLarge` or `RemedyTooLate`.
    """
    if not 1 <= hours <= limits.hours:
        raise RemedyTooLarge(limit=limits.hours)
    start_by = _rental(right, limits, at=at)
    more = timedelta(hours=hours)
    if right.ends_at is None:
        return Deadlines(max(start_by, at) + more, None)
    return Deadlines(start_by, max(right.ends_at, at) + more)


def rearmed(right: Terms, *, limits: RemedyLimits, at: datetime) -> Deadlines:
    """The deadlines of a rental that was begun and may be begun anew, within days.

    Raises `RemedyNotForThis` or `RemedyTooLate`.
    """
    start_by = _rental(right, limits, at=at)
    if right.first_played_at is None:
        raise RemedyNotForThis(state=standing(right, at=at))
    return Deadlines(max(start_by, at + timedelta(days=limits.rearmed_days)), None)


async def write_off(session: AsyncSession, right: Entitlement, *, limits: RemedyLimits, at: datetime) -> Deadlines:
    """End the download of a rental on a device that was removed from the account and will not return it.

    The deadlines stay; it may be streamed or downloaded anew. The lost device may still play what it has: so this is
    a remedy like the others, for a reason and within their limits. Raises `DownloadNotLost`, `RemedyTooLate`, or
    `RemedyNotForThis` also where the rental is over: it would play nowhere, so it needs more time first.
    """
    start_by = _rental(right, limits, at=at)
    if not holds(right, at=at):
        raise RemedyNotForThis(state=standing(right, at=at))
    removed = select(Device.id).where(Device.account_id == right.account_id, Device.removed_at.is_not(None))
    ended = await session.execute(
        update(OfflineLicence)
        .where(
            OfflineLicence.entitlement_id == right.id,
            OfflineLicence.ended_at.is_(None),
            OfflineLicence.lasts_until > at,
            OfflineLicence.device_id.in_(removed),
        )
        .values(ended_at=at, end_reason="written_off")
        .returning(OfflineLicence.id)
    )
    if not ended.all():
        raise DownloadNotLost
    return Deadlines(start_by, right.ends_at)


async def rearmed_at(session: AsyncSession, entitlement_id: UUID) -> datetime | None:
    """When a rental was let begin anew last (business time); None: never."""
    at: datetime | None = await session.scalar(
        select(func.max(RentalRemedy.at)).where(
            RentalRemedy.entitlement_id == entitlement_id, RentalRemedy.kind == "rearmed"
        )
    )
    return at


async def hold_playbacks(session: AsyncSession, entitlement_id: UUID) -> None:
    """Lock what plays by a right before the right itself is locked: in this order a licence locks them, too."""
    running = PlaybackSession.entitlement_id == entitlement_id, PlaybackSession.ended_at.is_(None)
    await session.execute(select(PlaybackSession.id).where(*running).order_by(PlaybackSession.id).with_for_update())


async def apply(session: AsyncSession, right: Entitlement, deadlines: Deadlines, *, real_now: datetime) -> None:
    """Give a locked rental other deadlines; one that was begun and has no end any more waits for its first play again.

    Then what still plays by it ends: its hours begin by a start that is agreed to anew. The same ones change nothing.
    """
    if (right.start_by, right.ends_at) == (deadlines.start_by, deadlines.ends_at):
        return
    begins_anew = right.ends_at is not None and deadlines.ends_at is None
    right.start_by, right.ends_at = deadlines.start_by, deadlines.ends_at
    if begins_anew:
        right.first_played_at = right.started_by = None
        await session.execute(
            update(PlaybackSession)
            .where(PlaybackSession.entitlement_id == right.id, PlaybackSession.ended_at.is_(None))
            .values(ended_at=real_now, end_reason="stopped")
        )
    # Of new deadlines the customer is reminded anew.
    await session.execute(delete(RentalReminder).where(RentalReminder.entitlement_id == right.id))


def _rental(right: Terms, limits: RemedyLimits, *, at: datetime) -> datetime:
    """Until when the rental had to begin; refuses what is none, does not hold, or is over for long."""
    state: Final = standing(right, at=at)
    if right.kind != "rent" or right.start_by is None or state in ("paused", "revoked"):
        raise RemedyNotForThis(state=state)
    if (right.ends_at or right.start_by) < at - timedelta(days=limits.late_days):
        raise RemedyTooLate(days=limits.late_days)
    return right.start_by


DDL: tuple[str, ...] = (
    "INSERT INTO store.remedy_limits (name, most) VALUES ('per_rental', 2), ('hours', 72), ('rearmed_days', 7),"
    " ('late_days', 30), ('per_agent_and_day', 30) ON CONFLICT DO NOTHING",
    f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON store.remedy_limits FROM {APP_ROLE}",
    f"REVOKE UPDATE, DELETE, TRUNCATE ON store.rental_remedies FROM {APP_ROLE}",
    f"GRANT UPDATE (reason) ON store.rental_remedies TO {APP_ROLE}",
)
"""What metadata cannot say: the limits to begin with, and that of what was done only the words may go, with their
customer."""
