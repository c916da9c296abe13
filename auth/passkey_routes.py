"""The API of passkeys: making, naming and removing one's own, signing in by one, and proving anew who is there."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, set_passkey_cookie, signed_in
from auth.credential_routes import session_renewed
from auth.errors import AccountDisabled, CrossSiteRequest, NotSignedIn, StepUpRequired, TooManyAttempts
from auth.factor_errors import (
    LastFactor,
    PasskeyExists,
    PasskeyNotFound,
    PasskeyRefused,
    SecondFactorExists,
    StepNotValid,
    TooManyPasskeys,
)
from auth.own_passkeys import OwnPasskeys
from auth.passkey_schemas import (
    FirstPasskeyCreate,
    FirstPasskeyOfferCreate,
    PasskeyChallengeCreate,
    PasskeyChallengeOut,
    PasskeyChange,
    PasskeyCreate,
    PasskeyList,
    PasskeyOffer,
    PasskeyOut,
    PasskeySecondStepCreate,
    PasskeySignInCreate,
    PasskeyStepUpCreate,
)
from auth.passkeys import CHALLENGE_LIVES, Passkeys, list_passkeys
from auth.ports import AuthSettings
from auth.schemas import SessionOpened, SessionRenewed, problems
from auth.second_factor_routes import session_opened
from auth.sign_in import SignIn
from auth.step_up import StepUp, recently_authenticated
from auth.visits import Visit


@get(
    "/passkeys",
    summary="List the own passkeys",
    tags=["Passkeys"],
    guards=[signed_in],
    responses=problems(NotSignedIn),
)
async def show_passkeys(identity: NamedDependency[Identity], session: NamedDependency[AsyncSession]) -> PasskeyList:
    """What they are called, since when they are there and when each was used last."""
    found = await list_passkeys(session, account_id=identity.account_id)
    return PasskeyList([PasskeyOut.of(passkey) for passkey in found])


@post(
    "/passkey-offers",
    summary="Begin to add a passkey",
    tags=["Passkeys"],
    guards=[signed_in, recently_authenticated],
    responses=problems(NotSignedIn, StepUpRequired, CrossSiteRequest, TooManyAttempts),
)
async def offer_passkey(
    identity: NamedDependency[Identity],
    passkeys: NamedDependency[Passkeys],
    real_now: NamedDependency[datetime],
) -> PasskeyOffer:
    """What the authenticator of this browser or app needs to make one; for five minutes, and for this session alone."""
    options = await passkeys.offer(account_id=identity.account_id, holder=identity.session_id, at=real_now)
    return PasskeyOffer(options, real_now + CHALLENGE_LIVES)


@post(
    "/passkeys",
    summary="Add a passkey",
    tags=["Passkeys"],
    guards=[signed_in, recently_authenticated],
    responses=problems(NotSignedIn, StepUpRequired, PasskeyRefused, PasskeyExists, TooManyPasskeys, CrossSiteRequest),
)
async def add_passkey(
    data: JSONBody[PasskeyCreate],
    identity: NamedDependency[Identity],
    passkeys: NamedDependency[Passkeys],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> PasskeyOut:
    """Keep the passkey that was made for the offer. It signs in at once, and the owner is told by mail."""
    added = await passkeys.register(
        account_id=identity.account_id,
        holder=identity.session_id,
        answer=msgspec.to_builtins(data.credential),
        name=data.name.strip(),
        actor=identity,
        at=real_now,
        visit=visit,
    )
    return PasskeyOut.of(added)


@patch(
    "/passkeys/{passkey_id:uuid}",
    summary="Rename a passkey",
    tags=["Passkeys"],
    guards=[signed_in],
    responses=problems(NotSignedIn, PasskeyNotFound, CrossSiteRequest),
)
async def rename_passkey(
    passkey_id: FromPath[UUID],
    data: JSONBody[PasskeyChange],
    identity: NamedDependency[Identity],
    own_passkeys: NamedDependency[OwnPasskeys],
) -> PasskeyOut:
    """Call it something else."""
    return PasskeyOut.of(await own_passkeys.rename(identity=identity, passkey_id=passkey_id, name=data.name.strip()))


@delete(
    "/passkeys/{passkey_id:uuid}",
    summary="Remove a passkey",
    tags=["Passkeys"],
    guards=[signed_in, recently_authenticated],
    responses=problems(NotSignedIn, StepUpRequired, PasskeyNotFound, LastFactor, CrossSiteRequest),
)
async def remove_passkey(
    passkey_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    own_passkeys: NamedDependency[OwnPasskeys],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Let it open nothing any more, at once. Staff keep at least one second factor."""
    await own_passkeys.remove(identity=identity, passkey_id=passkey_id, at=real_now, visit=visit)


