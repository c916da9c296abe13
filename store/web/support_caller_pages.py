"""Support's forms about who is on the telephone: have a code shown to the customer, enter what the caller reads out."""

import re
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody

from auth.authentication import Identity, requires
from auth.errors import Refusal
from auth.permissions import CALLER_VERIFY
from auth.recovery.caller_codes import CallerVerifications
from auth.visits import Visit
from store.web.forms import Text
from store.web.pages import Frame
from store.web.support_pages import back_to_customer

_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)


class ChannelForm(msgspec.Struct, frozen=True):
    """Where the code is shown."""

    channel: Annotated[str, msgspec.Meta(pattern="^(mail|session)$")] = "mail"


class CodeForm(msgspec.Struct, frozen=True):
    """What the caller read out."""

    code: Text = ""


@post("/support/customers/{customer_id:uuid}/caller-verifications", guards=[requires(CALLER_VERIFY)])
async def request_code(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ChannelForm],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    caller_verifications: NamedDependency[CallerVerifications],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Have the code shown to the customer."""
    try:
        await caller_verifications.request(
            agent=identity,
            account_id=customer_id,
            channel="session" if data.channel == "session" else "mail",
            at=real_now,
            visit=visit,
        )
    except Refusal as refusal:
        return _refused(frame, customer_id, refusal)
    return back_to_customer(frame, customer_id)


@post(
    "/support/customers/{customer_id:uuid}/caller-verifications/{verification_id:uuid}/confirmations",
    guards=[requires(CALLER_VERIFY)],
)
async def confirm_code(
    customer_id: FromPath[UUID],
    verification_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[CodeForm],
    identity: NamedDependency[Identity],
    visit: NamedDependency[Visit],
    caller_verifications: NamedDependency[CallerVerifications],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Check what the caller read out; what is no code at all costs no try."""
    code = re.sub(r"\s", "", data.code)
    if not _CODE.fullmatch(code):
        return back_to_customer(frame, customer_id, form="caller", refused="no_code")
    try:
        await caller_verifications.confirm(
            agent=identity, verification_id=verification_id, code=code, at=real_now, visit=visit
        )
    except Refusal as refusal:
        return _refused(frame, customer_id, refusal)
    return back_to_customer(frame, customer_id)


def _refused(frame: Frame, customer_id: UUID, refusal: Refusal) -> Response[Any]:
    """The use case has noted the refusal; what has no place beside the field is a page."""
    if f"support.refused_{refusal.code}" not in frame.w.texts:
        raise refusal
    return back_to_customer(frame, customer_id, form="caller", refused=refusal.code)


handlers = [request_code, confirm_code]
