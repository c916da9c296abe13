"""Refusals of licences that stay on a device, and of streaming what is on one."""

from store.entitlement.errors import EntitlementError


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

    status, code, way = 409, "download_outstanding", "return_download"
    de = "Dieser Leihfilm ist schon auf „{device}“ heruntergeladen. Geben Sie ihn dort zuerst zurück."
    en = "This rental is already downloaded to “{device}”. Return it there first."


class DownloadDevicesFull(EntitlementError):
    """The film is on as many devices (`devices`) as a purchase allows (`limit`)."""

    status, code, way = 409, "download_devices_full", "return_download"
    de = "Der Film ist schon auf {limit} Geräten heruntergeladen. Geben Sie ihn auf einem davon zuerst zurück."
    en = "The film is already downloaded to {limit} devices. Return it on one of them first."


class DownloadsUsedUp(EntitlementError):
    """The rental was downloaded as often (`limit`) as one may be."""

    status, code = 409, "downloads_used_up"
    de = "Dieser Leihfilm wurde schon {limit}-mal heruntergeladen, öfter geht es nicht. Online können Sie ihn ansehen."
    en = "This rental was downloaded {limit} times, which is the most there is. You can watch it online."


class RentalDownloaded(EntitlementError):
    """The rental is on a device (`device`), whose own clock runs its hours: until it is back it plays there."""

    status, code, way = 409, "rental_downloaded", "return_download"
    de = "Dieser Leihfilm ist auf „{device}“ heruntergeladen und läuft nur dort, bis Sie ihn dort zurückgeben."
    en = "This rental is downloaded to “{device}” and plays there only until you return it there."


class DownloadNotFound(EntitlementError):
    """No download of this id that this device made."""

    status, code = 404, "download_not_found"
    de = "Diesen Download gibt es auf diesem Gerät nicht."
    en = "There is no such download on this device."
