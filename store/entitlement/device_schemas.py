"""What goes over the wire about devices."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from auth.schemas import NO_CONTROLS
from store.entitlement.device_places import DevicePlaces
from store.entitlement.models import Device

DeviceName = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=NO_CONTROLS, examples=["Wohnzimmer"])]


class DeviceCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device to register; its key is the one that signed the request's DPoP proof."""

    name: DeviceName
    """What its owner calls it."""
    again: bool = False
    """A device that was removed comes back only if its owner says so."""


class DeviceChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another name for a device."""

    name: DeviceName


class DeviceOut(msgspec.Struct, frozen=True):
    """A registered device."""

    id: UUID
    name: str
    jkt: str
    """RFC 7638 thumbprint of its key."""
    registered_at: datetime
    last_used_at: datetime

    @classmethod
    def of(cls, device: Device) -> "DeviceOut":
        """From its row."""
        return cls(device.id, device.name, device.jkt, device.registered_at, device.last_used_at)


class DevicesOut(msgspec.Struct, frozen=True):
    """The devices of the account and the room there is for more."""

    devices: list[DeviceOut]
    limit: int
    """Devices at a time."""
    new_devices_left: int
    """How many that were never seen before may be added now."""
    next_new_device_at: datetime | None
    """When the next one may be added, if fewer than `limit` are registered by then; null: at once."""
    emergency_possible: bool
    """Whether a lost device may be replaced now, beyond the limit of new ones."""
    server_time: datetime

    @classmethod
    def of(cls, places: DevicePlaces, *, at: datetime) -> "DevicesOut":
        """From the account's places."""
        return cls(
            devices=[DeviceOut.of(device) for device in places.devices],
            limit=places.limit,
            new_devices_left=places.new_devices_left,
            next_new_device_at=places.next_new_device_at,
            emergency_possible=places.emergency_possible,
            server_time=at,
        )
