"""HTTP for profiles, their age limits, the parental PIN, and who watches in a session."""

from datetime import datetime
from uuid import UUID

from litestar import delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts import list_profiles
from auth.authentication import Identity, customer_only
from auth.errors import (
    CrossSiteRequest,
    CustomersOnly,
    NotSignedIn,
    Overloaded,
    StepUpRequired,
    TooManyAttempts,
)
from auth.parental_pin import ParentalPin, has_pin
from auth.profile_errors import (
    HoldersProfile,
    PinMissing,
    PinNeeded,
    PinRequired,
    PinWrong,
    ProfileNotFound,
    TooManyProfiles,
)
from auth.profile_schemas import PinCreate, ProfileCreate, ViewerChange, ViewerOut
from auth.profiles import Profiles
from auth.schemas import ProfileOut, problems
from auth.step_up import recently_authenticated
from auth.viewing import Viewing
from auth.visits import Visit

_CUSTOMER = (NotSignedIn, CustomersOnly)
_HOLDER = (*_CUSTOMER, StepUpRequired, PinRequired, CrossSiteRequest)
_PIN = (PinMissing, PinWrong, TooManyAttempts, Overloaded)


@post(
    "/profiles",
    guards=[customer_only, recently_authenticated],
    summary="Add a profile",
    tags=["Profiles"],
    responses=problems(*_HOLDER, TooManyProfiles, PinMissing),
)
async def add_profile(
    data: JSONBody[ProfileCreate],
    identity: NamedDependency[Identity],
    profiles: NamedDependency[Profiles],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> ProfileOut:
    """Add somebody who watches on the account, up to an age label or without a limit."""
    profile = await profiles.add(identity=identity, name=data.name, age_limit=data.age_limit, at=real_now, visit=visit)
    return ProfileOut.of(profile)


@patch(
    "/profiles/{profile_id:uuid}",
    guards=[customer_only, recently_authenticated],
    summary="Change a profile",
    tags=["Profiles"],
    responses=problems(*_HOLDER, ProfileNotFound, HoldersProfile, PinMissing),
)
async def change_profile(
    profile_id: FromPath[UUID],
    data: JSONBody[ProfileCreate],
    identity: NamedDependency[Identity],
    profiles: NamedDependency[Profiles],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> ProfileOut:
    """Another name or age limit; it holds at once wherever the profile is in use."""
    profile = await profiles.change(
        identity=identity,
        profile_id=profile_id,
        name=data.name,
        age_limit=data.age_limit,
        at=real_now,
        visit=visit,
    )
    return ProfileOut.of(profile)


@delete(
    "/profiles/{profile_id:uuid}",
    guards=[customer_only, recently_authenticated],
    summary="Remove a profile",
    tags=["Profiles"],
    responses=problems(*_HOLDER, ProfileNotFound, HoldersProfile),
)
async def remove_profile(
    profile_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    profiles: NamedDependency[Profiles],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Remove a profile; whoever watches by it is signed out."""
    await profiles.remove(identity=identity, profile_id=profile_id, at=real_now, visit=visit)


@put(
    "/parental-pin",
    guards=[customer_only, recently_authenticated],
    status_code=204,
    summary="Set the parental PIN",
    tags=["Profiles"],
    for_every_age=True,
    responses=problems(*_CUSTOMER, StepUpRequired, CrossSiteRequest, Overloaded),
)
async def set_parental_pin(
    data: JSONBody[PinCreate],
    identity: NamedDependency[Identity],
    parental_pin: NamedDependency[ParentalPin],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Set the PIN, or another one after a fresh proof: also from a restricted profile, by who has forgotten it."""
    await parental_pin.set(identity=identity, pin=data.pin, at=real_now, visit=visit)


@delete(
    "/parental-pin",
    guards=[customer_only, recently_authenticated],
    summary="Remove the parental PIN",
    tags=["Profiles"],
    responses=problems(*_HOLDER, PinNeeded),
)
async def remove_parental_pin(
    identity: NamedDependency[Identity],
    parental_pin: NamedDependency[ParentalPin],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Do without a PIN, once no profile has an age limit any more."""
    await parental_pin.remove(identity=identity, at=real_now, visit=visit)


@get(
    "/viewer",
    guards=[customer_only],
    summary="Who watches here",
    tags=["Profiles"],
    for_every_age=True,
    responses=problems(*_CUSTOMER),
)
async def show_viewer(identity: NamedDependency[Identity], session: NamedDependency[AsyncSession]) -> ViewerOut:
    """The profile of this session, what it may watch now, and the other profiles."""
    profiles = await list_profiles(session, account_id=identity.account_id)
    return ViewerOut.of(identity.viewer, profiles, has_pin=await has_pin(session, identity.account_id))


@put(
    "/viewer",
    guards=[customer_only],
    status_code=204,
    summary="Let another profile watch",
    tags=["Profiles"],
    for_every_age=True,
    responses=problems(*_CUSTOMER, CrossSiteRequest, ProfileNotFound, PinRequired, *_PIN),
)
async def choose_viewer(
    data: JSONBody[ViewerChange],
    identity: NamedDependency[Identity],
    viewing: NamedDependency[Viewing],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Choose a profile for this session, against the PIN where it may watch more than the present one."""
    await viewing.choose(identity=identity, profile_id=data.profile_id, pin=data.pin, at=real_now, visit=visit)


@post(
    "/viewer/unlocks",
    guards=[customer_only],
    status_code=204,
    summary="Lift the age limit for a while",
    tags=["Profiles"],
    for_every_age=True,
    responses=problems(*_CUSTOMER, CrossSiteRequest, *_PIN),
)
async def unlock_viewer(
    data: JSONBody[PinCreate],
    identity: NamedDependency[Identity],
    viewing: NamedDependency[Viewing],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Lift the age limit in this session for three hours."""
    await viewing.unlock(identity=identity, pin=data.pin, at=real_now, visit=visit)


@delete(
    "/viewer/unlocks",
    guards=[customer_only],
    summary="Let the age limit hold again",
    tags=["Profiles"],
    for_every_age=True,
    responses=problems(*_CUSTOMER, CrossSiteRequest),
)
async def lock_viewer(
    identity: NamedDependency[Identity], viewing: NamedDependency[Viewing], real_now: NamedDependency[datetime]
) -> None:
    """Let the age limit hold again at once."""
    await viewing.lock(identity=identity, at=real_now)


handlers = [
    add_profile,
    change_profile,
    remove_profile,
    set_parental_pin,
    remove_parental_pin,
    show_viewer,
    choose_viewer,
    unlock_viewer,
    lock_viewer,
]
