"""What goes over the wire: requests and answers of library, devices, playback and licences."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from store.entitlement.decision import Decision
from store.entitlement.heartbeats import HEARTBEAT, Beat
from store.entitlement.library import Library
from store.entitlement.models import MediaAsset
from store.entitlement.playback import Showing, Stream
from store.entitlement.reasons import Reason
from store.entitlement.rights import needs_start

NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"
"""Texts without control characters."""

TitleSlug = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=NO_CONTROLS, examples=["her-2013"])]
MediaTime = Annotated[float, msgspec.Meta(ge=0, le=86_400, examples=[312.5])]


class LibraryEntryOut(msgspec.Struct, frozen=True):
    """A right and how it stands at `server_time`."""

    entitlement_id: UUID
    title_id: UUID
    slug: str
    title: str
    year: int | None
    title_kind: Literal["film", "series", "season", "episode"]
    kind: Literal["rent", "buy"]
    quality: Literal["SD", "HD", "UHD"]
    state: Literal["ready", "running", "missed", "over", "paused", "revoked"]
    granted_at: datetime
    start_by: datetime | None
    watch_hours: int | None
    first_played_at: datetime | None
    ends_at: datetime | None


class LibraryOut(msgspec.Struct, frozen=True):
    """What the customer may watch, and what is over."""

    server_time: datetime
    watchable: list[LibraryEntryOut]
    history: list[LibraryEntryOut]

    @classmethod
    def of(cls, library: Library) -> "LibraryOut":
        """From the read."""
        return msgspec.convert(library, cls, from_attributes=True)


class PlaybackCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A title to play on the device that signed the request's DPoP proof."""

    title: TitleSlug
    """The title's slug."""
    start_confirmed: bool = False
    """Whether the customer agreed that the rental's hours begin now; of a title that is owned, too, in less quality."""


ReportNumber = Annotated[int, msgspec.Meta(ge=1, le=2**53, examples=[7])]


class DecisionOut(msgspec.Struct, frozen=True):
    """Whether a title may be played on this device now, and everything that stands in the way."""

    allowed: bool
    reasons: list[Reason]
    """What the customer cannot mend comes first, then the customer's own steps in the order in which they are taken."""
    kind: Literal["rent", "buy"] | None
    """By which right; null: by none."""
    quality: Literal["SD", "HD", "UHD"] | None
    tracks: list[str]
    """Tracks whose keys the right opens."""
    starts_rental: bool
    """Whether playing would begin the rental's hours."""
    start_by: datetime | None
    ends_at: datetime | None
    """When the right ends, or would end if it were first played now; null: never, or there is no right."""
    bound_by: Literal["watch_hours", "start_by"] | None
    server_time: datetime
    """Business time."""

    @classmethod
    def of(cls, decision: Decision, *, at: datetime) -> "DecisionOut":
        """From what was decided."""
        right, end = decision.right, decision.ending
        return msgspec.convert(
            {
                "allowed": not decision.reasons,
                "reasons": decision.told(),
                "kind": right.kind if right else None,
                "quality": right.quality if right else None,
                "tracks": list(decision.tracks),
                "starts_rental": right is not None and needs_start(right),
                "start_by": right.start_by if right else None,
                "ends_at": end.ends_at if end else None,
                "bound_by": end.bound_by if end else None,
                "server_time": at,
            },
            cls,
        )


