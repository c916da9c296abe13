"""Devices of an account: keys that were proved, registered, named and removed by their owner."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.identity import Identity
from auth.sessions import bind_device, end_sessions_of_device
from auth.visits import Visit
from store.entitlement.device_errors import (
    DeviceNotFound,
    DeviceRemoved,
    EmergencyRemovalNeedless,
    EmergencyRemovalUsed,
)
from store.entitlement.device_places import find_limits, lock_account, obstacles_to_registration, read_new_devices
from store.entitlement.dpop import PublicKey
from store.entitlement.models import Device, PlaybackSession


@dataclass(frozen=True, slots=True)
class Devices:
    """Registers, names and removes devices of whoever is signed in."""

    session: AsyncSession
    identity: Identity
    visit: Visit

    async def register(self, *, key: PublicKey, name: str, again: bool, at: datetime) -> Device:
        """Register the device that proved `key`; one that is registered already is given back as it is.

        Decided under a lock on the account. A device that was removed before comes back without counting as new, but
        only if its owner says so (`again`), or removing a device would last until it plays the next film. Raises
        `DeviceRemoved`, `DeviceLimitReached`, or `NewDevicesExhausted` with the instant of the next free place.
        """
        account_id = self.identity.account_id
        await lock_account(self.session, account_id)
        device = await self.session.scalar(select(Device).where(Device.account_id == account_id, Device.jkt == key.jkt))
        if device is None or device.removed_at is not None:
            if device is not None and device.removed_at is not None and not again:
                raise DeviceRemoved(removed_at=device.removed_at)
            against = await obstacles_to_registration(self.session, account_id=account_id, is_new=device is None, at=at)
            if against:
                raise against[0]
        if device is None:
            device = Device(account_id=account_id, jkt=key.jkt, x=key.x, y=key.y, name=name, registered_at=at)
            self.session.add(device)
        elif device.removed_at is not None:
            device.removed_at, device.name = None, name
        device.last_used_at = at
        await self.session.flush()
        await bind_device(self.session, session_id=self.identity.session_id, device_id=device.id)
        return device

    async def rename(self, *, device_id: UUID, name: str) -> Device:
        """Give a device another name; raises `DeviceNotFound`."""
        device = await self.session.scalar(self._own(device_id).with_for_update())
        if device is None:
            raise DeviceNotFound
        device.name = name
        return device

    async def remove(self, *, device_id: UUID, at: datetime, real_now: datetime) -> None:
        """Remove a device at once: its place is free, and what it plays gets no further licence or heartbeat.

        Whoever is signed in on it is signed out, except for the session that asks. Raises `DeviceNotFound` for one
        that is not this account's, or is removed already. Decided under the lock on the account, as opening a
        playback is: none can be opened on a device that is just being removed.
        """
        await lock_account(self.session, self.identity.account_id)
        device = await self.session.scalar(self._own(device_id))
        if device is None:
            raise DeviceNotFound
        await self._remove(device, at=at, real_now=real_now)

    async def remove_in_emergency(self, *, device_id: UUID, at: datetime, real_now: datetime) -> None:
        """Remove a lost device so that a new one may take its place beyond the limit of new ones, once per span.

        Raises `DeviceNotFound`, `EmergencyRemovalNeedless` while there is room anyway, or `EmergencyRemovalUsed`.
        """
        account_id = self.identity.account_id
        await lock_account(self.session, account_id)
        device = await self.session.scalar(self._own(device_id))
        if device is None:
            raise DeviceNotFound
        new = await read_new_devices(self.session, account_id, await find_limits(self.session, account_id))
        if new.left(at):
            raise EmergencyRemovalNeedless
        possible_at = new.emergency_at(at)
        if possible_at is not None:
            raise EmergencyRemovalUsed(next_free_at=possible_at)
        device.emergency_at = at
        await self._remove(device, at=at, real_now=real_now)

    def _own(self, device_id: UUID) -> Select[Device]:
        return select(Device).where(
            Device.id == device_id, Device.account_id == self.identity.account_id, Device.removed_at.is_(None)
        )

    async def _remove(self, device: Device, *, at: datetime, real_now: datetime) -> None:
        device.removed_at = at
        await self.session.execute(
            update(PlaybackSession)
            .where(PlaybackSession.device_id == device.id, PlaybackSession.ended_at.is_(None))
            .values(ended_at=real_now, end_reason="device_removed")
        )
        await end_sessions_of_device(
            self.session, identity=self.identity, device_id=device.id, at=real_now, visit=self.visit
        )
