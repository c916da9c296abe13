"""The lead's page about incidents: whom an error met, and making it good for all of them."""

from datetime import UTC, datetime
from typing import Any, Final, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, SkipValidation, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import Refusal
from auth.permissions import INCIDENT_COMPENSATE
from auth.ports import Jobs
from auth.visits import Visit
from store.entitlement.errors import FilmUnknown
from store.entitlement.incidents import Extent, Means, Span, approve, list_incidents, note, preview
from store.entitlement.remedy_errors import IncidentNotWaiting
from store.incident_routes import COMPENSATED, PREVIEWED, record, record_approval
from store.web.forms import Prose, Text, refused
from store.web.pages import Frame
from store.web.support_pages import LONGEST_REASON, SHORTEST_REASON

PATH: Final = "/staff/incidents"

_ZONE: Final = ZoneInfo("Europe/Berlin")
"""In which the page takes and tells times, as all consoles do."""


class IncidentForm(msgspec.Struct, frozen=True):
    """An incident as it is typed."""

    title: Text = ""
    code: Text = ""
    begins: Text = ""
    ends: Text = ""
    reason: Prose = ""
    means: Means = "time"


@get(PATH, guards=[requires(INCIDENT_COMPENSATE)])
async def show_incidents(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    title: FromQuery[str] = "",
    code: FromQuery[str] = "",
    begins: FromQuery[str] = "",
    ends: FromQuery[str] = "",
    means: FromQuery[Means] = "time",
) -> Response[str]:
    """The form; filled in it says whom the error met, and then it can be made good."""
    form = IncidentForm(title.strip()[:200], code.strip()[:60], begins[:40], ends[:40], means=means)
    if not any((form.title, form.code, form.begins, form.ends)):
        await audit.record(
            session,
            at=real_now,
            actor=identity,
            action="incidents.viewed",
            target_kind="console",
            target_id="incidents",
            request_id=visit.request_id,
            ip=visit.ip,
        )
        return await _page(frame, session, identity, form)
    try:
        span = _span(form)
        extent = await preview(session, span)
    except Refusal as refusal:
        return await _again(frame, session, identity, form, refusal)
    await record(session, identity, visit, PREVIEWED, span, real_now=real_now)
    return await _page(frame, session, identity, form, extent=extent)


@post(PATH, guards=[requires(INCIDENT_COMPENSATE)])
async def compensate_incident(
    frame: NamedDependency[Frame],
    data: URLEncodedBody[IncidentForm],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    jobs: NamedDependency[SkipValidation[Jobs]],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Note the incident; a job does the rest. Sent twice it is the same one."""
    reason = data.reason.strip()
    try:
        span = _span(data)
        extent = await preview(session, span)
        if len(reason) < SHORTEST_REASON:
            return await _page(frame, session, identity, data, extent=extent, is_short=True)
        incident = await note(session, jobs, span, agent_id=identity.account_id, reason=reason, real_now=real_now)
    except Refusal as refusal:
        return await _again(frame, session, identity, data, refusal)
    await record(session, identity, visit, COMPENSATED, span, reason=reason, real_now=real_now)
    return frame.go(PATH, done="incident_waits" if incident.waits else "incident_noted")


@post(f"{PATH}/{{incident_id:uuid}}/approvals", guards=[requires(INCIDENT_COMPENSATE)])
async def approve_money(
    frame: NamedDependency[Frame],
    incident_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    jobs: NamedDependency[SkipValidation[Jobs]],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Agree as the second person; sent twice it is the same yes."""
    try:
        incident = await approve(session, jobs, incident_id, agent_id=identity.account_id, real_now=real_now)
    except IncidentNotWaiting:
        return frame.go(PATH, done="incident_noted")
    await record_approval(session, identity, visit, incident, real_now=real_now)
    return frame.go(PATH, done="incident_noted")


async def _page(
    frame: Frame,
    session: AsyncSession,
    identity: Identity,
    form: IncidentForm,
    *,
    extent: Extent | None = None,
    is_short: bool = False,
) -> Response[str]:
    values = await _values(frame, session, identity, form, extent, is_short=is_short)
    return frame.page("staff/incidents.html", status=400 if is_short else 200, **values)


async def _again(
    frame: Frame, session: AsyncSession, identity: Identity, form: IncidentForm, refusal: Refusal
) -> Response[str]:
    """The form with its refusal beside the field that it speaks of."""
    await session.rollback()
    field = "title" if isinstance(refusal, FilmUnknown) else "ends"
    values = await _values(frame, session, identity, form, None)
    return refused(
        frame, "staff/incidents.html", refusal, **{**values, "errors": {field: refusal.sentence(frame.locale)}}
    )


async def _values(
    frame: Frame,
    session: AsyncSession,
    identity: Identity,
    form: IncidentForm,
    extent: Extent | None,
    *,
    is_short: bool = False,
) -> dict[str, Any]:
    return {
        "form": form,
        "extent": extent,
        "incidents": await list_incidents(session),
        "means": [(code, frame.w.text(f"incident.means_{code}")) for code in get_args(Means)],
        "reader_id": identity.account_id,
        "errors": {},
        "is_short": is_short,
        "longest": LONGEST_REASON,
    }


def _span(form: IncidentForm) -> Span:
    """What the form says; times that are none make a span of no length, which is refused like any other."""
    try:
        begins, ends = (_in_zone(datetime.fromisoformat(text)) for text in (form.begins, form.ends))
    except ValueError:
        begins = ends = datetime.fromtimestamp(0, UTC)
    return Span(form.title, form.code, begins, ends, form.means)


def _in_zone(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=_ZONE)


handlers = [show_incidents, compensate_incident, approve_money]
