"""The rules of a right: whether it holds at an instant, when it would end, and which of several is used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, or_, select

from store.catalogue.models import Title
from store.catalogue.offer_records import QUALITIES
from store.entitlement.errors import (
    EntitlementError,
    NotEntitled,
    RentalNotStarted,
    RentalOver,
    RightPaused,
    RightRevoked,
)
from store.entitlement.models import Entitlement, Track

TRACKS: Final = {
    "SD": (Track.AUDIO, Track.SD),
    "HD": (Track.AUDIO, Track.SD, Track.HD),
    "UHD": (Track.AUDIO, Track.SD, Track.HD, Track.UHD),
}
"""Quality that was paid -> the tracks whose keys it opens."""


@dataclass(frozen=True, slots=True)
class RightRow:
    """What decides about an `Entitlement`, as a statement read it: for routes that are asked too often for the ORM."""

    kind: str
    quality: str
    start_by: datetime | None
    watch_hours: int | None
    near_end: str
    first_played_at: datetime | None
    ends_at: datetime | None
    paused_at: datetime | None
    pause_reason: str | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, record: asyncpg.Record) -> "RightRow":
        """From a row that has `RIGHT_COLUMNS`."""
        return cls(*(record[name] for name in _ALIASES))


Terms = Entitlement | RightRow

_ALIASES: Final = tuple(f"right_{field.name}" for field in fields(RightRow))

RIGHT_COLUMNS: Final = ", ".join(f"entitlement.{field.name} AS right_{field.name}" for field in fields(RightRow))
"""What a statement selects of `store.entitlements AS entitlement` for a `RightRow`."""

Standing = Literal["ready", "running", "missed", "over", "paused", "revoked"]
"""`ready`: may be started, or is owned. `running`: a rental whose hours run. `missed`: was never started in time."""


@dataclass(frozen=True, slots=True)
class Ending:
    """When a right ends, or would end if it were first played at the instant asked about."""

    ends_at: datetime | None
    """Exclusive; None: never."""
    bound_by: Literal["watch_hours", "start_by"] | None
    """What decides: the rental's hours, or (under the policy `cut`) the end of the time to start."""


def standing(right: Terms, *, at: datetime) -> Standing:
    """How a right stands at an instant; every end is exclusive."""
    if right.revoked_at is not None:
        return "revoked"
    if right.paused_at is not None:
        return "paused"
    if right.ends_at is not None:
        return "running" if at < right.ends_at else "over"
    if right.start_by is not None and at >= right.start_by:
        return "missed"
    return "ready"


def holds(right: Terms, *, at: datetime) -> bool:
    """Whether the title may be watched by this right at an instant."""
    return standing(right, at=at) in ("ready", "running")


def obstacles(right: Terms, *, at: datetime) -> list[EntitlementError]:
    """Every reason against watching by this right at an instant, the weightiest first; empty: it holds."""
    found: list[EntitlementError] = []
    if right.revoked_at is not None:
        found.append(RightRevoked())
    if right.paused_at is not None:
        found.append(RightPaused(paused_reason=right.pause_reason))
    if right.ends_at is not None and at >= right.ends_at:
        found.append(RentalOver(ended_at=right.ends_at))
    elif right.ends_at is None and right.start_by is not None and at >= right.start_by:
        found.append(RentalNotStarted(start_by=right.start_by))
    return found


def ending(right: Terms, *, at: datetime) -> Ending:
    """When a right ends if it is played at `at`: as it is fixed already, or as the first play would fix it."""
    if right.kind == "buy" or right.start_by is None or right.watch_hours is None:
        return Ending(ends_at=right.ends_at, bound_by=None)
    is_cut = right.near_end == "cut"
    full = at + timedelta(hours=right.watch_hours)
    # A rental that runs ends when its row says: one that was on hold got back the time that it lost.
    ends_at = right.ends_at or (min(full, right.start_by) if is_cut else full)
    return Ending(ends_at=ends_at, bound_by="start_by" if is_cut and ends_at == right.start_by else "watch_hours")


def covers(title_id: UUID) -> ColumnElement[bool]:
    """Whether a right is to this title, or to the season or the series that it belongs to."""
    parent = select(Title.parent_id).where(Title.id == title_id).scalar_subquery()
    series = select(Title.parent_id).where(Title.id == parent).scalar_subquery()
    return or_(Entitlement.title_id == title_id, Entitlement.title_id == parent, Entitlement.title_id == series)


def needs_start(right: Terms) -> bool:
    """Whether playing by this right would begin a rental's hours."""
    return right.kind == "rent" and right.first_played_at is None


def choose(rights: Sequence[Entitlement], *, at: datetime, start_confirmed: bool = False) -> Entitlement:
    """The right to watch by, of all that an account has for a title.

    One that holds, if any: better quality first, bought before rented, a running rental before a fresh one. No owner is
    asked to begin a rental; but one of better quality than what they own begins if they said so (`start_confirmed`).
    Without any that holds the newest one, to say why not; raises `NotEntitled` where there is none at all.
    """
    if not rights:
        raise NotEntitled
    held = [right for right in rights if holds(right, at=at)]
    may_begin = start_confirmed or not any(right.kind == "buy" for right in held)
    if held:
        return max((right for right in held if may_begin or not needs_start(right)), key=_preference)
    return max(rights, key=lambda right: right.granted_at)


def _preference(right: Entitlement) -> tuple[int, bool, bool, datetime]:
    return (
        QUALITIES.index(right.quality),
        right.kind == "buy",
        right.first_played_at is not None,
        right.granted_at,
    )


def granted_tracks(right: Entitlement, tracks: Iterable[str]) -> list[str]:
    """Those of a film's tracks that the paid quality opens, the sound first and the best picture last."""
    present = set(tracks)
    return [track for track in TRACKS[right.quality] if track in present]
