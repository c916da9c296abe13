"""Takes in a packaged film: its manifest and its content keys are read, held against each other, sealed and stored."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from store.catalogue.errors import TitleNotFound
from store.catalogue.models import Title
from store.entitlement.keys import KEY_BYTES, KeySeal
from store.entitlement.media import VERSION
from store.entitlement.models import ContentKey, MediaAsset, Track

TAKEN_IN: Final = "film.taken_in"
MARKED: Final = "film.clear_key_marked"

PLAYABLE: Final = ("film", "episode")
"""Kinds of titles that have a film of their own."""

_CONTENT: Final = re.compile(r'\b(?:contentType|mimeType)="(audio|video)\b')
_DEFAULT_KID: Final = re.compile(r'\bdefault_KID="([^"]*)"')
_DURATION: Final = re.compile(
    r'\bmediaPresentationDuration="PT(?:(\d{1,3})H)?(?:(\d{1,3})M)?(?:(\d{1,6}(?:\.\d+)?)S)?"'
)


class FilmUnfit(Exception):
    """What is wrong with a package or its keys, in a sentence for the operator that holds no key."""


@dataclass(frozen=True, slots=True)
class Package:
    """A film as the packager left it, in the folder from which it is served."""

    asset_id: UUID
    version: str
    manifest: str
    seconds: int
    kids: Mapping[UUID, str]
    """Key ids that its manifest names (ISO/IEC 23001-7), and what each encrypts: `audio` or `video`."""


@dataclass(frozen=True, slots=True)
class FilmKey:
    """A content key that the packager used."""

    track: Track
    kid: UUID
    key: bytes = field(repr=False)
    """16 bytes."""


def read_package(folder: Path, *, media_root: Path | None) -> Package:
    """Read a film's folder, `<media root>/<asset id>/<version>`, by the one DASH manifest in it; raises `FilmUnfit`."""
    if media_root is None:
        raise FilmUnfit("MEDIA_ROOT is not set: nothing would serve the film")
    place = folder.resolve()
    if place.parent.parent != media_root.resolve():
        raise FilmUnfit(f"{folder} must be {media_root}/<asset id>/<version>, for it is served from there")
    try:
        asset_id = UUID(place.parent.name)
    except ValueError:
        asset_id = None
    if asset_id is None or str(asset_id) != place.parent.name:
        raise FilmUnfit(f"{place.parent.name} is no asset id: a UUID in small letters")
    if not VERSION.fullmatch(place.name):
        raise FilmUnfit(f"{place.name} is no version: 1 to 64 small letters and digits")
    manifests = sorted(place.glob("*.mpd"))
    if len(manifests) != 1:
        raise FilmUnfit(f"{folder} has {len(manifests)} DASH manifests (*.mpd), and needs one")
    text = manifests[0].read_text(encoding="utf-8", errors="replace")
    if "<MPD" not in text or "</MPD>" not in text:
        raise FilmUnfit(f"{manifests[0].name} is no whole DASH manifest")
    return Package(asset_id, place.name, manifests[0].name, _seconds(text), _kids(text))


def read_keys(lines: Iterable[str]) -> Sequence[FilmKey]:
    """Keys as `TRACK KID KEY`, one a line, ids and keys in hexadecimal; raises `FilmUnfit` naming the line, no key."""
    keys: list[FilmKey] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 3:
            raise FilmUnfit(f"line {number}: a line is TRACK KID KEY")
        track, kid, key = words
        if track not in Track.__members__:
            raise FilmUnfit(f"line {number}: the track is none of {', '.join(Track)}")
        found = FilmKey(Track(track), UUID(bytes=_hex(kid.replace("-", ""), "KID", number)), _hex(key, "KEY", number))
        if any(other.track == found.track or other.kid == found.kid for other in keys):
            raise FilmUnfit(f"line {number}: the track or its KID was there before")
        keys.append(found)
    return keys


def compare(package: Package, keys: Sequence[FilmKey]) -> None:
    """Raises `FilmUnfit` unless manifest and keys name the same key ids, each for what its track says."""
    given = {key.kid: key.track for key in keys}
    for kid, content in package.kids.items():
        if kid not in given:
            raise FilmUnfit(f"the manifest's {content} is encrypted with {kid}, whose key is missing")
        if (given[kid] is Track.AUDIO) != (content == "audio"):
            raise FilmUnfit(f"{kid} is given as {given[kid]}, and encrypts {content}")
    for kid in given:
        if kid not in package.kids:
            raise FilmUnfit(f"the manifest does not name {kid}")
    if "video" not in package.kids.values():
        raise FilmUnfit("the manifest has no pictures")


