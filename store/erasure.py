"""Carries out the erasures whose cool-off is over, each in one transaction: a crash leaves one to the next run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import delete, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.erasure import due_erasures, erase_person, lock_due, lock_restored, note_erased
from auth.erasure_journal import Erased, note_erasure
from auth.models import Account
from auth.ports import OpenDatabase
from billing.erasure import erase_buyer, why_not_yet
from store.cases.models import Case
from store.entitlement.erasure import erase_viewer
from store.mail import Mail
from store.suppressions import SuppressedAddress

log = structlog.get_logger("erasure")

PROOFS: Final = ("order_confirmation", "refund", "withdrawal", "withdrawal_receipt")
"""Kinds of mail that prove that a contract's confirmation was sent (BGB 312f, 356): that they were stays on record."""


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases accounts across all packages."""

    database: OpenDatabase

    async def erase_due(self, *, at: datetime) -> int:
        """Carry out every erasure that is due and that nothing delays; answers how many. Safe to repeat."""
        async with self.database.sessions() as session:
            due = await due_erasures(session, at=at)
        return sum([await self.erase(erasure_id, at=at) for erasure_id in due])

    async def erase(self, erasure_id: UUID, *, at: datetime) -> bool:
        """Carry out one erasure; False if it was kept, is done, or has to wait."""
        async with self.database.sessions.begin() as session:
            found = await lock_due(session, erasure_id, at=at)
            if found is None:
                return False
            wish, account = found
            real_now = datetime.now(UTC)
            wish.delayed_by = await why_not_yet(session, account_id=account.id, email_key=account.email_key)
            if wish.delayed_by is not None:
                log.info("delayed", erasure_id=str(erasure_id), reason=wish.delayed_by)
                return False
            await _erase(session, account, at=at, real_now=real_now)
            wish.erased_at, wish.token_hash = at, None
        log.info("erased", erasure_id=str(erasure_id))
        return True

    async def erase_again(self, erased: Erased) -> str:
        """Carry out once more an erasure that a restored backup has undone; answers `erased`, `nothing`, or a reason.

        There is no cool-off any more. `nothing`: the account is erased, or the backup is older than it. A reason (a
        code of `billing.erasure`) says what it waits for, because the backup shows money under way. Safe to repeat.
        """
        async with self.database.sessions.begin() as session:
            account = await lock_restored(session, erased.pseudonym)
            if account is None:
                await note_erasure(session, pseudonym=erased.pseudonym, erased_at=erased.erased_at)
                return "nothing"
            reason = await why_not_yet(session, account_id=account.id, email_key=account.email_key)
            if reason is not None:
                return reason
            await _erase(session, account, at=erased.erased_at, real_now=datetime.now(UTC))
            await note_erased(session, account_id=account.id, erased_at=erased.erased_at)
        log.info("erased_again", pseudonym=str(erased.pseudonym))
        return "erased"


async def _erase(session: AsyncSession, account: Account, *, at: datetime, real_now: datetime) -> None:
    """Erase an account across all packages, and enter it in the journal."""
    account_id, email_key = account.id, account.email_key
    declarations = await erase_buyer(session, account_id=account_id, email_key=email_key)
    await session.execute(delete(Case).where(Case.account_id == account_id))
    await erase_viewer(session, account_id=account_id, real_now=real_now)
    wishes = await erase_person(session, account, real_now=real_now)
    await _erase_mails(session, account_id, references=[*declarations, *wishes])
    await session.execute(delete(SuppressedAddress).where(SuppressedAddress.email_key == email_key))
    await note_erasure(session, pseudonym=account.pseudonym, erased_at=at)


async def _erase_mails(session: AsyncSession, account_id: UUID, *, references: Sequence[UUID]) -> None:
    """Mails about the account and about what was asked for by its address; proofs lose all but kind, state and time."""
    theirs = or_(Mail.account_id == account_id, Mail.reference.in_(references))
    await session.execute(delete(Mail).where(theirs, Mail.kind.not_in(PROOFS)))
    await session.execute(
        update(Mail).where(theirs).values(account_id=None, sent_to=None, recipient_hash=None, smtp_reply=None)
    )
