"""Pages of changes that need a second person: asking, deciding, and the page that the mailed link leads to."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, clear_session_cookie, requires
from auth.errors import Refusal
from auth.permissions import ACCOUNT_SECURE, RECOVERY_APPROVE, RECOVERY_REQUEST
from auth.recovery.caller_codes import CallerVerifications
from auth.recovery.carrying_out import RecoveryCompletion
from auth.recovery.records import EVIDENCE
from auth.recovery.requests import Recoveries, Wish, list_recoveries
from auth.recovery.schemas import RecoveryOut
from auth.recovery.securing import AccountSecuring
from auth.recovery.staff_routes import OLDEST, note_look
from auth.recovery.support_actions import CalledOff, list_called_off
from auth.step_up import recently_authenticated
from auth.visits import Visit
from store.web.email_change_pages import CodeForm
from store.web.forms import Text, refused
from store.web.pages import Frame
from store.web.sign_in_pages import beside_field
from store.web.support_pages import LONGEST_REASON, SHORTEST_REASON, Line, ReasonForm, back_to_customer

LIST: Final = "/staff/recoveries"
PAGE: Final = "/account/recovery"
CALLED_OFF_SHOWN: Final = timedelta(days=30)


class RecoveryForm(msgspec.Struct, frozen=True):
    """What is asked for; a kind of evidence that is ticked has a value."""

    kind: Text = ""
    new_email: Text = ""
    reason: Line = ""
    order_number: Text = ""
    invoice_number: Text = ""
    last_digits: Text = ""
    devices: Text = ""
    films: Text = ""


@post(
    "/support/customers/{customer_id:uuid}/recoveries",
    guards=[requires(RECOVERY_REQUEST), recently_authenticated],
)
async def file_recovery(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[RecoveryForm],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    recoveries: NamedDependency[Recoveries],
    caller_verifications: NamedDependency[CallerVerifications],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Ask for it; the agent's proof of the caller goes with it, if there is one."""
    reason = data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return back_to_customer(frame, customer_id, form="recover", refused="no_reason")
    caller = await caller_verifications.current(agent=identity, account_id=customer_id, at=real_now)
    wish = Wish(
        kind="email_change" if data.kind == "email_change" else "second_factor_removal",
        new_email=data.new_email.strip(),
        reason=reason,
        evidence=[kind for kind in EVIDENCE if getattr(data, kind)],
        verification_id=caller.id if caller and caller.confirmed_at else None,
    )
    try:
        await recoveries.file(agent=identity, account_id=customer_id, wish=wish, at=real_now, visit=visit)
    except Refusal as refusal:
        # The use case has rolled back and noted the refusal; what has no place beside the field is a page.
        if f"support.refused_{refusal.code}" not in frame.w.texts:
            raise
        return back_to_customer(frame, customer_id, form="recover", refused=refusal.code)
    return frame.go(f"/support/customers/{customer_id}", done="recovery_filed")


@post(
    "/support/customers/{customer_id:uuid}/securings",
    guards=[requires(ACCOUNT_SECURE), recently_authenticated],
)
async def secure_account(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ReasonForm],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    account_securing: NamedDependency[AccountSecuring],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Lock a stranger out; the owner is told how to go on."""
    reason = data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return back_to_customer(frame, customer_id, form="secure", refused="no_reason")
    try:
        await account_securing.secure(agent=identity, account_id=customer_id, reason=reason, at=real_now, visit=visit)
    except Refusal as refusal:
        if f"support.refused_{refusal.code}" not in frame.w.texts:
            raise
        return back_to_customer(frame, customer_id, form="secure", refused=refusal.code)
    return frame.go(f"/support/customers/{customer_id}", done="account_secured")


@get(LIST, guards=[requires(RECOVERY_REQUEST)])
async def show_recoveries(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    short: FromQuery[str] = "",
) -> Response[str]:
    """What is under way; `short` names the one whose reason was too short."""
    await note_look(session, identity, at=real_now, visit=visit)
    return frame.page(
        "staff/recoveries.html",
        recoveries=[RecoveryOut.of(one) for one in await list_recoveries(session, limit=OLDEST)],
        called_off=await _called_off(session, identity, real_now=real_now),
        may_decide=RECOVERY_APPROVE in identity.permissions,
        own_id=identity.account_id,
        short=short,
        longest=LONGEST_REASON,
    )


@post(f"{LIST}/{{recovery_id:uuid}}/approvals", guards=[requires(RECOVERY_APPROVE), recently_authenticated])
async def approve_recovery(
    recovery_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    recoveries: NamedDependency[Recoveries],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Agree to what somebody else asked for."""
    await recoveries.approve(agent=identity, recovery_id=recovery_id, at=real_now, visit=visit)
    return frame.go(LIST, done="recovery_approved")


@post(f"{LIST}/{{recovery_id:uuid}}/rejections", guards=[requires(RECOVERY_APPROVE), recently_authenticated])
async def reject_recovery(
    recovery_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ReasonForm],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    recoveries: NamedDependency[Recoveries],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """End what somebody else asked for."""
    reason = data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return frame.go(frame.url(LIST, short=recovery_id))
    await recoveries.reject(agent=identity, recovery_id=recovery_id, reason=reason, at=real_now, visit=visit)
    return frame.go(LIST, done="recovery_rejected")


@get(PAGE)
async def show_completion(frame: NamedDependency[Frame]) -> Response[str]:
    """Where the mailed link leads; a script takes the code from the address's fragment."""
    return frame.page("account/email_code.html", **_values(frame))


@post(PAGE)
async def complete_recovery(
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CodeForm],
    visit: NamedDependency[Visit],
    recovery_completion: NamedDependency[RecoveryCompletion],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Carry it out; nobody is signed in by it."""
    try:
        await recovery_completion.complete(token=data.token.strip(), at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        return refused(frame, "account/email_code.html", refusal, **_values(frame, data.token, refusal))
    response = frame.go("/sign-in", done="recovery_completed")
    clear_session_cookie(response, settings=frame.settings)
    return response


async def _called_off(session: AsyncSession, identity: Identity, *, real_now: datetime) -> list[CalledOff]:
    """For those who may decide; to agents it would tell of each other."""
    if RECOVERY_APPROVE not in identity.permissions:
        return []
    return await list_called_off(session, since=real_now - CALLED_OFF_SHOWN, limit=OLDEST)


def _values(frame: Frame, token: str = "", refusal: Refusal | None = None) -> dict[str, Any]:
    return {
        "values": {"token": token},
        "errors": beside_field(refusal, frame.locale) if refusal else {},
        "step": "recovery",
        "address": frame.url(PAGE),
    }


handlers = [
    file_recovery,
    secure_account,
    show_recoveries,
    approve_recovery,
    reject_recovery,
    show_completion,
    complete_recovery,
]
