"""What our support began on an account, for its owner: the code to read out, and calling off what is under way."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody

from auth.authentication import Identity, customer_only
from auth.errors import LinkNotValid, Refusal, TooManyAttempts
from auth.recovery.caller_codes import CallerVerifications
from auth.recovery.errors import CallerCodeNotFound
from auth.recovery.support_actions import SupportActions
from auth.visits import Visit
from store.web.email_change_pages import CodeForm
from store.web.forms import refused
from store.web.pages import Frame
from store.web.sign_in_pages import beside_field

PAGE = "/account/support/cancel"


async def support_of(
    identity: Identity, verifications: CallerVerifications, actions: SupportActions, *, real_now: datetime
) -> dict[str, Any]:
    """What the account page shows of support: the code to read out, if there is one, and what is under way."""
    if not identity.is_customer:
        return {"caller_code": None, "support_actions": []}
    try:
        code, until = await verifications.shown_code(account_id=identity.account_id, at=real_now)
    except CallerCodeNotFound:
        shown = None
    else:
        shown = {"code": f"{code[:3]} {code[3:]}", "until": until}
    return {
        "caller_code": shown,
        "support_actions": await actions.under_way(account_id=identity.account_id, at=real_now),
    }


@post("/account/support/{action_id:uuid}/cancel", guards=[customer_only])
async def cancel_action(
    action_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    support_actions: NamedDependency[SupportActions],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Call off what support began."""
    await support_actions.cancel(identity=identity, action_id=action_id, at=real_now, visit=visit)
    return frame.go("/account", done="support_cancelled")


@get(PAGE)
async def show_cancellation(frame: NamedDependency[Frame]) -> Response[str]:
    """Where the mailed link leads, signed in or not; a script takes the code from the address's fragment."""
    return frame.page("account/email_code.html", **_values(frame))


@post(PAGE)
async def cancel_by_link(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CodeForm],
    support_actions: NamedDependency[SupportActions],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Call off what the mail told of."""
    try:
        await support_actions.cancel_by_link(token=data.token.strip(), at=real_now, visit=visit)
    except (LinkNotValid, TooManyAttempts) as refusal:
        return refused(frame, "account/email_code.html", refusal, **_values(frame, data.token, refusal))
    return frame.go("", done="support_cancelled")


def _values(frame: Frame, token: str = "", refusal: Refusal | None = None) -> dict[str, Any]:
    return {
        "values": {"token": token},
        "errors": beside_field(refusal, frame.locale) if refusal else {},
        "step": "support_cancel",
        "address": frame.url(PAGE),
    }


handlers = [cancel_action, show_cancellation, cancel_by_link]