async def take_in(
    session: AsyncSession,
    seal: KeySeal,
    package: Package,
    keys: Sequence[FilmKey],
    *,
    slug: str,
    clear_key: bool,
    done_by: str | None,
    at: datetime,
    real_now: datetime,
) -> bool:
    """Let a title be played by this film from now on; False if it is there already, with the same keys.

    `clear_key` says whether Clear Key may give its keys, and may be said anew; everything else of a film stays as it
    was, for somebody may be watching it: what changed is another asset. Raises `TitleNotFound` or `FilmUnfit`.
    """
    title = await session.scalar(select(Title).where(Title.slug == slug))
    if title is None:
        raise TitleNotFound(slug=slug)
    if title.kind not in PLAYABLE:
        raise FilmUnfit(f"{slug} is a {title.kind}, and has no film of its own")
    details = {"title": slug, "version": package.version, "by": done_by, "clear_key": clear_key}
    film = await session.get(MediaAsset, package.asset_id, with_for_update=True)
    if film is not None:
        await _require_same(session, seal, film, package, keys, title)
        if film.clear_key == clear_key:
            return False
        film.clear_key = clear_key
    else:
        await _require_new_ids(session, keys)
        session.add(
            MediaAsset(
                id=package.asset_id,
                title_id=title.id,
                version=package.version,
                manifest=package.manifest,
                seconds=package.seconds,
                published_at=at,
                clear_key=clear_key,
            )
        )
        await session.flush()
        session.add_all(
            seal.seal(kid=one.kid, asset_id=package.asset_id, track=one.track.value, key=one.key) for one in keys
        )
    await audit.record(
        session,
        at=real_now,
        actor=None,
        action=TAKEN_IN if film is None else MARKED,
        target_kind="film",
        target_id=package.asset_id,
        details=details,
    )
    await session.flush()
    return True


async def _require_same(
    session: AsyncSession,
    seal: KeySeal,
    film: MediaAsset,
    package: Package,
    keys: Sequence[FilmKey],
    title: Title,
) -> None:
    """Raises `FilmUnfit` if the asset is there and says anything else."""
    rows = await session.scalars(select(ContentKey).where(ContentKey.asset_id == film.id))
    known = {(row.track, row.kid, seal.open(row)) for row in rows}
    is_same = (film.title_id, film.version, film.manifest) == (title.id, package.version, package.manifest)
    if not is_same or known != {(key.track.value, key.kid, key.key) for key in keys}:
        raise FilmUnfit(f"asset {film.id} is there already with another title, version or keys: make a new one")


async def _require_new_ids(session: AsyncSession, keys: Sequence[FilmKey]) -> None:
    taken = await session.scalar(select(ContentKey).where(ContentKey.kid.in_([key.kid for key in keys])).limit(1))
    if taken is not None:
        raise FilmUnfit(f"{taken.kid} is the key id of another film, {taken.asset_id}: each film has keys of its own")


def _kids(manifest: str) -> Mapping[UUID, str]:
    """The key ids of sound and pictures; raises `FilmUnfit` for any that is not encrypted.

    Looked up in the text: nothing in this project reads XML, which can be made to unfold.
    """
    kids: dict[UUID, str] = {}
    for group in manifest.split("<AdaptationSet")[1:]:
        content = _CONTENT.search(group)
        if content is None:
            continue
        named = _DEFAULT_KID.findall(group)
        if not named:
            raise FilmUnfit(f"the manifest's {content[1]} is not encrypted, or names no default_KID")
        for kid in named:
            try:
                kids[UUID(kid)] = content[1]
            except ValueError:
                raise FilmUnfit(f"the manifest's {content[1]} names a default_KID that is no UUID") from None
    return kids


def _seconds(manifest: str) -> int:
    """How long the film is (MPD@mediaPresentationDuration, ISO/IEC 23009-1)."""
    match = _DURATION.search(manifest)
    hours, minutes, seconds = match.groups() if match else (None, None, None)
    total = round(int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0))
    if total < 1:
        raise FilmUnfit("the manifest does not say how long the film is (mediaPresentationDuration)")
    return total


def _hex(text: str, name: str, number: int) -> bytes:
    """16 bytes, written in hexadecimal."""
    if not re.fullmatch(f"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", text):
        raise FilmUnfit(f"line {number}: {name} must have {2 * KEY_BYTES} hexadecimal digits")
    return bytes.fromhex(text)
