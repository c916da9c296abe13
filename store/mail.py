"""Mails: noted in the transaction that causes them, composed and sent by a job, never stored with their text."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib
import structlog
from aiosmtplib.errors import SMTPRecipientsRefused, SMTPResponseException
from sqlalchemy import CheckConstraint, ForeignKey, Index, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.email_addresses import mask_email, parse_email
from auth.ids import new_id
from auth.models import Account
from auth.plain_statements import add
from auth.ports import Composer, Jobs, Letter, OpenDatabase
from store.catalogue.models import Base
from store.letter_templates import Rendered, render
from store.suppressions import BOUNCED, CAN_BE_LEFT_OUT, is_bounce, is_suppressed, note_accepted, suppress

log = structlog.get_logger("mail")

SEND_WITHIN: Final = 20.0
"""Seconds for one conversation with the mail server."""

RECIPIENTS: Final = "mail-recipients"
"""Purpose of the key under which recipients are known again."""

TAKEN: Final = ("sent", "bounced", "complained")
"""States of mails that a mail server took, whatever it reported later."""

LONGEST_REPLY: Final = 200
"""Characters that are kept of what the mail server said."""


class Mail(Base):
    """One mail: that it is due and what became of it. Its recipient and text are made when it leaves."""

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint(
            "status IN ('queued', 'sent', 'refused', 'dropped', 'suppressed', 'bounced', 'complained')", name="status"
        ),
        CheckConstraint("octet_length(recipient_hash) = 32", name="recipient_hash"),
        CheckConstraint("locale IN ('de', 'en')", name="locale"),
        Index(None, "account_id", "created_at"),
        Index(None, "reference"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id, ondelete="SET NULL"))
    """Whose mail it is; for requests by address, known once it is composed."""
    reference: Mapped[UUID | None]
    """What it is about: an order, a reset; what that is depends on the kind."""
    locale: Mapped[str]
    status: Mapped[str] = mapped_column(default="queued", server_default="queued")
    """`refused`: the mail server will never take it. `dropped`: it was no longer due.

    `suppressed`: its address takes none, and this one could be left out. `bounced`: it was taken and came back later.
    `complained`: it arrived, and its owner called it unwanted.
    """
    sent_to: Mapped[str | None]
    """The masked address."""
    recipient_hash: Mapped[bytes | None]
    """By which a report about this mail can be held against an address: an HMAC, so that nothing tells the address."""
    smtp_reply: Mapped[str | None]
    """What a mail server said last, be it its answer or a report of later."""
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]
    """When we learned that it bounced or was complained about."""


class MailSettings(Protocol):
    """The settings that mailing needs."""

    @property
    def base_url(self) -> str:
        """Public address."""
        ...

    @property
    def smtp_url(self) -> str:
        """`smtp://` or `smtps://`."""
        ...

    @property
    def mail_from(self) -> str:
        """Sender."""
        ...

    @property
    def bounce_address(self) -> str | None:
        """Whereto mails are returned; None: to the sender."""
        ...

    @property
    def seller(self) -> "Sender":
        """Who writes."""
        ...

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose."""
        ...


class Sender(Protocol):
    """The legal entity at the foot of every mail."""

    @property
    def name(self) -> str:
        """Legal name."""
        ...

    @property
    def address(self) -> str:
        """Postal address."""
        ...

    @property
    def email(self) -> str:
        """Where customers write to."""
        ...

    @property
    def vat_id(self) -> str:
        """VAT identification number."""
        ...


class MailDelayed(Exception):
    """The mail server could not take a mail now; the job tries again later."""


