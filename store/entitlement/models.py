"""Tables of rights, devices, playback and the keys of films."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from auth.models import Account
from billing.models import OrderLine
from store.catalogue.models import Base, Title
from store.database import APP_ROLE


class Track(StrEnum):
    """What a content key opens: the sound, or the pictures of one quality."""

    AUDIO = "AUDIO"
    SD = "SD"
    HD = "HD"
    UHD = "UHD"


class Entitlement(Base):
    """The right of an account to watch a title, for one order line (or given as goodwill)."""

    __tablename__ = "entitlements"
    __table_args__ = (
        UniqueConstraint("order_line_id", "title_id"),
        CheckConstraint("kind IN ('rent', 'buy')", "kind"),
        CheckConstraint("quality IN ('SD', 'HD', 'UHD')", "quality"),
        CheckConstraint("source IN ('sale', 'upgrade', 'goodwill')", "source"),
        CheckConstraint("near_end IN ('full', 'cut')", "near_end"),
        CheckConstraint("(kind = 'rent') = (start_by IS NOT NULL AND watch_hours IS NOT NULL)", "rental_terms"),
        CheckConstraint("kind = 'buy' OR (first_played_at IS NULL) = (ends_at IS NULL)", "clock"),
        CheckConstraint("watch_hours > 0", "watch_hours"),
        Index(None, "account_id", "title_id"),
        Index(
            "ix_entitlements_deadline",
            text("coalesce(ends_at, start_by)"),
            postgresql_where=text("kind = 'rent' AND revoked_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    order_line_id: Mapped[UUID | None] = mapped_column(ForeignKey(OrderLine.id))
    """None for a right that was given, not sold."""
    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id), index=True)
    kind: Mapped[str]
    """`rent` or `buy`."""
    quality: Mapped[str]
    """The best quality that was paid: `SD`, `HD` or `UHD`."""
    source: Mapped[str] = mapped_column(default="sale")
    granted_at: Mapped[datetime]
    start_by: Mapped[datetime | None]
    """Rentals: the first play must lie before this instant (exclusive)."""
    watch_hours: Mapped[int | None]
    """Rentals: hours from the first play to the end."""
    near_end: Mapped[str] = mapped_column(default="full")
    """Rentals started late: `full` keeps all their hours, `cut` ends them at `start_by`."""
    may_download: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Whether the offer that was bought includes licences that stay on a device."""
    first_played_at: Mapped[datetime | None]
    """When the first licence was issued; set once."""
    ends_at: Mapped[datetime | None]
    """Exclusive end; None: no end, or a rental whose clock does not run yet."""
    started_by: Mapped[UUID | None]
    """The playback session whose licence started the clock."""
    start_taken_back_at: Mapped[datetime | None]
    """The one time a start was taken back because the player failed before the first picture."""
    paused_at: Mapped[datetime | None]
    pause_reason: Mapped[str | None]
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None]


class RentalReminder(Base):
    """That a customer was reminded of a rental's deadline: once each."""

    __tablename__ = "rental_reminders"
    __table_args__ = (CheckConstraint("deadline IN ('start', 'end')", "deadline"),)

    entitlement_id: Mapped[UUID] = mapped_column(ForeignKey(Entitlement.id), primary_key=True)
    deadline: Mapped[str] = mapped_column(primary_key=True)
    """`start` (the latest one) or `end`."""
    noted_at: Mapped[datetime]
    """Business time."""


