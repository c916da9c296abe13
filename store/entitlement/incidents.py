"""An incident is made good: everybody who had an error on a title in a span gets the time that it took, once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import CheckConstraint, ForeignKey, Select, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Account
from auth.plain_statements import driver_of
from auth.ports import Jobs, Outbox
from store.catalogue.models import Base, Title
from store.database import APP_ROLE, Database
from store.entitlement.decision import find_title
from store.entitlement.device_places import lock_account
from store.entitlement.errors import EntitlementError
from store.entitlement.models import Entitlement
from store.entitlement.remedies import REMEDIED_MAIL, RentalRemedy, apply, extended, find_remedy_limits, hold_playbacks
from store.entitlement.remedy_errors import IncidentNotFound, IncidentSpanInvalid

log = structlog.get_logger("incidents")

PLAYER_FAILED: Final = "player_failed"
"""What an error is called that the player told of; those of the server are called by the code of their refusal."""

JOB: Final = "compensate_incident"

_AFFECTED: Final = """
    SELECT right_.id, right_.account_id
      FROM (SELECT entitlement_id FROM store.licence_events
             WHERE title_id = $1 AND outcome = 'refused' AND reason = $2 AND at >= $3 AND at < $4
             UNION
            SELECT entitlement_id FROM store.playback_sessions
             WHERE title_id = $1 AND $2 = 'player_failed' AND end_reason = 'failed'
               AND opened_at >= $3 AND opened_at < $4) AS met
      JOIN store.entitlements AS right_ ON right_.id = met.entitlement_id
     WHERE right_.kind = 'rent' AND right_.revoked_at IS NULL
     ORDER BY right_.id
"""
"""Rentals that met the error; who bought the film has lost no time."""


class Incident(Base):
    """An error on a title in a span, and what is given for it."""

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("title_id", "code", "begins_at", "ends_at"),
        CheckConstraint("begins_at < ends_at", "span"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id))
    code: Mapped[str]
    """Of the refusal, or `player_failed`."""
    begins_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    """Exclusive; business time."""
    hours: Mapped[int]
    """How many a rental gets for it alone."""
    agent_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    reason: Mapped[str]
    noted_at: Mapped[datetime]
    """Real time."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is to be made good: an error on a title from one instant to another."""

    title_slug: str
    code: str
    begins_at: datetime
    ends_at: datetime

    @property
    def hours(self) -> int:
        """The time lost, in hours begun."""
        return hours_of([(self.begins_at, self.ends_at)])


@dataclass(frozen=True, slots=True)
class Extent:
    """Whom an incident met, and how far it is made good."""

    rentals: int
    customers: int
    compensated: int
    hours: int


def hours_of(spans: Iterable[tuple[datetime, datetime]]) -> int:
    """How long some spans are together, in hours begun; what several cover counts once."""
    total, reached = timedelta(0), datetime.min.replace(tzinfo=UTC)
    for begins_at, ends_at in sorted((begin.astimezone(UTC), end.astimezone(UTC)) for begin, end in spans):
        total += max(timedelta(0), ends_at - max(begins_at, reached))
        reached = max(reached, ends_at)
    return ceil(total / timedelta(hours=1))


async def preview(session: AsyncSession, span: Span) -> Extent:
    """Whom it met; raises `FilmUnknown` or `IncidentSpanInvalid`."""
    title, hours = await find_title(session, span.title_slug), await _hours(session, span)
    affected = await _affected(session, title.id, span.code, span.begins_at, span.ends_at)
    incident = await session.scalar(_same(title.id, span))
    compensated = await _compensated(session, incident.id) if incident is not None else 0
    return Extent(len(affected), len({account_id for _, account_id in affected}), compensated, hours)


async def note(
    session: AsyncSession, jobs: Jobs, span: Span, *, agent_id: UUID, reason: str, real_now: datetime
) -> Incident:
    """Have an incident made good; noted again it is the same one, and whoever was left out is made good then.

    Raises `FilmUnknown` or `IncidentSpanInvalid`.
    """
    title, hours = await find_title(session, span.title_slug), await _hours(session, span)
    values = {
        "id": new_id(),
        "title_id": title.id,
        "code": span.code,
        "begins_at": span.begins_at,
        "ends_at": span.ends_at,
        "hours": hours,
        "agent_id": agent_id,
        "reason": reason,
        "noted_at": real_now,
    }
    await session.execute(insert(Incident).values(**values).on_conflict_do_nothing())
    incident = (await session.scalars(_same(title.id, span))).one()
    await jobs.enqueue(session, JOB, dedupe_key=f"{JOB}:{incident.id}", incident_id=str(incident.id))
    return incident


async def list_incidents(session: AsyncSession, *, limit: int = 20) -> Sequence[tuple[Incident, str, int]]:
    """The latest incidents, with the title's slug and how many rentals each was made good for."""
    done = select(func.count()).where(RentalRemedy.incident_id == Incident.id).correlate(Incident).scalar_subquery()
    rows = await session.execute(
        select(Incident, Title.slug, done)
        .join(Title, Title.id == Incident.title_id)
        .order_by(Incident.noted_at.desc())
        .limit(limit)
    )
    return [(incident, slug, number) for incident, slug, number in rows]


