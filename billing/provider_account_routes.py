"""Routes of finance's look at our account at the provider: what is not matched, payouts, their contents as CSV."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import CrossSiteRequest, NotPermitted, NotSignedIn, StepUpRequired
from auth.permissions import MOVEMENTS_ACKNOWLEDGE, TRANSACTIONS_EXPORT, TRANSACTIONS_READ
from auth.ports import OpenDatabase
from auth.schemas import problems
from auth.step_up import recently_authenticated
from auth.visits import Visit
from billing.acknowledgements import acknowledge
from billing.cursors import cursor_of, text_place_of
from billing.errors import CursorInvalid, IdempotencyKeyReused, MovementNotFound, MovementNotUnexplained, PeriodInvalid
from billing.exports import Period
from billing.idempotency import Once
from billing.provider_account import export_payouts, list_account_movements, list_payouts
from billing.provider_account_schemas import (
    AcknowledgementIn,
    AcknowledgementOut,
    PayoutOut,
    PayoutsOut,
    ProviderTransactionOut,
    ProviderTransactionsOut,
)
from billing.routes import EndDay, FirstDay

STAFF = (NotSignedIn, NotPermitted)


@get(
    "/provider-transactions",
    guards=[requires(TRANSACTIONS_READ)],
    responses=problems(*STAFF, CursorInvalid),
    summary="Movements of our account at the provider",
    description="By default those that no booking explains, each with the reason; they are looked at again every hour.",
)
async def show_provider_transactions(
    database: NamedDependency[SkipValidation[OpenDatabase]],
    matched: Annotated[bool, QueryParameter(description="Whether a booking explains them.")] = False,
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
) -> ProviderTransactionsOut:
    """A page of movements in the order of time."""
    found = await list_account_movements(database, matched=matched, after=text_place_of(cursor), limit=limit + 1)
    page = found[:limit]
    return ProviderTransactionsOut(
        provider_transactions=[ProviderTransactionOut.of(movement) for movement in page],
        next_cursor=cursor_of((page[-1].created_at, page[-1].id)) if len(found) > limit else None,
    )


@post(
    "/provider-transactions/{movement_id:str}/acknowledgements",
    guards=[requires(MOVEMENTS_ACKNOWLEDGE)],
    responses=problems(*STAFF, CrossSiteRequest, MovementNotFound, MovementNotUnexplained, IdempotencyKeyReused),
    summary="Acknowledge a movement that is none of ours",
    description="Of another program on the same account, or a top-up: booked as unresolved, with a reason that stays "
    "in the audit trail. Refused for what is matched, and for what is ours and waits for its booking.",
)
async def acknowledge_movement(
    movement_id: FromPath[str],
    data: JSONBody[AcknowledgementIn],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> AcknowledgementOut:
    """Book it; nothing is ever taken back but by another booking."""
    await once.claim()
    row = await acknowledge(session, movement_id=movement_id, at=at)
    await record_acknowledgement(session, identity, visit, movement_id, reason=data.reason, real_now=real_now)
    return await once.keep(AcknowledgementOut.of(row, data.reason))


async def record_acknowledgement(
    session: AsyncSession, identity: Identity, visit: Visit, movement_id: str, *, reason: str, real_now: datetime
) -> None:
    """Note in the audit trail who acknowledged a movement, and why."""
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="movement.acknowledged",
        target_kind="provider_transaction",
        target_id=movement_id,
        reason=reason,
        request_id=visit.request_id,
        ip=visit.ip,
    )


@get(
    "/payouts",
    guards=[requires(TRANSACTIONS_READ)],
    responses=problems(*STAFF, PeriodInvalid),
    summary="Payouts of a period",
    description="What the provider sent to our bank, and what it consists of: the parts add up to it to the cent.",
)
async def show_payouts(
    first: FirstDay, end: EndDay, database: NamedDependency[SkipValidation[OpenDatabase]]
) -> PayoutsOut:
    """The payouts of a period, the oldest first."""
    payouts = await list_payouts(database, period=Period.of(first, end))
    return PayoutsOut([PayoutOut.of(payout) for payout in payouts])


@get(
    "/payouts.csv",
    guards=[requires(TRANSACTIONS_EXPORT), recently_authenticated],
    responses=problems(*STAFF, StepUpRequired, PeriodInvalid),
    summary="Contents of the payouts of a period as CSV",
    media_type="text/csv",
)
async def export_payout_contents(
    first: FirstDay,
    end: EndDay,
    request: Request[Any, Any, Any],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[SkipValidation[OpenDatabase]],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Stream one line per movement; who fetched them is in the audit trail before the first byte leaves."""
    period = Period.of(first, end)
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action="finance.payouts.export",
        target_kind="period",
        target_id=str(period),
        request_id=request.scope["state"].get("request_id"),
    )
    name = f"payouts_{period.first}_{period.end}.csv"
    return Stream(
        export_payouts(database, period=period),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


router = Router(
    "/v1/finance",
    route_handlers=[show_provider_transactions, acknowledge_movement, show_payouts, export_payout_contents],
    tags=["Paying and books"],
)
