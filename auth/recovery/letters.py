"""The mails of this package, made at the moment they leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.email_addresses import mask_email
from auth.letters import MailedLinks, way_back
from auth.models import Account, EmailChange
from auth.ports import AuthSettings, Composer, Letter
from auth.recovery.caller_codes import CODES, MAIL, CallerCodes, CallerVerification
from auth.recovery.carrying_out import LINK
from auth.recovery.records import LINK_LIVES, Recovery
from auth.recovery.requests import NOTICE, NOTICE_BEFORE
from auth.recovery.securing import MAIL as SECURED
from auth.tokens import RECOVERY, SUPPORT_CANCEL, MailedTokens


def composers(settings: AuthSettings) -> Mapping[str, Composer]:
    """Composers of all kinds of mail that this package queues."""
    links = MailedLinks(settings.base_url, MailedTokens(settings.derive("mailed-links")))
    return {
        MAIL: ComposeCallerCode(CallerCodes(settings.derive(CODES))),
        NOTICE: ComposeRecoveryNotice(links),
        NOTICE_BEFORE: ComposeNoticeBefore(ComposeRecoveryNotice(links)),
        LINK: ComposeRecoveryLink(links),
        SECURED: ComposeAccountSecured(settings.base_url),
    }


@dataclass(frozen=True, slots=True)
class ComposeCallerCode:
    """The code that a customer reads to the agent on the telephone."""

    codes: CallerCodes = field(repr=False)

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the stored address, or None if the code holds no more."""
        asked, account = await session.get(CallerVerification, reference), await session.get(Account, account_id)
        if asked is None or account is None or account.email is None or not asked.is_open(at=at):
            return None
        values = {"code": self.codes.code(asked.id), "valid_until": asked.expires_at}
        return Letter(recipient=account.email, values=values, locale=account.locale)


@dataclass(frozen=True, slots=True)
class ComposeAccountSecured:
    """Tells the owner that support locked everybody out, and where a new password is set."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the stored address, or None if there is none any more."""
        account = await session.get(Account, account_id)
        if account is None or account.email is None:
            return None
        return Letter(
            recipient=account.email, values={"forgot": way_back(self.base_url, account)}, locale=account.locale
        )


@dataclass(frozen=True, slots=True)
class ComposeRecoveryNotice:
    """Tells the owner what support was asked for in their name, until when nothing happens, and how to call it off."""

    links: MailedLinks

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the account's address, or None once the recovery is over."""
        recovery, account = await session.get(Recovery, reference), await session.get(Account, account_id)
        if recovery is None or recovery.ended_at is not None or account is None or account.email is None:
            return None
        return self.letter(recovery, account, recipient=account.email)

    def letter(self, recovery: Recovery, account: Account, *, recipient: str) -> Letter:
        """The mail to one address."""
        recovery.cancel_token_hash = self.links.digest(SUPPORT_CANCEL, recovery.id)
        way_out = self.links.values(SUPPORT_CANCEL, recovery.id, path="/account/support/cancel", locale=account.locale)
        values = {
            "is_email_change": recovery.kind == "email_change",
            "new_address": mask_email(recovery.new_email) if recovery.new_email else "",
            "is_reminder": recovery.reminded_at is not None,
            "held_until": recovery.hold_until,
            **{f"cancel_{name}": value for name, value in way_out.items()},
        }
        return Letter(recipient=recipient, values=values, template=NOTICE, locale=account.locale)


@dataclass(frozen=True, slots=True)
class ComposeNoticeBefore:
    """The same to an address that the account had before the change `reference`."""

    notice: ComposeRecoveryNotice

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the old address, or None once the recovery is over or the change is forgotten."""
        change, account = await session.get(EmailChange, reference), await session.get(Account, account_id)
        recovery = await session.scalar(
            select(Recovery).where(Recovery.account_id == account_id, Recovery.ended_at.is_(None))
        )
        if change is None or account is None or account.email is None or recovery is None:
            return None
        return self.notice.letter(recovery, account, recipient=change.old_email)


@dataclass(frozen=True, slots=True)
class ComposeRecoveryLink:
    """The link that carries a recovery out: to the new address, or to the account's where it keeps it."""

    links: MailedLinks

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail, or None if the recovery is over."""
        recovery, account = await session.get(Recovery, reference), await session.get(Account, account_id)
        if recovery is None or recovery.ended_at is not None or account is None or account.email is None:
            return None
        if recovery.link_sent_at is None or recovery.link_sent_at <= at - LINK_LIVES:
            return None
        recovery.token_hash = self.links.digest(RECOVERY, recovery.id)
        values = self.links.values(RECOVERY, recovery.id, path="/account/recovery", locale=account.locale)
        return Letter(
            recipient=recovery.new_email or account.email,
            values={
                **values,
                "is_email_change": recovery.kind == "email_change",
                "valid_until": recovery.link_sent_at + LINK_LIVES,
            },
            locale=account.locale,
        )
