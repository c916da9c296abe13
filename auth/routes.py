"""The API of accounts: registering, signing in and out, a new password, and support's part in it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, SkipValidation
from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts import list_profiles
from auth.authentication import (
    Identity,
    clear_session_cookie,
    signed_in,
)
from auth.colleague_routes import handlers as colleague_handlers
from auth.entrance import entrance
from auth.errors import (
    AccountDisabled,
    AccountNotFound,
    AccountNotResettable,
    AddressChangedLately,
    ConfirmationRefused,
    CrossSiteRequest,
    EmailAddressInvalid,
    LinkNotValid,
    NotACustomer,
    NotPermitted,
    NotSignedIn,
    Overloaded,
    PasswordRefused,
    ResetLimitReached,
    SessionNotFound,
    SignInRefused,
    StepUpRequired,
    TooManyAttempts,
)
from auth.models import Account
from auth.passkey_routes import handlers as passkey_handlers
from auth.password_reset import PasswordReset
from auth.ports import AuthSettings
from auth.profile_routes import handlers as profile_handlers
from auth.recovery.errors import CallerNotProved
from auth.registration import Registration
from auth.schemas import (
    Accepted,
    AccountOut,
    PasswordResetCompletionCreate,
    PasswordResetCreate,
    PasswordResetStarted,
    RegistrationConfirmationCreate,
    RegistrationCreate,
    SessionCreate,
    SessionList,
    SessionOpened,
    SessionOut,
    StaffPasswordResetCreate,
    problems,
)
from auth.second_factor_routes import handlers as second_factor_handlers
from auth.second_factor_routes import session_opened
from auth.second_factor_schemas import SecondFactorDue, SecondFactorOffer
from auth.sessions import Sessions, list_sessions
from auth.sign_in import SignIn, StepDue
from auth.step_up import recently_authenticated
from auth.visits import Visit


@post(
    "/registrations",
    status_code=202,
    summary="Register as a customer",
    middleware=[entrance],
    tags=["Account"],
    responses=problems(EmailAddressInvalid, PasswordRefused, CrossSiteRequest, TooManyAttempts, Overloaded),
)
async def register(
    data: JSONBody[RegistrationCreate],
    registration: NamedDependency[Registration],
    locale: NamedDependency[str],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Accepted:
    """Note the wish and send a mail. The answer is the same whether the address already has an account or not.

    Registering agrees to the terms and tells of the privacy notice, both in the version current now: show them before.
    """
    await registration.begin(
        email=data.email,
        password=data.password,
        residence_country=data.residence_country,
        locale=data.locale or locale,
        profile_name=data.profile_name,
        channel="app",
        at=real_now,
        visit=visit,
    )
    return Accepted()


@post(
    "/registration-confirmations",
    summary="Confirm the address and open the account",
    tags=["Account"],
    responses=problems(LinkNotValid, ConfirmationRefused, CrossSiteRequest, TooManyAttempts, Overloaded),
)
async def confirm_registration(
    data: JSONBody[RegistrationConfirmationCreate],
    registration: NamedDependency[Registration],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> AccountOut:
    """Open the account for whoever has the mailed code and knows the password chosen at registration."""
    account = await registration.confirm(token=data.token, password=data.password, at=real_now, visit=visit)
    return AccountOut.of(account, await list_profiles(session, account_id=account.id))


@post(
    "/sessions",
    summary="Sign in",
    middleware=[entrance],
    tags=["Sessions"],
    responses={
        **problems(SignInRefused, AccountDisabled, CrossSiteRequest, TooManyAttempts, Overloaded),
        202: ResponseSpec(SecondFactorDue, description="The second factor is still due.", generate_examples=False),
    },
)
async def sign_in(
    data: JSONBody[SessionCreate],
    sign_ins: NamedDependency[SignIn],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    visitor: NamedDependency[Identity | None],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[SessionOpened]:
    """Open a session: a bearer token for apps, a cookie for browsers. An older session of the request ends.

    Where the account has a second factor, or must have one (staff), the answer is 202 and the sign-in goes on at
    `POST /v1/second-steps` with a code, or at `POST /v1/passkey-second-steps` with a passkey.
    """
    opened = await sign_ins.by_password(
        email=data.email,
        password=data.password,
        client=data.client,
        at=real_now,
        visit=visit.on_device(data.device_token),
        previous=visitor,
    )
    if isinstance(opened, StepDue):
        offer = SecondFactorOffer.of(opened.offer) if opened.offer else None
        body = SecondFactorDue(
            opened.token, offer, opened.expires_at, takes_code=opened.takes_code, takes_passkey=opened.takes_passkey
        )
        due: Response[Any] = Response(body, status_code=202)
        return due
    return session_opened(opened, by_cookie=data.client == "web", settings=settings)


@get(
    "/sessions",
    summary="List where the account is signed in",
    tags=["Sessions"],
    guards=[signed_in],
    responses=problems(NotSignedIn),
)
async def show_sessions(
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> SessionList:
    """All living sessions of the own account, the last used first."""
    found = await list_sessions(session, account_id=identity.account_id, at=real_now)
    return SessionList([SessionOut.of(one, current=identity.session_id) for one in found])


@delete(
    "/sessions/current",
    for_every_age=True,
    summary="Sign out",
    tags=["Sessions"],
    guards=[signed_in],
    responses=problems(NotSignedIn, CrossSiteRequest),
)
async def sign_out(
    identity: NamedDependency[Identity],
    sessions: NamedDependency[Sessions],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[None]:
    """End the session that asks."""
    await sessions.end(identity=identity, session_id=identity.session_id, at=real_now, visit=visit)
    response = Response(None, status_code=204)
    clear_session_cookie(response, settings=settings)
    return response


@delete(
    "/sessions/{session_id:uuid}",
    summary="End one session",
    tags=["Sessions"],
    guards=[signed_in],
    responses=problems(NotSignedIn, SessionNotFound, CrossSiteRequest),
)
async def end_session(
    session_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    sessions: NamedDependency[Sessions],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Sign one browser or app of the own account out, at once."""
    await sessions.end(identity=identity, session_id=session_id, at=real_now, visit=visit)


