"""Pages of passkeys: one's own, and the forms in which a script sends what the browser's authenticator answered."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, set_device_cookie, set_session_cookie, set_step_cookie, signed_in
from auth.errors import Refusal
from auth.factor_errors import PasskeyRefused
from auth.own_passkeys import OwnPasskeys
from auth.passkey_schemas import Credential, NewCredential, PasskeyName, PasskeyOut
from auth.passkeys import Answer, Passkeys, list_passkeys
from auth.sessions import SignedIn
from auth.sign_in import SignIn
from auth.step_up import StepUp, recently_authenticated
from auth.visits import Visit
from store.web.account_pages import program_of
from store.web.forms import Text, refused
from store.web.pages import Frame, local_path
from store.web.second_step_pages import second_step_page

_PATH: Final = "/account/passkeys"

AnswerText = Annotated[str, msgspec.Meta(max_length=40_000, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""An authenticator's answer as JSON, in one line."""


class AnswerForm(msgspec.Struct, frozen=True):
    """What an authenticator signed, and where to go on to."""

    credential: AnswerText = ""
    next: Text = ""


class AddForm(msgspec.Struct, frozen=True):
    """What an authenticator made, and what it is to be called."""

    credential: AnswerText = ""
    name: Text = ""


class NameForm(msgspec.Struct, frozen=True):
    """What a passkey is to be called."""

    name: Text = ""


