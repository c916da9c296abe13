"""The API of what one signs in with, for whoever is signed in: proving anew who is there, and a new password."""

from datetime import datetime
from typing import Any

from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from auth.authentication import Identity, set_session_cookie, signed_in
from auth.errors import (
    CrossSiteRequest,
    NotSignedIn,
    Overloaded,
    PasswordRefused,
    PasswordWrong,
    StepUpRequired,
    TooManyAttempts,
)
from auth.password_change import PasswordChange
from auth.ports import AuthSettings
from auth.schemas import PasswordChangeCreate, SessionRenewed, StepUpCreate, problems
from auth.step_up import FRESH, StepUp
from auth.visits import Visit


@post(
    "/step-ups",
    summary="Prove anew who is there",
    tags=["Sessions"],
    guards=[signed_in],
    responses=problems(NotSignedIn, PasswordWrong, CrossSiteRequest, TooManyAttempts, Overloaded),
)
async def confirm_password(
    data: JSONBody[StepUpCreate],
    request: Request[Any, Any, Any],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[SessionRenewed]:
    """Open what answers `step_up_required`, for fifteen minutes. The session gets a new token, and its old one ends."""
    token = await step_up.confirm(identity=identity, password=data.password, at=real_now, visit=visit)
    return _renewed(request, identity, token, at=real_now, settings=settings)


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
    return _renewed(request, identity, token, at=real_now, settings=settings)


def _renewed(
    request: Request[Any, Any, Any], identity: Identity, token: str, *, at: datetime, settings: AuthSettings
) -> Response[SessionRenewed]:
    by_cookie = request.auth == "cookie"
    response = Response(SessionRenewed(token=None if by_cookie else token, fresh_until=at + FRESH), status_code=201)
    if by_cookie:
        set_session_cookie(response, token, kind=identity.session_kind, settings=settings)
    return response


router = Router("/v1", route_handlers=[confirm_password, change_password])
