"""Support asks for a change that needs a second person: filed with evidence, approved or rejected by somebody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.email_addresses import parse_email
from auth.errors import EmailAddressTaken, EmailAddressUnchanged, Refusal
from auth.factor_errors import SecondFactorMissing
from auth.factor_records import Passkey, SecondFactor
from auth.identity import Identity
from auth.ids import new_id
from auth.models import Account, EmailChange
from auth.ports import OpenDatabase, Outbox
from auth.recovery.caller_codes import require_proof
from auth.recovery.errors import (
    CallerNotProved,
    EvidenceMissing,
    RecoveryLimitReached,
    RecoveryNotFound,
    RecoveryUnderWay,
    SecondPersonNeeded,
)
from auth.recovery.reach import lock_customer, note_refused
from auth.recovery.records import HOLD, Evidence, Kind, Recovery, lock_recovery
from auth.visits import Visit

NOTICE: Final = "recovery_notice"
"""Kind of the mail to the account's address."""
NOTICE_BEFORE: Final = "recovery_notice_before"
"""The same to an address that the account had until lately."""

LEAST_EVIDENCE: Final = 2
"""Kinds of evidence that stand in for a proof of the caller, where the mailbox is lost."""
PER_AGENT_AND_DAY: Final = 10
PER_CUSTOMER_AND_MONTH: Final = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What support asks for on a customer's behalf."""

    kind: Kind
    new_email: str | None
    reason: str
    evidence: Sequence[Evidence]
    verification_id: UUID | None


@dataclass(frozen=True, slots=True)
class Recoveries:
    """Files and decides recoveries. Nobody of staff ever sees or sets anything secret. All times are real time.

    The routes check the permissions: to ask is support's, to decide its leaders'.
    """

    session: AsyncSession
    database: OpenDatabase
    outbox: Outbox

    async def file(self, *, agent: Identity, account_id: UUID, wish: Wish, at: datetime, visit: Visit) -> Recovery:
        """Ask for it; the owner is told at once on all known addresses, and nothing happens for 72 hours.

        Raises `AccountNotFound`, `NotACustomer`, `AccountNotResettable`, `CallerNotProved`, `EvidenceMissing`,
        `EmailAddressInvalid`, `EmailAddressUnchanged`, `EmailAddressTaken`, `SecondFactorMissing`,
        `RecoveryUnderWay` or `RecoveryLimitReached`; each refused try stays in the audit trail.
        """
        try:
            filed, account = await self._file(agent, account_id, wish, at=at)
        except Refusal as refusal:
            await self._note_refused("recovery.file", agent, account_id, refusal, at=at, visit=visit)
            raise
        await tell_owner(self.session, self.outbox, filed, account)
        await self._note("recovery.file", agent, filed, at=at, visit=visit, reason=wish.reason)
        return filed

    async def approve(self, *, agent: Identity, recovery_id: UUID, at: datetime, visit: Visit) -> Recovery:
        """Agree as the second person. Raises `RecoveryNotFound` or `SecondPersonNeeded`."""
        recovery = await self._decide("recovery.approve", agent, recovery_id, once=True, at=at, visit=visit)
        recovery.approved_by, recovery.approved_at = agent.account_id, at
        await self._note("recovery.approve", agent, recovery, at=at, visit=visit)
        return recovery

    async def reject(self, *, agent: Identity, recovery_id: UUID, reason: str, at: datetime, visit: Visit) -> Recovery:
        """End it, approved or not, for a reason. Raises `RecoveryNotFound` or `SecondPersonNeeded`."""
        recovery = await self._decide("recovery.reject", agent, recovery_id, once=False, at=at, visit=visit)
        recovery.ended_at, recovery.outcome, recovery.ended_by = at, "rejected", agent.account_id
        await self._note("recovery.reject", agent, recovery, at=at, visit=visit, reason=reason)
        return recovery

    async def _file(self, agent: Identity, account_id: UUID, wish: Wish, *, at: datetime) -> tuple[Recovery, Account]:
        # The customer is locked: of two that are filed at once the second finds the first one.
        account = await lock_customer(self.session, agent_id=agent.account_id, account_id=account_id)
        await self._check_proof(agent, account_id, wish, at=at)
        open_one = exists().where(Recovery.account_id == account_id, Recovery.ended_at.is_(None))
        if await self.session.scalar(select(open_one)):
            raise RecoveryUnderWay
        await self._check_limits(agent.account_id, account_id, at=at)
        new = parse_email(wish.new_email or "") if wish.kind == "email_change" else None
        if new is not None:
            if new.key == account.email_key:
                raise EmailAddressUnchanged
            if await self.session.scalar(select(exists().where(Account.email_key == new.key))):
                raise EmailAddressTaken
        elif not await self.session.scalar(select(_has_factor(account_id))):
            raise SecondFactorMissing
        filed = Recovery(
            id=new_id(),
            account_id=account_id,
            kind=wish.kind,
            old_email_key=account.email_key or "",
            new_email=new.text if new else None,
            new_email_key=new.key if new else None,
            requested_by=agent.account_id,
            requested_at=at,
            reason=wish.reason,
            evidence=sorted(set(wish.evidence)),
            verification_id=wish.verification_id,
            hold_until=at + HOLD,
        )
        self.session.add(filed)
        await self.session.flush()
        return filed, account

    async def _check_proof(self, agent: Identity, account_id: UUID, wish: Wish, *, at: datetime) -> None:
        """Who lost the mailbox may have evidence instead of a code; who has it, and lost a factor, may not."""
        if wish.verification_id is not None:
            await require_proof(
                self.session, verification_id=wish.verification_id, agent=agent, account_id=account_id, at=at
            )
        elif wish.kind == "second_factor_removal":
            raise CallerNotProved
        elif len(set(wish.evidence)) < LEAST_EVIDENCE:
            raise EvidenceMissing(least=LEAST_EVIDENCE)

    async def _check_limits(self, agent_id: UUID, account_id: UUID, *, at: datetime) -> None:
        limits = (
            ("per_agent_and_day", Recovery.requested_by == agent_id, timedelta(days=1), PER_AGENT_AND_DAY),
            ("per_customer_and_month", Recovery.account_id == account_id, timedelta(days=30), PER_CUSTOMER_AND_MONTH),
        )
        for name, whose, span, most in limits:
            counted = select(func.count()).where(whose, Recovery.requested_at > at - span)
            if (await self.session.scalar(counted) or 0) >= most:
                raise RecoveryLimitReached(limit=name, most=most)

    async def _decide(
        self, action: str, agent: Identity, recovery_id: UUID, *, once: bool, at: datetime, visit: Visit
    ) -> Recovery:
        """The recovery, locked, for who may decide it: anybody with the permission but who asked for it."""
        account_id: UUID | str = "unknown"
        try:
            found = await lock_recovery(self.session, recovery_id)
            if found is None:
                raise RecoveryNotFound
            recovery, account_id = found[0], found[1].id
            if once and recovery.approved_at is not None:
                raise RecoveryNotFound
            if recovery.requested_by == agent.account_id:
                raise SecondPersonNeeded
        except Refusal as refusal:
            await self._note_refused(action, agent, account_id, refusal, at=at, visit=visit)
            raise
        return recovery

    async def _note_refused(
        self, action: str, agent: Identity, account_id: UUID | str, refusal: Refusal, *, at: datetime, visit: Visit
    ) -> None:
        await note_refused(
            self.session,
            self.database,
            agent=agent,
            action=action,
            account_id=account_id,
            refusal=refusal,
            at=at,
            visit=visit,
        )

    async def _note(
        self, action: str, agent: Identity, recovery: Recovery, *, at: datetime, visit: Visit, reason: str | None = None
    ) -> None:
        await audit.record(
            self.session,
            at=at,
            actor=agent,
            action=action,
            target_kind="account",
            target_id=recovery.account_id,
            reason=reason,
            request_id=visit.request_id,
            ip=visit.ip,
            details={
                "recovery_id": str(recovery.id),
                "kind": recovery.kind,
                "evidence": recovery.evidence,
                "is_caller_proved": recovery.verification_id is not None,
            },
        )