class DeviceLimit(Base):
    """How many devices and streams an account may have: one row for all, and rows for single accounts."""

    __tablename__ = "device_limits"
    __table_args__ = (
        UniqueConstraint("account_id", postgresql_nulls_not_distinct=True),
        CheckConstraint(
            "least(devices, new_devices, new_device_days, streams, streams_per_rental, streams_per_title,"
            " download_devices, downloads_per_rental) > 0",
            "at_least_one",
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """None: the row for everyone who has none of their own."""
    devices: Mapped[int]
    """Devices at a time."""
    new_devices: Mapped[int]
    """Devices that may be added within any `new_device_days`; one that was known before costs nothing."""
    new_device_days: Mapped[int]
    streams: Mapped[int]
    """Films at a time per account."""
    streams_per_rental: Mapped[int]
    """Streams at a time of one rental."""
    streams_per_title: Mapped[int | None]
    """Streams at a time of one title, however it was paid; None: as many as the account may have."""
    download_devices: Mapped[int] = mapped_column(default=2, server_default="2")
    """Devices that a purchase may be downloaded to at a time; a rental to one."""
    downloads_per_rental: Mapped[int] = mapped_column(default=3, server_default="3")
    """How often a rental may be downloaded in all: what a device says of its clock can only be believed so often."""


class Device(Base):
    """A P-256 key that an account has proved to hold; kept after removal, so that coming back costs nothing."""

    __tablename__ = "devices"
    __table_args__ = (UniqueConstraint("account_id", "jkt"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    jkt: Mapped[str] = mapped_column(String(43))
    """RFC 7638 thumbprint of the public key, SHA-256, base64url."""
    x: Mapped[str] = mapped_column(String(43))
    """Public coordinate, base64url."""
    y: Mapped[str] = mapped_column(String(43))
    """Public coordinate, base64url."""
    name: Mapped[str]
    """What its owner calls it; proves nothing."""
    registered_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    emergency_at: Mapped[datetime | None]
    """When it was removed in an emergency, which lets one more new device in than the limit says."""


class DeviceReset(Base):
    """That support let an account add new devices again: those that were added before count no longer."""

    __tablename__ = "device_resets"
    __table_args__ = (Index(None, "account_id", "at"), Index(None, "agent_id", "done_at"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    reason: Mapped[str]
    at: Mapped[datetime]
    """Business time, by which new devices are counted."""
    done_at: Mapped[datetime]
    """Real time, by which the agent's are."""


class DpopProof(Base):
    """A proof that was used, remembered until it would be too old anyway (RFC 9449, 11.1)."""

    __tablename__ = "dpop_proofs"

    jkt: Mapped[str] = mapped_column(String(43), primary_key=True)
    jti: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
    """Real time. Without an index: every heartbeat writes a row, and only an hourly sweep asks for old ones."""


class MediaAsset(Base):
    """One encrypted version of a film, served below `/media/{id}/{version}/`."""

    __tablename__ = "media_assets"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    title_id: Mapped[UUID | None] = mapped_column(ForeignKey(Title.id), index=True)
    """None: stands in for every title that has no film of its own (the sandbox's test film)."""
    version: Mapped[str]
    """Changes with the content, so that addresses may be cached for ever."""
    manifest: Mapped[str]
    """Path of the DASH manifest below the asset's address."""
    seconds: Mapped[int]
    published_at: Mapped[datetime]
    clear_key: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Whether Clear Key may give its keys, which protects nothing: for films that ask for no protection."""


class ContentKey(Base):
    """A film's key, encrypted; the plain key exists only in memory and in licences."""

    __tablename__ = "content_keys"
    __table_args__ = (
        UniqueConstraint("asset_id", "track"),
        CheckConstraint("octet_length(sealed) = 44", "sealed"),
        CheckConstraint("track IN ('AUDIO', 'SD', 'HD', 'UHD')", "track"),
    )

    kid: Mapped[UUID] = mapped_column(primary_key=True)
    asset_id: Mapped[UUID] = mapped_column(ForeignKey(MediaAsset.id))
    track: Mapped[str]
    """A `Track`."""
    sealed: Mapped[bytes]
    """AES-256-GCM: nonce (12), encrypted key (16), tag (16)."""
    sealed_with: Mapped[str] = mapped_column(String(16))
    """Which key-encryption key sealed it, so that one can be replaced by another."""


class PlaybackSession(Base):
    """One showing: a device that plays a title by a right, and the stream slot it takes while it beats."""

    __tablename__ = "playback_sessions"
    __table_args__ = (
        Index(None, "account_id", postgresql_where=text("ended_at IS NULL")),
        Index(None, "entitlement_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    entitlement_id: Mapped[UUID] = mapped_column(ForeignKey(Entitlement.id))
    device_id: Mapped[UUID] = mapped_column(ForeignKey(Device.id))
    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id))
    asset_id: Mapped[UUID] = mapped_column(ForeignKey(MediaAsset.id))
    start_confirmed: Mapped[bool]
    """Whether the customer agreed that the rental's hours begin."""
    opened_at: Mapped[datetime]
    """Business time."""
    beat_at: Mapped[datetime]
    """Real time of the last sign of life."""
    position: Mapped[float] = mapped_column(default=0.0)
    """Furthest media time that the player reported, in seconds."""
    last_position: Mapped[float | None]
    """Media time of the last sign of life, in seconds: what stands still there is paused."""
    ended_at: Mapped[datetime | None]
    """Real time."""
    end_reason: Mapped[str | None]
    """`stopped`, `replaced`, `silent`, `device_removed`, `failed` or `taken_down`.

    `offline`: it never took a place, for it was played from a licence that stays on the device, whose id it has.
    """
    hosted_client: Mapped[bytes | None]
    """Which device a hosted service got the first licence for: `HostedDevice.mark`; None: it has got none."""


class WatchProgress(Base):
    """How far an account has watched a title; `store.entitlement.progress` says which report counts."""

    __tablename__ = "watch_progress"

    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), primary_key=True)
    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id), primary_key=True)
    playback_session_id: Mapped[UUID] = mapped_column(ForeignKey(PlaybackSession.id))
    """The playback that the place comes from; of a download, the one of its id."""
    sequence: Mapped[int] = mapped_column(BigInteger)
    """The report's number within that playback."""
    position: Mapped[float]
    """Media time, in seconds."""
    seconds: Mapped[int]
    """Length of the film that was watched."""
    finished: Mapped[bool]
    """Watched to the end: the next time begins at the beginning."""
    seen_at: Mapped[datetime]
    """Real time."""


class TrackChoice(Base):
    """In which language an account last chose to hear and to read films."""

    __tablename__ = "track_choices"

    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), primary_key=True)
    audio: Mapped[str | None] = mapped_column(String(35))
    """Language tag (BCP 47), or `original`."""
    subtitles: Mapped[str | None] = mapped_column(String(35))
    """Language tag, or `off`."""
    chosen_at: Mapped[datetime]
    """Real time."""


