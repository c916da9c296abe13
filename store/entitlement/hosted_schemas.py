"""What a player is told that fetches its licence from a hosted DRM service."""

from datetime import datetime
from typing import Literal

import msgspec

from store.entitlement.hosted_drm import MESSAGE_LIVES, Axinom, DrmToday
from store.entitlement.licences import Licence
from store.entitlement.record import System
from store.errors import NotFound
from store.settings import Settings

Hosted = Literal["axinom", "drmtoday"]
"""Services that issue licences for the store; theirs can stay on a device."""


class HostedLicenceOut(msgspec.Struct, frozen=True):
    """What the player sends with its licence request to the service."""

    system: Hosted
    header: str
    """Name of the header."""
    value: str
    """The header's value: a secret, good for `expires_in` seconds."""
    expires_in: int
    licence_servers: dict[str, str]
    """By key system: `widevine`, `playready`, `fairplay`."""
    tracks: list[str]
    """Tracks whose keys are granted: `AUDIO`, `SD`, `HD`, `UHD`."""
    licence_ends_at: datetime
    """Hard end of the licence (exclusive), never beyond the right's."""
    server_time: datetime
    """Business time."""


def has_contract(settings: Settings, system: System) -> bool:
    """Whether the store has a contract with a service; Clear Key is none."""
    return {"axinom": settings.axinom, "drmtoday": settings.drmtoday}.get(system) is not None


def hosted_licence(
    settings: Settings, system: System, licence: Licence, *, at: datetime, real_now: datetime
) -> HostedLicenceOut:
    """What the player is told for this licence; raises `NotFound` where there is no contract with the service."""
    if system == "axinom" and settings.axinom is not None:
        header, value = "X-AxDRM-Message", Axinom(settings.axinom).message(licence, real_now=real_now)
        servers = settings.axinom.licence_servers
    elif system == "drmtoday" and settings.drmtoday is not None:
        header, value = "x-dt-auth-token", DrmToday(settings.drmtoday).token(licence, real_now=real_now)
        servers = settings.drmtoday.licence_servers
    else:
        raise NotFound
    expires_in = int(MESSAGE_LIVES.total_seconds())
    return HostedLicenceOut(
        system=system,
        header=header,
        value=value,
        expires_in=expires_in,
        licence_servers=dict(servers),
        tracks=list(licence.tracks),
        licence_ends_at=at + licence.policy.lasts,
        server_time=at,
    )
