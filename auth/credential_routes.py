"""The API of what one signs in with: proving anew who is there, another password, another address."""

from datetime import datetime
from typing import Any

from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from auth.authentication import Identity, customer_only, set_session_cookie, signed_in
from auth.email_change import EmailChange
from auth.errors import (
    CrossSiteRequest,
    CustomersOnly,
    EmailAddressInvalid,
    EmailAddressUnchanged,
    LinkNotValid,
    NotSignedIn,
    Overloaded,
    PasswordRefused,
    PasswordWrong,
    SecondFactorRequired,
    StepUpRequired,
    TooManyAttempts,
)
from auth.factor_errors import CodeRefused, SecondFactorMissing
from auth.password_change import PasswordChange
from auth.ports import AuthSettings
from auth.schemas import (
    Accepted,
    EmailChangeConfirmationCreate,
    EmailChangeCreate,
    EmailChangeUndoCreate,
    PasswordChangeCreate,
    SessionRenewed,
    StepUpCreate,
    problems,
)
from auth.step_up import FRESH, StepUp, recently_authenticated
from auth.visits import Visit


@post(
    "/step-ups",
    for_every_age=True,
    summary="Prove anew who is there",
    tags=["Sessions"],
    guards=[signed_in],
    responses=problems(
        NotSignedIn,
        PasswordWrong,
        SecondFactorRequired,
        CodeRefused,
        SecondFactorMissing,
        CrossSiteRequest,
        TooManyAttempts,
        Overloaded,
    ),
)
async def step_up_by_password(
    data: JSONBody[StepUpCreate],
    request: Request[Any, Any, Any],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[SessionRenewed]:
    """Open what answers `step_up_required`, for fifteen minutes. The session gets a new token, and its old one ends."""
    token = await step_up.confirm(identity=identity, password=data.password, code=data.code, at=real_now, visit=visit)
    return session_renewed(request, identity, token, at=real_now, settings=settings)


@post(
    "/password-changes",
    summary="Change the own password",
    tags=["Password"],
    guards=[signed_in],
    responses=problems(
        NotSignedIn, PasswordWrong, PasswordRefused, StepUpRequired, CrossSiteRequest, TooManyAttempts, Overloaded
    ),
)
async def change_password(
    data: JSONBody[PasswordChangeCreate],
    request: Request[Any, Any, Any],
    identity: NamedDependency[Identity],
    password_change: NamedDependency[PasswordChange],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[SessionRenewed]:
    """Set a new password. All other sessions end, this one gets a new token, and the owner is told by mail."""
    token = await password_change.change(
        identity=identity, current=data.current_password, password=data.password, at=real_now, visit=visit
    )
    return session_renewed(request, identity, token, at=real_now, settings=settings)


@post(
    "/email-changes",
    status_code=202,
    summary="Ask for another e-mail address",
    tags=["Account"],
    guards=[customer_only, recently_authenticated],
    responses=problems(
        NotSignedIn,
        CustomersOnly,
        StepUpRequired,
        EmailAddressInvalid,
        EmailAddressUnchanged,
        CrossSiteRequest,
        TooManyAttempts,
    ),
)
async def request_email_change(
    data: JSONBody[EmailChangeCreate],
    identity: NamedDependency[Identity],
    email_change: NamedDependency[EmailChange],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Accepted:
    """Have a link mailed to the new address, and the old one told. The answer is the same for every new address."""
    await email_change.request(identity=identity, email=data.email, at=real_now, visit=visit)
    return Accepted()


@post(
    "/email-change-confirmations",
    status_code=204,
    summary="Confirm the new e-mail address",
    tags=["Account"],
    guards=[customer_only],
    responses=problems(NotSignedIn, CustomersOnly, LinkNotValid, CrossSiteRequest, TooManyAttempts),
)
async def confirm_email_change(
    data: JSONBody[EmailChangeConfirmationCreate],
    identity: NamedDependency[Identity],
    email_change: NamedDependency[EmailChange],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Let the new address take effect, for the account that asked. Every other session of it ends."""
    await email_change.confirm(identity=identity, token=data.token, at=real_now, visit=visit)


@post(
    "/email-change-undos",
    status_code=204,
    summary="Undo a change of e-mail address",
    tags=["Account"],
    responses=problems(LinkNotValid, CrossSiteRequest, TooManyAttempts),
)
async def undo_email_change(
    data: JSONBody[EmailChangeUndoCreate],
    email_change: NamedDependency[EmailChange],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Give the account its old address back; every session ends, and a link for a new password goes there."""
    await email_change.undo(token=data.token, at=real_now, visit=visit)


def session_renewed(
    request: Request[Any, Any, Any], identity: Identity, token: str, *, at: datetime, settings: AuthSettings
) -> Response[SessionRenewed]:
    """The answer to a proof: the session goes on under a new token, by bearer or in the cookie."""
    by_cookie = request.auth == "cookie"
    response = Response(SessionRenewed(token=None if by_cookie else token, fresh_until=at + FRESH), status_code=201)
    if by_cookie:
        set_session_cookie(response, token, kind=identity.session_kind, settings=settings)
    return response


router = Router(
    "/v1",
    route_handlers=[
        step_up_by_password,
        change_password,
        request_email_change,
        confirm_email_change,
        undo_email_change,
    ],
)
