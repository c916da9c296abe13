"""Room for devices: how many an account may have at a time, how many new ones, and when the next one fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Account
from store.entitlement.device_errors import DeviceLimitReached, NewDevicesExhausted, NewDevicesExhaustedWhileFull
from store.entitlement.errors import EntitlementError
from store.entitlement.models import Device, DeviceLimit, DeviceReset


@dataclass(frozen=True, slots=True)
class NewDevices:
    """What counts against the limit of new devices, and what lifts it."""

    limit: int
    span: timedelta
    added: Sequence[datetime]
    """When devices were added since the last reset, removed ones included."""
    emergencies: Sequence[datetime]
    """When lost devices were replaced: each lets one more in."""
    last_emergency: datetime | None
    """Resets do not bring this one back."""

    def left(self, at: datetime) -> int:
        """How many devices that were never seen before may be added at an instant."""
        begin = at - self.span
        count = sum(added > begin for added in self.added)
        return max(0, self.limit + sum(emergency > begin for emergency in self.emergencies) - count)

    def next_at(self, at: datetime) -> datetime | None:
        """When the next one may be added; None: at once."""
        if self.left(at):
            return None
        return next(free_at for free_at in sorted(added + self.span for added in self.added) if self.left(free_at))

    def emergency_at(self, at: datetime) -> datetime | None:
        """When a lost device may be replaced again; None: now."""
        if self.last_emergency is None or self.last_emergency <= at - self.span:
            return None
        return self.last_emergency + self.span


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
    """When the next one may be added, if there is a place by then; None: at once."""
    emergency_possible: bool
    """Whether a lost device may be replaced at this instant, beyond the limit of new ones."""


async def list_devices(session: AsyncSession, *, account_id: UUID, at: datetime) -> DevicePlaces:
    """The devices of an account and the room there is."""
    limits = await find_limits(session, account_id)
    new = await read_new_devices(session, account_id, limits)
    present = await _registered(session, account_id)
    return DevicePlaces(
        devices=present,
        limit=limits.devices,
        new_devices_left=new.left(at),
        next_new_device_at=new.next_at(at),
        emergency_possible=bool(present) and not new.left(at) and new.emergency_at(at) is None,
    )


async def obstacles_to_registration(
    session: AsyncSession, *, account_id: UUID, is_new: bool, at: datetime
) -> list[EntitlementError]:
    """What leaves no room for one more device; empty: there is. One that was known before is not new.

    Where new devices are used up a removal alone is in vain: the removal in an emergency is the way out, or time, and
    then, with all places taken, a removal as well.
    """
    limits = await find_limits(session, account_id)
    present = await _registered(session, account_id)
    names = [{"id": str(device.id), "name": device.name} for device in present]
    new = await read_new_devices(session, account_id, limits)
    is_full = len(present) >= limits.devices
    full = [DeviceLimitReached(limit=limits.devices, devices=names)] if is_full else []
    if not is_new or new.left(at):
        return [*full]
    emergency_possible = bool(present) and new.emergency_at(at) is None
    used_up = (NewDevicesExhaustedWhileFull if is_full else NewDevicesExhausted)(
        limit=limits.new_devices,
        days=limits.new_device_days,
        next_free_at=new.next_at(at),
        emergency_possible=emergency_possible,
        devices=names,
    )
    return [used_up] if emergency_possible else [used_up, *full]


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


async def read_new_devices(session: AsyncSession, account_id: UUID, limits: DeviceLimit) -> NewDevices:
    """What counts against the limit of new devices."""
    last_reset = await session.scalar(select(func.max(DeviceReset.at)).where(DeviceReset.account_id == account_id))
    instants = select(Device.registered_at, Device.emergency_at).where(Device.account_id == account_id)
    rows = (await session.execute(instants.order_by(Device.registered_at))).all()
    emergencies = [emergency for _, emergency in rows if emergency is not None]
    return NewDevices(
        limit=limits.new_devices,
        span=timedelta(days=limits.new_device_days),
        added=[added for added, _ in rows if last_reset is None or added > last_reset],
        emergencies=[emergency for emergency in emergencies if last_reset is None or emergency > last_reset],
        last_emergency=max(emergencies, default=None),
    )


async def _registered(session: AsyncSession, account_id: UUID) -> Sequence[Device]:
    devices = await session.scalars(
        select(Device)
        .where(Device.account_id == account_id, Device.removed_at.is_(None))
        .order_by(Device.last_used_at.desc(), Device.id)
    )
    return devices.all()
