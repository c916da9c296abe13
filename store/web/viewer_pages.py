"""Who watches here: the page on which a profile is chosen for this browser and the PIN lifts its age limit."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts import list_profiles
from auth.authentication import Identity, customer_only
from auth.errors import Refusal
from auth.models import Profile
from auth.parental_pin import has_pin
from auth.viewing import UNLOCKED, Viewing
from auth.visits import Visit
from store.web.forms import Text, refused
from store.web.pages import Frame, local_path


class PinForm(msgspec.Struct, frozen=True):
    """The PIN, and where one was."""

    pin: Text = ""
    next: Text = ""


class ChoiceForm(msgspec.Struct, frozen=True):
    """A profile, the PIN where it is needed, and where one was."""

    profile: Text = ""
    pin: Text = ""
    next: Text = ""


async def _read(frame: Frame, session: AsyncSession, identity: Identity, onward: str | None) -> dict[str, Any]:
    """What the page shows; read before anything is tried, as a refusal ends the transaction."""
    profiles = await list_profiles(session, account_id=identity.account_id)
    viewer = identity.viewer
    return {
        "profiles": [
            {
                "id": profile.id,
                "name": profile.name,
                "age_limit": profile.age_limit,
                "is_here": _is_here(profile, identity, is_first=profile is profiles[0]),
                "needs_pin": profile.age_limit > viewer.profile_limit,
            }
            for profile in profiles
        ],
        "has_pin": await has_pin(session, identity.account_id),
        "hours": int(UNLOCKED.total_seconds() // 3600),
        "onward": local_path(onward, default=frame.url()),
    }


def _is_here(profile: Profile, identity: Identity, *, is_first: bool) -> bool:
    chosen = identity.viewer.profile_id
    return profile.id == chosen or (chosen is None and is_first)


@get("/viewer", guards=[customer_only], for_every_age=True)
async def show_viewer(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    next: FromQuery[str | None] = None,
) -> Response[str]:
    """The profiles to choose from, and the PIN where one is restricted."""
    return frame.page("account/viewer.html", errors={}, **await _read(frame, session, identity, next))


@post("/viewer", guards=[customer_only], for_every_age=True)
async def choose_viewer(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ChoiceForm],
    identity: NamedDependency[Identity],
    viewing: NamedDependency[Viewing],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Let the chosen profile watch, and lead on."""
    page = await _read(frame, session, identity, data.next)
    wanted = next((one["id"] for one in page["profiles"] if str(one["id"]) == data.profile), None)
    if wanted is None:
        return frame.go("/viewer")
    try:
        await viewing.choose(identity=identity, profile_id=wanted, pin=data.pin or None, at=real_now, visit=visit)
    except Refusal as refusal:
        errors = {f"pin-{wanted}": refusal.sentence(frame.locale)}
        return refused(frame, "account/viewer.html", refusal, errors=errors, **page)
    return frame.go(page["onward"])


@post("/viewer/unlock", guards=[customer_only], for_every_age=True)
async def unlock_viewer(
    visit: NamedDependency[Visit],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[PinForm],
    identity: NamedDependency[Identity],
    viewing: NamedDependency[Viewing],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Lift the age limit for a while, and lead to where it was in the way."""
    page = await _read(frame, session, identity, data.next)
    try:
        await viewing.unlock(identity=identity, pin=data.pin, at=real_now, visit=visit)
    except Refusal as refusal:
        return refused(frame, "account/viewer.html", refusal, errors={"pin": refusal.sentence(frame.locale)}, **page)
    return frame.go(page["onward"])


@post("/viewer/lock", guards=[customer_only], for_every_age=True)
async def lock_viewer(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    viewing: NamedDependency[Viewing],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Let the age limit hold again at once."""
    await viewing.lock(identity=identity, at=real_now)
    return frame.go("/viewer", done="viewer_locked")


handlers = [show_viewer, choose_viewer, unlock_viewer, lock_viewer]
