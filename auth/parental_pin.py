"""The parental PIN of an account: set and removed after a fresh proof, asked with a limit on wrong tries."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.identity import ALL_AGES, Identity
from auth.limits import PARENTAL_PIN_PER_ACCOUNT, Count
from auth.models import Account, Profile, Session
from auth.models import ParentalPin as Row
from auth.passwords import PasswordHasher
from auth.ports import OpenDatabase, Throttle
from auth.profile_errors import PinMissing, PinNeeded, PinWrong
from auth.visits import Visit

_STORED = "SELECT pin_hash FROM auth.parental_pins WHERE account_id = $1"


@dataclass(frozen=True, slots=True)
class ParentalPin:
    """Keeps and checks the PIN of an account. All times are real time."""

    session: AsyncSession
    database: OpenDatabase
    hasher: PasswordHasher
    throttle: Throttle

    async def set(self, *, identity: Identity, pin: str, at: datetime, visit: Visit) -> None:
        """Set the PIN, or another one in its place; the route asks for a fresh proof. Raises `Overloaded`."""
        hashed = await self.hasher.hash_pin(pin)
        values = {"pin_hash": hashed, "set_at": at}
        await self.session.execute(
            insert(Row)
            .values(account_id=identity.account_id, **values)
            .on_conflict_do_update(index_elements=[Row.account_id], set_=values)
        )
        if identity.viewer.is_restricted:
            # Who proved who they are did so for this; the device goes back to whom it is restricted for.
            await lock_session(self.session, identity, at=at)
        await _note(self.session, identity, "parental_pin.set", at=at, visit=visit)

    async def remove(self, *, identity: Identity, at: datetime, visit: Visit) -> None:
        """Do without a PIN; raises `PinNeeded` while a profile has an age limit."""
        await self.session.get_one(Account, identity.account_id, with_for_update=True)
        limited = select(exists().where(Profile.account_id == identity.account_id, Profile.age_limit < ALL_AGES))
        if await self.session.scalar(limited):
            raise PinNeeded
        await self.session.execute(delete(Row).where(Row.account_id == identity.account_id))
        await _note(self.session, identity, "parental_pin.remove", at=at, visit=visit)

    async def check(self, *, identity: Identity, pin: str, at: datetime, visit: Visit) -> None:
        """Check a PIN; raises `PinMissing`, `PinWrong`, `TooManyAttempts` or `Overloaded`."""
        tried = Count(PARENTAL_PIN_PER_ACCOUNT, str(identity.account_id))
        await tried.admit(self.throttle)
        async with tried.unless_our_fault(self.throttle):
            # Outside the request's transaction, so that no connection is held while the PIN is hashed.
            stored = await self.database.reads.fetchval(_STORED, identity.account_id)
            if stored is None:
                raise PinMissing
            matches, _ = await self.hasher.verify(pin, stored)
        if not matches:
            # In a transaction of its own, as the refusal ends the request's.
            async with self.database.sessions.begin() as own:
                await _note(own, identity, "parental_pin.check", at=at, visit=visit, reason="wrong_pin")
            raise PinWrong
        await tried.give_back(self.throttle)


async def lock_session(session: AsyncSession, identity: Identity, *, at: datetime) -> None:
    """Let the age limit of the session's profile hold from now on; no proof of before counts any more."""
    await session.execute(update(Session).where(Session.id == identity.session_id).values(unlocked_until=at))


async def has_pin(session: AsyncSession, account_id: UUID) -> bool:
    """Whether an account has a PIN."""
    return bool(await session.scalar(select(exists().where(Row.account_id == account_id))))


async def _note(
    session: AsyncSession, identity: Identity, action: str, *, at: datetime, visit: Visit, reason: str | None = None
) -> None:
    await audit.record(
        session,
        at=at,
        actor=identity,
        action=action,
        target_kind="account",
        target_id=identity.account_id,
        outcome="refused" if reason else "done",
        reason=reason,
        request_id=visit.request_id,
        ip=visit.ip,
    )
