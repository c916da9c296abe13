"""Mails: noted in the transaction that causes them, composed and sent by a job, never stored with their text."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import CheckConstraint, ForeignKey, Index, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth.email_addresses import key_of, mask_email
from auth.ids import new_id
from auth.models import Account
from auth.plain_statements import driver_of
from auth.ports import Composer, Jobs, Letter, OpenDatabase
from store.catalogue.models import Base
from store.database import RawConnection
from store.letter_templates import render
from store.mail_message import read_sender, write_message
from store.smtp import MailServer, Sending
from store.suppressions import BOUNCED, CAN_BE_LEFT_OUT, is_suppressed, suppress

log = structlog.get_logger("mail")

RECIPIENTS: Final = "mail-recipients"
"""Purpose of the key under which recipients are known again."""

TAKEN: Final = ("sent", "bounced", "complained")
"""States of mails that a mail server took, whatever it reported later."""

LONGEST_REPLY: Final = 200
"""Characters that are kept of what the mail server said."""

_QUEUE: Final = """
    INSERT INTO store.mails (id, kind, account_id, reference, locale, created_at) VALUES ($1, $2, $3, $4, $5, $6)
"""

_DUE: Final = "SELECT kind, account_id, reference, locale FROM store.mails WHERE id = $1 AND status = 'queued'"

_SOON: Final = ", set_config('synchronous_commit', 'off', true)"
"""Behind what a statement answers: its commit waits for no disk.

If the database server breaks down within the next half second, the job and its mail are as they were before: the mail
is sent once more, as if this process had broken down then.
"""

_TRY: Final = """
    UPDATE store.mails
       SET status = $2, attempts = attempts + 1, sent_to = coalesce($3, sent_to),
           recipient_hash = coalesce($4, recipient_hash), locale = $5, account_id = coalesce(account_id, $6)
     WHERE id = $1 AND status = 'queued' AND account_id IS NOT DISTINCT FROM $7
 RETURNING status
"""
"""What is known before a mail leaves. Nothing is noted about whom was erased since their mail was composed."""

_NOTE: Final = f"""
    WITH noted AS (
        UPDATE store.mails SET status = $2, smtp_reply = $3, sent_at = $4 WHERE id = $1 AND status = 'queued'
     RETURNING status
    ), lifted AS (
        DELETE FROM store.suppressed_addresses USING noted
         WHERE noted.status = 'sent' AND email_key = $5 AND reason = 'bounced')
    SELECT status{_SOON} FROM noted
"""  # noqa: S608
"""What became of a mail; a report may be faster than we are: what it said stays.

