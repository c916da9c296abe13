"""What goes over the wire about watch progress and the choice of languages."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec

from store.entitlement.models import TrackChoice, WatchProgress
from store.entitlement.progress import Begun, Report, resume_at
from store.entitlement.schemas import MediaTime, ReportNumber

Language = Annotated[str, msgspec.Meta(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", examples=["de"])]


class ReportCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a player stood, some time ago."""

    sequence: ReportNumber
    """Counts up within the playback, heartbeats included, or within what is played of the download."""
    position: MediaTime
    """Media time, in seconds."""
    seconds_ago: Annotated[float, msgspec.Meta(ge=0, le=31_536_000, examples=[3600.0])] = 0.0
    """How long before this request: measured on the device, whatever its clock says."""
    sought: bool = False
    """Whether the customer moved the place since the last report that was answered."""


class ReportsCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a player kept while it was offline."""

    reports: Annotated[list[ReportCreate], msgspec.Meta(min_length=1, max_length=500)]

    def plain(self) -> list[Report]:
        """As the merge rule takes them."""
        return [
            Report(one.sequence, one.position, one.sought, timedelta(seconds=one.seconds_ago)) for one in self.reports
        ]


class ProgressOut(msgspec.Struct, frozen=True):
    """What is kept of the title now."""

    playback_session_id: UUID
    """The playback, or the download, that the place comes from."""
    sequence: int
    position: float
    finished: bool
    resume_at: float
    """Where to go on, in seconds; 0: at the beginning."""

    @classmethod
    def of(cls, kept: WatchProgress) -> "ProgressOut":
        """From its row."""
        return cls(kept.playback_session_id, kept.sequence, kept.position, kept.finished, resume_at(kept))


class BegunOut(msgspec.Struct, frozen=True):
    """A film to go on with."""

    title: str
    """The title's slug."""
    title_name: str
    position: float
    seconds: int
    seen_at: datetime


class BegunListOut(msgspec.Struct, frozen=True):
    """Films to go on with, the last watched first."""

    watch_progress: list[BegunOut]

    @classmethod
    def of(cls, begun: Sequence[Begun]) -> "BegunListOut":
        """From the read."""
        return cls([BegunOut(one.slug, one.title, one.position, one.seconds, one.seen_at) for one in begun])


class TrackChoiceCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In which language films are to be heard and read."""

    audio: Language
    """Language tag (BCP 47), or `original`."""
    subtitles: Language
    """Language tag, or `off`."""


class TrackChoiceOut(msgspec.Struct, frozen=True):
    """In which language films are heard and read; null: never chosen."""

    audio: str | None
    subtitles: str | None

    @classmethod
    def of(cls, choice: TrackChoice | None) -> "TrackChoiceOut":
        """From its row."""
        return cls(choice.audio if choice else None, choice.subtitles if choice else None)
