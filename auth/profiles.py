"""The profiles of an account and their age limits, which its holder decides after a fresh proof."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.accounts import list_profiles
from auth.identity import ALL_AGES, Identity
from auth.models import Account, Profile, Session
from auth.parental_pin import has_pin
from auth.profile_errors import HoldersProfile, PinMissing, ProfileNotFound, TooManyProfiles
from auth.visits import Visit

AGE_LIMITS: Final = (0, 6, 12, 16, ALL_AGES)
"""Years: the steps of JuSchG 14 (2)."""

MOST: Final = 8
"""Profiles of an account."""


@dataclass(frozen=True, slots=True)
class Profiles:
    """Adds, changes and removes profiles. All times are real time; the account is locked first."""

    session: AsyncSession

    async def add(self, *, identity: Identity, name: str, age_limit: int, at: datetime, visit: Visit) -> Profile:
        """Add a profile; raises `TooManyProfiles`, or `PinMissing` for an age limit on an account without a PIN."""
        present = await self._lock(identity)
        if len(present) >= MOST:
            raise TooManyProfiles(most=MOST)
        await self._require_pin_for(identity, age_limit)
        profile = Profile(account_id=identity.account_id, name=name, age_limit=age_limit, created_at=at)
        self.session.add(profile)
        await self.session.flush()
        await self._note("profile.add", profile, identity, at=at, visit=visit, age_limit=age_limit)
        return profile

    async def change(
        self, *, identity: Identity, profile_id: UUID, name: str, age_limit: int, at: datetime, visit: Visit
    ) -> Profile:
        """Give a profile another name or age limit, which holds at once wherever it is in use.

        Raises `ProfileNotFound`, `HoldersProfile` for an age limit on the first one, or `PinMissing`.
        """
        present = await self._lock(identity)
        profile = _find(present, profile_id)
        if profile is present[0] and age_limit != ALL_AGES:
            raise HoldersProfile
        await self._require_pin_for(identity, age_limit)
        profile.name, profile.age_limit = name, age_limit
        await self.session.flush()
        await self._note("profile.change", profile, identity, at=at, visit=visit, age_limit=age_limit)
        return profile

    async def remove(self, *, identity: Identity, profile_id: UUID, at: datetime, visit: Visit) -> None:
        """Remove a profile. Who watches by it is signed out, lest a child's TV becomes the holder's.

        Raises `ProfileNotFound`, or `HoldersProfile` for the first one.
        """
        present = await self._lock(identity)
        profile = _find(present, profile_id)
        if profile is present[0]:
            raise HoldersProfile
        # Locked, so that no session begins to watch by it in between.
        await self.session.refresh(profile, with_for_update=True)
        await self.session.execute(
            update(Session)
            .where(Session.profile_id == profile.id, Session.revoked_at.is_(None))
            .values(revoked_at=at, revoke_reason="profile_removed")
        )
        await self.session.execute(update(Session).where(Session.profile_id == profile.id).values(profile_id=None))
        await self.session.delete(profile)
        await self._note("profile.remove", profile, identity, at=at, visit=visit)

    async def _lock(self, identity: Identity) -> list[Profile]:
        """The account's profiles, the holder's first; nobody else changes them, or the PIN, meanwhile."""
        await self.session.get_one(Account, identity.account_id, with_for_update=True)
        return await list_profiles(self.session, account_id=identity.account_id)

    async def _require_pin_for(self, identity: Identity, age_limit: int) -> None:
        if age_limit < ALL_AGES and not await has_pin(self.session, identity.account_id):
            raise PinMissing

    async def _note(
        self, action: str, profile: Profile, identity: Identity, *, at: datetime, visit: Visit, **details: Any
    ) -> None:
        await audit.record(
            self.session,
            at=at,
            actor=identity,
            action=action,
            target_kind="account",
            target_id=identity.account_id,
            request_id=visit.request_id,
            ip=visit.ip,
            details={"profile_id": str(profile.id), **details},
        )


async def find_profile(session: AsyncSession, *, account_id: UUID, profile_id: UUID) -> Profile:
    """A profile of the account that stays until the transaction ends; raises `ProfileNotFound`."""
    profile = await session.scalar(
        select(Profile)
        .where(Profile.id == profile_id, Profile.account_id == account_id)
        .with_for_update(read=True, key_share=True)
    )
    if profile is None:
        raise ProfileNotFound
    return profile


def _find(present: list[Profile], profile_id: UUID) -> Profile:
    profile = next((one for one in present if one.id == profile_id), None)
    if profile is None:
        raise ProfileNotFound
    return profile
