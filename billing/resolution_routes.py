"""Routes of unresolved movements: finance says what each turned out to be, a second person agrees to large ones."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import CrossSiteRequest, NotPermitted, NotSignedIn
from auth.permissions import MOVEMENTS_ACKNOWLEDGE, TRANSACTIONS_READ
from auth.schemas import problems
from auth.visits import Visit
from billing.errors import (
    DecidedByRequester,
    IdempotencyKeyReused,
    MovementNotFound,
    MovementNotUnresolved,
    ResolutionNotAwaitingApproval,
    ResolutionNotFound,
)
from billing.idempotency import Once
from billing.resolution_schemas import (
    ResolutionIn,
    ResolutionOut,
    UnresolvedMovementOut,
    UnresolvedMovementsOut,
)
from billing.resolutions import Resolution, approve, list_unresolved, reject, resolve

STAFF = (NotSignedIn, NotPermitted)
_DECISIONS = (*STAFF, CrossSiteRequest, ResolutionNotFound, ResolutionNotAwaitingApproval, DecidedByRequester)


@get(
    "/unresolved-movements",
    guards=[requires(TRANSACTIONS_READ)],
    responses=problems(*STAFF),
    summary="Movements that are booked as unresolved",
    description="Acknowledged as none of ours, and not known yet: together they are the balance of "
    "`receivable:unresolved`.",
)
async def show_unresolved(
    session: NamedDependency[AsyncSession],
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
) -> UnresolvedMovementsOut:
    """The oldest first."""
    found = await list_unresolved(session, limit=limit)
    return UnresolvedMovementsOut([UnresolvedMovementOut.of(movement) for movement in found])


@post(
    "/provider-transactions/{movement_id:str}/resolutions",
    guards=[requires(MOVEMENTS_ACKNOWLEDGE)],
    responses=problems(*STAFF, CrossSiteRequest, MovementNotFound, MovementNotUnresolved, IdempotencyKeyReused),
    summary="Say what an unresolved movement was",
    description="Booked at once to the account of the finding, or above the limit of refunds by a second person "
    "(`awaiting_approval`). The reason stays in the audit trail.",
)
async def resolve_movement(
    movement_id: FromPath[str],
    data: JSONBody[ResolutionIn],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> ResolutionOut:
    """Clear it up; nothing is ever taken back but by another booking."""
    await once.claim()
    resolution = await resolve(
        session,
        movement_id=movement_id,
        finding=data.finding,
        reason=data.reason,
        agent_id=identity.account_id,
        at=at,
    )
    await record(session, identity, visit, resolution, "movement.resolved", real_now=real_now, reason=data.reason)
    return await once.keep(ResolutionOut.of(resolution))


@post(
    "/resolutions/{resolution_id:uuid}/approvals",
    guards=[requires(MOVEMENTS_ACKNOWLEDGE)],
    responses=problems(*_DECISIONS, IdempotencyKeyReused),
    summary="Approve what a movement was",
    description="By another person than the one who said so: it is booked.",
)
async def approve_resolution(
    resolution_id: FromPath[UUID],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> ResolutionOut:
    """Say yes as the second person."""
    await once.claim()
    resolution = await approve(session, resolution_id=resolution_id, agent_id=identity.account_id, at=at)
    await record(session, identity, visit, resolution, "resolution.approved", real_now=real_now)
    return await once.keep(ResolutionOut.of(resolution))


@post(
    "/resolutions/{resolution_id:uuid}/rejections",
    guards=[requires(MOVEMENTS_ACKNOWLEDGE)],
    responses=problems(*_DECISIONS, IdempotencyKeyReused),
    summary="Reject what a movement was said to be",
    description="By another person than the one who said so: it stays unresolved.",
)
async def reject_resolution(
    resolution_id: FromPath[UUID],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> ResolutionOut:
    """Say no as the second person."""
    await once.claim()
    resolution = await reject(session, resolution_id=resolution_id, agent_id=identity.account_id, at=at)
    await record(session, identity, visit, resolution, "resolution.rejected", real_now=real_now)
    return await once.keep(ResolutionOut.of(resolution))


async def record(
    session: AsyncSession,
    identity: Identity,
    visit: Visit,
    resolution: Resolution,
    action: str,
    *,
    real_now: datetime,
    reason: str | None = None,
) -> None:
    """Note in the audit trail who said what of a movement."""
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action=action,
        target_kind="provider_transaction",
        target_id=resolution.movement_id,
        reason=reason,
        request_id=visit.request_id,
        ip=visit.ip,
        details={
            "finding": resolution.finding.value,
            "amount": resolution.amount,
            "currency": resolution.currency,
            "state": resolution.state.value,
        },
    )


router = Router(
    "/v1/finance",
    route_handlers=[show_unresolved, resolve_movement, approve_resolution, reject_resolution],
    tags=["Paying and books"],
)
