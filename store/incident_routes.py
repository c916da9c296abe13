"""The API of incidents: whom an error met, and making it good for all of them."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import CrossSiteRequest, NotPermitted, NotSignedIn
from auth.permissions import INCIDENT_COMPENSATE
from auth.ports import Jobs
from auth.schemas import NO_CONTROLS, Reason, problems
from auth.visits import Visit
from billing.errors import DecidedByRequester, IdempotencyKeyReused
from billing.idempotency import Once
from billing.money import MoneyOut
from store.entitlement.errors import FilmUnknown
from store.entitlement.incidents import Extent, Incident, Means, Span, approve, find_extent, note, preview
from store.entitlement.remedy_errors import IncidentNotFound, IncidentNotWaiting, IncidentSpanInvalid
from store.entitlement.schemas import TitleSlug
from store.errors import MalformedRequest

STAFF = (NotSignedIn, NotPermitted)

PREVIEWED = "incident.previewed"
COMPENSATED = "incident.compensated"
APPROVED = "incident.approved"

CODE_PATTERN = "^[a-z][a-z0-9_]{0,59}$"

ErrorCode = Annotated[
    str,
    Meta(
        pattern=CODE_PATTERN,
        description="The code of a refusal, such as `keys_unreadable`, or `player_failed`.",
        examples=["keys_unreadable"],
    ),
]


CompensationMeans = Annotated[
    Means,
    Meta(description="What each gets: the time lost, or as money the part of the price that was paid for it."),
]


class IncidentCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """An error on a title in a span, to be made good."""

    title: TitleSlug
    code: ErrorCode
    begins_at: Annotated[datetime, Meta(tz=True)]
    ends_at: Annotated[datetime, Meta(tz=True)]
    """Exclusive; business time."""
    reason: Reason
    means: CompensationMeans = "time"


class ExtentOut(Struct, frozen=True):
    """Whom an incident met, and how far it is made good."""

    rentals: int
    customers: int
    compensated: int
    """Rentals that were made good."""
    hours: int
    """The time lost by each, in hours begun."""
    price: list[MoneyOut]
    """What all paid for these hours, by currency: goes back at most if money is given."""

    @classmethod
    def of(cls, extent: Extent) -> Self:
        """From what was counted."""
        price = [MoneyOut.of(sum_) for sum_ in extent.price]
        return cls(extent.rentals, extent.customers, extent.compensated, extent.hours, price)


class IncidentOut(Struct, frozen=True):
    """An incident that is being made good."""

    id: UUID
    code: str
    begins_at: datetime
    ends_at: datetime
    means: Means
    waits_for_second_person: bool
    """Nothing happens before another lead agrees to the money."""
    extent: ExtentOut

    @classmethod
    def of(cls, incident: Incident, extent: Extent) -> Self:
        """From its row and what was counted."""
        return cls(
            id=incident.id,
            code=incident.code,
            begins_at=incident.begins_at,
            ends_at=incident.ends_at,
            means="money" if incident.means == "money" else "time",
            waits_for_second_person=incident.waits,
            extent=ExtentOut.of(extent),
        )


@get(
    "/incident-previews",
    guards=[requires(INCIDENT_COMPENSATE)],
    summary="Whom an error met",
    responses=problems(MalformedRequest, *STAFF, FilmUnknown, IncidentSpanInvalid),
)
async def preview_incident(
    title: Annotated[
        str,
        QueryParameter(min_length=1, max_length=200, pattern=NO_CONTROLS, description="The title's slug."),
    ],
    code: Annotated[
        str,
        QueryParameter(pattern=CODE_PATTERN, description="The code of a refusal, or `player_failed`."),
    ],
    begins_at: Annotated[datetime, QueryParameter(name="from", description="Business time.")],
    ends_at: Annotated[datetime, QueryParameter(name="to", description="Exclusive.")],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    means: Annotated[Means, QueryParameter(description="Which incident `compensated` counts for.")] = "time",
) -> ExtentOut:
    """Count, and change nothing."""
    if begins_at.tzinfo is None or ends_at.tzinfo is None:
        raise MalformedRequest(place="from and to need a time zone")
    span = Span(title, code, begins_at, ends_at, means)
    extent = await preview(session, span)
    await record(session, identity, visit, PREVIEWED, span, real_now=real_now)
    return ExtentOut.of(extent)


@post(
    "/incidents",
    guards=[requires(INCIDENT_COMPENSATE)],
    summary="Make an incident good",
    description="Every rental that met the error gets the time lost, or the part of its price that was paid for it, by "
    "a job; each customer is told by mail. Money waits until another lead agrees. Noted again with the same title, "
    "code, span and means it is the same incident, and nobody gets anything twice, nor the same hour by both means.",
    responses=problems(*STAFF, CrossSiteRequest, FilmUnknown, IncidentSpanInvalid, IdempotencyKeyReused),
)
async def note_incident(
    data: JSONBody[IncidentCreate],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    jobs: NamedDependency[SkipValidation[Jobs]],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> IncidentOut:
    """Note it; `GET /v1/staff/incidents/{id}` says how far it is."""
    await once.claim()
    span = Span(data.title, data.code, data.begins_at, data.ends_at, data.means)
    incident = await note(session, jobs, span, agent_id=identity.account_id, reason=data.reason, real_now=real_now)
    await record(session, identity, visit, COMPENSATED, span, reason=data.reason, real_now=real_now)
    _, extent = await find_extent(session, incident.id)
    return await once.keep(IncidentOut.of(incident, extent))


@get(
    "/incidents/{incident_id:uuid}",
    guards=[requires(INCIDENT_COMPENSATE)],
    summary="How far an incident is made good",
    responses=problems(*STAFF, IncidentNotFound),
)
async def show_incident(incident_id: FromPath[UUID], session: NamedDependency[AsyncSession]) -> IncidentOut:
    """The incident with its counts."""
    return IncidentOut.of(*await find_extent(session, incident_id))


@post(
    "/incidents/{incident_id:uuid}/approvals",
    guards=[requires(INCIDENT_COMPENSATE)],
    summary="Agree to the money for an incident",
    description="By another person than the one who noted it: then a job gives it back.",
    responses=problems(
        *STAFF, CrossSiteRequest, IncidentNotFound, IncidentNotWaiting, DecidedByRequester, IdempotencyKeyReused
    ),
)
async def approve_incident(
    incident_id: FromPath[UUID],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    jobs: NamedDependency[SkipValidation[Jobs]],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> IncidentOut:
    """Say yes as the second person."""
    await once.claim()
    incident = await approve(session, jobs, incident_id, agent_id=identity.account_id, real_now=real_now)
    await record_approval(session, identity, visit, incident, real_now=real_now)
    _, extent = await find_extent(session, incident.id)
    return await once.keep(IncidentOut.of(incident, extent))


async def record_approval(
    session: AsyncSession, identity: Identity, visit: Visit, incident: Incident, *, real_now: datetime
) -> None:
    """Leave an audit entry of who agreed."""
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action=APPROVED,
        target_kind="incident",
        target_id=incident.id,
        request_id=visit.request_id,
        ip=visit.ip,
    )


async def record(
    session: AsyncSession,
    identity: Identity,
    visit: Visit,
    action: str,
    span: Span,
    *,
    reason: str | None = None,
    real_now: datetime,
) -> None:
    """Leave an audit entry of who looked or acted."""
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action=action,
        target_kind="title",
        target_id=span.title_slug,
        reason=reason,
        request_id=visit.request_id,
        ip=visit.ip,
        details={
            "means": span.means,
            "code": span.code,
            "from": span.begins_at.isoformat(),
            "to": span.ends_at.isoformat(),
        },
    )


router = Router(
    "/v1/staff", route_handlers=[preview_incident, note_incident, show_incident, approve_incident], tags=["Support"]
)
