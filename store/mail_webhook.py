"""The address at which a mail provider, or a small program beside it, tells what became of mails.

The form is neutral and the signature that of Standard Webhooks; docs/mail.md says how the providers' own events map.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency

from auth.schemas import problems
from store.errors import MailEventNotVerified, MalformedRequest, NotFound
from store.mail_reports import MailEvent, read_event
from store.returned_mail import Outcome, ReturnedMail
from store.settings import Settings

TOLERANCE: Final = timedelta(minutes=5)
"""How far the signed time may lie from ours, on both sides."""


class MailEventTaken(msgspec.Struct, frozen=True):
    """What became of an event."""

    outcome: Outcome
    """`taken_in`, `repeated` (known already), `parked` (there is no such mail) or `ignored` (none of ours)."""


@post(
    "/webhooks/mail",
    opt={"csrf_exempt": True},
    status_code=200,
    exclude_from_auth=True,
    responses=problems(MailEventNotVerified, MalformedRequest, NotFound),
    summary="Receive an event about a mail",
    description='A body such as `{"type": "mail.bounced", "data": {"message_id": "<…@…>", "status": "5.1.1", '
    '"diagnosis": "550 5.1.1 user unknown"}}`; types are `mail.bounced`, `mail.delayed` and `mail.complained`. Signed '
    "as Standard Webhooks has it (`webhook-id`, `webhook-timestamp`, `webhook-signature: v1,…`) with a secret of the "
    "setting `MAIL_WEBHOOK_SECRETS`; without the setting there is nothing here. Told again, it has no effect.",
    tags=["Webhooks"],
)
async def receive_mail_event(
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    returned_mail: NamedDependency[ReturnedMail],
    real_now: NamedDependency[datetime],
) -> MailEventTaken:
    """Take in one event; 2xx tells the sender not to send it again."""
    if not settings.mail_webhook_secrets:
        raise NotFound
    body = await request.body()
    if not is_signed(body, request.headers, settings.mail_webhook_secrets, real_now=real_now):
        raise MailEventNotVerified
    try:
        event = msgspec.json.decode(body, type=MailEvent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise MalformedRequest(place="body") from fault
    return MailEventTaken(await returned_mail.take_in(read_event(event), source="provider", at=real_now))


def is_signed(body: bytes, headers: Any, secrets: Sequence[bytes], *, real_now: datetime) -> bool:
    """Whether one of the secrets signed these bytes, with this id, at about this time."""
    event_id, signed_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (event_id.isascii() and signed_at.isascii() and signed_at.isdecimal() and len(signed_at) <= 11):
        return False
    if abs(real_now - datetime.fromtimestamp(int(signed_at), UTC)) > TOLERANCE:
        return False
    wanted = [sign(body, event_id=event_id, signed_at=signed_at, secret=secret) for secret in secrets]
    given = [one.encode("utf-8", "replace") for one in headers.get("webhook-signature", "").split()]
    return any(hmac.compare_digest(one, other) for one in given for other in wanted)


def sign(body: bytes, *, event_id: str, signed_at: str, secret: bytes) -> bytes:
    """The signature of an event, as its header has it."""
    signed = f"{event_id}.{signed_at}.".encode() + body
    return b"v1," + base64.b64encode(hmac.digest(secret, signed, "sha256"))
