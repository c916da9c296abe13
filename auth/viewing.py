"""Who watches in a session: a profile is chosen for the device, the PIN lifts its age limit for a while."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.accounts import list_profiles
from auth.identity import Identity
from auth.models import Session
from auth.parental_pin import ParentalPin, lock_session
from auth.profile_errors import PinRequired, ProfileNotFound
from auth.profiles import find_profile
from auth.visits import Visit

UNLOCKED: Final = timedelta(hours=3)
"""For how long the PIN lifts an age limit: a long film, and no longer than an evening."""

_AGE_LIMIT: Final = "SELECT age_limit FROM auth.profiles WHERE id = $1 AND account_id = $2"


@dataclass(frozen=True, slots=True)
class Viewing:
    """Changes who watches in the session that asks. All times are real time."""

    session: AsyncSession
    pin: ParentalPin

    async def choose(
        self, *, identity: Identity, profile_id: UUID, pin: str | None, at: datetime, visit: Visit
    ) -> None:
        """Let another profile watch from now on; where it may watch more than the present one, against the PIN.

        Also while the PIN lifts the present one's limit: that ends by itself, and the choice does not.

        Raises `ProfileNotFound`, `PinRequired` where the PIN is missing, and as the check of a PIN.
        """
        # By a read of its own, so that no connection is held while the PIN is hashed.
        age_limit = await self.pin.database.reads.fetchval(_AGE_LIMIT, profile_id, identity.account_id)
        if age_limit is None:
            raise ProfileNotFound
        if age_limit > identity.viewer.profile_limit:
            if pin is None:
                raise PinRequired(age_limit=identity.viewer.profile_limit)
            await self.pin.check(identity=identity, pin=pin, at=at, visit=visit)
        profile = await find_profile(self.session, account_id=identity.account_id, profile_id=profile_id)
        first, *_ = await list_profiles(self.session, account_id=identity.account_id)
        chosen = None if profile.id == first.id else profile.id
        await self._set(identity, profile_id=chosen, unlocked_until=at if chosen else None)
        await self._note("viewer.choose", identity, at=at, visit=visit)

    async def unlock(self, *, identity: Identity, pin: str, at: datetime, visit: Visit) -> None:
        """Lift the age limit in this session for three hours; raises as the check of a PIN."""
        await self.pin.check(identity=identity, pin=pin, at=at, visit=visit)
        await self._set(identity, unlocked_until=at + UNLOCKED)
        await self._note("viewer.unlock", identity, at=at, visit=visit)

    async def lock(self, *, identity: Identity, at: datetime) -> None:
        """Let the profile's age limit hold again at once."""
        await lock_session(self.session, identity, at=at)

    async def _set(self, identity: Identity, **changes: UUID | datetime | None) -> None:
        await self.session.execute(update(Session).where(Session.id == identity.session_id).values(**changes))

    async def _note(self, action: str, identity: Identity, *, at: datetime, visit: Visit) -> None:
        await audit.record(
            self.session,
            at=at,
            actor=identity,
            action=action,
            target_kind="session",
            target_id=identity.session_id,
            request_id=visit.request_id,
            ip=visit.ip,
        )
