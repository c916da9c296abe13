"""An incident: an error on a title in a span, whom it met, and what each of them gets for the time that it took."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Select, UniqueConstraint, and_, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Account
from auth.plain_statements import driver_of
from auth.ports import Jobs
from billing.errors import DecidedByRequester
from billing.money import Money
from store.catalogue.models import Base, Title
from store.database import APP_ROLE
from store.entitlement.decision import find_title
from store.entitlement.remedies import RentalRemedy, find_remedy_limits
from store.entitlement.remedy_errors import IncidentNotFound, IncidentNotWaiting, IncidentSpanInvalid

Means = Literal["time", "money"]

PLAYER_FAILED: Final = "player_failed"
"""What an error is called that the player told of; those of the server are called by the code of their refusal."""

JOB: Final = "compensate_incident"

_AFFECTED: Final = """
    SELECT right_.id, right_.account_id, right_.watch_hours, line.order_id, line.gross, order_.currency
      FROM (SELECT entitlement_id FROM store.licence_events
             WHERE title_id = $1 AND outcome = 'refused' AND reason = $2 AND at >= $3 AND at < $4
             UNION
            SELECT entitlement_id FROM store.playback_sessions
             WHERE title_id = $1 AND $2 = 'player_failed' AND end_reason = 'failed'
               AND opened_at >= $3 AND opened_at < $4) AS met
      JOIN store.entitlements AS right_ ON right_.id = met.entitlement_id
      LEFT JOIN billing.order_lines AS line ON line.id = right_.order_line_id
      LEFT JOIN billing.orders AS order_ ON order_.id = line.order_id
     WHERE right_.kind = 'rent' AND right_.revoked_at IS NULL
     ORDER BY right_.id
"""
"""Rentals that met the error; who bought the film has lost no time."""


class Incident(Base):
    """An error on a title in a span, and what is given for it."""

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("title_id", "code", "begins_at", "ends_at", "means"),
        CheckConstraint("begins_at < ends_at", "span"),
        CheckConstraint("means IN ('time', 'money')", "means"),
        CheckConstraint("approved_by <> agent_id", "four_eyes"),
        CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", "approval"),
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
    means: Mapped[str] = mapped_column(default="time", server_default="time")
    """`time` that is added to the rental, or the part of its price, as `money`, that was paid for it."""
    agent_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    reason: Mapped[str]
    noted_at: Mapped[datetime]
    """Real time."""
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """Money: the second person, without whom none goes."""
    approved_at: Mapped[datetime | None]
    """Real time."""

    @property
    def waits(self) -> bool:
        """Whether a second person has to agree before anything happens."""
        return self.means == "money" and self.approved_by is None


@dataclass(frozen=True, slots=True)
class Span:
    """What is to be made good: an error on a title from one instant to another."""

    title_slug: str
    code: str
    begins_at: datetime
    ends_at: datetime
    means: Means = "time"

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
    price: Sequence[Money]
    """What was paid for the hours by all, by currency: what goes back at most if it is made good by money."""


@dataclass(frozen=True, slots=True)
class ListedIncident:
    """An incident with the title's slug and how many rentals it was made good for."""

    incident: Incident
    slug: str
    compensated: int
    asked: Extent | None
    """While it waits: what the second person is asked for."""


@dataclass(frozen=True, slots=True)
class Affected:
    """A rental that an error met."""

    entitlement_id: UUID
    account_id: UUID
    watch_hours: int
    order_id: UUID | None
    """None for a right that was given without an order."""
    paid: Money | None
    """Its price; nothing where it was given."""

    def price_of(self, hours: int) -> Money | None:
        """The part of the price that was paid for some hours, all of it at most; None where that is nothing."""
        if self.paid is None:
            return None
        lost = min(hours, self.watch_hours)
        part, _ = self.paid.allocate([lost, self.watch_hours - lost])
        return part if part.minor else None


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
    affected = await _list_affected(session, title.id, span.code, span.begins_at, span.ends_at)
    incident = await session.scalar(_same(title.id, span))
    compensated = await _compensated(session, incident.id) if incident is not None else 0
    return _extent(affected, compensated=compensated, hours=hours)


async def note(
    session: AsyncSession, jobs: Jobs, span: Span, *, agent_id: UUID, reason: str, real_now: datetime
) -> Incident:
    """Have an incident made good; noted again it is the same one, and whoever was left out is made good then.

    Money waits for a second person. Raises `FilmUnknown` or `IncidentSpanInvalid`.
    """
    title, hours = await find_title(session, span.title_slug), await _hours(session, span)
    values = {
        "id": new_id(),
        "title_id": title.id,
        "code": span.code,
        "begins_at": span.begins_at,
        "ends_at": span.ends_at,
        "means": span.means,
        "hours": hours,
        "agent_id": agent_id,
        "reason": reason,
        "noted_at": real_now,
    }
    await session.execute(insert(Incident).values(**values).on_conflict_do_nothing())
    incident = (await session.scalars(_same(title.id, span))).one()
    if not incident.waits:
        await _work_off(session, jobs, incident)
    return incident


