"""The catcher as a mail provider: it tells the store by a signed event that a mail came back, or was unwanted."""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Self
from uuid import uuid4

import httpx
import msgspec

from store.mail_reports import MailEvent, MailEventData
from store.mail_webhook import sign
from store.sandbox.kept_mails import KeptMail

What = Literal["unknown", "full", "unwanted"]

ADDRESS_VARIABLE: Final = "MAIL_WEBHOOK_URL"
SECRET_VARIABLE: Final = "MAIL_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable

LABELS: Final[dict[What, str]] = {
    "unknown": "Return: no such mailbox",
    "full": "Return: mailbox full",
    "unwanted": "Report as unwanted",
}


@dataclass(frozen=True, slots=True)
class Store:
    """Where the store takes events about mails, and the secret they are signed with."""

    address: str
    secret: bytes = field(repr=False)

    @classmethod
    def from_env(cls, env: dict[str, str]) -> Self | None:
        """Read both variables; None if there is no store to tell."""
        address, secret = env.get(ADDRESS_VARIABLE), env.get(SECRET_VARIABLE)
        return cls(address, base64.b64decode(secret.removeprefix("whsec_"))) if address and secret else None

    async def tell(self, mail: KeptMail, what: What, *, at: datetime) -> str:
        """Tell what became of a mail; answers what the store made of it."""
        body = msgspec.json.encode(_event(mail, what))
        event_id, signed_at = f"evt_{uuid4().hex}", str(int(at.timestamp()))
        headers = {
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": signed_at,
            "webhook-signature": sign(body, event_id=event_id, signed_at=signed_at, secret=self.secret).decode(),
        }
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.post(self.address, content=body, headers=headers)
        return str(answer.json().get("outcome", answer.json().get("code", answer.status_code)))


def _event(mail: KeptMail, what: What) -> MailEvent:
    if what == "unwanted":
        return MailEvent("mail.complained", MailEventData(message_id=mail.message_id, recipient=mail.recipient))
    status, words = ("5.1.1", "user unknown") if what == "unknown" else ("5.2.2", "mailbox full")
    said = f"{'550' if what == 'unknown' else '552'} {status} <{mail.recipient}>: {words}"
    data = MailEventData(message_id=mail.message_id, recipient=mail.recipient, status=status, diagnosis=said)
    return MailEvent("mail.bounced", data)
