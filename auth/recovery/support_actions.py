"""What support began on an account, for its owner: seen and called off where signed in, or by the mailed link."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.audit_records import AuditEvent
from auth.errors import LinkNotValid
from auth.identity import Identity
from auth.limits import COMPLETE_PER_IP
from auth.models import Account, PasswordReset
from auth.ports import Throttle
from auth.recovery.errors import SupportActionNotFound
from auth.recovery.records import Recovery
from auth.tokens import SUPPORT_CANCEL, hash_token
from auth.visits import Visit

log = structlog.get_logger("recovery")

CANCEL_LIVES: Final = timedelta(hours=72)
"""For so long the owner can say that they did not want a reset, also when its link has expired: it flags the agent."""

CANCELLATIONS: Final = ("password_reset.cancel", "recovery.cancel")
"""Entries of the audit trail that name who had begun what its owner did not want."""

Kind = Literal["password_reset", "email_change", "second_factor_removal"]


@dataclass(frozen=True, slots=True)
class SupportAction:
    """Something that support began and that its owner can still call off."""

    id: UUID
    kind: Kind
    begun_at: datetime
    ends_at: datetime
    """Until then a reset can take effect; before then, what a second person has to agree to cannot."""


@dataclass(frozen=True, slots=True)
class SupportActions:
    """Lets owners call off what support began. All times are real time."""

    session: AsyncSession
    throttle: Throttle

    async def under_way(self, *, account_id: UUID, at: datetime) -> list[SupportAction]:
        """What support began on the own account and what is still under way, the newest first."""
        pending = select(PasswordReset).where(
            PasswordReset.account_id == account_id,
            PasswordReset.channel == "support",
            PasswordReset.used_at.is_(None),
            PasswordReset.superseded_at.is_(None),
            PasswordReset.expires_at > at,
        )
        resets = await self.session.scalars(pending)
        held = await self.session.scalars(
            select(Recovery).where(Recovery.account_id == account_id, Recovery.ended_at.is_(None))
        )
        found = [
            *(SupportAction(row.id, "password_reset", row.requested_at, row.expires_at) for row in resets),
            *(SupportAction(row.id, kind_of(row), row.requested_at, row.hold_until) for row in held),
        ]
        return sorted(found, key=lambda action: action.begun_at, reverse=True)

    async def cancel(self, *, identity: Identity, action_id: UUID, at: datetime, visit: Visit) -> None:
        """Call off what support began on the own account; raises `SupportActionNotFound`."""
        await self._lock(identity.account_id)
        reset = PasswordReset.id == action_id, PasswordReset.account_id == identity.account_id
        recovery = Recovery.id == action_id, Recovery.account_id == identity.account_id
        if not (
            await self._cancel_reset(*reset, actor=identity, at=at, visit=visit)
            or await self._cancel_recovery(*recovery, actor=identity, at=at, visit=visit)
        ):
            raise SupportActionNotFound

    async def cancel_by_link(self, *, token: str, at: datetime, visit: Visit) -> None:
        """Call off what the mail with this link told of; raises `LinkNotValid` or `TooManyAttempts`."""
        digest = hash_token(token, kind=SUPPORT_CANCEL)
        reset, recovery = PasswordReset.cancel_token_hash == digest, Recovery.cancel_token_hash == digest
        account_id: UUID | None = None
        if digest is not None:
            account_id = await self.session.scalar(select(PasswordReset.account_id).where(reset))
            account_id = account_id or await self.session.scalar(select(Recovery.account_id).where(recovery))
        if account_id is None:
            # Only what is not valid counts, so that no neighbour in the same network uses up the owner's way out.
            await COMPLETE_PER_IP.admit(self.throttle, visit.limit_key)
            raise LinkNotValid
        await self._lock(account_id)
        if not (
            await self._cancel_reset(reset, actor=None, at=at, visit=visit)
            or await self._cancel_recovery(recovery, actor=None, at=at, visit=visit)
        ):
            raise LinkNotValid

    async def _lock(self, account_id: UUID) -> None:
        """The account first, as whoever uses the link of a reset does, so that the two never wait for each other."""
        await self.session.execute(select(Account.id).where(Account.id == account_id).with_for_update())

    async def _cancel_reset(
        self, *which: ColumnElement[bool], actor: Identity | None, at: datetime, visit: Visit
    ) -> bool:
        """Void a reset that was not used, and flag it; False if there is none."""
        cancelled: PasswordReset | None = await self.session.scalar(
            update(PasswordReset)
            .where(
                *which,
                PasswordReset.channel == "support",
                PasswordReset.used_at.is_(None),
                PasswordReset.cancelled_at.is_(None),
                or_(PasswordReset.expires_at > at, PasswordReset.requested_at > at - CANCEL_LIVES),
            )
            .values(cancelled_at=at, superseded_at=func.coalesce(PasswordReset.superseded_at, at))
            .returning(PasswordReset)
        )
        if cancelled is None:
            return False
        facts = {"reset_id": str(cancelled.id), "started_by": str(cancelled.requested_by)}
        await self._flag("password_reset.cancel", cancelled.account_id, facts, actor=actor, at=at, visit=visit)
        return True

    async def _cancel_recovery(
        self, *which: ColumnElement[bool], actor: Identity | None, at: datetime, visit: Visit
    ) -> bool:
        """End a recovery that was not carried out, and flag it; False if there is none."""
        cancelled: Recovery | None = await self.session.scalar(
            update(Recovery)
            .where(*which, Recovery.ended_at.is_(None))
            .values(ended_at=at, outcome="cancelled", ended_by=actor.account_id if actor else None)
            .returning(Recovery)
        )
        if cancelled is None:
            return False
        facts = {
            "recovery_id": str(cancelled.id),
            "kind": cancelled.kind,
            "started_by": str(cancelled.requested_by),
            "approved_by": str(cancelled.approved_by or ""),
        }
        await self._flag("recovery.cancel", cancelled.account_id, facts, actor=actor, at=at, visit=visit)
        return True

    async def _flag(
        self,
        action: str,
        account_id: UUID | None,
        facts: dict[str, str],
        *,
        actor: Identity | None,
        at: datetime,
        visit: Visit,
    ) -> None:
        """Note who of staff had begun what its owner did not want."""
        await audit.record(
            self.session,
            at=at,
            actor=actor,
            action=action,
            target_kind="account",
            target_id=str(account_id),
            request_id=visit.request_id,
            ip=visit.ip,
            details=facts,
        )
        log.warning("support_action_cancelled", action=action, started_by=facts["started_by"])


@dataclass(frozen=True, slots=True)
class CalledOff:
    """What an owner did not want, and who of staff had begun it."""

    at: datetime
    account_id: UUID
    action: str
    started_by: UUID


async def list_called_off(session: AsyncSession, *, since: datetime, limit: int) -> list[CalledOff]:
    """What owners called off, the newest first: for those who lead support to look into."""
    rows = await session.scalars(
        select(AuditEvent)
        .where(AuditEvent.action.in_(CANCELLATIONS), AuditEvent.outcome == "done", AuditEvent.at > since)
        .order_by(AuditEvent.at.desc())
        .limit(limit)
    )
    return [CalledOff(row.at, UUID(row.target_id), row.action, UUID(row.details["started_by"])) for row in rows]


def kind_of(recovery: Recovery) -> Literal["email_change", "second_factor_removal"]:
    """The kind of a recovery, as types know it."""
    return "email_change" if recovery.kind == "email_change" else "second_factor_removal"
