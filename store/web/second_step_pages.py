"""Pages of the second step of a sign-in: the code, and for staff without one the setting up of their factor."""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import set_device_cookie, set_session_cookie, set_step_cookie
from auth.errors import Refusal
from auth.second_factor import Offer, in_groups
from auth.sign_in import STEP_LIVES, SignIn, StepDue
from auth.visits import Visit
from store.web.forms import Text, refused
from store.web.pages import Frame, local_path
from store.web.qr_codes import qr_code

_PATH: Final = "/sign-in/code"


class CodeForm(msgspec.Struct, frozen=True):
    """A code, and where to go on to."""

    code: Text = ""
    next: Text = ""


def to_second_step(frame: Frame, due: StepDue, *, onward: str) -> Response[Any]:
    """Lead on from the password to the code; a cookie of its own carries the begun sign-in, which opens nothing."""
    response = frame.go(f"{_PATH}?{frame.url(next=onward).partition('?')[2]}")
    set_step_cookie(response, due.token, lives=STEP_LIVES, settings=frame.settings)
    return response


def shown(frame: Frame, offer: Offer | None) -> dict[str, str] | None:
    """An authenticator to be set up, as a person reads it and as a phone's camera does."""
    if offer is None:
        return None
    picture = qr_code(offer.address, label=frame.w.text("factor.qr_label"))
    return {"secret": in_groups(offer.secret, " "), "address": offer.address, "picture": picture}


def second_step_page(
    frame: Frame, step: StepDue, *, onward: str, refusal: Refusal | None = None, field: str = "code"
) -> Response[str]:
    """The page of a begun sign-in, perhaps with a refusal beside the field that it speaks of."""
    errors = {field: refusal.sentence(frame.locale)} if refusal else {}
    values: dict[str, Any] = {"step": step, "offer": shown(frame, step.offer), "onward": onward, "errors": errors}
    if refusal is None:
        return frame.page("account/second_step.html", **values)
    return refused(frame, "account/second_step.html", refusal, **values)


@get(_PATH)
async def show_second_step(
    frame: NamedDependency[Frame],
    sign_ins: NamedDependency[SignIn],
    real_now: NamedDependency[datetime],
    next: FromQuery[str | None] = None,
) -> Response[Any]:
    """The form for the code; without a begun sign-in the password comes first."""
    step = await sign_ins.find_step(_token(frame), at=real_now)
    if step is None:
        return frame.go("/sign-in")
    return second_step_page(frame, step, onward=local_path(next, default=frame.url()))


@post(_PATH)
async def take_code(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CodeForm],
    sign_ins: NamedDependency[SignIn],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Finish the sign-in; where the factor was just set up, its recovery codes are shown, once."""
    onward = local_path(data.next, default=frame.url())
    step = await sign_ins.find_step(_token(frame), at=real_now)
    try:
        done = await sign_ins.by_second_factor(
            token=_token(frame), code=data.code, at=real_now, visit=visit, previous=frame.visitor
        )
    except Refusal as refusal:
        if step is None:
            raise
        await session.rollback()
        return second_step_page(frame, step, onward=onward, refusal=refusal)
    response = (
        frame.page("account/recovery_codes.html", codes=done.recovery_codes, onward=onward)
        if done.recovery_codes
        else frame.go(onward)
    )
    set_session_cookie(response, done.signed_in.token, kind=done.signed_in.kind, settings=frame.settings)
    set_device_cookie(response, done.signed_in.device_token, settings=frame.settings)
    set_step_cookie(response, "", lives=timedelta(0), settings=frame.settings)
    return response


def _token(frame: Frame) -> str:
    return frame.request.cookies.get(frame.settings.step_cookie, "")


handlers = [show_second_step, take_code]
