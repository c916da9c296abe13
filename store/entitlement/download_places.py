"""Room for downloads: on how many devices a film may be, and what a download leaves of a rental elsewhere."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.entitlement.device_places import find_limits
from store.entitlement.download_errors import (
    DownloadDevicesFull,
    DownloadDevicesLost,
    DownloadElsewhere,
    DownloadNotGranted,
    DownloadOnRemovedDevice,
    DownloadsUsedUp,
    RentalDownloaded,
    RentalOnRemovedDevice,
)
from store.entitlement.download_records import OfflineLicence
from store.entitlement.errors import EntitlementError
from store.entitlement.models import Device, Entitlement

ASKED_AGAIN: Final = timedelta(minutes=15)
"""For how long a device whose answer was lost gets the same rental's licence once more."""

Out = tuple[OfflineLicence, Device]
"""A licence, and the device that it is on."""


async def list_out(session: AsyncSession, entitlement_id: UUID, *, at: datetime) -> Sequence[Out]:
    """The licences of a right that are on devices at an instant."""
    rows = await session.execute(
        select(OfflineLicence, Device)
        .join(Device, Device.id == OfflineLicence.device_id)
        .where(
            OfflineLicence.entitlement_id == entitlement_id,
            OfflineLicence.ended_at.is_(None),
            OfflineLicence.lasts_until > at,
        )
        .order_by(OfflineLicence.issued_at)
    )
    return [(licence, device) for licence, device in rows]


async def against_streaming(session: AsyncSession, right: Entitlement, *, at: datetime) -> list[EntitlementError]:
    """What a download leaves of a right to stream: of a rental nothing, of a purchase everything."""
    if right.kind != "rent":
        return []
    out = await list_out(session, right.id, at=at)
    return [
        (RentalDownloaded if device.removed_at is None else RentalOnRemovedDevice)(
            device=device.name, id=str(licence.id)
        )
        for licence, device in out
    ]


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
    licence, on = out[0]
    is_there = device is not None and (licence.device_id, licence.title_id) == (device.id, title_id)
    if is_there and at - licence.issued_at < ASKED_AGAIN:
        return []
    refusal = DownloadElsewhere if on.removed_at is None else DownloadOnRemovedDevice
    return [refusal(device=on.name, id=str(licence.id))]


async def _against_another_device(
    session: AsyncSession, right: Entitlement, device: Device | None, out: Sequence[Out]
) -> list[EntitlementError]:
    limit = (await find_limits(session, right.account_id)).download_devices
    others = [(licence, on) for licence, on in out if device is None or on.id != device.id]
    taken = {on.id for _, on in others}
    if len(taken) < limit:
        return []
    told: dict[str, Any] = {
        "limit": limit,
        "devices": [
            {"id": str(licence.id), "device": on.name, "removed": on.removed_at is not None} for licence, on in others
        ],
    }
    lapsing: dict[UUID, datetime] = {}
    for licence, on in others:
        if on.removed_at is not None:
            lapsing[on.id] = max(licence.lasts_until, lapsing.get(on.id, licence.lasts_until))
    # So many of them have to lapse until there is room; of a device that is there it is not known whether it renews.
    frees = sorted(lapsing.values())[len(taken) - limit :]
    return [DownloadDevicesLost(**told, next_free_at=frees[0]) if frees else DownloadDevicesFull(**told)]


async def _against_another_download(
    session: AsyncSession, right: Entitlement, title_id: UUID
) -> list[EntitlementError]:
    limit = (await find_limits(session, right.account_id)).downloads_per_rental
    made = select(func.count()).where(OfflineLicence.entitlement_id == right.id, OfflineLicence.title_id == title_id)
    return [DownloadsUsedUp(limit=limit)] if (await session.scalar(made) or 0) >= limit else []
