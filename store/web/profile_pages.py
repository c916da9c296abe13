"""Pages of the account's holder: the profiles with their age limits, and the parental PIN."""

import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts import list_profiles
from auth.authentication import Identity, customer_only
from auth.errors import Refusal
from auth.parental_pin import ParentalPin, has_pin
from auth.profile_schemas import PIN_PATTERN
from auth.profiles import AGE_LIMITS, MOST, Profiles
from auth.schemas import ProfileName
from auth.step_up import recently_authenticated
from auth.visits import Visit
from store.web.forms import Text, refused
from store.web.pages import Frame

_PATH = "/account/profiles"


class ProfileForm(msgspec.Struct, frozen=True):
    """A profile's name and age limit."""

    name: ProfileName
    age_limit: Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(map(str, AGE_LIMITS))})$")]


class PinForm(msgspec.Struct, frozen=True):
    """The new PIN."""

    pin: Text = ""


async def _read(session: AsyncSession, identity: Identity) -> dict[str, Any]:
    """What the page shows; read before anything is tried, as a refusal ends the transaction."""
    profiles = await list_profiles(session, account_id=identity.account_id)
    return {
        "profiles": [{"id": one.id, "name": one.name, "age_limit": one.age_limit} for one in profiles],
        "has_pin": await has_pin(session, identity.account_id),
        "age_limits": AGE_LIMITS,
        "most": MOST,
    }


@get(_PATH, guards=[customer_only])
async def show_profiles(
    frame: NamedDependency[Frame], identity: NamedDependency[Identity], session: NamedDependency[AsyncSession]
) -> Response[str]:
    """The profiles, and whether there is a PIN."""
    return frame.page("account/profiles.html", fault="", **await _read(session, identity))


@post(_PATH, guards=[customer_only, recently_authenticated])
async def add_profile(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ProfileForm],
    identity: NamedDependency[Identity],
    profiles: NamedDependency[Profiles],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Add a profile."""
    page = await _read(session, identity)
    try:
        await profiles.add(identity=identity, name=data.name, age_limit=int(data.age_limit), at=real_now, visit=visit)
    except Refusal as refusal:
        return refused(frame, "account/profiles.html", refusal, fault=refusal.sentence(frame.locale), **page)
    return frame.go(_PATH, done="profile_added")


@post(f"{_PATH}/{{profile_id:uuid}}", guards=[customer_only, recently_authenticated])
async def change_profile(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    profile_id: FromPath[UUID],
    data: URLEncodedBody[ProfileForm],
    identity: NamedDependency[Identity],
    profiles: NamedDependency[Profiles],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Change a profile's name or age limit."""
    page = await _read(session, identity)
    try:
        await profiles.change(
            identity=identity,
            profile_id=profile_id,
            name=data.name,
            age_limit=int(data.age_limit),
            at=real_now,
            visit=visit,
        )
    except Refusal as refusal:
        return refused(frame, "account/profiles.html", refusal, fault=refusal.sentence(frame.locale), **page)
    return frame.go(_PATH, done="profile_changed")


@post(f"{_PATH}/{{profile_id:uuid}}/removal", guards=[customer_only, recently_authenticated])
async def remove_profile(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    profile_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    profiles: NamedDependency[Profiles],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Remove a profile; whoever watches by it is signed out."""
    await profiles.remove(identity=identity, profile_id=profile_id, at=real_now, visit=visit)
    return frame.go(_PATH, done="profile_removed")


@get("/account/parental-pin", guards=[customer_only, recently_authenticated], for_every_age=True)
async def show_parental_pin(
    frame: NamedDependency[Frame], identity: NamedDependency[Identity], session: NamedDependency[AsyncSession]
) -> Response[str]:
    """The form for a PIN; after a fresh proof also for who has forgotten the old one, in a restricted profile."""
    return frame.page("account/parental_pin.html", has_pin=await has_pin(session, identity.account_id), errors={})


@post("/account/parental-pin", guards=[customer_only, recently_authenticated], for_every_age=True)
async def set_parental_pin(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[PinForm],
    identity: NamedDependency[Identity],
    parental_pin: NamedDependency[ParentalPin],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Set the PIN."""
    if not re.fullmatch(PIN_PATTERN, data.pin):
        errors = {"pin": frame.w.text("profiles.pin_hint")}
        return frame.page("account/parental_pin.html", status=400, has_pin=False, errors=errors)
    await parental_pin.set(identity=identity, pin=data.pin, at=real_now, visit=visit)
    return frame.go("/viewer" if identity.viewer.is_restricted else _PATH, done="pin_set")


@post("/account/parental-pin/removal", guards=[customer_only, recently_authenticated])
async def remove_parental_pin(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    parental_pin: NamedDependency[ParentalPin],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Do without a PIN."""
    page = await _read(session, identity)
    try:
        await parental_pin.remove(identity=identity, at=real_now, visit=visit)
    except Refusal as refusal:
        return refused(frame, "account/profiles.html", refusal, fault=refusal.sentence(frame.locale), **page)
    return frame.go(_PATH, done="pin_removed")


handlers = [
    show_profiles,
    add_profile,
    change_profile,
    remove_profile,
    show_parental_pin,
    set_parental_pin,
    remove_parental_pin,
]
