"""Room for downloads: on how many devices a film may be, and what a download leaves of a rental elsewhere."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.entitlement.device_places import find_limits
from store.entitlement.download_errors import (
    DownloadDevicesFull,
    DownloadElsewhere,
    DownloadNotGranted,
    DownloadsUsedUp,
    RentalDownloaded,
)
from store.entitlement.download_records import OfflineLicence
from store.entitlement.errors import EntitlementError
from store.entitlement.models import Device, Entitlement

ASKED_AGAIN: Final = timedelta(minutes=15)
"""For how long a device whose answer was lost gets the same rental's licence once more."""

Out = tuple[OfflineLicence, str]
"""A licence that is on a device, and the device's name."""


async def list_out(session: AsyncSession, entitlement_id: UUID, *, at: datetime) -> Sequence[Out]:
    """The licences of a right that are on devices at an instant."""
    rows = await session.execute(
        select(OfflineLicence, Device.name)
        .join(Device, Device.id == OfflineLicence.device_id)
        .where(
            OfflineLicence.entitlement_id == entitlement_id,
            OfflineLicence.ended_at.is_(None),
            OfflineLicence.lasts_until > at,
        )
        .order_by(OfflineLicence.issued_at)
    )
    return [(licence, name) for licence, name in rows]


async def against_streaming(session: AsyncSession, right: Entitlement, *, at: datetime) -> list[EntitlementError]:
    """What a download leaves of a right to stream: of a rental nothing, of a purchase everything."""
    if right.kind != "rent":
        return []
    out = await list_out(session, right.id, at=at)
    return [RentalDownloaded(device=name, id=str(licence.id)) for licence, name in out]


async def against_download(
    session: AsyncSession, right: Entitlement, device: Device | None, *, title_id: UUID, at: datetime
) -> list[EntitlementError]:
    """What stands against one more licence of a right on a device; empty also where it is there and may be renewed."""
    if not right.may_download:
        return [DownloadNotGranted()]
    out = await list_out(session, right.id, at=at)
    if right.kind == "buy":
        return await _against_another_device(session, right, device, out)
    if not out:
        return await _against_another_download(session, right, title_id)
    licence, name = out[0]
    is_there = device is not None and (licence.device_id, licence.title_id) == (device.id, title_id)
    is_asked_again = is_there and at - licence.issued_at < ASKED_AGAIN
    return [] if is_asked_again else [DownloadElsewhere(device=name, id=str(licence.id))]


async def _against_another_device(
    session: AsyncSession, right: Entitlement, device: Device | None, out: Sequence[Out]
) -> list[EntitlementError]:
    limit = (await find_limits(session, right.account_id)).download_devices
    others = [(licence, name) for licence, name in out if device is None or licence.device_id != device.id]
    if len({licence.device_id for licence, _ in others}) < limit:
        return []
    named = [{"id": str(licence.id), "device": name} for licence, name in others]
    return [DownloadDevicesFull(limit=limit, devices=named)]


async def _against_another_download(
    session: AsyncSession, right: Entitlement, title_id: UUID
) -> list[EntitlementError]:
    limit = (await find_limits(session, right.account_id)).downloads_per_rental
    made = select(func.count()).where(OfflineLicence.entitlement_id == right.id, OfflineLicence.title_id == title_id)
    return [DownloadsUsedUp(limit=limit)] if (await session.scalar(made) or 0) >= limit else []