@get(_PATH, guards=[signed_in])
async def show_passkeys(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """The own passkeys, and the form for one more."""
    return frame.page("account/passkeys.html", **await _read(session, identity, visit), errors={})


@post(_PATH, guards=[signed_in, recently_authenticated])
async def add_passkey(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[AddForm],
    identity: NamedDependency[Identity],
    passkeys: NamedDependency[Passkeys],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Keep the passkey that the browser's authenticator made."""
    page = await _read(session, identity, visit)
    try:
        await passkeys.register(
            account_id=identity.account_id,
            holder=identity.session_id,
            answer=_answer_in(data.credential, NewCredential),
            name=_named(data.name) or page["suggestion"],
            actor=identity,
            at=real_now,
            visit=visit,
        )
    except Refusal as refusal:
        return await _again(frame, session, page, refusal)
    return frame.go(_PATH, done="passkey_added")


@post(f"{_PATH}/{{passkey_id:uuid}}/name", guards=[signed_in])
async def rename_passkey(
    frame: NamedDependency[Frame],
    passkey_id: FromPath[UUID],
    data: URLEncodedBody[NameForm],
    identity: NamedDependency[Identity],
    own_passkeys: NamedDependency[OwnPasskeys],
) -> Response[Any]:
    """Call it something else; without a name it keeps the one that it has."""
    if name := _named(data.name):
        await own_passkeys.rename(identity=identity, passkey_id=passkey_id, name=name)
    return frame.go(_PATH)


@post(f"{_PATH}/{{passkey_id:uuid}}/removal", guards=[signed_in, recently_authenticated])
async def remove_passkey(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    passkey_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    own_passkeys: NamedDependency[OwnPasskeys],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Let it open nothing any more."""
    page = await _read(session, identity, visit)
    try:
        await own_passkeys.remove(identity=identity, passkey_id=passkey_id, at=real_now, visit=visit)
    except Refusal as refusal:
        return await _again(frame, session, page, refusal)
    return frame.go(_PATH, done="passkey_removed")


@post("/sign-in/passkey")
async def sign_in_by_passkey(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[AnswerForm],
    sign_ins: NamedDependency[SignIn],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Sign in by a passkey alone, and go back to where the form was."""
    onward = local_path(data.next, default=frame.url())
    try:
        opened = await sign_ins.by_passkey(
            token=frame.request.cookies.get(frame.settings.passkey_cookie, ""),
            answer=_answer_in(data.credential, Credential),
            client="web",
            at=real_now,
            visit=visit,
            previous=frame.visitor,
        )
    except Refusal as refusal:
        await session.rollback()
        values = {"needed": False, "onward": onward, "email": "", "errors": _beside(frame, refusal)}
        return refused(frame, "account/sign_in.html", refusal, **values)
    return _let_in(frame, opened, onward=onward)


@post("/sign-in/code/passkey")
async def finish_sign_in_by_passkey(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[AnswerForm],
    sign_ins: NamedDependency[SignIn],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Finish a sign-in by a passkey in place of a code."""
    onward = local_path(data.next, default=frame.url())
    token = frame.request.cookies.get(frame.settings.step_cookie, "")
    step = await sign_ins.find_step(token, at=real_now)
    try:
        opened = await sign_ins.by_passkey_after_password(
            token=token,
            answer=_answer_in(data.credential, Credential),
            at=real_now,
            visit=visit,
            previous=frame.visitor,
        )
    except Refusal as refusal:
        if step is None:
            raise
        await session.rollback()
        return second_step_page(frame, step, onward=onward, refusal=refusal, field="passkey")
    response = _let_in(frame, opened, onward=onward)
    set_step_cookie(response, "", lives=timedelta(0), settings=frame.settings)
    return response


@post("/sign-in/code/first-passkey")
async def finish_sign_in_by_first_passkey(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[AnswerForm],
    sign_ins: NamedDependency[SignIn],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Finish a sign-in by a passkey that staff without a second factor have just made."""
    onward = local_path(data.next, default=frame.url())
    token = frame.request.cookies.get(frame.settings.step_cookie, "")
    step = await sign_ins.find_step(token, at=real_now)
    try:
        opened = await sign_ins.by_first_passkey(
            token=token,
            answer=_answer_in(data.credential, NewCredential),
            name=_suggestion(visit),
            at=real_now,
            visit=visit,
            previous=frame.visitor,
        )
    except Refusal as refusal:
        if step is None:
            raise
        await session.rollback()
        return second_step_page(frame, step, onward=onward, refusal=refusal, field="passkey")
    response = _let_in(frame, opened, onward=onward)
    set_step_cookie(response, "", lives=timedelta(0), settings=frame.settings)
    return response


@post("/step-up/passkey", for_every_age=True, guards=[signed_in])
async def step_up_by_passkey(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[AnswerForm],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Prove anew who is there by a passkey, and go on."""
    onward = local_path(data.next, default=frame.url("/account"))
    ways = await step_up.ways(identity)
    try:
        token = await step_up.confirm_by_passkey(
            identity=identity, answer=_answer_in(data.credential, Credential), at=real_now, visit=visit
        )
    except Refusal as refusal:
        await session.rollback()
        values = {"onward": onward, "ways": ways, "errors": _beside(frame, refusal)}
        return refused(frame, "account/step_up.html", refusal, **values)
    response = frame.go(onward)
    set_session_cookie(response, token, kind=identity.session_kind, settings=frame.settings)
    return response


async def _read(session: AsyncSession, identity: Identity, visit: Visit) -> dict[str, Any]:
    """What the page shows; read before anything is tried, as a refusal ends the transaction."""
    passkeys = [PasskeyOut.of(passkey) for passkey in await list_passkeys(session, account_id=identity.account_id)]
    return {"passkeys": passkeys, "suggestion": _suggestion(visit)}


def _suggestion(visit: Visit) -> str:
    """A name by which its owner may know a passkey that was made here."""
    return program_of(visit.user_agent) or "Passkey"


async def _again(frame: Frame, session: AsyncSession, page: dict[str, Any], refusal: Refusal) -> Response[str]:
    await session.rollback()
    return refused(frame, "account/passkeys.html", refusal, **page, errors=_beside(frame, refusal))


def _beside(frame: Frame, refusal: Refusal) -> dict[str, str]:
    return {"passkey": refusal.sentence(frame.locale)}


def _answer_in(text: str, kind: type[Credential | NewCredential]) -> Answer:
    """The answer that a form carries as JSON; raises `PasskeyRefused` for anything else."""
    try:
        answer: Answer = msgspec.to_builtins(msgspec.json.decode(text, type=kind))
    except msgspec.MsgspecError as fault:
        raise PasskeyRefused from fault
    return answer


def _named(name: str) -> str | None:
    """A name as the API takes it, else None."""
    try:
        return msgspec.convert(name.strip(), PasskeyName)
    except msgspec.ValidationError:
        return None


def _let_in(frame: Frame, opened: SignedIn, *, onward: str) -> Response[Any]:
    response = frame.go(onward)
    set_session_cookie(response, opened.token, kind=opened.kind, settings=frame.settings)
    set_device_cookie(response, opened.device_token, settings=frame.settings)
    return response


handlers = [
    show_passkeys,
    add_passkey,
    rename_passkey,
    remove_passkey,
    sign_in_by_passkey,
    finish_sign_in_by_passkey,
    finish_sign_in_by_first_passkey,
    step_up_by_passkey,
]
