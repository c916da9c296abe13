"""Reminders before a rental's two deadlines: the latest start and the end, each told once, by a job."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from auth.models import Account
from auth.ports import OpenDatabase, Outbox
from store.entitlement.grants import of_present_start
from store.entitlement.models import Entitlement, PlaybackSession, RentalReminder, WatchProgress

START_NOTICE: Final = timedelta(days=2)
"""How long before the latest start a customer is reminded, at most."""

END_NOTICE: Final = timedelta(hours=6)
"""How long before the end of a rental that runs, at most."""

_LAST_PART: Final = 0.25
"""Of a short span: from where on a reminder helps."""

MAILS: Final = {"start": "rental_start_reminder", "end": "rental_end_reminder"}
"""Kind of the mail by the deadline that it reminds of."""

BATCH: Final = 200
"""Reminders in one transaction."""


@dataclass(frozen=True, slots=True)
class Reminders:
    """Queues the reminders that are due; safe to run twice, and at the same time."""

    database: OpenDatabase
    outbox: Outbox

    async def send_due(self, *, at: datetime) -> int:
        """Queue every reminder that is due at an instant (business time); how many there were."""
        count = 0
        while sent := await self._send_some(at=at):
            count += sent
        return count

    async def _send_some(self, *, at: datetime) -> int:
        """One batch. The row that says so is written with the mail: of two runs at once the second one finds it."""
        async with self.database.sessions.begin() as session:
            due = await session.execute(_due(at=at))
            owners = {
                (entitlement_id, deadline): (account_id, locale) for entitlement_id, deadline, account_id, locale in due
            }
            if not owners:
                return 0
            rows = [{"entitlement_id": id_, "deadline": deadline, "noted_at": at} for id_, deadline in owners]
            noted = await session.execute(
                insert(RentalReminder)
                .values(rows)
                .on_conflict_do_nothing()
                .returning(RentalReminder.entitlement_id, RentalReminder.deadline)
            )
            fresh = noted.all()
            for entitlement_id, deadline in fresh:
                account_id, locale = owners[entitlement_id, deadline]
                await self.outbox.queue(
                    session, kind=MAILS[deadline], account_id=account_id, reference=entitlement_id, locale=locale
                )
            return len(fresh)


def _due(*, at: datetime) -> Select[UUID, str, UUID, str]:
    """Reminders that are due and were not sent: right, deadline, owner and language."""
    deadline = case((Entitlement.ends_at.is_(None), "start"), else_="end")
    is_noted = exists().where(RentalReminder.entitlement_id == Entitlement.id, RentalReminder.deadline == deadline)
    return (
        select(Entitlement.id, deadline, Account.id, Account.locale)
        .join(Account, Account.id == Entitlement.account_id)
        .where(is_due(at=at), ~is_noted, Account.status == "active")
        .order_by(Entitlement.id)
        .limit(BATCH)
    )


def is_due(*, at: datetime) -> ColumnElement[bool]:
    """Whether a deadline of a rental is so near that its owner should know.

    Not for what is taken back, on hold, watched to the end or bought meanwhile. Of a short span it is the last quarter:
    of a rental of four hours the last one.
    """
    starts_soon = and_(
        Entitlement.ends_at.is_(None),
        Entitlement.start_by - at <= START_NOTICE,
        _seconds(Entitlement.start_by - at) <= _LAST_PART * _seconds(Entitlement.start_by - Entitlement.granted_at),
    )
    ends_soon = and_(
        Entitlement.ends_at - at <= END_NOTICE,
        _seconds(Entitlement.ends_at - at) <= _LAST_PART * _seconds(Entitlement.ends_at - Entitlement.first_played_at),
    )
    deadline = func.coalesce(Entitlement.ends_at, Entitlement.start_by)
    return and_(
        Entitlement.kind == "rent",
        deadline > at,
        deadline <= at + max(START_NOTICE, END_NOTICE),
        or_(starts_soon, ends_soon),
        is_wanted(),
    )


def _seconds(span: ColumnElement[Any]) -> ColumnElement[float]:
    return func.date_part("epoch", span)


def is_wanted() -> ColumnElement[bool]:
    """Whether a reminder of a rental still helps its owner."""
    bought = aliased(Entitlement)
    is_watched = exists().where(
        PlaybackSession.entitlement_id == Entitlement.id,
        PlaybackSession.title_id == Entitlement.title_id,
        WatchProgress.playback_session_id == PlaybackSession.id,
        WatchProgress.finished,
        of_present_start(),
    )
    is_bought = exists().where(
        bought.account_id == Entitlement.account_id,
        bought.title_id == Entitlement.title_id,
        bought.kind == "buy",
        bought.revoked_at.is_(None),
    )
    return and_(Entitlement.revoked_at.is_(None), Entitlement.paused_at.is_(None), ~is_watched, ~is_bought)
