"""Pages of the account: language and residence, where it is signed in, the market of a visitor."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts import change_settings
from auth.authentication import Identity, customer_only, signed_in
from auth.models import Account, Session
from auth.password_reset import PasswordReset
from auth.recovery.caller_codes import CallerVerifications
from auth.recovery.support_actions import SupportActions
from auth.sessions import Sessions, list_sessions
from auth.visits import Visit, browser_of
from store.mail_delivery import FINE, MailDeliveries
from store.web.forms import Text
from store.web.pages import Frame, local_path
from store.web.sign_in_pages import countries
from store.web.support_action_pages import support_of

MARKET_KEPT: Final = 365 * 86_400
"""Seconds for which a browser keeps the market that a visitor chose."""


class SettingsForm(msgspec.Struct, frozen=True):
    """Language and residence."""

    locale: Text = ""
    country: Text = ""


class MarketForm(msgspec.Struct, frozen=True):
    """In which market a visitor looks around."""

    market: Text = ""
    next: Text = ""


@get("/account", guards=[signed_in])
async def show_account(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    mail_deliveries: NamedDependency[MailDeliveries],
    caller_verifications: NamedDependency[CallerVerifications],
    support_actions: NamedDependency[SupportActions],
    real_now: NamedDependency[datetime],
) -> Response[str]:
    """The account: language, residence, password, where it is signed in, and what support began."""
    account = await session.get_one(Account, identity.account_id)
    living = await list_sessions(session, account_id=identity.account_id, at=real_now)
    return frame.page(
        "account/account.html",
        account={
            "locale": account.locale,
            "country": account.residence_country or "",
            "created_at": account.created_at,
        },
        mail=await mail_deliveries.of(identity.account_id) if identity.is_customer else FINE,
        sessions=[_session_line(frame, identity, one) for one in living],
        countries=countries(frame),
        errors={},
        **await support_of(identity, caller_verifications, support_actions, real_now=real_now),
    )


def _session_line(frame: Frame, identity: Identity, session: Session) -> dict[str, object]:
    kind = frame.w.texts.get(f"account.session_{session.kind}", frame.w.text("account.session_unknown"))
    return {
        "id": session.id,
        "label": f"{kind} · {program_of(session.ua_short)}" if session.ua_short else kind,
        "current": session.id == identity.session_id,
        "last_seen_at": session.last_seen_at,
        "place": session.ip_trunc,
        "country": frame.w.territory(session.country) if session.country else "",
    }


def program_of(user_agent: str | None) -> str:
    """A browser's or app's name in a User-Agent, as far as it can be told; else its first word."""
    agent = user_agent or ""
    return browser_of(agent) or agent.split("/")[0][:40]


@post("/account", guards=[signed_in])
async def change_account(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[SettingsForm],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Change language and residence; the page goes on in the new language."""
    locale = data.locale if data.locale in ("de", "en") else frame.locale
    country = data.country if identity.is_customer and data.country in frame.markets else None
    await change_settings(
        session,
        identity=identity,
        locale=locale,
        residence_country=country,
        at=real_now,
        visit=visit,
    )
    return frame.go(f"/{locale}/account", done="saved")


@post("/market")
async def choose_market(frame: NamedDependency[Frame], data: URLEncodedBody[MarketForm]) -> Response[Any]:
    """Look around in another market; who is signed in buys where they live."""
    response = frame.go(local_path(data.next, default=frame.url()))
    if data.market in frame.markets:
        response.set_cookie(
            "market",
            data.market,
            max_age=MARKET_KEPT,
            path="/",
            secure=frame.settings.secure,
            httponly=True,
            samesite="lax",
        )
    return response


@post("/account/password", guards=[customer_only])
async def send_reset(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    password_reset: NamedDependency[PasswordReset],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Have a reset link mailed to the own address."""
    await password_reset.request(email=identity.email, locale=frame.locale, at=real_now, visit=visit)
    return frame.go("/account", done="reset_sent")


@post("/account/mail-checks", guards=[customer_only])
async def check_mail(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    mail_deliveries: NamedDependency[MailDeliveries],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Have a mail sent that shows whether mails arrive again."""
    await mail_deliveries.check(identity=identity, at=real_now, visit=visit)
    return frame.go("/account", done="mail_check_sent")


@post("/account/sessions/{session_id:uuid}/end", guards=[signed_in])
async def end_session(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    session_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    sessions: NamedDependency[Sessions],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """End one of the own sessions."""
    await sessions.end(identity=identity, session_id=session_id, at=real_now, visit=visit)
    return frame.go("/account", done="session_ended")


@post("/account/sessions/end-others", guards=[signed_in])
async def end_other_sessions(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    sessions: NamedDependency[Sessions],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """End all of the own sessions but this one."""
    await sessions.end_others(identity=identity, at=real_now, visit=visit)
    return frame.go("/account", done="sessions_ended")


handlers = [
    show_account,
    change_account,
    choose_market,
    send_reset,
    check_mail,
    end_session,
    end_other_sessions,
]