class PlaybackOut(msgspec.Struct, frozen=True):
    """A playback that was allowed."""

    id: UUID
    manifest_url: str
    licence_url: str | None
    """Of the embedded Clear Key server; null: it gives none for this film."""
    licence_services: list[Literal["axinom", "drmtoday"]]
    """Hosted services that give licences: `POST /v1/playback-licences/<name>` says what to send them."""
    token: str
    """For the licence request: `Authorization: DPoP <token>`."""
    token_expires_at: datetime
    """Real time; a heartbeat brings a fresh one."""
    tracks: list[str]
    """Tracks whose keys are granted: `AUDIO`, `SD`, `HD`, `UHD`."""
    kind: Literal["rent", "buy"]
    quality: Literal["SD", "HD", "UHD"]
    starts_rental: bool
    """Whether the first licence of this playback begins the rental's hours."""
    start_by: datetime | None
    """Rentals: the first play must lie before this instant."""
    ends_at: datetime | None
    """When the right ends, or would end if it were first played now; null: never."""
    bound_by: Literal["watch_hours", "start_by"] | None
    """What decides about `ends_at`."""
    stands_in: bool
    """The film is the sandbox's test film, for the title has none of its own."""
    heartbeat_seconds: int
    resume_at: float
    """Where to go on, in seconds; 0: at the beginning."""
    audio: str | None
    """Language that was chosen last, or `original`; null: never chosen."""
    subtitles: str | None
    """Language that was chosen last, or `off`; null: never chosen."""
    server_time: datetime
    """Business time."""

    @classmethod
    def of(cls, showing: Showing, *, services: Sequence[str], at: datetime) -> "PlaybackOut":
        """From what was decided."""
        right = showing.right
        return msgspec.convert(
            {
                "id": showing.playback_session_id,
                "manifest_url": manifest_url(showing.film),
                "licence_url": LICENCE_URL if showing.film.clear_key else None,
                "licence_services": services,
                "token": showing.token.text,
                "token_expires_at": showing.token.expires_at,
                "tracks": list(showing.tracks),
                "kind": right.kind,
                "quality": right.quality,
                "starts_rental": needs_start(right),
                "start_by": right.start_by,
                "ends_at": showing.ending.ends_at,
                "bound_by": showing.ending.bound_by,
                "stands_in": showing.film.title_id is None,
                "heartbeat_seconds": int(HEARTBEAT.total_seconds()),
                "resume_at": showing.resume_at,
                "audio": showing.choice.audio if showing.choice else None,
                "subtitles": showing.choice.subtitles if showing.choice else None,
                "server_time": at,
            },
            cls,
        )


LICENCE_URL = "/v1/playback-licences/clearkey"


def manifest_url(film: MediaAsset) -> str:
    """Address of a film's DASH manifest."""
    return f"/media/{film.id}/{film.version}/{film.manifest}"


class StreamOut(msgspec.Struct, frozen=True):
    """A playback that takes a place at this moment."""

    id: UUID
    device: str
    title: str
    """The title's slug."""
    title_name: str
    """The title in the language asked for."""
    opened_at: datetime


class StreamsOut(msgspec.Struct, frozen=True):
    """What plays at this moment."""

    playback_sessions: list[StreamOut]
    server_time: datetime
    """Business time."""

    @classmethod
    def of(cls, streams: Sequence[Stream], *, at: datetime) -> "StreamsOut":
        """From the read."""
        listed = [StreamOut(s.playback_session_id, s.device_name, s.title_slug, s.title, s.opened_at) for s in streams]
        return cls(listed, at)


class HeartbeatCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sign of life of a player."""

    position: MediaTime = 0.0
    """Media time that is shown, in seconds."""
    sequence: ReportNumber | None = None
    """Number of this report, counting up within the playback; a player gives it always or never."""
    sought: bool = False
    """Whether the customer moved the place since the last report that was answered."""


class HeartbeatOut(msgspec.Struct, frozen=True):
    """How the right stands, and a fresh token."""

    token: str
    token_expires_at: datetime
    start_by: datetime | None
    """Rentals: the first play must lie before this instant."""
    ends_at: datetime | None
    server_time: datetime
    """Business time."""

    @classmethod
    def of(cls, beat: Beat, *, at: datetime) -> "HeartbeatOut":
        """From what was decided."""
        return cls(beat.token.text, beat.token.expires_at, beat.start_by, beat.ending.ends_at, at)


class FailureOut(msgspec.Struct, frozen=True):
    """What a reported failure changed."""

    start_taken_back: bool
    """The rental counts as not begun again."""
    start_by: datetime | None
    """Rentals: the first play must lie before this instant."""
    ends_at: datetime | None
    """When the right ends; null: never, or a rental that is not begun (again)."""
    server_time: datetime
    """Business time."""


class LicenceRequest(msgspec.Struct, frozen=True):
    """W3C Clear Key: the key ids of the media (Encrypted Media Extensions, 9.1.3)."""

    kids: list[str]
    """16 bytes each, base64url without padding."""
    type: str = "temporary"


class KeyOut(msgspec.Struct, frozen=True):
    """One key, as a JSON Web Key."""

    kty: Literal["oct"]
    kid: str
    k: str


class LicenceOut(msgspec.Struct, frozen=True):
    """W3C Clear Key: a licence (Encrypted Media Extensions, 9.1.4); players ignore the members of our own."""

    keys: list[KeyOut]
    licence_ends_at: datetime
    """Until when the keys may be used (exclusive), never beyond the right's end."""
    server_time: datetime
    """Business time."""
    type: Literal["temporary"] = "temporary"
