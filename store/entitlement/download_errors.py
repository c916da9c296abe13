"""Refusals of licences that stay on a device, and of streaming what is on one."""

from typing import Any, Final

from store.entitlement.errors import EntitlementError, Way

_LOST_DE: Final = (
    "Dieser Leihfilm ist auf „{device}“ heruntergeladen, einem Gerät, das aus Ihrem Konto entfernt ist. "
    "Ist es verloren, gibt der Kundendienst die Leihe frei."
)
_LOST_EN: Final = (
    "This rental is downloaded to “{device}”, a device that was removed from your account. "
    "If it is lost, our customer service frees the rental."
)


class CannotPersist(EntitlementError):
    """Licences of this system end with the playback: Clear Key has none that stay on a device."""

    status, code = 409, "drm_cannot_persist"
    de = "Auf diesem Gerät kann der Film nur mit Internet laufen."
    en = "On this device the film can only play online."


class DownloadNotGranted(EntitlementError):
    """The offer that was bought does not include downloads."""

    status, code = 403, "download_not_granted"
    de = "Der Verleih erlaubt für diesen Film kein Herunterladen. Online können Sie ihn ansehen."
    en = "The licensor does not allow to download this film. You can watch it online."


class DownloadElsewhere(EntitlementError):
    """The rental is on a device already (`device`), from which it has to be returned first."""

    status, code = 409, "download_outstanding"
    way: Way | None = "return_download"
    de = "Dieser Leihfilm ist schon auf „{device}“ heruntergeladen. Geben Sie ihn dort zuerst zurück."
    en = "This rental is already downloaded to “{device}”. Return it there first."


class DownloadOnRemovedDevice(DownloadElsewhere):
    """That device was removed from the account: nobody is sent to it, for support frees the rental."""

    way = "ask_support"
    de, en = _LOST_DE, _LOST_EN


class DownloadDevicesFull(EntitlementError):
    """The film is on as many devices (`devices`) as a purchase allows (`limit`)."""

    status, code = 409, "download_devices_full"
    way: Way | None = "return_download"
    de = "Der Film ist schon auf {limit} Geräten heruntergeladen. Geben Sie ihn auf einem davon zuerst zurück."
    en = "The film is already downloaded to {limit} devices. Return it on one of them first."


class DownloadDevicesLost(DownloadDevicesFull):
    """Some of these devices were removed (`removed`) and renew no licence: at `next_free_at` there is room."""

    retry = True
    de = (
        "Der Film ist schon auf {limit} Geräten heruntergeladen. Auf einem, das aus Ihrem Konto entfernt ist, endet er "
        "von selbst: Spätestens ab {next_free_at} ist hier Platz, früher, wenn Sie ihn auf einem davon zurückgeben."
    )
    en = (
        "The film is already downloaded to {limit} devices. On one that was removed from your account it ends by "
        "itself: there is room from {next_free_at} on at the latest, earlier if you return the film on one of them."
    )

    def __init__(self, **details: Any) -> None:
        super().__init__(**details)
        is_there = any(not one["removed"] for one in details.get("devices", ()))
        self.way = "return_download" if is_there else "wait"


class DownloadsUsedUp(EntitlementError):
    """The rental was downloaded as often (`limit`) as one may be."""

    status, code = 409, "downloads_used_up"
    de = "Dieser Leihfilm wurde schon {limit}-mal heruntergeladen, öfter geht es nicht. Online können Sie ihn ansehen."
    en = "This rental was downloaded {limit} times, which is the most there is. You can watch it online."


class RentalDownloaded(EntitlementError):
    """The rental is on a device (`device`), whose own clock runs its hours: until it is back it plays there."""

    status, code = 409, "rental_downloaded"
    way: Way | None = "return_download"
    de = "Dieser Leihfilm ist auf „{device}“ heruntergeladen und läuft nur dort, bis Sie ihn dort zurückgeben."
    en = "This rental is downloaded to “{device}” and plays there only until you return it there."


class RentalOnRemovedDevice(RentalDownloaded):
    """That device was removed from the account: nobody is sent to it, for support frees the rental."""

    way = "ask_support"
    de, en = _LOST_DE, _LOST_EN


class DownloadNotFound(EntitlementError):
    """No download of this id that this device made."""

    status, code = 404, "download_not_found"
    de = "Diesen Download gibt es auf diesem Gerät nicht."
    en = "There is no such download on this device."
