"""What a buyer's device can play of an offer, told before the order: quality by quality, with the reason why not."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from store.catalogue.offer_records import QUALITIES
from store.catalogue.offers import SellableOffer
from store.entitlement.films import tracks_of

NEEDED_LINES: Final[Mapping[str, int]] = {"SD": 1, "HD": 720, "UHD": 2160}
"""Lines that a device must decode and show, by quality."""

_REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    "not_ready": {
        "de": "Der Film liegt noch nicht zum Abspielen bereit.",
        "en": "The film is not ready to be played yet.",
    },
    "not_in_film": {
        "de": "Den Film gibt es zurzeit nicht in {quality}; er spielt in der besten Qualität, die es gibt.",
        "en": "The film does not exist in {quality} at present; it plays in the best quality that there is.",
    },
    "cannot_decrypt": {
        "de": "Ihr Gerät kann geschützte Filme nicht abspielen.",
        "en": "Your device cannot play protected films.",
    },
    "too_few_lines": {
        "de": "Ihr Gerät zeigt {lines} Zeilen; {quality} braucht mindestens {needed}.",
        "en": "Your device shows {lines} lines; {quality} needs at least {needed}.",
    },
    "unknown": {
        "de": "Wir kennen Ihr Gerät nicht. {quality} spielt auf Geräten, die geschützte Filme abspielen und mindestens "
        "{needed} Zeilen zeigen.",
        "en": "We do not know your device. {quality} plays on devices that play protected films and show at least "
        "{needed} lines.",
    },
    "unknown_sd": {
        "de": "Wir kennen Ihr Gerät nicht. {quality} spielt auf jedem Gerät, das geschützte Filme abspielt.",
        "en": "We do not know your device. {quality} plays on every device that plays protected films.",
    },
}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a device says that it can do; it decides nothing but what its owner is told before buying."""

    lines: int
    """Of the largest picture that it decodes and shows, such as 1080."""
    decrypts: bool
    """Whether it plays protected films at all."""


async def fit_of(
    session: AsyncSession, *, offered: SellableOffer, capabilities: Capabilities | None, device_name: str | None
) -> dict[str, Any]:
    """What the device can play of an offer, as a quote keeps it.

    `{"device": name or None, "qualities": [{"quality": "HD", "plays": True, False or None, "reason": {...} or None}]}`;
    `plays` is None where the device is not known.
    """
    tracks = await _tracks(session, offered)
    return {
        "device": device_name,
        "qualities": [_fit(quality, tracks, capabilities) for quality in _qualities(offered.offer.quality)],
    }


def _qualities(best: str) -> Sequence[str]:
    """What is bought with a quality: the ones below it too, the best first."""
    return tuple(reversed(QUALITIES[: QUALITIES.index(best) + 1]))


async def _tracks(session: AsyncSession, offered: SellableOffer) -> Collection[str] | None:
    """Tracks of the title's film; None for a season, which has a film for every episode."""
    if offered.kind not in ("film", "episode"):
        return None
    return await tracks_of(session, offered.title_id)


def _fit(quality: str, tracks: Collection[str] | None, device: Capabilities | None) -> dict[str, Any]:
    plays, reason = _judge(quality, tracks, device)
    facts = {"quality": quality, "needed": NEEDED_LINES[quality], "lines": device.lines if device else None}
    words = {locale: text.format(**facts) for locale, text in _REASONS[reason].items()} if reason else None
    return {"quality": quality, "plays": plays, "reason": words}


def _judge(quality: str, tracks: Collection[str] | None, device: Capabilities | None) -> tuple[bool | None, str | None]:
    """Whether it plays, and the key of the weightiest reason why not."""
    if tracks is not None and not tracks:
        return False, "not_ready"
    if tracks is not None and quality not in tracks:
        return False, "not_in_film"
    if device is None:
        return None, "unknown_sd" if quality == "SD" else "unknown"
    if not device.decrypts:
        return False, "cannot_decrypt"
    if device.lines < NEEDED_LINES[quality]:
        return False, "too_few_lines"
    return True, None