async def find_extent(session: AsyncSession, incident_id: UUID) -> tuple[Incident, Extent]:
    """An incident and how far it is made good; raises `IncidentNotFound`."""
    incident = await session.get(Incident, incident_id)
    if incident is None:
        raise IncidentNotFound
    affected = await _affected(session, incident.title_id, incident.code, incident.begins_at, incident.ends_at)
    customers = len({account_id for _, account_id in affected})
    return incident, Extent(len(affected), customers, await _compensated(session, incident.id), incident.hours)


async def compensate(database: Database, outbox: Outbox, *, incident_id: UUID, at: datetime, real_now: datetime) -> int:
    """Make an incident good for every rental that it met; how many were extended now.

    A transaction for each rental, and one remedy of an incident for each (a unique constraint): killed at any place it
    goes on where it was. What is over for too long, or on hold, is left out. A rental that was made good for other
    spans gets what this one adds to them: so a span is corrected by noting it anew. A fault of ours with one rental
    keeps nobody else waiting; raised at the end, it has the job tried again.
    """
    async with database.sessions() as session:
        incident = await session.get_one(Incident, incident_id)
        affected = await _affected(session, incident.title_id, incident.code, incident.begins_at, incident.ends_at)
    done, faults = 0, []
    for entitlement_id, account_id in affected:
        try:
            async with database.sessions.begin() as session:
                done += await _extend(session, outbox, incident, entitlement_id, account_id, at=at, real_now=real_now)
        except Exception as fault:
            log.exception("not made good", entitlement_id=str(entitlement_id))
            faults.append(fault)
    log.info("incident made good", incident_id=str(incident_id), rentals=len(affected), extended=done)
    if faults:
        raise ExceptionGroup("some rentals were not made good", faults)
    return done


async def _extend(
    session: AsyncSession,
    outbox: Outbox,
    incident: Incident,
    entitlement_id: UUID,
    account_id: UUID,
    *,
    at: datetime,
    real_now: datetime,
) -> bool:
    await lock_account(session, account_id)
    await hold_playbacks(session, entitlement_id)
    right = await session.get_one(Entitlement, entitlement_id, with_for_update=True)
    hours = await _hours_due(session, incident, entitlement_id)
    if not hours:
        return False
    try:
        after = extended(right, hours=hours, limits=await find_remedy_limits(session), at=at)
    except EntitlementError as refusal:
        log.info("left out", incident_id=str(incident.id), entitlement_id=str(entitlement_id), code=refusal.code)
        return False
    remedy = RentalRemedy(
        id=new_id(),
        account_id=account_id,
        entitlement_id=entitlement_id,
        agent_id=incident.agent_id,
        incident_id=incident.id,
        kind="extended",
        hours=hours,
        reason=incident.reason,
        start_by_before=right.start_by,
        ends_at_before=right.ends_at,
        start_by_after=after.start_by,
        ends_at_after=after.ends_at,
        at=at,
        done_at=real_now,
    )
    await apply(session, right, after, real_now=real_now)
    session.add(remedy)
    locale = await session.scalar(select(Account.locale).where(Account.id == account_id))
    await outbox.queue(session, kind=REMEDIED_MAIL, account_id=account_id, reference=remedy.id, locale=locale or "de")
    return True


async def _hours_due(session: AsyncSession, incident: Incident, entitlement_id: UUID) -> int:
    """What an incident adds to the time that the rental was made good for already."""
    rows = await session.execute(
        select(Incident.begins_at, Incident.ends_at)
        .join(RentalRemedy, RentalRemedy.incident_id == Incident.id)
        .where(RentalRemedy.entitlement_id == entitlement_id)
    )
    before = [(begins_at, ends_at) for begins_at, ends_at in rows]
    return hours_of([*before, (incident.begins_at, incident.ends_at)]) - hours_of(before)


async def _hours(session: AsyncSession, span: Span) -> int:
    limits = await find_remedy_limits(session)
    if not 1 <= span.hours <= limits.hours:
        raise IncidentSpanInvalid(limit=limits.hours)
    return span.hours


async def _affected(
    session: AsyncSession, title_id: UUID, code: str, begins_at: datetime, ends_at: datetime
) -> Sequence[tuple[UUID, UUID]]:
    """Rental and account of everybody whom an error met."""
    rows = await (await driver_of(session)).fetch(_AFFECTED, title_id, code, begins_at, ends_at)
    return [(row["id"], row["account_id"]) for row in rows]


async def _compensated(session: AsyncSession, incident_id: UUID) -> int:
    return await session.scalar(select(func.count()).where(RentalRemedy.incident_id == incident_id)) or 0


def _same(title_id: UUID, span: Span) -> Select[Incident]:
    return select(Incident).where(
        Incident.title_id == title_id,
        Incident.code == span.code,
        Incident.begins_at == span.begins_at,
        Incident.ends_at == span.ends_at,
    )


DDL: tuple[str, ...] = (f"REVOKE UPDATE, DELETE, TRUNCATE ON store.incidents FROM {APP_ROLE}",)
"""What metadata cannot say: what was given for an incident stays as it was."""
