"""What a request's handlers can ask for by name, made from the process's parts and the request's transaction."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts import Accounts
from auth.authentication import identity_of, provide_identity, provide_visitor
from auth.colleagues import Colleagues
from auth.device_grants import DeviceGrants
from auth.email_change import EmailChange
from auth.erasure import Erasures
from auth.headers import header_of
from auth.identity import ALL_AGES, Identity
from auth.invitations import Invitations
from auth.own_passkeys import OwnPasskeys
from auth.parental_pin import ParentalPin
from auth.passkeys import Passkeys, RelyingParty
from auth.password_change import PasswordChange
from auth.password_reset import PasswordReset
from auth.profiles import Profiles
from auth.recovery.caller_codes import CODES, CallerCodes, CallerVerifications
from auth.recovery.carrying_out import RecoveryCompletion
from auth.recovery.requests import Recoveries
from auth.recovery.securing import AccountSecuring
from auth.recovery.support_actions import SupportActions
from auth.registration import Registration
from auth.second_factor import SecondFactors
from auth.sessions import Sessions
from auth.sign_in import SignIn
from auth.step_up import StepUp
from auth.viewing import Viewing
from auth.visits import Visit, provide_visit
from billing.checkout import Checkout
from billing.idempotency import provide_once
from billing.sale_refunds import SaleRefunds
from billing.webhooks import Webhooks
from billing.withdrawals import Withdrawals
from store.cases.cases import CustomerCases
from store.catalogue.film_page import CatalogueView
from store.composition import parts_of
from store.data_export import DataExports
from store.entitlement.devices import Devices
from store.entitlement.downloads import Downloads
from store.entitlement.playback import Playback
from store.entitlement.proved_requests import PlaybackMeans
from store.legal_texts import texts_of_registration
from store.mail_delivery import MailDeliveries
from store.problems import locale_of
from store.purchase import Purchase
from store.returned_mail import ReturnedMail
from store.support_desks import SUPPORT_DESKS

AnyRequest = Request[Any, Any, Any]
Session = NamedDependency[AsyncSession]


def dependencies() -> Mapping[str, Provide]:
    """Every name that a handler can ask for."""
    from_parts = {
        name: Provide(_part(name), sync_to_thread=False)
        for name in ("settings", "database", "jobs", "outbox", "throttle", "gateway", "payments", "clock")
    }
    looked_up = {
        "locale": Provide(_locale, sync_to_thread=False),
        "market": Provide(_market, sync_to_thread=False),
        "age_limit": Provide(_age_limit, sync_to_thread=False),
    }
    made: dict[str, Callable[..., Any]] = {
        "session": _session,
        "at": _at,
        "real_now": _real_now,
        "visitor": provide_visitor,
        "identity": provide_identity,
        "once": provide_once,
        "visit": provide_visit,
        "sessions": _sessions,
        "second_factors": _second_factors,
        "passkeys": _passkeys,
        "own_passkeys": _own_passkeys,
        "sign_ins": _sign_ins,
        "registration": _registration,
        "password_reset": _password_reset,
        "device_grants": _device_grants,
        "caller_verifications": _caller_verifications,
        "support_actions": _support_actions,
        "profiles": _profiles,
        "parental_pin": _parental_pin,
        "viewing": _viewing,
        "recoveries": _recoveries,
        "account_securing": _account_securing,
        "recovery_completion": _recovery_completion,
        "step_up": _step_up,
        "email_change": _email_change,
        "password_change": _password_change,
        "accounts": _accounts,
        "invitations": _invitations,
        "colleagues": _colleagues,
        "erasures": _erasures,
        "data_exports": _data_exports,
        "mail_deliveries": _mail_deliveries,
        "returned_mail": _returned_mail,
        "checkout": _checkout,
        "sale_refunds": _sale_refunds,
        "webhooks": _webhooks,
        "withdrawals": _withdrawals,
        "purchase": _purchase,
        "devices": _devices,
        "downloads": _downloads,
        "playback": _playback,
        "customer_cases": _customer_cases,
    }
    provided = {name: Provide(provider) for name, provider in {**made, **SUPPORT_DESKS}.items()}
    return {**from_parts, **looked_up, **provided}


def _part(name: str) -> Callable[..., Any]:
    def provide(state: State) -> Any:
        return getattr(state.parts, name)

    return provide


async def _session(state: State) -> AsyncIterator[AsyncSession]:
    """The request's one transaction."""
    async with parts_of(state).database.sessions.begin() as session:
        yield session