async def approve(
    session: AsyncSession, jobs: Jobs, incident_id: UUID, *, agent_id: UUID, real_now: datetime
) -> Incident:
    """A second person agrees to the money.

    Raises `IncidentNotFound`, `IncidentNotWaiting` or `DecidedByRequester`.
    """
    incident = await session.get(Incident, incident_id, with_for_update=True, populate_existing=True)
    if incident is None:
        raise IncidentNotFound
    if not incident.waits:
        raise IncidentNotWaiting
    if incident.agent_id == agent_id:
        raise DecidedByRequester
    incident.approved_by, incident.approved_at = agent_id, real_now
    await session.flush()
    await _work_off(session, jobs, incident)
    return incident


async def list_incidents(session: AsyncSession, *, limit: int = 20) -> Sequence[ListedIncident]:
    """Incidents that wait for a second person, who finds them here only, then the latest."""
    done = select(func.count()).where(RentalRemedy.incident_id == Incident.id).correlate(Incident).scalar_subquery()
    rows = await session.execute(
        select(Incident, Title.slug, done)
        .join(Title, Title.id == Incident.title_id)
        .order_by(and_(Incident.means == "money", Incident.approved_by.is_(None)).desc(), Incident.noted_at.desc())
        .limit(limit)
    )
    return [
        ListedIncident(incident, slug, number, (await find_extent(session, incident.id))[1] if incident.waits else None)
        for incident, slug, number in rows.all()
    ]


async def find_extent(session: AsyncSession, incident_id: UUID) -> tuple[Incident, Extent]:
    """An incident and how far it is made good; raises `IncidentNotFound`."""
    incident = await session.get(Incident, incident_id)
    if incident is None:
        raise IncidentNotFound
    affected = await list_affected(session, incident)
    return incident, _extent(affected, compensated=await _compensated(session, incident.id), hours=incident.hours)


async def list_affected(session: AsyncSession, incident: Incident) -> Sequence[Affected]:
    """Every rental that an incident met."""
    return await _list_affected(session, incident.title_id, incident.code, incident.begins_at, incident.ends_at)


async def hours_due(session: AsyncSession, incident: Incident, entitlement_id: UUID) -> int:
    """What an incident adds to the time that a rental was made good for already, by whatever means."""
    rows = await session.execute(
        select(Incident.begins_at, Incident.ends_at)
        .join(RentalRemedy, RentalRemedy.incident_id == Incident.id)
        .where(RentalRemedy.entitlement_id == entitlement_id)
    )
    before = [(begins_at, ends_at) for begins_at, ends_at in rows]
    return hours_of([*before, (incident.begins_at, incident.ends_at)]) - hours_of(before)


async def _work_off(session: AsyncSession, jobs: Jobs, incident: Incident) -> None:
    # Without a key: one that runs has listed whom the incident met, and would keep the one for the others away.
    await jobs.enqueue(session, JOB, incident_id=str(incident.id))


def _extent(affected: Sequence[Affected], *, compensated: int, hours: int) -> Extent:
    prices: Counter[str] = Counter()
    for price in (rental.price_of(hours) for rental in affected):
        if price is not None:
            prices[price.currency] += price.minor
    return Extent(
        rentals=len(affected),
        customers=len({rental.account_id for rental in affected}),
        compensated=compensated,
        hours=hours,
        price=[Money(minor, currency) for currency, minor in sorted(prices.items())],
    )


async def _hours(session: AsyncSession, span: Span) -> int:
    limits = await find_remedy_limits(session)
    if not 1 <= span.hours <= limits.hours:
        raise IncidentSpanInvalid(limit=limits.hours)
    return span.hours


async def _list_affected(
    session: AsyncSession, title_id: UUID, code: str, begins_at: datetime, ends_at: datetime
) -> Sequence[Affected]:
    rows = await (await driver_of(session)).fetch(_AFFECTED, title_id, code, begins_at, ends_at)
    return [
        Affected(
            entitlement_id=row["id"],
            account_id=row["account_id"],
            watch_hours=row["watch_hours"],
            order_id=row["order_id"],
            paid=Money(row["gross"], row["currency"]) if row["order_id"] is not None else None,
        )
        for row in rows
    ]


async def _compensated(session: AsyncSession, incident_id: UUID) -> int:
    return await session.scalar(select(func.count()).where(RentalRemedy.incident_id == incident_id)) or 0


def _same(title_id: UUID, span: Span) -> Select[Incident]:
    return select(Incident).where(
        Incident.title_id == title_id,
        Incident.code == span.code,
        Incident.begins_at == span.begins_at,
        Incident.ends_at == span.ends_at,
        Incident.means == span.means,
    )


DDL: tuple[str, ...] = (
    f"REVOKE UPDATE, DELETE, TRUNCATE ON store.incidents FROM {APP_ROLE}",
    f"GRANT UPDATE (approved_by, approved_at) ON store.incidents TO {APP_ROLE}",
)
"""What metadata cannot say: what was given for an incident stays as it was, but for the second person's word."""
