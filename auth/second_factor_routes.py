"""The API of the second factor: the second step of a sign-in, setting a factor up, recovery codes, doing without."""

from collections.abc import Sequence
from datetime import datetime

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from auth.authentication import Identity, set_device_cookie, set_session_cookie, signed_in
from auth.errors import CrossSiteRequest, NotSignedIn, Overloaded, PasswordWrong, StepUpRequired, TooManyAttempts
from auth.factor_errors import CodeRefused, LastFactor, SecondFactorExists, SecondFactorMissing, StepNotValid
from auth.ports import AuthSettings
from auth.schemas import SessionOpened, problems
from auth.second_factor import SecondFactors
from auth.second_factor_schemas import (
    CodeCreate,
    RecoveryCodes,
    SecondFactorOffer,
    SecondFactorOfferCreate,
    SecondFactorOut,
    SecondStepCreate,
)
from auth.sessions import SignedIn
from auth.sign_in import SignIn
from auth.step_up import StepUp
from auth.visits import Visit


def session_opened(
    opened: SignedIn, *, by_cookie: bool, settings: AuthSettings, recovery_codes: Sequence[str] = ()
) -> Response[SessionOpened]:
    """The answer to a sign-in that is complete: with the bearer token, or beside the cookie."""
    response = Response(SessionOpened.of(opened, by_cookie=by_cookie, recovery_codes=recovery_codes), status_code=201)
    if by_cookie:
        set_session_cookie(response, opened.token, kind=opened.kind, settings=settings)
        set_device_cookie(response, opened.device_token, settings=settings)
    return response


@post(
    "/second-steps",
    summary="Finish a sign-in by the second factor",
    tags=["Sessions"],
    responses=problems(
        StepNotValid, CodeRefused, SecondFactorMissing, SecondFactorExists, CrossSiteRequest, TooManyAttempts
    ),
)
async def finish_sign_in(
    data: JSONBody[SecondStepCreate],
    sign_ins: NamedDependency[SignIn],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    visitor: NamedDependency[Identity | None],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[SessionOpened]:
    """Open the session. The first code of an authenticator that was offered with the first step sets it up."""
    done = await sign_ins.by_second_factor(
        token=data.token,
        code=data.code,
        at=real_now,
        visit=visit.on_device(data.device_token),
        previous=visitor,
    )
    return session_opened(
        done.signed_in,
        by_cookie=data.client == "web",
        settings=settings,
        recovery_codes=done.recovery_codes,
    )


@get(
    "/second-factor",
    summary="The own second factor",
    tags=["Second factor"],
    guards=[signed_in],
    responses=problems(NotSignedIn),
)
async def show_second_factor(
    identity: NamedDependency[Identity], second_factors: NamedDependency[SecondFactors]
) -> SecondFactorOut:
    """Since when there is one, and how many recovery codes are left."""
    state = await second_factors.state(account_id=identity.account_id)
    return SecondFactorOut(state.since, state.recovery_codes_left)


@post(
    "/second-factor-offers",
    summary="Begin to set up a second factor",
    tags=["Second factor"],
    guards=[signed_in],
    responses=problems(
        NotSignedIn,
        PasswordWrong,
        StepUpRequired,
        SecondFactorExists,
        CrossSiteRequest,
        TooManyAttempts,
        Overloaded,
    ),
)
async def offer_second_factor(
    data: JSONBody[SecondFactorOfferCreate],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    second_factors: NamedDependency[SecondFactors],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> SecondFactorOffer:
    """Get an authenticator's secret, against the password. It is in force once its first code has come back."""
    await step_up.prove(identity=identity, password=data.password, at=real_now, visit=visit)
    offer = await second_factors.offer(
        account_id=identity.account_id, holder=identity.session_id, label=identity.email, at=real_now
    )
    return SecondFactorOffer.of(offer)


@post(
    "/second-factor-confirmations",
    summary="Put the second factor into force",
    tags=["Second factor"],
    guards=[signed_in],
    responses=problems(
        NotSignedIn, CodeRefused, SecondFactorMissing, SecondFactorExists, CrossSiteRequest, TooManyAttempts
    ),
)
async def confirm_second_factor(
    data: JSONBody[CodeCreate],
    identity: NamedDependency[Identity],
    second_factors: NamedDependency[SecondFactors],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> RecoveryCodes:
    """Confirm the offered authenticator by its first code; the answer holds the recovery codes, once."""
    codes = await second_factors.confirm(
        account_id=identity.account_id,
        holder=identity.session_id,
        code=data.code,
        actor=identity,
        at=real_now,
        visit=visit,
    )
    return RecoveryCodes(list(codes))


@post(
    "/recovery-codes",
    summary="Get new recovery codes",
    tags=["Second factor"],
    guards=[signed_in],
    responses=problems(NotSignedIn, CodeRefused, SecondFactorMissing, CrossSiteRequest, TooManyAttempts),
)
async def renew_recovery_codes(
    data: JSONBody[CodeCreate],
    identity: NamedDependency[Identity],
    second_factors: NamedDependency[SecondFactors],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> RecoveryCodes:
    """Ten new ones against a code; the old ones are void."""
    codes = await second_factors.renew_recovery_codes(identity=identity, code=data.code, at=real_now, visit=visit)
    return RecoveryCodes(list(codes))


@post(
    "/second-factor-removals",
    status_code=204,
    summary="Do without the second factor",
    tags=["Second factor"],
    guards=[signed_in],
    responses=problems(NotSignedIn, CodeRefused, SecondFactorMissing, LastFactor, CrossSiteRequest, TooManyAttempts),
)
async def remove_second_factor(
    data: JSONBody[CodeCreate],
    identity: NamedDependency[Identity],
    second_factors: NamedDependency[SecondFactors],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Switch the app off, against one of its codes. Staff only beside a passkey: they always have a second factor."""
    await second_factors.remove(identity=identity, code=data.code, at=real_now, visit=visit)


handlers = [
    finish_sign_in,
    show_second_factor,
    offer_second_factor,
    confirm_second_factor,
    renew_recovery_codes,
    remove_second_factor,
]
