"""Refusals about devices: their registration, their removal, and room for new ones."""

from typing import Any

from store.entitlement.errors import EntitlementError, Way


class DeviceNotRegistered(EntitlementError):
    """The proof is right, but its key is no device of this account (or was removed)."""

    status, code = 403, "device_not_registered"
    way = "register_device"
    de = "Dieses Gerät ist bei Ihnen nicht angemeldet. Melden Sie es an, dann können Sie hier schauen."
    en = "This device is not registered with your account. Register it and you can watch here."


class DeviceRemoved(EntitlementError):
    """The device was removed at `removed_at`; it is registered again only if its owner says so (`again: true`)."""

    status, code = 403, "device_removed"
    way = "register_device"
    de = (
        "Dieses Gerät ist am {removed_at} aus Ihrem Konto entfernt worden. "
        "Melden Sie es wieder an, wenn Sie hier schauen möchten."
    )
    en = "This device was removed from your account on {removed_at}. Register it again if you want to watch here."


class DeviceLimitReached(EntitlementError):
    """As many devices as allowed are registered; `devices` names them."""

    status, code = 409, "device_limit_reached"
    way = "remove_device"
    de = "Es sind schon {limit} Geräte angemeldet. Entfernen Sie eines, dann ist hier sofort Platz."
    en = "{limit} devices are registered already. Remove one and this one can take its place at once."


class NewDevicesExhausted(EntitlementError):
    """Too many different devices were added lately; `next_free_at` is the exact instant of the next free place.

    `emergency_possible` says whether a lost device may be replaced before that.
    """

    status, code = 409, "new_devices_exhausted"
    way: Way | None = "wait"
    retry = True
    de = (
        "In den letzten {days} Tagen sind {limit} neue Geräte dazugekommen, mehr geht nicht. "
        "Das nächste neue Gerät ist ab {next_free_at} möglich; frühere Geräte jederzeit."
    )
    en = (
        "{limit} new devices were added within the last {days} days, which is the most. "
        "The next new one is possible from {next_free_at}; earlier devices at any time."
    )

    def __init__(self, **details: Any) -> None:
        super().__init__(**details)
        self.way = "replace_device" if details.get("emergency_possible") else "wait"


class NewDevicesExhaustedWhileFull(NewDevicesExhausted):
    """All places are taken, too: at `next_free_at` a new device fits only if another was removed."""

    de = (
        "In den letzten {days} Tagen sind {limit} neue Geräte dazugekommen, mehr geht nicht. "
        "Das nächste neue Gerät ist ab {next_free_at} möglich, wenn Sie bis dahin ein anderes entfernen; "
        "ein früheres, sobald Sie eines entfernen."
    )
    en = (
        "{limit} new devices were added within the last {days} days, which is the most. "
        "The next new one is possible from {next_free_at} if you remove another one by then; "
        "an earlier one as soon as you remove one."
    )


class EmergencyRemovalUsed(EntitlementError):
    """A lost device was replaced lately; `next_free_at` is when that is possible again."""

    status, code = 409, "emergency_removal_used"
    de = "Ein verlorenes Gerät haben Sie vor Kurzem schon ersetzt. Das geht wieder ab {next_free_at}."
    en = "You have replaced a lost device only recently. That is possible again from {next_free_at}."


class EmergencyRemovalNeedless(EntitlementError):
    """There is room for a new device anyway: an ordinary removal does, and the one for emergencies is kept."""

    status, code = 409, "emergency_removal_needless"
    de = "Sie können ohnehin ein neues Gerät anmelden; entfernen Sie das alte einfach so."
    en = "You can register a new device anyway; simply remove the old one."


class DeviceResetUsed(EntitlementError):
    """Support did so for this account lately; `next_free_at` is when it may again."""

    status, code = 409, "device_reset_used"
    de = "Für dieses Konto ist das vor Kurzem schon geschehen; es geht wieder ab {next_free_at}."
    en = "This was done for the account only recently; it is possible again from {next_free_at}."


class DeviceResetLimitReached(EntitlementError):
    """This member of staff did so as often as one may within a day."""

    status, code = 429, "device_reset_limit_reached"
    de = "Sie haben das heute schon {limit}-mal getan, mehr geht nicht."
    en = "You have done so {limit} times today, which is the most."


class DeviceNotFound(EntitlementError):
    """No such device in this account."""

    status, code = 404, "device_not_found"
    de = "Dieses Gerät gibt es in Ihrem Konto nicht."
    en = "There is no such device in your account."