@delete(
    "/sessions",
    summary="Sign out everywhere",
    tags=["Sessions"],
    guards=[signed_in],
    responses=problems(NotSignedIn, CrossSiteRequest),
)
async def sign_out_everywhere(
    identity: NamedDependency[Identity],
    sessions: NamedDependency[Sessions],
    settings: NamedDependency[SkipValidation[AuthSettings]],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Response[None]:
    """End every session of the own account, the one that asks included."""
    await sessions.end_all(identity=identity, at=real_now, visit=visit)
    response = Response(None, status_code=204)
    clear_session_cookie(response, settings=settings)
    return response


@get(
    "/account",
    for_every_age=True,
    summary="The own account",
    tags=["Account"],
    guards=[signed_in],
    responses=problems(NotSignedIn),
)
async def show_account(identity: NamedDependency[Identity], session: NamedDependency[AsyncSession]) -> AccountOut:
    """Address, language, country of residence, profiles and roles."""
    account = await session.get_one(Account, identity.account_id)
    profiles = await list_profiles(session, account_id=account.id)
    return AccountOut.of(account, profiles, roles=identity.roles, permissions=identity.permissions)


@post(
    "/password-resets",
    status_code=202,
    summary="Ask for a new password",
    tags=["Password"],
    responses=problems(EmailAddressInvalid, CrossSiteRequest, TooManyAttempts),
)
async def request_password_reset(
    data: JSONBody[PasswordResetCreate],
    password_reset: NamedDependency[PasswordReset],
    locale: NamedDependency[str],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Accepted:
    """Have a link mailed, if the address has an account. The answer does not tell."""
    visit = visit.on_device(data.device_token)
    await password_reset.request(email=data.email, locale=locale, at=real_now, visit=visit)
    return Accepted()


@post(
    "/password-reset-completions",
    status_code=204,
    summary="Set the new password",
    tags=["Password"],
    responses=problems(LinkNotValid, PasswordRefused, CrossSiteRequest, TooManyAttempts, Overloaded),
)
async def complete_password_reset(
    data: JSONBody[PasswordResetCompletionCreate],
    password_reset: NamedDependency[PasswordReset],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Set the password and sign the account out everywhere. A refused password leaves the link usable."""
    await password_reset.complete(token=data.token, password=data.password, at=real_now, visit=visit)


@post(
    "/staff/customers/{customer_id:uuid}/password-resets",
    status_code=202,
    summary="Send a customer a link for a new password",
    tags=["Support"],
    guards=[signed_in, recently_authenticated],
    responses=problems(
        NotSignedIn,
        StepUpRequired,
        NotPermitted,
        NotACustomer,
        AccountNotFound,
        AccountNotResettable,
        AddressChangedLately,
        CallerNotProved,
        ResetLimitReached,
        CrossSiteRequest,
    ),
)
async def start_password_reset(
    customer_id: FromPath[UUID],
    data: JSONBody[StaffPasswordResetCreate],
    identity: NamedDependency[Identity],
    password_reset: NamedDependency[PasswordReset],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> PasswordResetStarted:
    """Have the link mailed to the customer's stored address. Support sees neither link nor password.

    The mail says that support started it, and holds a second link that calls it off.

    The permission is checked inside, so that a refused try is in the audit trail with its target.
    """
    started = await password_reset.start_for_customer(
        agent=identity,
        account_id=customer_id,
        reason=data.reason,
        verification_id=data.verification_id,
        at=real_now,
        visit=visit,
    )
    return PasswordResetStarted.of(started)


router = Router(
    "/v1",
    route_handlers=[
        register,
        confirm_registration,
        sign_in,
        show_sessions,
        sign_out,
        end_session,
        sign_out_everywhere,
        show_account,
        request_password_reset,
        complete_password_reset,
        start_password_reset,
        *second_factor_handlers,
        *profile_handlers,
        *passkey_handlers,
        *colleague_handlers,
    ],
)
