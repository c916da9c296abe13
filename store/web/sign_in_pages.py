"""Pages in front of the account: sign in and out, register, confirm the address, set a new password."""

from datetime import datetime
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import (
    clear_session_cookie,
    set_device_cookie,
    set_session_cookie,
)
from auth.entrance import entrance
from auth.errors import Refusal
from auth.password_reset import PasswordReset
from auth.registration import Registration
from auth.sessions import Sessions
from auth.sign_in import SignIn, StepDue
from auth.visits import Visit
from store.web.forms import Text, refused
from store.web.pages import Frame, local_path
from store.web.second_step_pages import to_second_step


class SignInForm(msgspec.Struct, frozen=True):
    """What the sign-in form sends."""

    email: Text = ""
    password: Text = ""
    next: Text = ""


class RegisterForm(msgspec.Struct, frozen=True):
    """What the registration form sends."""

    email: Text = ""
    password: Text = ""
    country: Text = ""
    terms: Text = ""


class TokenForm(msgspec.Struct, frozen=True):
    """A one-use token beside a password."""

    token: Text = ""
    password: Text = ""


class EmailForm(msgspec.Struct, frozen=True):
    """An address alone."""

    email: Text = ""


_FIELDS: Final = {
    "email_address_invalid": "email",
    "email_address_unchanged": "email",
    "link_not_valid": "token",
    "confirmation_refused": "password",
    "password_refused": "password",
    "password_wrong": "password",
    "second_factor_required": "code",
    "code_refused": "code",
}
"""Fields that refusals speak of."""


def beside_field(refusal: Refusal, locale: str) -> dict[str, str]:
    """A refusal's sentence under the field that it speaks of, else under `form`."""
    return {_FIELDS.get(refusal.code, "form"): refusal.sentence(locale)}


def countries(frame: Frame) -> list[tuple[str, str]]:
    """The countries of residence by name."""
    return [(code, frame.w.territory(code)) for code in frame.markets]


@get("/sign-in")
async def show_sign_in(frame: NamedDependency[Frame], next: FromQuery[str | None] = None) -> Response[Any]:
    """The sign-in page; whoever is signed in already goes on."""
    onward = local_path(next, default=frame.url())
    if frame.visitor is not None:
        return frame.go(onward)
    needed = next is not None
    return frame.page("account/sign_in.html", needed=needed, onward=onward, email="", errors={})


