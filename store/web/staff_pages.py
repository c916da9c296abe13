"""Where staff begin: the consoles that their roles open, and what the machine could not finish."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from litestar import Response, get
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, identity_of, requires
from auth.errors import NotPermitted, NotSignedIn
from auth.permissions import AUDIT_READ, CUSTOMER_READ, TRANSACTIONS_READ
from auth.visits import Visit
from store.database import Database
from store.parked_work import list_failed_refunds, list_parked_events, list_parked_jobs
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
    Console("finance", "/finance", "receipt", TRANSACTIONS_READ),
    Console("parked", "/staff/parked", "clock", AUDIT_READ),
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
    )


handlers = [show_staff, show_parked]
