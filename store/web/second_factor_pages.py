"""Pages of the own second factor: setting it up, new recovery codes, and for customers doing without it."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, signed_in
from auth.errors import Refusal, StepUpRequired
from auth.second_factor import SecondFactors
from auth.step_up import StepUp
from auth.visits import Visit
from store.web.forms import Text, refused
from store.web.pages import Frame
from store.web.second_step_pages import CodeForm, shown

_PATH = "/account/second-factor"


class PasswordForm(msgspec.Struct, frozen=True):
    """The own password once more."""

    password: Text = ""


async def _read(frame: Frame, factors: SecondFactors, identity: Identity) -> dict[str, Any]:
    """What the page shows; read before anything is tried, as a refusal ends the transaction."""
    offer = await factors.find_offer(holder=identity.session_id, label=identity.email)
    return {
        "state": await factors.state(account_id=identity.account_id),
        "can_be_removed": await factors.can_be_removed(identity=identity),
        "offer": shown(frame, offer),
    }


@get(_PATH, guards=[signed_in])
async def show_second_factor(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    second_factors: NamedDependency[SecondFactors],
) -> Response[str]:
    """Whether there is one, and what can be done."""
    return frame.page("account/second_factor.html", **await _read(frame, second_factors, identity), errors={})


@post(f"{_PATH}/offers", guards=[signed_in])
async def offer(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[PasswordForm],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    second_factors: NamedDependency[SecondFactors],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Begin to set one up, against the password; while that is hashed, no connection is held."""
    try:
        await step_up.prove(identity=identity, password=data.password, at=real_now, visit=visit)
        await second_factors.offer(
            account_id=identity.account_id, holder=identity.session_id, label=identity.email, at=real_now
        )
    except StepUpRequired:
        raise
    except Refusal as refusal:
        await session.rollback()
        return await _again(frame, session, await _read(frame, second_factors, identity), refusal, field="password")
    return frame.go(_PATH)


@post(f"{_PATH}/confirmations", guards=[signed_in])
async def confirm(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CodeForm],
    identity: NamedDependency[Identity],
    second_factors: NamedDependency[SecondFactors],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Put it into force by the first code; the recovery codes are shown, once."""
    page = await _read(frame, second_factors, identity)
    try:
        codes = await second_factors.confirm(
            account_id=identity.account_id,
            holder=identity.session_id,
            code=data.code,
            actor=identity,
            at=real_now,
            visit=visit,
        )
    except Refusal as refusal:
        return await _again(frame, session, page, refusal, field="code")
    return frame.page("account/recovery_codes.html", codes=codes, onward=frame.url("/account"))


@post(f"{_PATH}/recovery-codes", guards=[signed_in])
async def renew_recovery_codes(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CodeForm],
    identity: NamedDependency[Identity],
    second_factors: NamedDependency[SecondFactors],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """New recovery codes, shown once."""
    page = await _read(frame, second_factors, identity)
    try:
        codes = await second_factors.renew_recovery_codes(identity=identity, code=data.code, at=real_now, visit=visit)
    except Refusal as refusal:
        return await _again(frame, session, page, refusal, field="code")
    return frame.page("account/recovery_codes.html", codes=codes, onward=frame.url("/account"))


@post(f"{_PATH}/removals", guards=[signed_in])
async def remove(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CodeForm],
    identity: NamedDependency[Identity],
    second_factors: NamedDependency[SecondFactors],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Do without it."""
    page = await _read(frame, second_factors, identity)
    try:
        await second_factors.remove(identity=identity, code=data.code, at=real_now, visit=visit)
    except Refusal as refusal:
        return await _again(frame, session, page, refusal, field="removal_code")
    return frame.go("/account", done="second_factor_off")


async def _again(
    frame: Frame, session: AsyncSession, page: dict[str, Any], refusal: Refusal, *, field: str
) -> Response[str]:
    await session.rollback()
    errors = {field: refusal.sentence(frame.locale)}
    return refused(frame, "account/second_factor.html", refusal, **page, errors=errors)


handlers = [show_second_factor, offer, confirm, renew_recovery_codes, remove]