One that was taken proves that its mailbox is there, whatever was refused before.
"""


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
    """A mail could not leave now; the job tries again later."""


class Reader(Protocol):
    """Makes the mails of a kind that many people get: from one statement, without a transaction, writing nothing."""

    async def __call__(
        self, connection: RawConnection, *, account_id: UUID | None, reference: UUID | None, locale: str
    ) -> Letter | None:
        """As a `Composer` does it."""
        ...


def common_values(settings: MailSettings, locale: str) -> dict[str, object]:
    """What every letter may say: of the store, and of who sells."""
    return {
        "site": urlsplit(settings.base_url).netloc,
        "base_url": settings.base_url,
        "locale": locale,
        "seller": settings.seller,
    }


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """The `auth.ports.Outbox` port (a row and a job in the caller's transaction), and the sending that the job does."""

    database: OpenDatabase
    jobs: Jobs
    settings: MailSettings
    server: MailServer
    composers: Mapping[str, Composer]
    """Who makes the mails of a kind."""
    readers: Mapping[str, Reader] = field(default_factory=dict)
    """The same for the kinds that are read."""

    async def queue(
        self, session: AsyncSession, *, kind: str, account_id: UUID | None, reference: UUID | None, locale: str
    ) -> UUID:
        """Note in the caller's transaction that a mail is due, and enqueue its delivery."""
        if kind not in self.composers and kind not in self.readers:
            raise LookupError(f"nobody composes mails of the kind {kind!r}")
        mail_id, driver = new_id(), await driver_of(session)
        await driver.execute(_QUEUE, mail_id, kind, account_id, reference, locale, datetime.now(UTC))
        await self.jobs.enqueue(session, "deliver_mail", dedupe_key=f"mail:{mail_id}", mail_id=str(mail_id))
        return mail_id

    async def deliver(self, *, mail_id: UUID, at: datetime) -> None:
        """Send a mail that is still queued; safe to repeat.

        A crash between the server's "accepted" and our note of it sends the mail once more, with the same
        Message-ID and the same link. Raises `MailDelayed` for passing faults; no transaction is open while the
        server is spoken to, and what a composer wrote (the hash of a token) is committed before.
        """
        async with self.database.reads.acquire() as connection:
            due = await connection.fetchrow(_DUE, mail_id)
            if due is None:
                return
            read = self.readers.get(due["kind"])
            letter = await self._read(connection, read, mail_id, due) if read else None
        if read is None:
            letter = await self._compose(mail_id, due, at=at)
        if letter is None:
            return
        sending = await self._send(mail_id, due, letter, at=at)
        # Servers like to repeat whom they refuse; support and the jobs' own log may know the masked address only.
        reply = _without_address(sending.reply, letter.recipient)
        await self._note(mail_id, letter, sending, reply=reply, at=at)
        if sending.status == "queued":
            raise MailDelayed(reply)
        log.info("mail_done", mail_id=str(mail_id), kind=due["kind"], status=sending.status)

    async def _read(self, connection: RawConnection, read: Reader, mail_id: UUID, due: asyncpg.Record) -> Letter | None:
        """Have a mail made and note that it is tried; None: it is not to leave."""
        letter = await read(connection, **_about(due))
        status = await connection.fetchval(_TRY + _SOON, mail_id, *await self._known(connection, due, letter))
        return _unless_changed(letter, status)

    async def _compose(self, mail_id: UUID, due: asyncpg.Record, *, at: datetime) -> Letter | None:
        """The same in a transaction, for composers that write too."""
        async with self.database.sessions.begin() as session:
            # Two workers with the same job make its link one after the other.
            await session.execute(select(Mail.id).where(Mail.id == mail_id).with_for_update())
            letter = await self.composers[due["kind"]](session, **_about(due), at=at)
            driver = await driver_of(session)
            status = await driver.fetchval(_TRY, mail_id, *await self._known(self.database.reads, due, letter))
            return _unless_changed(letter, status)

    async def _known(self, connection: RawConnection, due: asyncpg.Record, letter: Letter | None) -> tuple[object, ...]:
        """What `_TRY` notes about a composed mail."""
        if letter is None:
            return "dropped", None, None, due["locale"], None, due["account_id"]
        is_left_out = due["kind"] in CAN_BE_LEFT_OUT and await is_suppressed(connection, letter.recipient)
        return (
            "suppressed" if is_left_out else "queued",
            mask_email(letter.recipient),
            hash_recipient(key_of(letter.recipient), key=self.settings.derive(RECIPIENTS)),
            letter.locale or due["locale"],
            letter.account_id,
            due["account_id"],
        )

    async def _send(self, mail_id: UUID, due: asyncpg.Record, letter: Letter, *, at: datetime) -> Sending:
        """Have the mail server take a mail."""
        locale = letter.locale or due["locale"]
        words = render(
            letter.template or due["kind"], locale, {**common_values(self.settings, locale), **letter.values}
        )
        message = write_message(
            words, mail_id=mail_id, sender=self.settings.mail_from, recipient=letter.recipient, locale=locale, at=at
        )
        return await self.server.send(message, sender=self._return_address(mail_id), recipient=letter.recipient)

    def _return_address(self, mail_id: UUID) -> str:
        """The envelope's sender: an address of the mail's own where there can be, so that returns name it (VERP)."""
        if self.settings.bounce_address is None:
            return read_sender(self.settings.mail_from)[1]
        local, _, domain = self.settings.bounce_address.rpartition("@")
        return f"{local}+{mail_id.hex}@{domain}"

    async def _note(self, mail_id: UUID, letter: Letter, sending: Sending, *, reply: str, at: datetime) -> None:
        """Keep what became of a mail, and what that says of its address."""
        email_key, sent_at = key_of(letter.recipient), at if sending.status == "sent" else None
        outcome = (mail_id, sending.status, reply, sent_at, email_key)
        if not sending.is_bounce:
            await self.database.reads.execute(_NOTE, *outcome)
            return
        async with self.database.sessions.begin() as session:
            driver = await driver_of(session)
            if await driver.fetchval(_NOTE, *outcome):
                await suppress(session, email_key, reason=BOUNCED, at=at)


def _about(due: asyncpg.Record) -> dict[str, Any]:
    return {name: due[name] for name in ("account_id", "reference", "locale")}


def _unless_changed(letter: Letter | None, status: object) -> Letter | None:
    """The mail, if `_TRY` found it as it was composed and it is to leave."""
    if status is None:
        raise MailDelayed("it changed while it was composed")
    return letter if status == "queued" else None


def hash_recipient(email_key: str, *, key: bytes) -> bytes:
    """By which a mail's recipient is known again."""
    return hmac.digest(key, email_key.encode(), "sha256")


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
