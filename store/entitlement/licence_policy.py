"""What a licence allows, in the words of no DRM: how long, whether it stays on the device, and on which outputs.

The licences of every system are derived from it. The words are Widevine's (licence template: rental, playback and
licence duration), which the other systems' can be written in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from store.entitlement.models import Track
from store.entitlement.rights import Terms, ending

RENEW_AFTER: Final = timedelta(minutes=5)
"""A streaming licence is asked for anew so often: then a refund or a takedown bites."""

PURCHASE_LICENCE: Final = timedelta(days=1)
"""How long a streaming licence of a purchase is good without being renewed."""

STORED_PURCHASE: Final = timedelta(days=30)
"""How long a stored licence of a purchase is good: within that a refund bites on a device that stays offline."""

STORED_RENEWAL: Final = timedelta(days=23)
"""When a stored licence of a purchase is renewed, if its device is online: a week before it ends."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What a device must have to be given the key of a track."""

    needs_hardware: bool = False
    """Keys and pictures stay in hardware (Widevine L1, PlayReady SL3000)."""
    hdcp: str | None = None
    """Least version of HDCP on digital outputs, such as `2.2`; None: any output."""


PROTECTIONS: Final[Mapping[str, Protection]] = {
    Track.AUDIO: Protection(),
    Track.SD: Protection(),
    Track.HD: Protection(needs_hardware=True, hdcp="1.0"),
    Track.UHD: Protection(needs_hardware=True, hdcp="2.2"),
}
"""By track, as studios commonly ask for it (MovieLabs, Enhanced Content Protection)."""


@dataclass(frozen=True, slots=True)
class LicencePolicy:
    """The limits of one licence. Spans are counted from now, in which the licence is made; None: without end."""

    lasts: timedelta
    """Until its hard end, whatever else it allows; never beyond the right's."""
    may_start_within: timedelta | None
    """In which playing may begin (Widevine's rental duration)."""
    plays_for: timedelta | None
    """From the first picture on (Widevine's playback duration)."""
    may_persist: bool
    """Whether it stays on the device."""
    renewed_after: timedelta | None
    """When the player asks anew; None: never."""


def streaming_policy(right: Terms, *, at: datetime) -> LicencePolicy:
    """The limits of a licence to stream by a right that holds at `at`, as if it were first played then."""
    ends_at = ending(right, at=at).ends_at
    left = ends_at - at if ends_at is not None else None
    return LicencePolicy(
        lasts=left or PURCHASE_LICENCE,
        may_start_within=None,
        plays_for=left,
        may_persist=False,
        renewed_after=RENEW_AFTER,
    )


def stored_policy(right: Terms, *, at: datetime) -> LicencePolicy:
    """The limits of a licence that stays on the device, by a right that holds at `at`.

    A rental that was not started may begin on its last day and run its hours then, so the licence lasts for both; one
    that is cut by its policy (`near_end`) ends with the days to start.
    """
    if right.kind == "buy" or right.start_by is None or right.watch_hours is None:
        return LicencePolicy(STORED_PURCHASE, None, None, may_persist=True, renewed_after=STORED_RENEWAL)
    if right.ends_at is not None:
        left = right.ends_at - at
        return LicencePolicy(left, left, left, may_persist=True, renewed_after=None)
    to_start, hours = right.start_by - at, timedelta(hours=right.watch_hours)
    lasts = to_start if right.near_end == "cut" else to_start + hours
    return LicencePolicy(lasts, to_start, min(hours, lasts), may_persist=True, renewed_after=None)
