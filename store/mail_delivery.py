"""Whether mails reach a customer, for the customer: what failed and why, and a mail that shows that it works again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.identity import Identity
from auth.limits import Rule
from auth.models import Account
from auth.ports import Composer, Letter, Outbox, Throttle
from auth.visits import Visit
from store.mail import Mail, hash_recipient
from store.suppressions import find_suppression, lift_suppression

CHECK: Final = "mail_check"
"""Kind of the mail that shows that mails arrive."""

CHECKS_PER_ACCOUNT: Final = Rule("mail_check.account", 3, timedelta(days=1))

Problem = Literal["no_mailbox", "complained", "not_taken"]


class MailDelivery(msgspec.Struct, frozen=True):
    """Whether mails reach the account's address."""

    problem: Problem | None
    """`no_mailbox`: servers say that there is no such mailbox. `complained`: a mail of ours was called unwanted.

    `not_taken`: the last mail was refused or came back for another reason. Null: as far as we know mails arrive.
    """
    since: datetime | None
    said: str | None
    """The mail server's words, without addresses."""


FINE: Final = MailDelivery(problem=None, since=None, said=None)


@dataclass(frozen=True, slots=True)
class MailDeliveries:
    """Tells how mails fare, and tries again. All times are real time."""

    session: AsyncSession
    throttle: Throttle
    outbox: Outbox
    recipient_keys: Sequence[bytes] = field(repr=False)

    async def of(self, account_id: UUID) -> MailDelivery:
        """How mails to the account's present address fare."""
        email_key = await self.session.scalar(select(Account.email_key).where(Account.id == account_id))
        if email_key is None:
            return FINE
        suppression = await find_suppression(self.session, email_key)
        newest = await self._newest(account_id, email_key)
        has_failed = newest is not None and newest.status in ("refused", "bounced")
        said = newest.smtp_reply if newest is not None and has_failed else None
        if suppression is not None:
            problem: Problem = "complained" if suppression.reason == "complained" else "no_mailbox"
            return MailDelivery(problem, suppression.since, said)
        if newest is not None and has_failed:
            return MailDelivery("not_taken", newest.returned_at or newest.created_at, said)
        return FINE

    async def check(self, *, identity: Identity, at: datetime, visit: Visit) -> None:
        """Write to the own address again, beginning with a mail that shows whether it arrives; `TooManyAttempts`."""
        await CHECKS_PER_ACCOUNT.admit(self.throttle, str(identity.account_id))
        account = await self.session.get_one(Account, identity.account_id)
        if account.email_key is not None:
            await lift_suppression(self.session, account.email_key)
        await audit.record(
            self.session,
            at=at,
            actor=identity,
            action="mail.check",
            target_kind="account",
            target_id=identity.account_id,
            request_id=visit.request_id,
            ip=visit.ip,
        )
        await self.outbox.queue(
            self.session, kind=CHECK, account_id=identity.account_id, reference=None, locale=account.locale
        )

    async def _newest(self, account_id: UUID, email_key: str) -> Mail | None:
        """The newest mail to this address of which something is known."""
        hashes = [hash_recipient(email_key, key=key) for key in self.recipient_keys]
        return await self.session.scalar(
            select(Mail)
            .where(
                Mail.account_id == account_id,
                Mail.recipient_hash.in_(hashes),
                Mail.status.in_(("sent", "refused", "bounced", "complained")),
            )
            .order_by(Mail.created_at.desc(), Mail.id.desc())
            .limit(1)
        )


def composers(base_url: str) -> dict[str, Composer]:
    """The composer of the mail."""
    return {CHECK: ComposeMailCheck(base_url)}


@dataclass(frozen=True, slots=True)
class ComposeMailCheck:
    """A mail whose arrival is all that it says."""

    base_url: str

    async def __call__(
        self, session: AsyncSession, *, account_id: UUID | None, reference: UUID | None, locale: str, at: datetime
    ) -> Letter | None:
        """The mail to the account's address."""
        account = await session.get(Account, account_id)
        if account is None or account.email is None:
            return None
        values = {"account_page": f"{self.base_url}/{account.locale}/account"}
        return Letter(recipient=account.email, values=values, locale=account.locale)
