"""What support began on an account, for its owner: seen and called off where signed in, or by the mailed link."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.errors import LinkNotValid
from auth.identity import Identity
from auth.limits import COMPLETE_PER_IP
from auth.models import Account, PasswordReset
from auth.ports import Throttle
from auth.recovery.errors import SupportActionNotFound
from auth.tokens import SUPPORT_CANCEL, hash_token
from auth.visits import Visit

log = structlog.get_logger("recovery")

CANCEL_LIVES: Final = timedelta(hours=72)
"""For so long the owner can say that they did not want a reset, also when its link has expired: it flags the agent."""

Kind = Literal["password_reset"]


@dataclass(frozen=True, slots=True)
class SupportAction:
    """Something that support began and that its owner can still call off."""

    id: UUID
    kind: Kind
    begun_at: datetime
    ends_at: datetime
    """Until then it can take effect."""


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
        rows = await self.session.scalars(pending.order_by(PasswordReset.requested_at.desc()))
        return [SupportAction(row.id, "password_reset", row.requested_at, row.expires_at) for row in rows]

    async def cancel(self, *, identity: Identity, action_id: UUID, at: datetime, visit: Visit) -> None:
        """Call off what support began on the own account; raises `SupportActionNotFound`."""
        await self._lock(identity.account_id)
        whose = PasswordReset.id == action_id, PasswordReset.account_id == identity.account_id
        if not await self._cancel_reset(*whose, actor=identity, at=at, visit=visit):
            raise SupportActionNotFound

    async def cancel_by_link(self, *, token: str, at: datetime, visit: Visit) -> None:
        """Call off what the mail with this link told of; raises `LinkNotValid` or `TooManyAttempts`."""
        digest = hash_token(token, kind=SUPPORT_CANCEL)
        found = PasswordReset.cancel_token_hash == digest
        account_id = await self.session.scalar(select(PasswordReset.account_id).where(found)) if digest else None
        if account_id is None:
            # Only what is not valid counts, so that no neighbour in the same network uses up the owner's way out.
            await COMPLETE_PER_IP.admit(self.throttle, visit.limit_key)
            raise LinkNotValid
        await self._lock(account_id)
        if not await self._cancel_reset(found, actor=None, at=at, visit=visit):
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
        await audit.record(
            self.session,
            at=at,
            actor=actor,
            action="password_reset.cancel",
            target_kind="account",
            target_id=str(cancelled.account_id),
            request_id=visit.request_id,
            ip=visit.ip,
            details={"reset_id": str(cancelled.id), "started_by": str(cancelled.requested_by)},
        )
        log.warning("support_action_cancelled", kind="password_reset", started_by=str(cancelled.requested_by))
        return True
