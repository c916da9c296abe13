"""The own passkeys: what they are called, and removing one; staff keep a second factor whatever they remove."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.factor_errors import LastFactor, PasskeyNotFound
from auth.factor_records import Passkey, SecondFactor
from auth.identity import Identity
from auth.models import Account
from auth.ports import Outbox
from auth.visits import Visit


@dataclass(frozen=True, slots=True)
class OwnPasskeys:
    """Renames and removes the passkeys of whoever is signed in. All times are real time."""

    session: AsyncSession
    outbox: Outbox

    async def rename(self, *, identity: Identity, passkey_id: UUID, name: str) -> Passkey:
        """Call a passkey something else; raises `PasskeyNotFound`, also for another account's."""
        passkey = await self._get(identity, passkey_id)
        passkey.name = name
        await self.session.flush()
        return passkey

    async def remove(self, *, identity: Identity, passkey_id: UUID, at: datetime, visit: Visit) -> None:
        """Take a passkey out of force at once; the owner is told by mail.

        Raises `PasskeyNotFound`, and `LastFactor` to staff who have no other second factor.
        """
        # The account first: of two removals at once the second finds what the first one left.
        account = await self.session.get_one(Account, identity.account_id, with_for_update=True)
        passkey = await self._get(identity, passkey_id)
        if not identity.is_customer and not await self._has_another_factor(passkey):
            raise LastFactor
        passkey.removed_at, passkey.public_key = at, None
        await audit.record(
            self.session,
            at=at,
            actor=identity,
            action="passkey.remove",
            target_kind="account",
            target_id=account.id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"passkey_id": str(passkey.id)},
        )
        await self.outbox.queue(
            self.session,
            kind="passkey_changed",
            account_id=account.id,
            reference=passkey.id,
            locale=account.locale,
        )

    async def _get(self, identity: Identity, passkey_id: UUID) -> Passkey:
        passkey = await self.session.scalar(
            select(Passkey).where(
                Passkey.id == passkey_id, Passkey.account_id == identity.account_id, Passkey.removed_at.is_(None)
            )
        )
        if passkey is None:
            raise PasskeyNotFound
        return passkey

    async def _has_another_factor(self, passkey: Passkey) -> bool:
        app = exists().where(
            SecondFactor.account_id == passkey.account_id,
            SecondFactor.confirmed_at.is_not(None),
            SecondFactor.removed_at.is_(None),
        )
        another = exists().where(
            Passkey.account_id == passkey.account_id, Passkey.id != passkey.id, Passkey.removed_at.is_(None)
        )
        return bool(await self.session.scalar(select(app | another)))