class LicenceEvent(Base):
    """A licence or a playback that was granted or refused; never changed, and kept for four years (BGB 195, 199)."""

    __tablename__ = "licence_events"
    __table_args__ = (
        CheckConstraint("step IN ('playback', 'licence')", "step"),
        CheckConstraint("outcome IN ('granted', 'refused')", "outcome"),
        Index("ix_licence_events_refused", "title_id", "at", postgresql_where=text("outcome = 'refused'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime]
    """Business time."""
    recorded_at: Mapped[datetime]
    """Real time."""
    step: Mapped[str]
    """`playback` (may it be shown?) or `licence` (its keys)."""
    outcome: Mapped[str]
    reason: Mapped[str | None]
    """Code of the refusal."""
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    title_id: Mapped[UUID | None] = mapped_column(ForeignKey(Title.id))
    entitlement_id: Mapped[UUID | None] = mapped_column(ForeignKey(Entitlement.id))
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey(Device.id))
    playback_session_id: Mapped[UUID | None] = mapped_column(ForeignKey(PlaybackSession.id))
    jkt: Mapped[str | None] = mapped_column(String(43))
    """Playbacks: thumbprint of the key that asked, also where it is no device of the account."""
    start_confirmed: Mapped[bool | None]
    """Playbacks: whether the customer agreed that the rental's hours begin."""
    kids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    """Key ids of the keys in this licence; empty where it was refused."""
    started_clock: Mapped[bool] = mapped_column(default=False)
    """Whether this licence began a rental's hours."""
    system: Mapped[str | None]
    """Licences: `clearkey`, or the hosted service that was told to issue it; None: an older one, of Clear Key."""
    age_limit: Mapped[int | None] = mapped_column(SmallInteger)
    """Playbacks: years up to which titles were open to whoever watched; None: one from before there were limits."""


DDL: tuple[str, ...] = (
    "INSERT INTO store.device_limits (account_id, devices, new_devices, new_device_days, streams, streams_per_rental)"
    " VALUES (NULL, 5, 5, 30, 2, 1) ON CONFLICT DO NOTHING",
    "CREATE OR REPLACE FUNCTION store.refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$",
    "CREATE OR REPLACE FUNCTION store.keep_licence_event() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN IF TG_OP = 'DELETE' AND OLD.recorded_at < now() - interval '4 years' THEN RETURN OLD; END IF; "
    "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$",
    "CREATE OR REPLACE TRIGGER licence_events_are_kept BEFORE UPDATE OR DELETE ON store.licence_events"
    " FOR EACH ROW EXECUTE FUNCTION store.keep_licence_event()",
    "CREATE OR REPLACE TRIGGER licence_events_are_not_emptied BEFORE TRUNCATE ON store.licence_events"
    " FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_change()",
    f"REVOKE UPDATE, TRUNCATE ON store.licence_events FROM {APP_ROLE}",
)
"""What metadata cannot say: the limits that everyone starts with, and that licence events go no earlier than claims."""
