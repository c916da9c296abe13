"""Work that waits for staff, for programs: what is parked and its replay, withdrawals that need a person."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import CrossSiteRequest, NotPermitted, NotSignedIn
from auth.permissions import AUDIT_READ, CUSTOMER_READ, WORK_REPLAY
from auth.schemas import Reason, problems
from auth.visits import Visit
from billing.errors import (
    IdempotencyKeyReused,
    PaymentOutcomeUnknown,
    PaymentProviderRefused,
    WithdrawalNotFound,
    WithdrawalNotOpen,
)
from billing.idempotency import Once
from billing.money import MoneyOut
from billing.withdrawals import WithdrawalDeclaration, close_withdrawal, list_open_withdrawals
from store.database import Database
from store.errors import NotParked
from store.parked_work import (
    FailedRefund,
    ParkedEvent,
    ParkedJob,
    list_failed_refunds,
    list_parked_events,
    list_parked_jobs,
)
from store.replays import Replays

STAFF = (NotSignedIn, NotPermitted)


class FailedRefundOut(msgspec.Struct, frozen=True):
    """Money that the provider could not give back: a person has to send it."""

    id: UUID
    order_number: str
    reason: str
    """Code of why it goes back."""
    state: str
    amount: MoneyOut
    updated_at: datetime

    @classmethod
    def of(cls, refund: FailedRefund) -> Self:
        """The answer's form of a failed refund."""
        return cls(
            refund.id, refund.order_number, refund.reason, refund.state, MoneyOut.of(refund.amount), refund.updated_at
        )


class ParkedWorkOut(msgspec.Struct, frozen=True):
    """The newest of what the machine could not finish."""

    jobs: list[ParkedJob]
    events: list[ParkedEvent]
    refunds: list[FailedRefundOut]


class ReplayOut(msgspec.Struct, frozen=True):
    """What became of parked work that was done once more."""

    outcome: str
    """Of an event: `paid`, `updated`, `refund_noted`, `parked`, …; of a job: `queued`."""


class OpenWithdrawalOut(msgspec.Struct, frozen=True):
    """A declared withdrawal that a person has to look at."""

    id: UUID
    name: str
    contract: str
    """What was typed to identify it."""
    email: str
    reason: str | None
    """Why it was not carried out: `contract_unknown`, `address_differs`, or the code of the refusal."""
    declared_at: datetime

    @classmethod
    def of(cls, declaration: WithdrawalDeclaration) -> Self:
        """The answer's form of a declaration."""
        return cls(
            id=declaration.id,
            name=declaration.name,
            contract=declaration.contract,
            email=declaration.email,
            reason=declaration.reason,
            declared_at=declaration.declared_at,
        )


class OpenWithdrawalsOut(msgspec.Struct, frozen=True):
    """Withdrawals that wait for a person, the oldest first."""

    withdrawals: list[OpenWithdrawalOut]


class ClosureIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person has dealt with a withdrawal."""

    note: Reason


class ClosureOut(msgspec.Struct, frozen=True):
    """A withdrawal that is dealt with."""

    withdrawal_id: UUID
    note: str


@get(
    "/parked-work",
    guards=[requires(AUDIT_READ)],
    responses=problems(*STAFF),
    summary="What the machine could not finish",
    description="Jobs that failed too often, events that changed nothing, refunds that did not arrive: the newest 100 "
    "of each, without their contents. Every look leaves an audit entry.",
)
async def show_parked_work(
    database: NamedDependency[Database],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> ParkedWorkOut:
    """The lists of the page, as data."""
    await _record(session, identity, visit, "parked_work.viewed", "console", "parked", real_now=real_now)
    return ParkedWorkOut(
        jobs=list(await list_parked_jobs(database)),
        events=list(await list_parked_events(database)),
        refunds=[FailedRefundOut.of(refund) for refund in await list_failed_refunds(database)],
    )


@post(
    "/parked-events/{event_id:str}/replays",
    guards=[requires(WORK_REPLAY)],
    responses=problems(
        *STAFF, CrossSiteRequest, NotParked, PaymentOutcomeUnknown, PaymentProviderRefused, IdempotencyKeyReused
    ),
    summary="Apply a parked event once more",
    description="The provider is asked what became of its object meanwhile.",
)
async def replay_event(
    event_id: FromPath[str],
    once: NamedDependency[Once],
    database: NamedDependency[Database],
    replays: NamedDependency[Replays],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> ReplayOut:
    """Ask the provider before the first statement, so the key is looked up before and claimed behind it."""
    await once.recall(database)
    outcome = await replays.event(event_id, at=at, real_now=real_now)
    await once.claim()
    return await once.keep(ReplayOut(outcome))


@post(
    "/parked-jobs/{job_id:int}/replays",
    guards=[requires(WORK_REPLAY)],
    responses=problems(*STAFF, CrossSiteRequest, NotParked, IdempotencyKeyReused),
    summary="Have a parked job tried anew",
)
async def replay_job(
    job_id: FromPath[int],
    once: NamedDependency[Once],
    replays: NamedDependency[Replays],
    real_now: NamedDependency[datetime],
) -> ReplayOut:
    """Put the job back into the queue."""
    await once.claim()
    await replays.job(job_id, real_now=real_now)
    return await once.keep(ReplayOut("queued"))


@get(
    "/withdrawals",
    guards=[requires(CUSTOMER_READ)],
    responses=problems(*STAFF),
    summary="Withdrawals that need a person",
    description="Declared without signing in and not carried out, the oldest first. Every look leaves an audit entry.",
)
async def show_open_withdrawals(
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 100,
) -> OpenWithdrawalsOut:
    """Who declared what, and why a person has to look."""
    await _record(session, identity, visit, "withdrawals.viewed", "console", "withdrawals", real_now=real_now)
    found = await list_open_withdrawals(session, limit=limit)
    return OpenWithdrawalsOut([OpenWithdrawalOut.of(declaration) for declaration in found])


@post(
    "/withdrawals/{withdrawal_id:uuid}/closures",
    guards=[requires(CUSTOMER_READ)],
    responses=problems(*STAFF, CrossSiteRequest, WithdrawalNotFound, WithdrawalNotOpen, IdempotencyKeyReused),
    summary="Close a withdrawal",
    description="With a note of what was done about it, which stays in the audit trail.",
)
async def close(
    withdrawal_id: FromPath[UUID],
    data: JSONBody[ClosureIn],
    once: NamedDependency[Once],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> ClosureOut:
    """Note what was done about it."""
    await once.claim()
    await close_withdrawal(session, declaration_id=withdrawal_id, agent_id=identity.account_id, note=data.note, at=at)
    await _record(
        session, identity, visit, "withdrawal.closed", "withdrawal", withdrawal_id, real_now=real_now, reason=data.note
    )
    return await once.keep(ClosureOut(withdrawal_id, data.note))


async def _record(
    session: AsyncSession,
    identity: Identity,
    visit: Visit,
    action: str,
    target_kind: str,
    target_id: str | UUID,
    *,
    real_now: datetime,
    reason: str | None = None,
) -> None:
    await audit.record(
        session,
        at=real_now,
        actor=identity,
        action=action,
        target_kind=target_kind,
        target_id=target_id,
        reason=reason,
        request_id=visit.request_id,
        ip=visit.ip,
    )


router = Router(
    "/v1/staff",
    route_handlers=[show_parked_work, replay_event, replay_job, show_open_withdrawals, close],
    tags=["Support"],
)
