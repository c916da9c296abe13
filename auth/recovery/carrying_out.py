"""What comes of a recovery: the owner reminded, the link mailed after the hold, and its use by whoever reads it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.email_change import UNDO_LIVES
from auth.errors import LinkNotValid
from auth.factor_records import Passkey, RecoveryCode, SecondFactor
from auth.ids import new_id
from auth.known_devices import forget_devices
from auth.limits import COMPLETE_PER_IP
from auth.models import Account, EmailChange
from auth.password_reset import close_links
from auth.ports import OpenDatabase, Outbox, Throttle
from auth.recovery.records import APPROVE_WITHIN, LINK_LIVES, REMIND_BEFORE, Recovery, lock_recovery
from auth.recovery.requests import tell_owner
from auth.sessions import end_every_session
from auth.tokens import RECOVERY, hash_token
from auth.visits import Visit

LINK: Final = "recovery_link"
"""Kind of the mail whose link carries it out."""


@dataclass(frozen=True, slots=True)
class RecoveryRounds:
    """What time does to recoveries, looked for every minute. All times are real time."""

    database: OpenDatabase
    outbox: Outbox

    async def run(self, *, at: datetime) -> None:
        """Remind, send links and let lapse what is due; each alone, and safe to repeat."""
        due = select(Recovery.id).where(
            Recovery.ended_at.is_(None),
            or_(
                Recovery.reminded_at.is_(None) & (Recovery.hold_until <= at + REMIND_BEFORE),
                Recovery.approved_at.is_not(None) & Recovery.link_sent_at.is_(None) & (Recovery.hold_until <= at),
                Recovery.link_sent_at <= at - LINK_LIVES,
                Recovery.approved_at.is_(None) & (Recovery.requested_at <= at - APPROVE_WITHIN),
            ),
        )
        async with self.database.sessions() as session:
            found = list(await session.scalars(due))
        for recovery_id in found:
            await self._move_on(recovery_id, at=at)

    async def _move_on(self, recovery_id: UUID, *, at: datetime) -> None:
        async with self.database.sessions.begin() as session:
            locked = await lock_recovery(session, recovery_id)
            if locked is None:
                return
            recovery, account = locked
            is_too_late = recovery.approved_at is None and recovery.requested_at <= at - APPROVE_WITHIN
            if is_too_late or (recovery.link_sent_at is not None and recovery.link_sent_at <= at - LINK_LIVES):
                recovery.ended_at, recovery.outcome = at, "lapsed"
            elif recovery.approved_at is not None and recovery.link_sent_at is None and recovery.hold_until <= at:
                recovery.link_sent_at = at
                await self.outbox.queue(
                    session, kind=LINK, account_id=account.id, reference=recovery.id, locale=account.locale
                )
            elif recovery.reminded_at is None and recovery.hold_until <= at + REMIND_BEFORE:
                recovery.reminded_at = at
                await tell_owner(session, self.outbox, recovery, account)


@dataclass(frozen=True, slots=True)
class RecoveryCompletion:
    """Carries a recovery out for whoever has its mailed link. All times are real time."""

    session: AsyncSession
    throttle: Throttle
    outbox: Outbox

    async def complete(self, *, token: str, at: datetime, visit: Visit) -> None:
        """Set the new address, or do without second factors; every session ends. The password stays as it is.

        Of any number of tries at once one succeeds. Raises `LinkNotValid` or `TooManyAttempts`.
        """
        digest = hash_token(token, kind=RECOVERY)
        usable = (Recovery.token_hash == digest, Recovery.ended_at.is_(None), Recovery.link_sent_at > at - LINK_LIVES)
        found = await self.session.scalar(select(Recovery.id).where(*usable)) if digest else None
        locked = await lock_recovery(self.session, found) if found else None
        if locked is None:
            # Only what is not valid counts, so that no neighbour in the same network uses up somebody's way back.
            await COMPLETE_PER_IP.admit(self.throttle, visit.limit_key)
            raise LinkNotValid
        recovery, account = locked
        if account.status != "active" or account.email_key != recovery.old_email_key:
            raise LinkNotValid
        recovery.ended_at, recovery.outcome = at, "completed"
        # Written first: what closes other links below leaves this one alone.
        await self.session.flush()
        if recovery.kind == "email_change":
            await self._change_address(recovery, account, at=at)
        else:
            await self._remove_factors(account, at=at)
        await end_every_session(self.session, account_id=account.id, at=at, reason="recovered")
        await forget_devices(self.session, account_id=account.id)
        await close_links(self.session, account_id=account.id, at=at)
        await audit.record(
            self.session,
            at=at,
            actor=None,
            action="recovery.complete",
            target_kind="account",
            target_id=account.id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"recovery_id": str(recovery.id), "kind": recovery.kind},
        )

    async def _change_address(self, recovery: Recovery, account: Account, *, at: datetime) -> None:
        """Like every change of address it can be undone from the old mailbox for 72 hours."""
        change = EmailChange(
            id=new_id(),
            account_id=account.id,
            old_email=account.email or "",
            old_email_key=recovery.old_email_key,
            new_email=recovery.new_email or "",
            new_email_key=recovery.new_email_key or "",
            requested_at=at,
            expires_at=at,
            undo_until=at + UNDO_LIVES,
            confirmed_at=at,
        )
        self.session.add(change)
        try:
            await self.session.execute(
                update(Account)
                .where(Account.id == account.id)
                .values(email=change.new_email, email_key=change.new_email_key, email_verified_at=at)
            )
        except IntegrityError as taken:
            # The unique key decides: who came first with an address has it.
            raise LinkNotValid from taken
        await self.outbox.queue(
            self.session,
            kind="email_change_notice",
            account_id=account.id,
            reference=change.id,
            locale=account.locale,
        )

    async def _remove_factors(self, account: Account, *, at: datetime) -> None:
        """Everything that could be lost together; each that was in force is told of."""
        apps = await self.session.scalars(
            update(SecondFactor)
            .where(
                SecondFactor.account_id == account.id,
                SecondFactor.confirmed_at.is_not(None),
                SecondFactor.removed_at.is_(None),
            )
            .values(removed_at=at, sealed_secret=None)
            .returning(SecondFactor.id)
        )
        passkeys = await self.session.scalars(
            update(Passkey)
            .where(Passkey.account_id == account.id, Passkey.removed_at.is_(None))
            .values(removed_at=at, public_key=None)
            .returning(Passkey.id)
        )
        await self.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
        gone = [
            *(("second_factor_changed", factor_id) for factor_id in apps.all()),
            *(("passkey_changed", passkey_id) for passkey_id in passkeys.all()),
        ]
        for kind, reference in gone:
            await self.outbox.queue(
                self.session, kind=kind, account_id=account.id, reference=reference, locale=account.locale
            )