@dataclass(frozen=True, slots=True)
class Sending:
    """What the mail server made of a mail."""

    status: str
    """`sent`, `refused` for ever (5xx), or `queued` for another try."""
    reply: str
    is_bounce: bool = False
    """Whether it said that there is no such mailbox."""


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """The `auth.ports.Outbox` port (a row and a job in the caller's transaction), and the sending that the job does."""

    database: OpenDatabase
    jobs: Jobs
    settings: MailSettings
    composers: Mapping[str, Composer]
    """Who makes the mails of a kind."""

    async def queue(
        self, session: AsyncSession, *, kind: str, account_id: UUID | None, reference: UUID | None, locale: str
    ) -> UUID:
        """Note in the caller's transaction that a mail is due, and enqueue its delivery."""
        if kind not in self.composers:
            raise LookupError(f"nobody composes mails of the kind {kind!r}")
        mail = Mail(
            id=new_id(),
            kind=kind,
            account_id=account_id,
            reference=reference,
            locale=locale,
            created_at=datetime.now(UTC),
        )
        await add(session, mail)
        await self.jobs.enqueue(session, "deliver_mail", dedupe_key=f"mail:{mail.id}", mail_id=str(mail.id))
        return mail.id

    async def deliver(self, *, mail_id: UUID, at: datetime) -> None:
        """Send a mail that is still queued; safe to repeat.

        A crash between the server's "accepted" and our note of it sends the mail once more, with the same
        Message-ID and the same link. Raises `MailDelayed` for passing faults; no transaction is open while the
        server is spoken to, and what a composer wrote (the hash of a token) is committed before.
        """
        async with self.database.sessions.begin() as session:
            mail = await session.get(Mail, mail_id, with_for_update=True)
            if mail is None or mail.status != "queued":
                return
            mail.attempts += 1
            letter = await self.composers[mail.kind](
                session, account_id=mail.account_id, reference=mail.reference, locale=mail.locale, at=at
            )
            if letter is None:
                mail.status = "dropped"
                return
            mail.account_id = mail.account_id or letter.account_id
            mail.locale = letter.locale or mail.locale
            mail.sent_to = mask_email(letter.recipient)
            mail.recipient_hash = hash_recipient(
                parse_email(letter.recipient).key, key=self.settings.derive(RECIPIENTS)
            )
            if mail.kind in CAN_BE_LEFT_OUT and await is_suppressed(session, letter.recipient):
                mail.status = "suppressed"
                return
            kind, locale = letter.template or mail.kind, mail.locale
        rendered = render(kind, locale, {**self._common_values(locale), **letter.values})
        message = self._message(mail_id, letter, rendered, locale=locale, at=at)
        sending = await self._send(message, returned_to=self._return_address(mail_id))
        # Servers like to repeat whom they refuse; support and the jobs' own log may know the masked address only.
        reply = _without_address(sending.reply, letter.recipient)
        await self._note(mail_id, letter, sending, reply=reply, at=at)
        if sending.status == "queued":
            raise MailDelayed(reply)
        log.info("mail_done", mail_id=str(mail_id), kind=kind, status=sending.status)

    def _common_values(self, locale: str) -> dict[str, object]:
        return {
            "site": urlsplit(self.settings.base_url).netloc,
            "base_url": self.settings.base_url,
            "locale": locale,
            "seller": self.settings.seller,
        }

    def _message(self, mail_id: UUID, letter: Letter, rendered: Rendered, *, locale: str, at: datetime) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self.settings.mail_from
        message["To"] = letter.recipient
        message["Subject"] = rendered.subject
        message["Date"] = format_datetime(at.astimezone(UTC))
        message["Message-ID"] = f"<{mail_id}@{self._domain()}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        # Last: what begins with Content- moves into the first part when the second one is added.
        message["Content-Language"] = locale
        return message

    def _return_address(self, mail_id: UUID) -> str | None:
        """The envelope's sender: an address of the mail's own, so that what comes back names it (VERP)."""
        if self.settings.bounce_address is None:
            return None
        local, _, domain = self.settings.bounce_address.rpartition("@")
        return f"{local}+{mail_id.hex}@{domain}"

    def _domain(self) -> str:
        return parseaddr(self.settings.mail_from)[1].rpartition("@")[2]

    async def _send(self, message: EmailMessage, *, returned_to: str | None) -> Sending:
        """Speak to the server once."""
        server = urlsplit(self.settings.smtp_url)
        try:
            _, reply = await aiosmtplib.send(
                message,
                sender=returned_to,
                hostname=server.hostname,
                port=server.port,
                username=unquote(server.username) if server.username else None,
                password=unquote(server.password) if server.password else None,
                use_tls=server.scheme == "smtps",
                # A password is never sent in clear, whatever someone between us and the server leaves out.
                start_tls=True if server.password and server.scheme != "smtps" else None,
                timeout=SEND_WITHIN,
            )
        except SMTPRecipientsRefused as fault:
            codes = [refused.code for refused in fault.recipients]
            reply = "; ".join(f"{refused.code} {refused.message}" for refused in fault.recipients)
            return Sending(
                "refused" if all(code >= 500 for code in codes) else "queued",
                _one_line(reply),
                is_bounce=all(is_bounce(refused.code, refused.message) for refused in fault.recipients),
            )
        except SMTPResponseException as fault:
            return Sending("refused" if fault.code >= 500 else "queued", _one_line(f"{fault.code} {fault.message}"))
        except (aiosmtplib.SMTPException, OSError) as fault:
            return Sending("queued", type(fault).__name__)
        return Sending("sent", _one_line(reply))

    async def _note(self, mail_id: UUID, letter: Letter, sending: Sending, *, reply: str, at: datetime) -> None:
        """Keep what became of a mail, and what that says of its address."""
        is_sent = sending.status == "sent"
        async with self.database.sessions.begin() as session:
            noted = await session.scalar(
                update(Mail)
                # A report may be faster than we are: what it said stays.
                .where(Mail.id == mail_id, Mail.status == "queued")
                .values(status=sending.status, smtp_reply=reply, sent_at=at if is_sent else None)
                .returning(Mail.id)
            )
            if noted is None:
                return
            if sending.is_bounce:
                await suppress(session, parse_email(letter.recipient).key, reason=BOUNCED, at=at)
            elif is_sent:
                await note_accepted(session, letter.recipient)


def hash_recipient(email_key: str, *, key: bytes) -> bytes:
    """By which a mail's recipient is known again."""
    return hmac.digest(key, email_key.encode(), "sha256")


def _one_line(reply: str) -> str:
    return " ".join(reply.split())


def _without_address(reply: str, address: str) -> str:
    return re.sub(re.escape(address), mask_email(address), reply, flags=re.IGNORECASE)[:LONGEST_REPLY]


async def deliver_mail(mailer: SmtpMailer, *, mail_id: str) -> None:
    """Job: send one mail."""
    await mailer.deliver(mail_id=UUID(mail_id), at=datetime.now(UTC))


async def list_mails(session: AsyncSession, *, account_id: UUID, limit: int = 50) -> list[Mail]:
    """An account's mails, newest first: what was sent, never what it said."""
    statement = (
        select(Mail).where(Mail.account_id == account_id).order_by(Mail.created_at.desc(), Mail.id.desc()).limit(limit)
    )
    return list(await session.scalars(statement))
