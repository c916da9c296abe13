"""Support locks a stranger out: every sign-in ends and the password is void, until the owner sets a new one by mail."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.audit_records import AuditEvent
from auth.errors import Refusal
from auth.identity import Identity
from auth.known_devices import forget_devices
from auth.models import Account
from auth.password_reset import close_links
from auth.ports import OpenDatabase, Outbox
from auth.recovery.errors import SecuringLimitReached
from auth.recovery.reach import lock_customer, note_refused
from auth.recovery.records import close_recoveries
from auth.sessions import end_every_session
from auth.visits import Visit

SECURE: Final = "account.secure"
"""Of the audit entry."""
MAIL: Final = "account_secured"
"""Kind of the mail that tells the owner."""
PER_AGENT_AND_DAY: Final = 10
"""Counted from the audit trail, with the agent locked."""


@dataclass(frozen=True, slots=True)
class AccountSecuring:
    """Secures an account whose takeover was reported; the route checks the permission. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    outbox: Outbox

    async def secure(self, *, agent: Identity, account_id: UUID, reason: str, at: datetime, visit: Visit) -> None:
        """End every session, void the password and every link on its way, and tell the owner how to go on.

        The owner loses nothing but the way in, and gets it back by the mailbox alone. Raises `AccountNotFound`,
        `NotACustomer`, `AccountNotResettable` or `SecuringLimitReached`; each refused try stays in the audit trail.
        """
        try:
            account = await lock_customer(self.session, agent_id=agent.account_id, account_id=account_id)
            await self._check_limit(agent.account_id, at=at)
        except Refusal as refusal:
            await note_refused(
                self.session,
                self.database,
                agent=agent,
                action=SECURE,
                account_id=account_id,
                refusal=refusal,
                at=at,
                visit=visit,
                reason=reason,
            )
            raise
        await self.session.execute(update(Account).where(Account.id == account_id).values(password_hash=None))
        await end_every_session(self.session, account_id=account_id, at=at, reason="secured_by_support")
        await forget_devices(self.session, account_id=account_id)
        await close_links(self.session, account_id=account_id, at=at)
        await close_recoveries(self.session, account_id=account_id, at=at)
        await audit.record(
            self.session,
            at=at,
            actor=agent,
            action=SECURE,
            target_kind="account",
            target_id=account_id,
            reason=reason,
            request_id=visit.request_id,
            ip=visit.ip,
        )
        await self.outbox.queue(self.session, kind=MAIL, account_id=account_id, reference=None, locale=account.locale)

    async def _check_limit(self, agent_id: UUID, *, at: datetime) -> None:
        done = select(func.count()).where(
            AuditEvent.actor_id == agent_id,
            AuditEvent.action == SECURE,
            AuditEvent.outcome == "done",
            AuditEvent.at > at - timedelta(days=1),
        )
        if (await self.session.scalar(done) or 0) >= PER_AGENT_AND_DAY:
            raise SecuringLimitReached(most=PER_AGENT_AND_DAY)
