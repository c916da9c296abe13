"""What hosted DRM services are reached and known by: settings that are whole or absent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit
from uuid import UUID

KEY_SYSTEMS: Final = ("widevine", "playready", "fairplay")

DRM_VARIABLES: Final[Mapping[str, str]] = {
    "AXINOM_KEY_ID": "",
    "AXINOM_COMMUNICATION_KEY": "",
    "AXINOM_LICENCE_SERVERS": "",
    "DRMTODAY_MERCHANT": "",
    "DRMTODAY_SECRET_ID": "",
    "DRMTODAY_SECRET": "",
    "DRMTODAY_LICENCE_SERVERS": "",
    "DRMTODAY_CALLBACK_SECRETS": "",
}
"""Variables and their defaults: without a contract there is nothing to set."""

_SHORTEST_SECRET: Final = 16
"""Characters of a secret that the service calls with."""


@dataclass(frozen=True, slots=True)
class AxinomAccess:
    """What we and Axinom's licence service share."""

    key_id: UUID
    """Of the communication key."""
    communication_key: bytes = field(repr=False)
    """32 bytes."""
    licence_servers: Mapping[str, str]
    """By key system."""


@dataclass(frozen=True, slots=True)
class DrmTodayAccess:
    """What we and castLabs DRMtoday share."""

    merchant: str
    secret_id: str
    secret: bytes = field(repr=False)
    """32 bytes."""
    callback_secrets: tuple[str, ...] = field(repr=False)
    """Passwords that the service calls with; two while one is being replaced, none: it may not call."""
    licence_servers: Mapping[str, str]
    """By key system."""


class Variables(Protocol):
    """Reads variables and collects what is wrong with them."""

    faults: list[str]

    def text(self, name: str) -> str:
        """A variable's text."""
        ...

    def words(self, name: str) -> tuple[str, ...]:
        """A variable's comma-separated words."""
        ...

    def secret(self, name: str) -> bytes:
        """A variable's 32 bytes, written in base64."""
        ...


def read_axinom(variables: Variables) -> AxinomAccess | None:
    """The access to Axinom; None where nothing of it is set."""
    if not _is_there(variables, "AXINOM_KEY_ID", "AXINOM_COMMUNICATION_KEY", "AXINOM_LICENCE_SERVERS"):
        return None
    try:
        key_id = UUID(variables.text("AXINOM_KEY_ID"))
    except ValueError:
        variables.faults.append("AXINOM_KEY_ID is no UUID")
        return None
    return AxinomAccess(
        key_id,
        variables.secret("AXINOM_COMMUNICATION_KEY"),
        _licence_servers(variables, "AXINOM_LICENCE_SERVERS"),
    )


def read_drmtoday(variables: Variables) -> DrmTodayAccess | None:
    """The access to DRMtoday; None where nothing of it is set."""
    names = ("DRMTODAY_MERCHANT", "DRMTODAY_SECRET_ID", "DRMTODAY_SECRET", "DRMTODAY_LICENCE_SERVERS")
    if not _is_there(variables, *names):
        return None
    secret = variables.text("DRMTODAY_SECRET")
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", secret):
        variables.faults.append("DRMTODAY_SECRET is not 32 bytes in hexadecimal")
        return None
    callback_secrets = variables.words("DRMTODAY_CALLBACK_SECRETS")
    if any(len(one) < _SHORTEST_SECRET for one in callback_secrets):
        variables.faults.append("DRMTODAY_CALLBACK_SECRETS holds a short secret")
    return DrmTodayAccess(
        variables.text("DRMTODAY_MERCHANT"),
        variables.text("DRMTODAY_SECRET_ID"),
        bytes.fromhex(secret),
        callback_secrets,
        _licence_servers(variables, "DRMTODAY_LICENCE_SERVERS"),
    )


def _is_there(variables: Variables, *names: str) -> bool:
    """Whether all of these are set; a half is a fault."""
    missing = [name for name in names if not variables.text(name)]
    if missing and len(missing) < len(names):
        variables.faults += [f"{name} is missing beside the others of the same service" for name in missing]
    return not missing


def _licence_servers(variables: Variables, name: str) -> Mapping[str, str]:
    """Addresses by key system: `widevine=https://…,playready=https://…`."""
    pairs = dict(word.partition("=")[::2] for word in variables.words(name))
    if not pairs.keys() <= set(KEY_SYSTEMS) or any(urlsplit(url).scheme != "https" for url in pairs.values()):
        variables.faults.append(f"{name} is not widevine=https://…,playready=https://…,fairplay=https://…")
    return pairs
