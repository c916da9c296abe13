"""Where staff begin: the consoles that their roles open, and what the machine could not finish."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from litestar import Response, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, identity_of, requires
from auth.errors import NotPermitted, NotSignedIn
from auth.permissions import (
    AUDIT_READ,
    CASE_HANDLE,
    CUSTOMER_READ,
    INCIDENT_COMPENSATE,
    RECOVERY_APPROVE,
    REFUND_APPROVE,
    STAFF_MANAGE,
    TRANSACTIONS_READ,
    WORK_REPLAY,
)
from auth.visits import Visit
from billing.webhooks import PARKED
from store.database import Database
from store.parked_work import list_failed_refunds, list_parked_events, list_parked_jobs
from store.replays import Replays
from store.web.pages import Frame


@dataclass(frozen=True, slots=True)
class Console:
    """A console and the permission that opens it; its texts are `staff.<name>` and `staff.<name>_sentence`."""

    name: str
    path: str
    icon: str
    permission: str


CONSOLES: Final = (
    Console("support", "/support", "users", CUSTOMER_READ),
    Console("cases", "/staff/cases", "info", CASE_HANDLE),
    Console("recoveries", "/staff/recoveries", "key-round", RECOVERY_APPROVE),
    Console("finance", "/finance", "receipt", TRANSACTIONS_READ),
    Console("refunds", "/staff/refunds", "rotate-ccw", REFUND_APPROVE),
    Console("withdrawals", "/staff/withdrawals", "mail", CUSTOMER_READ),
    Console("incidents", "/staff/incidents", "info", INCIDENT_COMPENSATE),
    Console("invariants", "/finance/invariants", "circle-check", TRANSACTIONS_READ),
    Console("parked", "/staff/parked", "clock", AUDIT_READ),
    Console("colleagues", "/staff/colleagues", "users", STAFF_MANAGE),
)


async def staff_only(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Guard: a member of staff is signed in."""
    identity = identity_of(connection)
    if identity is None:
        raise NotSignedIn
    if identity.is_customer:
        raise NotPermitted


@get("/staff", guards=[staff_only])
async def show_staff(frame: NamedDependency[Frame], identity: NamedDependency[Identity]) -> Response[str]:
    """The consoles that the signed-in member of staff may use."""
    return frame.page(
        "staff/start.html",
        consoles=[console for console in CONSOLES if console.permission in identity.permissions],
        roles=sorted(identity.roles),
    )


@get("/staff/parked", guards=[requires(AUDIT_READ)])
async def show_parked(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    database: NamedDependency[Database],
    real_now: NamedDependency[datetime],
) -> Response[str]:
    """Jobs that failed too often, refunds that did not arrive, events that changed nothing."""
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="parked_work.viewed",
        target_kind="console",
        target_id="parked",
        request_id=visit.request_id,
        ip=visit.ip,
    )
    return frame.page(
        "staff/parked.html",
        jobs=await list_parked_jobs(database),
        refunds=await list_failed_refunds(database),
        events=await list_parked_events(database),
        may_replay=WORK_REPLAY in identity.permissions,
    )


@post("/staff/parked/events/{event_id:str}/replays", guards=[requires(WORK_REPLAY)])
async def replay_event(
    frame: NamedDependency[Frame],
    event_id: FromPath[str],
    replays: NamedDependency[Replays],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Apply a parked event once more."""
    outcome = await replays.event(event_id, at=frame.at, real_now=real_now)
    return frame.go("/staff/parked", done="event_still_parked" if outcome == PARKED else "event_replayed")


@post("/staff/parked/jobs/{job_id:int}/replays", guards=[requires(WORK_REPLAY)])
async def replay_job(
    frame: NamedDependency[Frame],
    job_id: FromPath[int],
    replays: NamedDependency[Replays],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Have a parked job tried anew."""
    await replays.job(job_id, real_now=real_now)
    return frame.go("/staff/parked", done="job_replayed")


handlers = [show_staff, show_parked, replay_event, replay_job]
