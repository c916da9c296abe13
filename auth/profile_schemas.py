"""Request and answer bodies of profiles, age limits and the parental PIN."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from msgspec import Meta, Struct

from auth.identity import Viewer
from auth.models import Profile
from auth.schemas import ProfileName, ProfileOut

AgeLimit = Literal[0, 6, 12, 16, 18]
PIN_PATTERN: Final = r"^[0-9]{4,6}(?![\s\S])"
"""No `$`, which in Python lets a line's end follow."""

Pin = Annotated[str, Meta(pattern=PIN_PATTERN, examples=["4711"], description="Four to six digits.")]


class ProfileCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A profile as the account's holder wants it."""

    name: ProfileName
    age_limit: AgeLimit
    """Years up to which a title's age label may go; 18: everything."""


class PinCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The parental PIN."""

    pin: Pin


class ViewerChange(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to watch in this session."""

    profile_id: UUID
    pin: Pin | None = None
    """Needed for a profile that may watch more than the present one."""


class ViewerOut(Struct, frozen=True):
    """Who watches in this session, and who could."""

    profile_id: UUID | None
    """The chosen profile; null: the account's holder (the first one)."""
    age_limit: int
    """Years up to which a title's age label may go now; 18: everything."""
    unlocked_until: datetime | None
    """Until when the PIN lifts the profile's own limit; null: it does not."""
    has_pin: bool
    profiles: list[ProfileOut]

    @classmethod
    def of(cls, viewer: Viewer, profiles: Sequence[Profile], *, has_pin: bool) -> Self:
        """From what the session knows and the account's rows."""
        return cls(
            profile_id=viewer.profile_id,
            age_limit=viewer.age_limit,
            unlocked_until=viewer.unlocked_until,
            has_pin=has_pin,
            profiles=[ProfileOut.of(profile) for profile in profiles],
        )