@post(
    "/passkey-challenges",
    for_every_age=True,
    summary="Get something for a passkey to sign",
    tags=["Passkeys"],
    responses=problems(NotSignedIn, StepNotValid, CrossSiteRequest, TooManyAttempts),
)
async def ask_passkey(
    data: JSONBody[PasskeyChallengeCreate],
    request: Request[Any, Any, Any],
    sign_ins: NamedDependency[SignIn],
    step_up: NamedDependency[StepUp],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    visitor: NamedDependency[Identity | None],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[PasskeyChallengeOut]:
    """Good once, for five minutes, and only for who asked. For `sign_in` nobody says who they are."""
    by_cookie, token = data.client == "web", None
    match data.purpose:
        case "step_up":
            if visitor is None:
                raise NotSignedIn
            options = await step_up.ask_passkey(identity=visitor, at=real_now)
        case "second_step":
            step = data.token or (request.cookies.get(settings.step_cookie) if by_cookie else None)
            options = await sign_ins.ask_passkey_after_password(token=step or "", at=real_now)
        case "sign_in":
            held = request.cookies.get(settings.passkey_cookie) if by_cookie else None
            visit = visit.on_device(data.device_token)
            token, options = await sign_ins.ask_passkey(held=held, at=real_now, visit=visit)
    shown = None if by_cookie else token
    response = Response(PasskeyChallengeOut(shown, options, real_now + CHALLENGE_LIVES), status_code=201)
    if by_cookie and token:
        set_passkey_cookie(response, token, lives=CHALLENGE_LIVES, settings=settings)
    return response


@post(
    "/passkey-sign-ins",
    summary="Sign in by a passkey",
    tags=["Passkeys"],
    responses=problems(PasskeyRefused, AccountDisabled, CrossSiteRequest, TooManyAttempts),
)
async def sign_in_by_passkey(
    data: JSONBody[PasskeySignInCreate],
    request: Request[Any, Any, Any],
    sign_ins: NamedDependency[SignIn],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    visitor: NamedDependency[Identity | None],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[SessionOpened]:
    """Open a session without address and password. It counts as two factors: the device, and who unlocked it."""
    by_cookie = data.client == "web"
    token = data.token or (request.cookies.get(settings.passkey_cookie) if by_cookie else None)
    opened = await sign_ins.by_passkey(
        token=token or "",
        answer=msgspec.to_builtins(data.credential),
        client=data.client,
        at=real_now,
        visit=visit.on_device(data.device_token),
        previous=visitor,
    )
    return session_opened(opened, by_cookie=by_cookie, settings=settings)


@post(
    "/passkey-second-steps",
    summary="Finish a sign-in by a passkey",
    tags=["Passkeys"],
    responses=problems(StepNotValid, PasskeyRefused, CrossSiteRequest, TooManyAttempts),
)
async def finish_sign_in_by_passkey(
    data: JSONBody[PasskeySecondStepCreate],
    sign_ins: NamedDependency[SignIn],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    visitor: NamedDependency[Identity | None],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[SessionOpened]:
    """Open the session after the password, with a passkey in place of a code."""
    opened = await sign_ins.by_passkey_after_password(
        token=data.token,
        answer=msgspec.to_builtins(data.credential),
        at=real_now,
        visit=visit.on_device(data.device_token),
        previous=visitor,
    )
    return session_opened(opened, by_cookie=data.client == "web", settings=settings)


@post(
    "/first-passkey-offers",
    summary="Begin to set up a passkey as the second factor",
    tags=["Passkeys"],
    responses=problems(StepNotValid, SecondFactorExists, CrossSiteRequest, TooManyAttempts),
)
async def offer_first_passkey(
    data: JSONBody[FirstPasskeyOfferCreate],
    request: Request[Any, Any, Any],
    sign_ins: NamedDependency[SignIn],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    real_now: NamedDependency[datetime],
) -> PasskeyOffer:
    """In place of the app that a first step offers to staff without a second factor."""
    token = data.token or (request.cookies.get(settings.step_cookie) if data.client == "web" else None)
    options = await sign_ins.offer_first_passkey(token=token or "", at=real_now)
    return PasskeyOffer(options, real_now + CHALLENGE_LIVES)


@post(
    "/first-passkeys",
    summary="Finish a sign-in by a new passkey",
    tags=["Passkeys"],
    responses=problems(StepNotValid, SecondFactorExists, PasskeyRefused, PasskeyExists, CrossSiteRequest),
)
async def add_first_passkey(
    data: JSONBody[FirstPasskeyCreate],
    sign_ins: NamedDependency[SignIn],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    visitor: NamedDependency[Identity | None],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[SessionOpened]:
    """Keep the passkey and open the session; from now on it is the second factor, and one alone."""
    opened = await sign_ins.by_first_passkey(
        token=data.token,
        answer=msgspec.to_builtins(data.credential),
        name=data.name.strip(),
        at=real_now,
        visit=visit.on_device(data.device_token),
        previous=visitor,
    )
    return session_opened(opened, by_cookie=data.client == "web", settings=settings)


@post(
    "/passkey-step-ups",
    for_every_age=True,
    summary="Prove anew who is there by a passkey",
    tags=["Passkeys"],
    guards=[signed_in],
    responses=problems(NotSignedIn, PasskeyRefused, CrossSiteRequest, TooManyAttempts),
)
async def step_up_by_passkey(
    data: JSONBody[PasskeyStepUpCreate],
    request: Request[Any, Any, Any],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[SessionRenewed]:
    """As `POST /v1/step-ups`, without password and code."""
    token = await step_up.confirm_by_passkey(
        identity=identity, answer=msgspec.to_builtins(data.credential), at=real_now, visit=visit
    )
    return session_renewed(request, identity, token, at=real_now, settings=settings)


handlers = [
    show_passkeys,
    offer_passkey,
    add_passkey,
    rename_passkey,
    remove_passkey,
    ask_passkey,
    sign_in_by_passkey,
    finish_sign_in_by_passkey,
    offer_first_passkey,
    add_first_passkey,
    step_up_by_passkey,
]