async def _at(state: State) -> datetime:
    """Business time."""
    return await parts_of(state).clock.now()


async def _real_now() -> datetime:
    """Security time."""
    return datetime.now(UTC)


async def view_of(request: AnyRequest) -> CatalogueView:
    """The catalogue as whoever asks sees it."""
    state = request.app.state
    parts = parts_of(state)
    at = await parts.clock.now()
    return CatalogueView(parts.database, _market(request, state), _locale(request), at, _age_limit(request))


async def playback_means_of(state: State) -> PlaybackMeans:
    """What heartbeats and licences work with."""
    parts = parts_of(state)
    return PlaybackMeans(parts.settings, parts.database, parts.tokens, parts.seal, await parts.clock.now())


def _locale(request: AnyRequest) -> str:
    """The page's language, or the one asked for, or the account's."""
    identity = identity_of(request)
    is_unsaid = not header_of(request.scope, b"accept-language")
    if identity is not None and is_unsaid and request.scope["path"].startswith("/v1/"):
        return identity.locale
    return locale_of(request)


def _market(request: AnyRequest, state: State) -> str:
    """The country of residence decides; a visitor may look around in another market."""
    identity = identity_of(request)
    if identity is not None:
        return identity.market
    parts = parts_of(state)
    wanted = request.query_params.get("market") if request.scope["query_string"] else None
    if wanted is None and header_of(request.scope, b"cookie"):
        wanted = request.cookies.get("market")
    return wanted if wanted in parts.markets else parts.settings.default_market


def _age_limit(request: AnyRequest) -> int:
    """Years up to which a title's age label may go for whoever asks."""
    identity = identity_of(request)
    return identity.viewer.age_limit if identity is not None else ALL_AGES


async def _sessions(state: State, session: Session) -> Sessions:
    return Sessions(session, parts_of(state).outbox)


async def _second_factors(state: State, session: Session) -> SecondFactors:
    parts = parts_of(state)
    return SecondFactors(session, parts.database, parts.throttle, parts.one_time_codes, parts.outbox)


async def _passkeys(state: State, session: Session) -> Passkeys:
    parts = parts_of(state)
    relying_party = RelyingParty(parts.settings.base_url)
    return Passkeys(session, parts.database, parts.throttle, parts.outbox, relying_party)


async def _own_passkeys(state: State, session: Session) -> OwnPasskeys:
    return OwnPasskeys(session, parts_of(state).outbox)


async def _sign_ins(
    state: State,
    session: Session,
    sessions: NamedDependency[Sessions],
    second_factors: NamedDependency[SecondFactors],
    passkeys: NamedDependency[Passkeys],
) -> SignIn:
    parts = parts_of(state)
    return SignIn(session, parts.database, parts.hasher, parts.throttle, sessions, second_factors, passkeys)


async def _registration(state: State, session: Session) -> Registration:
    parts = parts_of(state)
    return Registration(session, parts.database, parts.hasher, parts.throttle, parts.outbox, texts_of_registration)


async def _password_reset(state: State, session: Session) -> PasswordReset:
    parts = parts_of(state)
    return PasswordReset(session, parts.database, parts.hasher, parts.throttle, parts.outbox)


async def _profiles(session: Session) -> Profiles:
    return Profiles(session)


async def _parental_pin(state: State, session: Session) -> ParentalPin:
    parts = parts_of(state)
    return ParentalPin(session, parts.database, parts.hasher, parts.throttle)


async def _viewing(session: Session, parental_pin: NamedDependency[ParentalPin]) -> Viewing:
    return Viewing(session, parental_pin)


