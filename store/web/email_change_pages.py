"""Pages of a change of address: asking for it, confirming it at the new one, undoing it from the old one."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, clear_session_cookie, customer_only
from auth.email_change import EmailChange
from auth.errors import Refusal
from auth.step_up import recently_authenticated
from auth.visits import Visit
from store.web.forms import Text, refused
from store.web.pages import Frame
from store.web.sign_in_pages import EmailForm, beside_field


class CodeForm(msgspec.Struct, frozen=True):
    """A one-use token alone."""

    token: Text = ""


@get("/account/email", guards=[customer_only, recently_authenticated])
async def show_email_change(frame: NamedDependency[Frame]) -> Response[str]:
    """The form for another address."""
    return frame.page("account/email_change.html", values={"email": ""}, errors={})


@post("/account/email", guards=[customer_only, recently_authenticated])
async def request_email_change(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[EmailForm],
    identity: NamedDependency[Identity],
    email_change: NamedDependency[EmailChange],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Have the link mailed; the answer is the same for every new address."""
    try:
        await email_change.request(identity=identity, email=data.email, at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        errors = beside_field(refusal, frame.locale)
        return refused(frame, "account/email_change.html", refusal, values={"email": data.email}, errors=errors)
    return frame.go("/account", done="email_change_sent")


@get("/account/email/confirm", guards=[customer_only])
async def show_email_confirmation(frame: NamedDependency[Frame]) -> Response[str]:
    """The form that the link in the new mailbox leads to."""
    return _code_form(frame, "email_confirm")


@post("/account/email/confirm", guards=[customer_only])
async def confirm_email_change(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CodeForm],
    identity: NamedDependency[Identity],
    email_change: NamedDependency[EmailChange],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Let the new address take effect."""
    try:
        await email_change.confirm(identity=identity, token=data.token.strip(), at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        return _code_form(frame, "email_confirm", data.token, refusal)
    return frame.go("/account", done="email_changed")


@get("/account/email/undo")
async def show_email_undo(frame: NamedDependency[Frame]) -> Response[str]:
    """The form that the link in the old mailbox leads to, signed in or not."""
    return _code_form(frame, "email_undo")


@post("/account/email/undo")
async def undo_email_change(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CodeForm],
    email_change: NamedDependency[EmailChange],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Give the account its old address back; a link for a new password is on its way there."""
    try:
        await email_change.undo(token=data.token.strip(), at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        return _code_form(frame, "email_undo", data.token, refusal)
    response = frame.go("/sign-in", done="email_undone")
    clear_session_cookie(response, settings=frame.settings)
    return response


def _code_form(frame: Frame, step: str, token: str = "", refusal: Refusal | None = None) -> Response[str]:
    """One field for the mailed code; `step` names its words and, as a path, its address."""
    errors = beside_field(refusal, frame.locale) if refusal else {}
    address = frame.url("/account/" + step.replace("_", "/"))
    values: dict[str, Any] = {"values": {"token": token}, "errors": errors, "step": step, "address": address}
    if refusal is not None:
        return refused(frame, "account/email_code.html", refusal, **values)
    return frame.page("account/email_code.html", **values)


handlers = [
    show_email_change,
    request_email_change,
    show_email_confirmation,
    confirm_email_change,
    show_email_undo,
    undo_email_change,
]
