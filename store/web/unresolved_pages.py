"""Finance's page of unresolved movements: what each turned out to be, and what waits for a second person."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import Refusal
from auth.permissions import MOVEMENTS_ACKNOWLEDGE, TRANSACTIONS_READ
from auth.visits import Visit
from billing.acknowledgements import find_movement
from billing.resolution_routes import record
from billing.resolutions import Finding, ResolutionState, approve, list_unresolved, reject, resolve
from store.web.pages import Frame
from store.web.support_pages import LONGEST_REASON, SHORTEST_REASON, Line

PAGE: Final = 100
"""Movements on the page; older ones come first."""


class FindingForm(msgspec.Struct, frozen=True):
    """What a movement was, and why."""

    finding: Annotated[str, msgspec.Meta(max_length=32)] = ""
    reason: Line = ""


@get("/finance/unresolved", guards=[requires(TRANSACTIONS_READ)])
async def show_unresolved(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    short: FromQuery[str] = "",
    refused: FromQuery[str] = "",
) -> Response[str]:
    """The movements with their forms; `short` names the one whose form was not complete."""
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="provider_account.viewed",
        target_kind="console",
        target_id="unresolved",
        request_id=visit.request_id,
        ip=visit.ip,
    )
    return frame.page(
        "finance/unresolved.html",
        movements=await list_unresolved(session, limit=PAGE),
        findings=[("", frame.w.text("unresolved.choose")), *_findings(frame)],
        may_resolve=MOVEMENTS_ACKNOWLEDGE in identity.permissions,
        reader_id=identity.account_id,
        short=short,
        longest=LONGEST_REASON,
        refused=frame.w.texts.get(f"unresolved.refused_{refused}", ""),
    )


def _findings(frame: Frame) -> list[tuple[str, str]]:
    return [(finding.value, frame.w.text(f"unresolved.findings.{finding.value}")) for finding in Finding]


@post("/finance/unresolved/{movement_id:str}/resolutions", guards=[requires(MOVEMENTS_ACKNOWLEDGE)])
async def resolve_movement(
    frame: NamedDependency[Frame],
    movement_id: FromPath[str],
    data: URLEncodedBody[FindingForm],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Book it, or have it wait for a second person."""
    movement, reason = await find_movement(session, movement_id), data.reason.strip()
    if data.finding not in list(Finding) or len(reason) < SHORTEST_REASON:
        return frame.go(frame.url("/finance/unresolved", short=movement.id))

    async def deed() -> str:
        resolution = await resolve(
            session,
            movement_id=movement.id,
            finding=Finding(data.finding),
            reason=reason,
            agent_id=identity.account_id,
            at=frame.at,
        )
        await record(session, identity, visit, resolution, "movement.resolved", real_now=real_now, reason=reason)
        return "movement_resolved" if resolution.state is ResolutionState.BOOKED else "movement_proposed"

    return await _act(frame, session, deed)


@post("/finance/resolutions/{resolution_id:uuid}/approvals", guards=[requires(MOVEMENTS_ACKNOWLEDGE)])
async def approve_resolution(
    frame: NamedDependency[Frame],
    resolution_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Say yes as the second person."""

    async def deed() -> str:
        resolution = await approve(session, resolution_id=resolution_id, agent_id=identity.account_id, at=frame.at)
        await record(session, identity, visit, resolution, "resolution.approved", real_now=real_now)
        return "movement_resolved"

    return await _act(frame, session, deed)


@post("/finance/resolutions/{resolution_id:uuid}/rejections", guards=[requires(MOVEMENTS_ACKNOWLEDGE)])
async def reject_resolution(
    frame: NamedDependency[Frame],
    resolution_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Say no as the second person."""

    async def deed() -> str:
        resolution = await reject(session, resolution_id=resolution_id, agent_id=identity.account_id, at=frame.at)
        await record(session, identity, visit, resolution, "resolution.rejected", real_now=real_now)
        return "resolution_rejected"

    return await _act(frame, session, deed)


async def _act(frame: Frame, session: AsyncSession, deed: Callable[[], Awaitable[str]]) -> Response[Any]:
    """Do it, or say on the same page why not."""
    try:
        async with session.begin_nested():
            done = await deed()
    except Refusal as refusal:
        if f"unresolved.refused_{refusal.code}" not in frame.w.texts:
            raise
        return frame.go(frame.url("/finance/unresolved", refused=refusal.code))
    return frame.go("/finance/unresolved", done=done)


handlers = [show_unresolved, resolve_movement, approve_resolution, reject_resolution]
