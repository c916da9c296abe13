"""Carries out the erasures whose cool-off is over, each in one transaction: a crash leaves one to the next run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import delete, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.erasure import due_erasures, erase_person, lock_due
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
            account_id, email_key, real_now = account.id, account.email_key, datetime.now(UTC)
            wish.delayed_by = await why_not_yet(session, account_id=account_id, email_key=email_key)
            if wish.delayed_by is not None:
                log.info("delayed", erasure_id=str(erasure_id), reason=wish.delayed_by)
                return False
            declarations = await erase_buyer(session, account_id=account_id, email_key=email_key)
            await session.execute(delete(Case).where(Case.account_id == account_id))
            await erase_viewer(session, account_id=account_id, real_now=real_now)
            wishes = await erase_person(session, account, real_now=real_now)
            await _erase_mails(session, account_id, references=[*declarations, *wishes])
            await session.execute(delete(SuppressedAddress).where(SuppressedAddress.email_key == email_key))
            wish.erased_at, wish.token_hash = at, None
        log.info("erased", erasure_id=str(erasure_id))
        return True


async def _erase_mails(session: AsyncSession, account_id: UUID, *, references: Sequence[UUID]) -> None:
    """Mails about the account and about what was asked for by its address; proofs lose all but kind, state and time."""
    theirs = or_(Mail.account_id == account_id, Mail.reference.in_(references))
    await session.execute(delete(Mail).where(theirs, Mail.kind.not_in(PROOFS)))
    await session.execute(
        update(Mail).where(theirs).values(account_id=None, sent_to=None, recipient_hash=None, smtp_reply=None)
    )
