"""Pages of what one signs in with, for whoever is signed in: proving anew who is there, and a new password."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, set_session_cookie, signed_in
from auth.errors import Refusal, StepUpRequired
from auth.password_change import PasswordChange
from auth.step_up import StepUp
from auth.visits import Visit
from store.web.forms import Text, refused
from store.web.pages import Frame, local_path
from store.web.sign_in_pages import beside_field


class ProofForm(msgspec.Struct, frozen=True):
    """The password of whoever is signed in, a code of their second factor, and where they were."""

    password: Text = ""
    code: Text = ""
    next: Text = ""


class PasswordForm(msgspec.Struct, frozen=True):
    """The old password and the new one."""

    current: Text = ""
    password: Text = ""


@get("/step-up", for_every_age=True, guards=[signed_in])
async def show_step_up(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    next: FromQuery[str | None] = None,
) -> Response[str]:
    """The form that asks for the password once more, and for a code where the account's app shows one."""
    onward = local_path(next, default=frame.url("/account"))
    return frame.page("account/step_up.html", onward=onward, ways=await step_up.ways(identity), errors={})


@post("/step-up", for_every_age=True, guards=[signed_in])
async def step_up(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ProofForm],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Check the password and lead back to where one was."""
    onward = local_path(data.next, default=frame.url("/account"))
    ways = await step_up.ways(identity)
    try:
        token = await step_up.confirm(
            identity=identity, password=data.password, code=data.code or None, at=real_now, visit=visit
        )
    except Refusal as refusal:
        await session.rollback()
        errors = beside_field(refusal, frame.locale)
        return refused(frame, "account/step_up.html", refusal, onward=onward, ways=ways, errors=errors)
    response = frame.go(onward)
    set_session_cookie(response, token, kind=identity.session_kind, settings=frame.settings)
    return response


@get("/account/password/change", guards=[signed_in])
async def show_password_change(frame: NamedDependency[Frame]) -> Response[str]:
    """The form for a new password."""
    return frame.page("account/password_change.html", errors={})


@post("/account/password/change", guards=[signed_in])
async def change_password(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[PasswordForm],
    identity: NamedDependency[Identity],
    password_change: NamedDependency[PasswordChange],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Set the new password; every other sign-in ends."""
    try:
        token = await password_change.change(
            identity=identity, current=data.current, password=data.password, at=real_now, visit=visit
        )
    except Refusal as refusal:
        await session.rollback()
        if isinstance(refusal, StepUpRequired):
            raise
        errors = beside_field(refusal, frame.locale)
        if refusal.code == "password_wrong":
            errors = {"current": refusal.sentence(frame.locale)}
        return refused(frame, "account/password_change.html", refusal, errors=errors)
    response = frame.go("/account", done="password_changed")
    set_session_cookie(response, token, kind=identity.session_kind, settings=frame.settings)
    return response


handlers = [show_step_up, step_up, show_password_change, change_password]
