"""What the store holds about one viewer, for that viewer (Art. 15 and 20 GDPR): rights, devices, what was watched."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Executable, select

from store.catalogue.models import Title
from store.entitlement.download_records import OfflineLicence
from store.entitlement.models import (
    Device,
    DeviceLimit,
    DeviceReset,
    Entitlement,
    LicenceEvent,
    PlaybackSession,
    RentalReminder,
    TrackChoice,
    WatchProgress,
)
from store.entitlement.remedies import RentalRemedy

_TITLE = Title.original_title.label("title")


def parts_of_viewer(account_id: UUID) -> Mapping[str, Executable]:
    """A query for each part of the export, by its name."""
    return {
        "rights": select(
            Entitlement.id,
            _TITLE,
            Entitlement.kind,
            Entitlement.quality,
            Entitlement.source,
            Entitlement.granted_at,
            Entitlement.start_by,
            Entitlement.watch_hours,
            Entitlement.first_played_at,
            Entitlement.ends_at,
            Entitlement.pause_reason,
            Entitlement.revoked_at,
            Entitlement.revoke_reason,
        )
        .join(Title, Title.id == Entitlement.title_id)
        .where(Entitlement.account_id == account_id)
        .order_by(Entitlement.id),
        "rental_reminders": select(RentalReminder.entitlement_id, RentalReminder.deadline, RentalReminder.noted_at)
        .join(Entitlement, Entitlement.id == RentalReminder.entitlement_id)
        .where(Entitlement.account_id == account_id)
        .order_by(RentalReminder.noted_at),
        "devices": select(Device.id, Device.name, Device.registered_at, Device.last_used_at, Device.removed_at)
        .where(Device.account_id == account_id)
        .order_by(Device.id),
        "device_limits": select(DeviceLimit.devices, DeviceLimit.new_devices, DeviceLimit.streams).where(
            DeviceLimit.account_id == account_id
        ),
        "device_resets": select(DeviceReset.reason, DeviceReset.done_at)
        .where(DeviceReset.account_id == account_id)
        .order_by(DeviceReset.id),
        "rental_remedies": select(
            RentalRemedy.entitlement_id,
            RentalRemedy.kind,
            RentalRemedy.hours,
            RentalRemedy.reason,
            RentalRemedy.start_by_after,
            RentalRemedy.ends_at_after,
            RentalRemedy.done_at,
        )
        .where(RentalRemedy.account_id == account_id)
        .order_by(RentalRemedy.id),
        "playbacks": select(
            PlaybackSession.id,
            _TITLE,
            PlaybackSession.device_id,
            PlaybackSession.opened_at,
            PlaybackSession.ended_at,
            PlaybackSession.end_reason,
            PlaybackSession.position,
        )
        .join(Title, Title.id == PlaybackSession.title_id)
        .where(PlaybackSession.account_id == account_id)
        .order_by(PlaybackSession.id),
        "offline_licences": select(
            OfflineLicence.id,
            _TITLE,
            OfflineLicence.device_id,
            OfflineLicence.issued_at,
            OfflineLicence.lasts_until,
            OfflineLicence.first_played_at,
            OfflineLicence.ended_at,
            OfflineLicence.end_reason,
        )
        .join(Title, Title.id == OfflineLicence.title_id)
        .where(OfflineLicence.account_id == account_id)
        .order_by(OfflineLicence.id),
        "watch_progress": select(_TITLE, WatchProgress.position, WatchProgress.finished, WatchProgress.seen_at)
        .join(Title, Title.id == WatchProgress.title_id)
        .where(WatchProgress.account_id == account_id)
        .order_by(WatchProgress.seen_at),
        "track_choices": select(TrackChoice.audio, TrackChoice.subtitles, TrackChoice.chosen_at).where(
            TrackChoice.account_id == account_id
        ),
        "licences": select(
            LicenceEvent.at,
            LicenceEvent.step,
            LicenceEvent.outcome,
            LicenceEvent.reason,
            _TITLE,
            LicenceEvent.device_id,
            LicenceEvent.started_clock,
        )
        .outerjoin(Title, Title.id == LicenceEvent.title_id)
        .where(LicenceEvent.account_id == account_id)
        .order_by(LicenceEvent.id),
    }
