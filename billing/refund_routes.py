"""Routes of money that goes back: the customer's withdrawal, and support's refunds with a second person."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, customer_only, requires
from auth.errors import CustomersOnly, NotPermitted, NotSignedIn
from auth.permissions import REFUND_APPROVE, REFUND_REQUEST
from auth.schemas import problems
from auth.visits import Visit
from billing.errors import (
    AmountInvalid,
    DecidedByRequester,
    IdempotencyKeyReused,
    OrderDisputed,
    OrderGivenBack,
    OrderNotFound,
    OrderNotPaid,
    RefundExceedsPayment,
    RefundLimitUsedUp,
    RefundNotAwaitingApproval,
    RefundNotFailed,
    RefundNotFound,
    WithdrawalOver,
)
from billing.idempotency import Once
from billing.models import Refund
from billing.refund_schemas import RefundIn, RefundOut, RefundsOut, WithdrawalIn
from billing.refunds import list_awaiting
from billing.sale_refunds import SaleRefunds

CUSTOMER = (NotSignedIn, CustomersOnly)
STAFF = (NotSignedIn, NotPermitted)


@post(
    "/orders/{order_id:uuid}/withdrawals",
    guards=[customer_only],
    responses=problems(
        *CUSTOMER, OrderNotFound, OrderNotPaid, OrderDisputed, OrderGivenBack, WithdrawalOver, IdempotencyKeyReused
    ),
    summary="Withdraw from a contract",
    description="For a film that was not begun, within 14 days: everything goes back and the right ends at once. "
    "Its receipt is confirmed by mail (BGB 356a). Sent again, the same refund is answered. A film that was begun is "
    "refused with `withdrawal_lost`.",
)
async def withdraw(
    order_id: FromPath[UUID],
    data: JSONBody[WithdrawalIn],  # being there is all it says
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    sale_refunds: NamedDependency[SaleRefunds],
    at: NamedDependency[datetime],
) -> RefundOut:
    """Undo the sale, for the customer."""
    await once.claim()
    refund = await sale_refunds.withdraw(order_id=order_id, account_id=identity.account_id, at=at)
    return await once.keep(RefundOut.of(refund))


@post(
    "/refunds",
    guards=[requires(REFUND_REQUEST)],
    responses=problems(
        *STAFF,
        OrderNotFound,
        OrderNotPaid,
        OrderDisputed,
        AmountInvalid,
        RefundExceedsPayment,
        RefundLimitUsedUp,
        IdempotencyKeyReused,
    ),
    summary="Give money back",
    description="All that is left of an order, or an amount of it. Above a limit it waits for a second person "
    "(`awaiting_approval`).",
)
async def ask_refund(
    data: JSONBody[RefundIn],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> RefundOut:
    """Ask for a refund, with the reason in the audit trail."""
    await once.claim()
    refund = await sale_refunds.ask(
        order_id=data.order_id,
        amount=data.money(),
        reason=data.reason,
        note=data.note,
        agent_id=identity.account_id,
        at=at,
    )
    await record(session, identity, visit, refund, "refund.requested", real_now=real_now, reason=data.note)
    return await once.keep(RefundOut.of(refund))


@get(
    "/refunds",
    guards=[requires(REFUND_APPROVE)],
    responses=problems(*STAFF),
    summary="Refunds that wait for a second person",
)
async def show_awaiting(
    session: NamedDependency[AsyncSession],
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
) -> RefundsOut:
    """The oldest first."""
    return RefundsOut([RefundOut.of(refund) for refund in await list_awaiting(session, limit=limit)])


@post(
    "/refunds/{refund_id:uuid}/approvals",
    guards=[requires(REFUND_APPROVE)],
    responses=problems(
        *STAFF, RefundNotFound, RefundNotAwaitingApproval, DecidedByRequester, OrderDisputed, IdempotencyKeyReused
    ),
    summary="Approve a refund",
    description="By another person than the one who asked for it: it is credited, booked and sent.",
)
async def approve_refund(
    refund_id: FromPath[UUID],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> RefundOut:
    """Say yes as the second person."""
    await once.claim()
    refund = await sale_refunds.approve(refund_id=refund_id, agent_id=identity.account_id, at=at)
    await record(session, identity, visit, refund, "refund.approved", real_now=real_now)
    return await once.keep(RefundOut.of(refund))


@post(
    "/refunds/{refund_id:uuid}/rejections",
    guards=[requires(REFUND_APPROVE)],
    responses=problems(*STAFF, RefundNotFound, RefundNotAwaitingApproval, DecidedByRequester, IdempotencyKeyReused),
    summary="Reject a refund",
    description="By another person than the one who asked for it: nothing is given back.",
)
async def reject_refund(
    refund_id: FromPath[UUID],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> RefundOut:
    """Say no as the second person."""
    await once.claim()
    refund = await sale_refunds.reject(refund_id=refund_id, agent_id=identity.account_id, at=at)
    await record(session, identity, visit, refund, "refund.rejected", real_now=real_now)
    return await once.keep(RefundOut.of(refund))


@post(
    "/refunds/{refund_id:uuid}/retries",
    guards=[requires(REFUND_APPROVE)],
    responses=problems(*STAFF, RefundNotFound, RefundNotFailed, IdempotencyKeyReused),
    summary="Try a failed refund again",
    description="The money that did not arrive is sent once more; nothing is credited a second time.",
)
async def retry_refund(
    refund_id: FromPath[UUID],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    sale_refunds: NamedDependency[SaleRefunds],
    session: NamedDependency[AsyncSession],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> RefundOut:
    """Send the money of a failed refund again."""
    await once.claim()
    refund = await sale_refunds.try_again(refund_id=refund_id, agent_id=identity.account_id, at=at)
    await record(session, identity, visit, refund, "refund.retried", real_now=real_now)
    return await once.keep(RefundOut.of(refund))


async def record(
    session: AsyncSession,
    identity: Identity,
    visit: Visit,
    refund: Refund,
    action: str,
    *,
    real_now: datetime,
    reason: str | None = None,
) -> None:
    """Note in the audit trail what a member of staff did about a refund."""
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action=action,
        target_kind="refund",
        target_id=refund.id,
        reason=reason,
        request_id=visit.request_id,
        ip=visit.ip,
        details={"order_id": str(refund.order_id), "amount": refund.amount, "currency": refund.currency},
    )


router = Router(
    "/v1",
    route_handlers=[withdraw, ask_refund, show_awaiting, approve_refund, reject_refund, retry_refund],
    tags=["Refunds"],
)
