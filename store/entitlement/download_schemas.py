"""Request and answer bodies of licences that stay on a device."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

import msgspec

from store.entitlement.download_records import OfflineLicence
from store.entitlement.downloads import Download, DownloadEntry
from store.entitlement.hosted_schemas import HostedLicenceOut
from store.entitlement.schemas import TitleSlug


class DownloadCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which title is to stay on the device that signed the proof."""

    title: TitleSlug
    """The title's slug."""
    system: Literal["axinom", "drmtoday", "clearkey"]
    """Whose licences the player understands; Clear Key's cannot stay."""


class ReturnCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That the device has deleted its licence."""

    first_played_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """Rentals: when it was first played there, by the device's clock; null: never."""


class DownloadOut(msgspec.Struct, frozen=True):
    """A licence that is on a device, or was."""

    id: UUID
    kind: Literal["rent", "buy"]
    issued_at: datetime
    lasts_until: datetime
    """Its hard end on the device (exclusive)."""
    renewed_at: datetime | None
    first_played_at: datetime | None
    """Rentals that were returned: when the device says that it was first played."""
    ended_at: datetime | None
    """When it was returned; null: it is on the device."""
    server_time: datetime
    """Business time."""

    @classmethod
    def of(cls, record: OfflineLicence, *, at: datetime) -> Self:
        """From its row."""
        return cls(
            id=record.id,
            kind="rent" if record.kind == "rent" else "buy",
            issued_at=record.issued_at,
            lasts_until=record.lasts_until,
            renewed_at=record.renewed_at,
            first_played_at=record.first_played_at,
            ended_at=record.ended_at,
            server_time=at,
        )


class DownloadIssued(msgspec.Struct, frozen=True):
    """What the app needs to keep a film: the licence's limits, and what to send to the DRM service."""

    download: DownloadOut
    may_start_within_seconds: int | None
    """Rentals that were not begun: in which playing may begin; null: no such limit."""
    plays_for_seconds: int | None
    """From the first picture on; null: as long as the licence lasts."""
    renewed_after_seconds: int | None
    """Purchases: when the app asks anew, if it is online."""
    licence: HostedLicenceOut

    @classmethod
    def of(cls, issued: Download, licence: HostedLicenceOut, *, at: datetime) -> Self:
        """From what was issued."""
        policy = issued.licence.policy
        spans = (policy.may_start_within, policy.plays_for, policy.renewed_after)
        may_start, plays, renewed = (int(span.total_seconds()) if span is not None else None for span in spans)
        return cls(DownloadOut.of(issued.record, at=at), may_start, plays, renewed, licence)


class DownloadLine(msgspec.Struct, frozen=True):
    """A licence that is on one of the account's devices."""

    id: UUID
    title: str
    slug: str
    kind: Literal["rent", "buy"]
    device: str
    """The device's name."""
    device_id: UUID
    issued_at: datetime
    lasts_until: datetime
    must_be_deleted: bool
    """The right was taken back or is on hold, or the device was removed: the app deletes what it has."""


class DownloadList(msgspec.Struct, frozen=True):
    """What is on the account's devices, the newest first: also the list by which an app learns what to delete."""

    downloads: list[DownloadLine]
    server_time: datetime
    """Business time."""

    @classmethod
    def of(cls, entries: Sequence[DownloadEntry], *, at: datetime) -> Self:
        """From what was read."""
        return cls(
            [
                DownloadLine(
                    id=entry.record.id,
                    title=entry.title,
                    slug=entry.title_slug,
                    kind="rent" if entry.record.kind == "rent" else "buy",
                    device=entry.device_name,
                    device_id=entry.record.device_id,
                    issued_at=entry.record.issued_at,
                    lasts_until=entry.record.lasts_until,
                    must_be_deleted=entry.must_be_deleted,
                )
                for entry in entries
            ],
            at,
        )
