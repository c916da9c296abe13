"""A mail server that keeps what it gets, and the delivery of what is queued."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller
from litestar import Litestar
from sqlalchemy import select

from store.mail import Mail
from tests.auth.people import parts_of


@dataclass(slots=True)
class PostOffice:
    """What arrived, and an answer that a test can have it give instead."""

    letters: list[EmailMessage] = field(default_factory=list)
    answer: str | None = None
    answer_to_recipient: str | None = None
    senders: list[str] = field(default_factory=list)
    """The envelopes' senders: whereto each letter is returned."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.answer_to_recipient is not None:
            return self.answer_to_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answer is not None:
            return self.answer
        letter = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        self.senders.append(envelope.mail_from)
        return "250 kept"

    def to(self, address: str | None) -> list[EmailMessage]:
        return [letter for letter in self.letters if letter["To"] == address]


@contextmanager
def open_post_office(smtp_url: str, **options: Any) -> Iterator[PostOffice]:
    """Listen where the settings say that the mail server is; `options` are the library's."""
    office, server = PostOffice(), urlsplit(smtp_url)
    controller = Controller(office, hostname=server.hostname or "127.0.0.1", port=server.port or 0, **options)
    controller.start()
    try:
        yield office
    finally:
        controller.stop()


async def deliver_mails(app: Litestar) -> None:
    """Do what the worker does with the queued mails, in their order."""
    parts = parts_of(app)
    async with parts.database.sessions() as session:
        queued = (await session.scalars(select(Mail.id).where(Mail.status == "queued").order_by(Mail.id))).all()
    for mail_id in queued:
        await parts.outbox.deliver(mail_id=mail_id, at=datetime.now(UTC))


def text_of(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def token_in(letter: EmailMessage) -> str:
    found = re.search(r"#t=(vt1_\w+_[\w-]{43})", text_of(letter))
    assert found, text_of(letter)
    return found[1]
