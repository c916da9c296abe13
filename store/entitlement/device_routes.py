"""HTTP for the devices of an account."""

from datetime import datetime
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.errors import CrossSiteRequest
from auth.schemas import problems
from store.entitlement.device_errors import (
    DeviceLimitReached,
    DeviceNotFound,
    DeviceRemoved,
    EmergencyRemovalNeedless,
    EmergencyRemovalUsed,
    NewDevicesExhausted,
)
from store.entitlement.device_places import list_devices
from store.entitlement.device_schemas import DeviceChange, DeviceCreate, DeviceOut, DevicesOut
from store.entitlement.devices import Devices
from store.entitlement.dpop import PublicKey
from store.entitlement.proved_requests import CUSTOMER, PROVED


@get(
    "/v1/devices",
    for_every_age=True,
    guards=[customer_only],
    summary="The customer's devices",
    tags=["Devices"],
    responses=problems(*CUSTOMER),
)
async def read_devices(
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    at: NamedDependency[datetime],
) -> DevicesOut:
    """Registered devices, the room for more, and when the next new one is possible."""
    places = await list_devices(session, account_id=identity.account_id, at=at)
    return DevicesOut.of(places, at=at)


@post(
    "/v1/devices",
    for_every_age=True,
    guards=[customer_only],
    summary="Register this device",
    tags=["Devices"],
    responses=problems(*PROVED, DeviceRemoved, DeviceLimitReached, NewDevicesExhausted),
)
async def register_device(
    data: JSONBody[DeviceCreate],
    device_key: NamedDependency[PublicKey],
    devices: NamedDependency[Devices],
    at: NamedDependency[datetime],
) -> DeviceOut:
    """Register the P-256 key that signed the DPoP proof; doing so again changes nothing."""
    device = await devices.register(key=device_key, name=data.name, again=data.again, at=at)
    return DeviceOut.of(device)


@patch(
    "/v1/devices/{device_id:uuid}",
    guards=[customer_only],
    summary="Rename a device",
    tags=["Devices"],
    responses=problems(*CUSTOMER, CrossSiteRequest, DeviceNotFound),
)
async def rename_device(
    device_id: FromPath[UUID], data: JSONBody[DeviceChange], devices: NamedDependency[Devices]
) -> DeviceOut:
    """Give a device another name."""
    return DeviceOut.of(await devices.rename(device_id=device_id, name=data.name))


@post(
    "/v1/devices/{device_id:uuid}/emergency-removals",
    guards=[customer_only],
    status_code=200,
    summary="Replace a lost device",
    tags=["Devices"],
    responses=problems(*CUSTOMER, CrossSiteRequest, DeviceNotFound, EmergencyRemovalNeedless, EmergencyRemovalUsed),
)
async def remove_lost_device(
    device_id: FromPath[UUID],
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    devices: NamedDependency[Devices],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> DevicesOut:
    """Remove a device at once and let one new device in beyond the limit, once per span of that limit."""
    await devices.remove_in_emergency(device_id=device_id, at=at, real_now=real_now)
    return DevicesOut.of(await list_devices(session, account_id=identity.account_id, at=at), at=at)


@delete(
    "/v1/devices/{device_id:uuid}",
    guards=[customer_only],
    summary="Remove a device",
    tags=["Devices"],
    responses=problems(*CUSTOMER, CrossSiteRequest, DeviceNotFound),
)
async def remove_device(
    device_id: FromPath[UUID],
    devices: NamedDependency[Devices],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> None:
    """Remove a device at once: what it plays stops at its next heartbeat, and it is signed out."""
    await devices.remove(device_id=device_id, at=at, real_now=real_now)


handlers = [read_devices, register_device, rename_device, remove_device, remove_lost_device]
