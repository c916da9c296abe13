"""Devices and what plays on them: their names, removal, replacing a lost one, and stopping a film from anywhere."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.models import Session
from auth.schemas import NO_CONTROLS
from store.entitlement.device_places import find_limits, list_devices
from store.entitlement.devices import Devices
from store.entitlement.downloads import list_downloads
from store.entitlement.playback import Playback, list_streams
from store.web.pages import Frame


class NameForm(msgspec.Struct, frozen=True):
    """Another name for a device."""

    name: Annotated[str, msgspec.Meta(max_length=60, pattern=NO_CONTROLS)] = ""


@get("/account/devices", guards=[customer_only])
async def show_devices(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
) -> Response[str]:
    """The registered devices, how many there may be, when the next new one fits, and what is kept on them."""
    places = await list_devices(session, account_id=identity.account_id, at=frame.at)
    here = await session.get_one(Session, identity.session_id)
    devices = [
        {
            "id": device.id,
            "name": device.name,
            "last_used_at": device.last_used_at,
            "registered_at": device.registered_at,
            "is_here": device.id == here.device_id,
        }
        for device in places.devices
    ]
    return frame.page(
        "account/devices.html",
        devices=devices,
        limit=places.limit,
        new_left=places.new_devices_left,
        next_new_at=places.next_new_device_at,
        emergency_possible=places.emergency_possible,
        downloads=await list_downloads(
            session,
            account_id=identity.account_id,
            market=frame.market,
            age_limit=frame.age_limit,
            at=frame.at,
            locale=frame.locale,
        ),
    )


@post("/account/devices/{device_id:uuid}/name", guards=[customer_only])
async def rename_device(
    frame: NamedDependency[Frame],
    device_id: FromPath[UUID],
    data: URLEncodedBody[NameForm],
    devices: NamedDependency[Devices],
) -> Response[Any]:
    """Give a device another name; an empty one changes nothing."""
    if data.name.strip():
        await devices.rename(device_id=device_id, name=data.name.strip())
    return frame.go("/account/devices", done="device_renamed")


@post("/account/devices/{device_id:uuid}/remove", guards=[customer_only])
async def remove_device(
    frame: NamedDependency[Frame],
    device_id: FromPath[UUID],
    devices: NamedDependency[Devices],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Remove a device; its place is free at once."""
    await devices.remove(device_id=device_id, at=frame.at, real_now=real_now)
    return frame.go("/account/devices", done="device_removed")


@post("/account/devices/{device_id:uuid}/replace", guards=[customer_only])
async def replace_device(
    frame: NamedDependency[Frame],
    device_id: FromPath[UUID],
    devices: NamedDependency[Devices],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Remove a lost device and let a new one in beyond the limit."""
    await devices.remove_in_emergency(device_id=device_id, at=frame.at, real_now=real_now)
    return frame.go("/account/devices", done="device_replaced")


@get("/account/streams", guards=[customer_only])
async def show_streams(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
) -> Response[str]:
    """What plays at this moment and takes a place."""
    streams = await list_streams(session, account_id=identity.account_id, real_now=real_now, locale=frame.locale)
    limits = await find_limits(session, identity.account_id)
    return frame.page("account/streams.html", streams=streams, limit=limits.streams)


@post("/account/streams/{playback_session_id:uuid}/end", guards=[customer_only])
async def end_stream(
    frame: NamedDependency[Frame],
    playback_session_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    playback: NamedDependency[Playback],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Stop a film on whichever device it plays; its place is free at once."""
    await playback.stop(account_id=identity.account_id, playback_session_id=playback_session_id, real_now=real_now)
    return frame.go("/account/streams", done="stream_ended")


handlers = [show_devices, rename_device, remove_device, replace_device, show_streams, end_stream]
