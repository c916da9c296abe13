"""What a report makes of a mail and its address: taken in once, whoever tells it and however often."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import structlog
from sqlalchemy import CheckConstraint, ForeignKey, Index, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from auth import audit
from auth.email_addresses import parse_email
from auth.errors import EmailAddressInvalid
from auth.ids import new_id
from auth.models import Account
from store.catalogue.models import Base
from store.mail import Mail, hash_recipient
from store.mail_reports import Report
from store.suppressions import COMPLAINED, RETURNED, suppress

log = structlog.get_logger("mail")

Source = Literal["message", "provider"]
"""Who told: a message to the return address, which anybody can write, or the signed event of a provider."""

Outcome = Literal["taken_in", "repeated", "parked", "ignored"]
"""`parked`: it names a mail that there is not (any more). `ignored`: it names none of ours."""

_FROM: Final = {
    "bounced": ("queued", "sent"),
    "delayed": ("sent",),
    "complained": ("queued", "sent"),
}
"""States in which a report still says something new."""


class MailReport(Base):
    """A report of a mail server or provider; of those that fit no mail, that there was one."""

    __tablename__ = "mail_reports"
    __table_args__ = (
        CheckConstraint("source IN ('message', 'provider')", name="source"),
        CheckConstraint("kind IN ('bounced', 'delayed', 'complained')", name="kind"),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        Index(None, "received_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    digest: Mapped[bytes] = mapped_column(unique=True)
    """Of mail and kind: what was told before has no effect."""
    mail_id: Mapped[UUID | None] = mapped_column(ForeignKey(Mail.id, ondelete="CASCADE"), index=True)
    """None: parked; there is no such mail."""
    source: Mapped[str]
    kind: Mapped[str]
    is_permanent: Mapped[bool]
    received_at: Mapped[datetime]
    """Real time."""


@dataclass(frozen=True, slots=True)
class ReturnedMail:
    """Takes in reports, in the caller's transaction."""

    session: AsyncSession
    recipient_keys: Sequence[bytes] = field(repr=False)
    """Keys under which recipients may have been hashed: the one in force, and the one before while both are."""

    async def take_in(self, report: Report, *, source: Source, at: datetime) -> Outcome:
        """Note what became of the mail, and leave its address in peace if the report says so. `at` is real time."""
        if report.mail_id is None:
            log.warning("mail_report_ignored", kind=report.kind, source=source)
            return "ignored"
        mail = await self._find(report.mail_id)
        if not await self._is_new(report, mail, source=source, at=at):
            return "repeated"
        if mail is None:
            log.warning("mail_report_parked", kind=report.kind, source=source)
            return "parked"
        if mail.status in _FROM[report.kind]:
            await self._note(mail, report, at=at)
        log.info("mail_report", mail_id=str(mail.id), kind=report.kind, source=source, permanent=report.is_permanent)
        return "taken_in"

    async def _find(self, mail_id: UUID) -> Mail | None:
        """The mail, locked; only one that was tried can have come back."""
        return await self.session.scalar(
            select(Mail).where(Mail.id == mail_id, Mail.recipient_hash.is_not(None)).with_for_update()
        )

    async def _is_new(self, report: Report, mail: Mail | None, *, source: Source, at: datetime) -> bool:
        recorded = await self.session.scalar(
            insert(MailReport)
            .values(
                id=new_id(),
                digest=hashlib.sha256(f"{report.kind}|{report.mail_id}".encode()).digest(),
                mail_id=mail.id if mail else None,
                source=source,
                kind=report.kind,
                is_permanent=report.is_permanent,
                received_at=at,
            )
            .on_conflict_do_nothing(index_elements=[MailReport.digest])
            .returning(MailReport.id)
        )
        return recorded is not None

    async def _note(self, mail: Mail, report: Report, *, at: datetime) -> None:
        mail.smtp_reply = report.reason or mail.smtp_reply
        if report.kind == "delayed":
            return
        mail.status, mail.returned_at, mail.sent_at = report.kind, at, mail.sent_at or at
        if mail.account_id is not None:
            await audit.record(
                self.session,
                at=at,
                actor=None,
                action=f"mail.{report.kind}",
                target_kind="account",
                target_id=mail.account_id,
                details={"mail_id": str(mail.id), "kind": mail.kind},
            )
        reason = COMPLAINED if report.kind == "complained" else RETURNED if report.is_permanent else None
        email_key = await self._email_key(mail, report) if reason else None
        if reason and email_key:
            await suppress(self.session, email_key, reason=reason, at=at)

    async def _email_key(self, mail: Mail, report: Report) -> str | None:
        """The address that the mail was written to: the account's or the report's, whichever it proves to be.

        An account may have another address by now, and a report may name one that nothing was written to.
        """
        of_account = select(Account.email_key).where(Account.id == mail.account_id)
        for address in filter(None, (await self.session.scalar(of_account), report.recipient)):
            try:
                email_key = parse_email(address).key
            except EmailAddressInvalid:
                continue
            if mail.recipient_hash in [hash_recipient(email_key, key=key) for key in self.recipient_keys]:
                return email_key
        return None
