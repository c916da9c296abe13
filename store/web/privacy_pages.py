"""Pages of one's own data: what was agreed to, the export, the erasure and the link that keeps the account."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.erasure import COOL_OFF, Erasure, Erasures
from auth.errors import ErasureNotFound, LinkNotValid, PasswordWrong, Refusal, TooManyAttempts
from auth.step_up import StepUp
from auth.visits import Visit
from store.consents import list_consents
from store.data_export import DataExport, DataExports
from store.web.forms import Text, refused
from store.web.pages import Frame

PAGE = "/account/privacy"


class ExportForm(msgspec.Struct, frozen=True):
    """The password once more, and in which form."""

    password: Text = ""
    form: Text = "page"


class ErasureForm(msgspec.Struct, frozen=True):
    """The password once more."""

    password: Text = ""


class KeepForm(msgspec.Struct, frozen=True):
    """The code of the mail."""

    token: Text = ""


@get(PAGE, guards=[customer_only])
async def show_privacy(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    erasures: NamedDependency[Erasures],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """What can be done with the own data, and what was agreed to."""
    return frame.page("account/privacy.html", errors={}, **await _values(identity, erasures, session))


@post(f"{PAGE}/export", guards=[customer_only])
async def export_data(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ExportForm],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    data_exports: NamedDependency[DataExports],
    erasures: NamedDependency[Erasures],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Everything that is held: as a page to read, or as a file for another service."""
    try:
        await step_up.prove(identity=identity, password=data.password, at=real_now, visit=visit)
        export = await data_exports.make(identity=identity, real_now=real_now, visit=visit)
    except (PasswordWrong, TooManyAttempts) as refusal:
        return await _again(frame, refusal, "export-password", identity, erasures, session)
    if data.form == "file":
        return _file(export)
    return frame.page(
        "account/data.html",
        export=export,
        parts={name: msgspec.to_builtins(rows, enc_hook=str) for name, rows in export.parts.items() if rows},
    )


@post(f"{PAGE}/erasure", guards=[customer_only])
async def request_erasure(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ErasureForm],
    identity: NamedDependency[Identity],
    step_up: NamedDependency[StepUp],
    erasures: NamedDependency[Erasures],
    session: NamedDependency[AsyncSession],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Begin the days after which the account is erased."""
    try:
        await step_up.prove(identity=identity, password=data.password, at=real_now, visit=visit)
    except (PasswordWrong, TooManyAttempts) as refusal:
        return await _again(frame, refusal, "erasure-password", identity, erasures, session)
    await erasures.request(identity=identity, at=at, real_now=real_now, visit=visit)
    return frame.go(PAGE, done="erasure_requested")


@post(f"{PAGE}/erasure/cancel", guards=[customer_only])
async def cancel_erasure(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    erasures: NamedDependency[Erasures],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Keep the account."""
    await erasures.cancel(identity=identity, at=at, real_now=real_now, visit=visit)
    return frame.go(PAGE, done="account_kept")


@get("/account/keep")
async def show_keep(frame: NamedDependency[Frame]) -> Response[str]:
    """Where the mailed link leads; a script takes the code from the address's fragment."""
    return frame.page("account/keep.html", values={"token": ""}, errors={})


@post("/account/keep")
async def keep_account(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[KeepForm],
    erasures: NamedDependency[Erasures],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Keep the account of whoever has the mailed code, without signing in."""
    try:
        await erasures.cancel_by_link(token=data.token, at=at, real_now=real_now, visit=visit)
    except (LinkNotValid, TooManyAttempts) as refusal:
        errors = {"token": refusal.sentence(frame.locale)}
        return refused(frame, "account/keep.html", refusal, values={"token": data.token}, errors=errors)
    return frame.go("", done="account_kept")


async def _values(identity: Identity, erasures: Erasures, session: AsyncSession) -> dict[str, Any]:
    return {
        "erasure": await _open_erasure(identity, erasures),
        "days": COOL_OFF.days,
        "consents": await list_consents(session, account_id=identity.account_id),
    }


async def _open_erasure(identity: Identity, erasures: Erasures) -> Erasure | None:
    try:
        return await erasures.find(account_id=identity.account_id)
    except ErasureNotFound:
        return None


async def _again(
    frame: Frame, refusal: Refusal, field: str, identity: Identity, erasures: Erasures, session: AsyncSession
) -> Response[str]:
    """The page once more, with the refusal beside the field that it speaks of."""
    errors = {field: refusal.sentence(frame.locale)}
    return refused(frame, "account/privacy.html", refusal, errors=errors, **await _values(identity, erasures, session))


def _file(export: DataExport) -> Response[bytes]:
    name = f"videothek-{export.exported_at:%Y-%m-%d}.json"
    return Response(
        msgspec.json.format(msgspec.json.encode(export)),
        media_type="application/json",
        status_code=200,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


handlers = [show_privacy, export_data, request_erasure, cancel_erasure, show_keep, keep_account]
