"""Devices of an account: keys that were proved, a limit at a time, and a limit of new ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from store.entitlement.dpop import PublicKey
from store.entitlement.errors import DeviceLimitReached, DeviceNotFound, EntitlementError, NewDevicesExhausted
from store.entitlement.models import Device, DeviceLimit, PlaybackSession


@dataclass(frozen=True, slots=True)
class DevicePlaces:
    """The devices of an account and how many more there is room for."""

    devices: Sequence[Device]
    """Registered ones, the one used last first."""
    limit: int
    """Devices at a time."""
    new_devices_left: int
    """How many devices that were never seen before may be added at this instant."""
    next_new_device_at: datetime | None
    """When the next one may be added; None: at once."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Registers and removes devices."""

    session: AsyncSession

    async def register(self, *, account_id: UUID, key: PublicKey, name: str, at: datetime) -> Device:
        """Register the device that proved `key`; one that is registered already is given back as it is.

        Decided under a lock on the account. A device that was removed before comes back without counting as new.
        Raises `DeviceLimitReached`, or `NewDevicesExhausted` with the instant of the next free place.
        """
        await lock_account(self.session, account_id)
        known = await self.session.scalar(select(Device).where(Device.account_id == account_id, Device.jkt == key.jkt))
        if known is not None and known.removed_at is None:
            known.last_used_at = at
            return known
        against = await obstacles_to_registration(self.session, account_id=account_id, jkt=key.jkt, at=at)
        if against:
            raise against[0]
        if known is not None:
            known.removed_at, known.name, known.last_used_at = None, name, at
            return known
        device = Device(
            account_id=account_id, jkt=key.jkt, x=key.x, y=key.y, name=name, registered_at=at, last_used_at=at
        )
        self.session.add(device)
        await self.session.flush()
        return device

    async def remove(self, *, account_id: UUID, device_id: UUID, at: datetime, real_now: datetime) -> None:
        """Remove a device at once: its place is free, and what it plays gets no further licence or heartbeat.

        Raises `DeviceNotFound` for one that is not this account's, or is removed already. Decided under the lock on
        the account, as opening a playback is: none can be opened on a device that is just being removed.
        """
        await lock_account(self.session, account_id)
        removed = await self.session.execute(
            update(Device)
            .where(Device.id == device_id, Device.account_id == account_id, Device.removed_at.is_(None))
            .values(removed_at=at)
            .returning(Device.id)
        )
        if removed.first() is None:
            raise DeviceNotFound
        await self.session.execute(
            update(PlaybackSession)
            .where(PlaybackSession.device_id == device_id, PlaybackSession.ended_at.is_(None))
            .values(ended_at=real_now, end_reason="device_removed")
        )


async def obstacles_to_registration(
    session: AsyncSession, *, account_id: UUID, jkt: str, at: datetime
) -> list[EntitlementError]:
    """Every reason against registering a key that is no device of the account at present; empty: it may be."""
    limits = await find_limits(session, account_id)
    found: list[EntitlementError] = []
    present = await _registered(session, account_id)
    if len(present) >= limits.devices:
        names = [{"id": str(device.id), "name": device.name} for device in present]
        found.append(DeviceLimitReached(limit=limits.devices, devices=names))
    was_here = select(exists().where(Device.account_id == account_id, Device.jkt == jkt))
    next_free_at = await _next_new_device_at(session, account_id, limits, at=at)
    if next_free_at is not None and not await session.scalar(was_here):
        days = limits.new_device_days
        found.append(NewDevicesExhausted(limit=limits.new_devices, days=days, next_free_at=next_free_at))
    return found


async def list_devices(session: AsyncSession, *, account_id: UUID, at: datetime) -> DevicePlaces:
    """The devices of an account and the room there is."""
    limits = await find_limits(session, account_id)
    recent = await _added_lately(session, account_id, limits, at=at)
    return DevicePlaces(
        devices=await _registered(session, account_id),
        limit=limits.devices,
        new_devices_left=max(0, limits.new_devices - len(recent)),
        next_new_device_at=await _next_new_device_at(session, account_id, limits, at=at),
    )


async def find_limits(session: AsyncSession, account_id: UUID) -> DeviceLimit:
    """The account's own limits, else those for everyone."""
    limits = await session.scalars(
        select(DeviceLimit)
        .where((DeviceLimit.account_id == account_id) | DeviceLimit.account_id.is_(None))
        .order_by(DeviceLimit.account_id.is_(None))
        .limit(1)
    )
    return limits.one()


async def lock_account(session: AsyncSession, account_id: UUID) -> None:
    """Hold the account's row until the transaction ends: whoever counts its devices or streams does so alone."""
    await session.execute(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))


async def _registered(session: AsyncSession, account_id: UUID) -> Sequence[Device]:
    devices = await session.scalars(
        select(Device)
        .where(Device.account_id == account_id, Device.removed_at.is_(None))
        .order_by(Device.last_used_at.desc(), Device.id)
    )
    return devices.all()


async def _added_lately(
    session: AsyncSession, account_id: UUID, limits: DeviceLimit, *, at: datetime
) -> Sequence[datetime]:
    """When the devices of the span were added, removed ones included, the oldest first."""
    span_begin = at - timedelta(days=limits.new_device_days)
    instants = await session.scalars(
        select(Device.registered_at)
        .where(Device.account_id == account_id, Device.registered_at > span_begin)
        .order_by(Device.registered_at)
    )
    return instants.all()


async def _next_new_device_at(
    session: AsyncSession, account_id: UUID, limits: DeviceLimit, *, at: datetime
) -> datetime | None:
    """When one more new device fits into the span; None: at once."""
    recent = await _added_lately(session, account_id, limits, at=at)
    if len(recent) < limits.new_devices:
        return None
    return recent[len(recent) - limits.new_devices] + timedelta(days=limits.new_device_days)
