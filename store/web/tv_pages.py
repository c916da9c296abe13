"""The page on the phone or computer where the code that a TV shows is entered, and the TV allowed or refused."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.device_grants import DeviceGrants, with_hyphen
from auth.errors import Refusal
from auth.step_up import recently_authenticated
from auth.visits import Visit
from store.web.forms import Text, refused
from store.web.pages import Frame

_PAGE = "account/tv.html"


class DecisionForm(msgspec.Struct, frozen=True):
    """What is decided about the TV that shows a code."""

    code: Text = ""
    decision: Literal["allow", "refuse"] = "refuse"


@get("/tv", guards=[customer_only])
async def show_tv(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    device_grants: NamedDependency[DeviceGrants],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    code: FromQuery[str | None] = None,
) -> Response[str]:
    """The field for the code; with a code, which TV shows it. Nothing is allowed by an address alone."""
    if not code:
        return frame.page(_PAGE, grant=None, code="", errors={})
    try:
        grant = await device_grants.find(code[:64], identity=identity, at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        return _again(frame, code[:64], refusal)
    return frame.page(_PAGE, grant=grant, code=with_hyphen(grant.user_code), errors={})


@post("/tv/decisions", guards=[customer_only, recently_authenticated])
async def decide(
    frame: NamedDependency[Frame],
    data: URLEncodedBody[DecisionForm],
    identity: NamedDependency[Identity],
    device_grants: NamedDependency[DeviceGrants],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Allow or refuse the TV."""
    is_allowed = data.decision == "allow"
    try:
        await device_grants.decide(data.code, is_allowed=is_allowed, identity=identity, at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        return _again(frame, data.code, refusal)
    return frame.go("/account/devices", done="tv_allowed" if is_allowed else "tv_refused")


def _again(frame: Frame, code: str, refusal: Refusal) -> Response[str]:
    return refused(frame, _PAGE, refusal, grant=None, code=code, errors={"code": refusal.sentence(frame.locale)})


handlers = [show_tv, decide]
