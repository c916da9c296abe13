"""The API of helping people back in: support's codes for callers, and what owners see and call off of it."""

from datetime import datetime
from uuid import UUID

from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from auth.authentication import Identity, customer_only, requires
from auth.errors import (
    AccountNotFound,
    AccountNotResettable,
    AddressChangedLately,
    CrossSiteRequest,
    CustomersOnly,
    LinkNotValid,
    NotACustomer,
    NotPermitted,
    NotSignedIn,
    TooManyAttempts,
)
from auth.permissions import CALLER_VERIFY
from auth.recovery.caller_codes import CallerVerifications
from auth.recovery.errors import (
    CallerCodeLimitReached,
    CallerCodeNotFound,
    CallerCodeRefused,
    SupportActionNotFound,
)
from auth.recovery.schemas import (
    CallerCodeOut,
    CallerVerificationConfirm,
    CallerVerificationCreate,
    CallerVerificationOut,
    SupportActionList,
    SupportActionOut,
    SupportCancellationCreate,
)
from auth.recovery.support_actions import SupportActions
from auth.schemas import problems
from auth.visits import Visit


@post(
    "/staff/customers/{customer_id:uuid}/caller-verifications",
    summary="Give a customer a code that the caller reads out",
    tags=["Support"],
    guards=[requires(CALLER_VERIFY)],
    responses=problems(
        NotSignedIn,
        NotPermitted,
        NotACustomer,
        AccountNotFound,
        AccountNotResettable,
        AddressChangedLately,
        CallerCodeLimitReached,
        CrossSiteRequest,
    ),
)
async def request_caller_code(
    customer_id: FromPath[UUID],
    data: JSONBody[CallerVerificationCreate],
    identity: NamedDependency[Identity],
    caller_verifications: NamedDependency[CallerVerifications],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> CallerVerificationOut:
    """Mail the code to the stored address, or show it where the customer is signed in. An older one is void.

    Support never sees the code. It holds for ten minutes and five tries.
    """
    asked = await caller_verifications.request(
        agent=identity, account_id=customer_id, channel=data.channel, at=real_now, visit=visit
    )
    return CallerVerificationOut.of(*asked)


@post(
    "/staff/caller-verifications/{verification_id:uuid}/confirmations",
    status_code=200,
    summary="Check the code that a caller read out",
    tags=["Support"],
    guards=[requires(CALLER_VERIFY)],
    responses=problems(NotSignedIn, NotPermitted, CallerCodeNotFound, CallerCodeRefused, CrossSiteRequest),
)
async def confirm_caller_code(
    verification_id: FromPath[UUID],
    data: JSONBody[CallerVerificationConfirm],
    identity: NamedDependency[Identity],
    caller_verifications: NamedDependency[CallerVerifications],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> CallerVerificationOut:
    """Prove the caller: for half an hour the agent can name this verification in what follows."""
    proved = await caller_verifications.confirm(
        agent=identity, verification_id=verification_id, code=data.code, at=real_now, visit=visit
    )
    return CallerVerificationOut.of(*proved)


@get(
    "/caller-codes/current",
    summary="The code to read to our support",
    tags=["Account"],
    guards=[customer_only],
    responses=problems(NotSignedIn, CustomersOnly, CallerCodeNotFound),
)
async def show_caller_code(
    identity: NamedDependency[Identity],
    caller_verifications: NamedDependency[CallerVerifications],
    real_now: NamedDependency[datetime],
) -> CallerCodeOut:
    """What an app shows while its owner is on the telephone with us, if support chose to have it shown."""
    code, expires_at = await caller_verifications.shown_code(account_id=identity.account_id, at=real_now)
    return CallerCodeOut(code=code, expires_at=expires_at)


@get(
    "/support-actions",
    summary="What our support began on the own account",
    tags=["Account"],
    guards=[customer_only],
    responses=problems(NotSignedIn, CustomersOnly),
)
async def list_support_actions(
    identity: NamedDependency[Identity],
    support_actions: NamedDependency[SupportActions],
    real_now: NamedDependency[datetime],
) -> SupportActionList:
    """What is under way and can be called off."""
    found = await support_actions.under_way(account_id=identity.account_id, at=real_now)
    return SupportActionList([SupportActionOut.of(one) for one in found])


@delete(
    "/support-actions/{action_id:uuid}",
    summary="Call off what our support began",
    tags=["Account"],
    guards=[customer_only],
    responses=problems(NotSignedIn, CustomersOnly, SupportActionNotFound, CrossSiteRequest),
)
async def cancel_support_action(
    action_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    support_actions: NamedDependency[SupportActions],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """From any signed-in session. The agent who began it is noted with it."""
    await support_actions.cancel(identity=identity, action_id=action_id, at=real_now, visit=visit)


@post(
    "/support-action-cancellations",
    status_code=204,
    summary="Call off what our support began, by the mailed code",
    tags=["Account"],
    responses=problems(LinkNotValid, CrossSiteRequest, TooManyAttempts),
)
async def cancel_by_link(
    data: JSONBody[SupportCancellationCreate],
    support_actions: NamedDependency[SupportActions],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Without signing in: whoever reads the mail can say that they did not want it."""
    await support_actions.cancel_by_link(token=data.token, at=real_now, visit=visit)


router = Router(
    "/v1",
    route_handlers=[
        request_caller_code,
        confirm_caller_code,
        show_caller_code,
        list_support_actions,
        cancel_support_action,
        cancel_by_link,
    ],
)