async def tell_owner(session: AsyncSession, outbox: Outbox, recovery: Recovery, account: Account) -> None:
    """Queue the mail about a recovery to the account's address and to those it had until lately."""
    await outbox.queue(session, kind=NOTICE, account_id=account.id, reference=recovery.id, locale=account.locale)
    before = await session.scalars(
        select(EmailChange.id).where(
            EmailChange.account_id == account.id,
            EmailChange.confirmed_at.is_not(None),
            EmailChange.undone_at.is_(None),
        )
    )
    for change_id in before.all():
        await outbox.queue(
            session, kind=NOTICE_BEFORE, account_id=account.id, reference=change_id, locale=account.locale
        )


async def list_recoveries(session: AsyncSession, *, limit: int) -> Sequence[Recovery]:
    """What is under way, the oldest first."""
    query = select(Recovery).where(Recovery.ended_at.is_(None)).order_by(Recovery.requested_at, Recovery.id)
    return (await session.scalars(query.limit(limit))).all()


async def recoveries_of(session: AsyncSession, *, account_id: UUID, limit: int) -> Sequence[Recovery]:
    """What was asked for on an account, the newest first."""
    query = select(Recovery).where(Recovery.account_id == account_id).order_by(Recovery.requested_at.desc())
    return (await session.scalars(query.limit(limit))).all()


def _has_factor(account_id: UUID) -> ColumnElement[bool]:
    app = exists().where(
        SecondFactor.account_id == account_id,
        SecondFactor.confirmed_at.is_not(None),
        SecondFactor.removed_at.is_(None),
    )
    passkey = exists().where(Passkey.account_id == account_id, Passkey.removed_at.is_(None))
    return app | passkey