@post("/sign-in", middleware=[entrance])
async def sign_in(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[SignInForm],
    sign_ins: NamedDependency[SignIn],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Sign in and go back to where the form was; a refusal stands in the form, from the panel without a new page.

    Where a second factor is due, its page comes first.
    """
    onward = local_path(data.next, default=frame.url())
    try:
        opened = await sign_ins.by_password(
            email=data.email,
            password=data.password,
            client="web",
            at=real_now,
            visit=visit,
            previous=frame.visitor,
        )
    except Refusal as refusal:
        await session.rollback()
        errors = {"form": refusal.sentence(frame.locale)}
        values: dict[str, Any] = {"onward": onward, "email": data.email, "errors": errors}
        if frame.is_fragment:
            return refused(frame, "account/_sign_in_panel.html", refusal, **values)
        return refused(frame, "account/sign_in.html", refusal, needed=False, **values)
    if isinstance(opened, StepDue):
        return to_second_step(frame, opened, onward=onward)
    response = frame.go(onward)
    set_session_cookie(response, opened.token, kind=opened.kind, settings=frame.settings)
    set_device_cookie(response, opened.device_token, settings=frame.settings)
    return response


@post("/sign-out", for_every_age=True)
async def sign_out(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    sessions: NamedDependency[Sessions],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """End this session; without one there is nothing to end."""
    if frame.visitor is not None:
        await sessions.end(identity=frame.visitor, session_id=frame.visitor.session_id, at=real_now, visit=visit)
    response = frame.go("", done="signed_out")
    clear_session_cookie(response, settings=frame.settings)
    return response


@get("/register")
async def show_register(frame: NamedDependency[Frame]) -> Response[Any]:
    """The form for a new account."""
    if frame.visitor is not None:
        return frame.go("/account")
    values = {"email": "", "country": frame.market, "terms": False}
    return frame.page("account/register.html", values=values, errors={}, countries=countries(frame))


@post("/register", middleware=[entrance])
async def register(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[RegisterForm],
    registration: NamedDependency[Registration],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Note the wish; the answer is the same whether the address has an account or not."""
    template = "account/register.html"
    values = {"email": data.email, "country": data.country, "terms": bool(data.terms)}
    if not data.terms or data.country not in frame.markets:
        errors = {"terms" if not data.terms else "country": frame.w.text("form.missing")}
        return frame.page(template, status=400, values=values, errors=errors, countries=countries(frame))
    try:
        await registration.begin(
            email=data.email,
            password=data.password,
            residence_country=data.country,
            locale=frame.locale,
            channel="web",
            at=real_now,
            visit=visit,
        )
    except Refusal as refusal:
        await session.rollback()
        errors = beside_field(refusal, frame.locale)
        return refused(frame, template, refusal, values=values, errors=errors, countries=countries(frame))
    return frame.go("/register/sent")


@get("/register/sent")
async def show_register_sent(frame: NamedDependency[Frame]) -> Response[str]:
    """What to do next: look into the mailbox."""
    t = frame.w.text
    return frame.page("account/message.html", heading=t("register.sent_heading"), sentence=t("register.sent"))


@get("/register/confirm")
async def show_confirm(frame: NamedDependency[Frame]) -> Response[str]:
    """The form that a registration's link leads to; the token is in the fragment or typed."""
    return frame.page("account/confirm.html", values={"token": ""}, errors={})


@post("/register/confirm")
async def confirm(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[TokenForm],
    registration: NamedDependency[Registration],
    sessions: NamedDependency[Sessions],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Make the account; whoever proved the link and the password is signed in by it."""
    try:
        account = await registration.confirm(token=data.token.strip(), password=data.password, at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        errors = beside_field(refusal, frame.locale)
        return refused(frame, "account/confirm.html", refusal, values={"token": data.token}, errors=errors)
    opened = await sessions.open(account_id=account.id, kind="web", epoch=account.auth_epoch, at=real_now, visit=visit)
    response = frame.go("", done="account_ready")
    set_session_cookie(response, opened.token, kind=opened.kind, settings=frame.settings)
    set_device_cookie(response, opened.device_token, settings=frame.settings)
    return response


@get("/password/forgot")
async def show_forgot(frame: NamedDependency[Frame]) -> Response[str]:
    """The form that asks for a reset link."""
    email = frame.visitor.email if frame.visitor else ""
    return frame.page("account/forgot.html", values={"email": email}, errors={})


@post("/password/forgot")
async def forgot(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[EmailForm],
    password_reset: NamedDependency[PasswordReset],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Ask for a reset link; the answer is the same for every address."""
    try:
        await password_reset.request(email=data.email, locale=frame.locale, at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        errors = beside_field(refusal, frame.locale)
        return refused(frame, "account/forgot.html", refusal, values={"email": data.email}, errors=errors)
    return frame.go("/password/sent")


@get("/password/sent")
async def show_forgot_sent(frame: NamedDependency[Frame]) -> Response[str]:
    """What to do next: look into the mailbox."""
    t = frame.w.text
    return frame.page("account/message.html", heading=t("forgot.sent_heading"), sentence=t("forgot.sent"))


@get("/password/reset")
async def show_reset(frame: NamedDependency[Frame]) -> Response[str]:
    """The form that a reset link leads to; the token is in the fragment or typed."""
    return frame.page("account/reset.html", values={"token": ""}, errors={})


@post("/password/reset")
async def reset(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[TokenForm],
    password_reset: NamedDependency[PasswordReset],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Set the new password; every session ends and nobody is signed in by it."""
    try:
        await password_reset.complete(token=data.token.strip(), password=data.password, at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        errors = beside_field(refusal, frame.locale)
        return refused(frame, "account/reset.html", refusal, values={"token": data.token}, errors=errors)
    response = frame.go("/sign-in", done="password_set")
    clear_session_cookie(response, settings=frame.settings)
    return response


handlers = [
    show_sign_in,
    sign_in,
    sign_out,
    show_register,
    register,
    show_register_sent,
    show_confirm,
    confirm,
    show_forgot,
    forgot,
    show_forgot_sent,
    show_reset,
    reset,
]
