"""Support's API of changes that need a second person: asking, seeing what is under way, agreeing, rejecting."""

from datetime import datetime
from typing import Final
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.errors import (
    AccountNotFound,
    AccountNotResettable,
    CrossSiteRequest,
    EmailAddressInvalid,
    EmailAddressTaken,
    EmailAddressUnchanged,
    LinkNotValid,
    NotACustomer,
    NotPermitted,
    NotSignedIn,
    StepUpRequired,
    TooManyAttempts,
)
from auth.factor_errors import SecondFactorMissing
from auth.permissions import ACCOUNT_SECURE, RECOVERY_APPROVE, RECOVERY_REQUEST
from auth.recovery.carrying_out import RecoveryCompletion
from auth.recovery.errors import (
    CallerNotProved,
    EvidenceMissing,
    RecoveryLimitReached,
    RecoveryNotFound,
    RecoveryUnderWay,
    SecondPersonNeeded,
    SecuringLimitReached,
)
from auth.recovery.requests import Recoveries, list_recoveries
from auth.recovery.schemas import (
    AccountSecuringCreate,
    RecoveryCompletionCreate,
    RecoveryCreate,
    RecoveryList,
    RecoveryOut,
    RecoveryRejectionCreate,
)
from auth.recovery.securing import AccountSecuring
from auth.schemas import problems
from auth.step_up import recently_authenticated
from auth.visits import Visit

OLDEST: Final = 100


@post(
    "/staff/customers/{customer_id:uuid}/recoveries",
    summary="Ask for another address of a customer, or for the removal of second factors",
    tags=["Support"],
    guards=[requires(RECOVERY_REQUEST), recently_authenticated],
    responses=problems(
        NotSignedIn,
        NotPermitted,
        StepUpRequired,
        NotACustomer,
        AccountNotFound,
        AccountNotResettable,
        CallerNotProved,
        EvidenceMissing,
        EmailAddressInvalid,
        EmailAddressUnchanged,
        EmailAddressTaken,
        SecondFactorMissing,
        RecoveryUnderWay,
        RecoveryLimitReached,
        CrossSiteRequest,
    ),
)
async def file_recovery(
    customer_id: FromPath[UUID],
    data: JSONBody[RecoveryCreate],
    identity: NamedDependency[Identity],
    recoveries: NamedDependency[Recoveries],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> RecoveryOut:
    """Tell the owner at once on all known addresses, and do nothing for 72 hours. A second person has to agree.

    Then a link goes to the new address (or to the present one, where a factor is removed), and its use carries it out.
    """
    filed = await recoveries.file(agent=identity, account_id=customer_id, wish=data.wish, at=real_now, visit=visit)
    return RecoveryOut.of(filed)


@get(
    "/staff/recoveries",
    summary="Changes that need a second person",
    tags=["Support"],
    guards=[requires(RECOVERY_REQUEST)],
    responses=problems(NotSignedIn, NotPermitted),
)
async def show_recoveries(
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> RecoveryList:
    """What is under way, the oldest first. Every look leaves an audit entry."""
    await note_look(session, identity, at=real_now, visit=visit)
    return RecoveryList([RecoveryOut.of(one) for one in await list_recoveries(session, limit=OLDEST)])


@post(
    "/staff/recoveries/{recovery_id:uuid}/approvals",
    status_code=200,
    summary="Agree to what a colleague asked for",
    tags=["Support"],
    guards=[requires(RECOVERY_APPROVE), recently_authenticated],
    responses=problems(
        NotSignedIn, NotPermitted, StepUpRequired, RecoveryNotFound, SecondPersonNeeded, CrossSiteRequest
    ),
)
async def approve_recovery(
    recovery_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    recoveries: NamedDependency[Recoveries],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> RecoveryOut:
    """The hold goes on all the same; the link is mailed when it is over."""
    return RecoveryOut.of(await recoveries.approve(agent=identity, recovery_id=recovery_id, at=real_now, visit=visit))


@post(
    "/staff/recoveries/{recovery_id:uuid}/rejections",
    status_code=200,
    summary="Reject what a colleague asked for",
    tags=["Support"],
    guards=[requires(RECOVERY_APPROVE), recently_authenticated],
    responses=problems(
        NotSignedIn, NotPermitted, StepUpRequired, RecoveryNotFound, SecondPersonNeeded, CrossSiteRequest
    ),
)
async def reject_recovery(
    recovery_id: FromPath[UUID],
    data: JSONBody[RecoveryRejectionCreate],
    identity: NamedDependency[Identity],
    recoveries: NamedDependency[Recoveries],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> RecoveryOut:
    """Nothing comes of it."""
    return RecoveryOut.of(
        await recoveries.reject(agent=identity, recovery_id=recovery_id, reason=data.reason, at=real_now, visit=visit)
    )


@post(
    "/staff/customers/{customer_id:uuid}/securings",
    status_code=204,
    summary="Secure an account whose takeover was reported",
    tags=["Support"],
    guards=[requires(ACCOUNT_SECURE), recently_authenticated],
    responses=problems(
        NotSignedIn,
        NotPermitted,
        StepUpRequired,
        NotACustomer,
        AccountNotFound,
        AccountNotResettable,
        SecuringLimitReached,
        CrossSiteRequest,
    ),
)
async def secure_account(
    customer_id: FromPath[UUID],
    data: JSONBody[AccountSecuringCreate],
    identity: NamedDependency[Identity],
    account_securing: NamedDependency[AccountSecuring],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """End every session and void the password; the owner, who is told by mail, sets a new one by a mailed link."""
    await account_securing.secure(agent=identity, account_id=customer_id, reason=data.reason, at=real_now, visit=visit)


@post(
    "/recovery-completions",
    status_code=204,
    summary="Carry out what support asked for, by the mailed code",
    tags=["Account"],
    responses=problems(LinkNotValid, CrossSiteRequest, TooManyAttempts),
)
async def complete_recovery(
    data: JSONBody[RecoveryCompletionCreate],
    recovery_completion: NamedDependency[RecoveryCompletion],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Set the new address, or do without second factors; every session ends, and nobody is signed in by it."""
    await recovery_completion.complete(token=data.token, at=real_now, visit=visit)


async def note_look(session: AsyncSession, identity: Identity, *, at: datetime, visit: Visit) -> None:
    """Leave an audit entry of a look at the list."""
    await audit.record(
        session,
        at=at,
        actor=identity,
        action="recoveries.viewed",
        target_kind="console",
        target_id="recoveries",
        request_id=visit.request_id,
        ip=visit.ip,
    )


router = Router(
    "/v1",
    route_handlers=[
        file_recovery,
        show_recoveries,
        approve_recovery,
        reject_recovery,
        secure_account,
        complete_recovery,
    ],
)