async def _device_grants(state: State, session: Session, sessions: NamedDependency[Sessions]) -> DeviceGrants:
    parts = parts_of(state)
    return DeviceGrants(session, parts.database, parts.throttle, sessions)


async def _caller_verifications(state: State, session: Session) -> CallerVerifications:
    parts = parts_of(state)
    codes = CallerCodes(parts.settings.derive(CODES))
    return CallerVerifications(session, parts.database, parts.outbox, codes)


async def _recoveries(state: State, session: Session) -> Recoveries:
    parts = parts_of(state)
    return Recoveries(session, parts.database, parts.outbox)


async def _account_securing(state: State, session: Session) -> AccountSecuring:
    parts = parts_of(state)
    return AccountSecuring(session, parts.database, parts.outbox)


async def _recovery_completion(state: State, session: Session) -> RecoveryCompletion:
    parts = parts_of(state)
    return RecoveryCompletion(session, parts.throttle, parts.outbox)


async def _support_actions(state: State, session: Session) -> SupportActions:
    return SupportActions(session, parts_of(state).throttle)


async def _step_up(
    state: State,
    session: Session,
    second_factors: NamedDependency[SecondFactors],
    passkeys: NamedDependency[Passkeys],
) -> StepUp:
    parts = parts_of(state)
    return StepUp(session, parts.database, parts.hasher, parts.throttle, second_factors, passkeys)


async def _password_change(state: State, session: Session, step_up: NamedDependency[StepUp]) -> PasswordChange:
    parts = parts_of(state)
    return PasswordChange(session, parts.hasher, parts.throttle, step_up, parts.outbox)


async def _email_change(state: State, session: Session) -> EmailChange:
    parts = parts_of(state)
    return EmailChange(session, parts.database, parts.throttle, parts.outbox)


async def _invitations(state: State, session: Session) -> Invitations:
    parts = parts_of(state)
    return Invitations(session, parts.database, parts.hasher, parts.throttle, parts.outbox)


async def _colleagues(state: State, session: Session) -> Colleagues:
    return Colleagues(session, parts_of(state).database)


async def _accounts(state: State, session: Session) -> Accounts:
    return Accounts(session, parts_of(state).hasher)


async def _erasures(state: State, session: Session) -> Erasures:
    parts = parts_of(state)
    return Erasures(session, parts.throttle, parts.outbox)


async def _data_exports(state: State, session: Session) -> DataExports:
    return DataExports(session, parts_of(state).throttle)


async def _mail_deliveries(state: State, session: Session) -> MailDeliveries:
    return parts_of(state).mail_deliveries(session)


async def _returned_mail(state: State, session: Session) -> ReturnedMail:
    return parts_of(state).returned_mail(session)


async def _checkout(state: State, session: Session) -> Checkout:
    return parts_of(state).checkout(session)


async def _sale_refunds(state: State, session: Session) -> SaleRefunds:
    return parts_of(state).sale_refunds(session)


async def _webhooks(state: State, session: Session) -> Webhooks:
    return parts_of(state).webhooks(session)


async def _withdrawals(state: State, session: Session) -> Withdrawals:
    parts = parts_of(state)
    return Withdrawals(session, parts.jobs, parts.outbox, parts.throttle)


async def _purchase(state: State, session: Session, checkout: NamedDependency[Checkout]) -> Purchase:
    return Purchase(session, checkout, parts_of(state).quote_seal)


async def _devices(session: Session, identity: NamedDependency[Identity], visit: NamedDependency[Visit]) -> Devices:
    return Devices(session, identity, visit)


async def _downloads(state: State, session: Session) -> Downloads:
    parts = parts_of(state)
    return Downloads(session, parts.database, parts.seal)


async def _playback(state: State, session: Session) -> Playback:
    parts = parts_of(state)
    return Playback(session, parts.database, parts.tokens, bool(parts.settings.hosted_drm))


async def _customer_cases(state: State, session: Session) -> CustomerCases:
    return CustomerCases(session, parts_of(state).throttle)
