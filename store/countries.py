"""From which country a request comes (`auth.ports.Countries`): by the proxy's word, by a local database, or unknown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import maxminddb

from auth.ports import Countries

_CODE: Final = re.compile(r"[A-Z]{2}", re.ASCII)

_NOWHERE: Final = frozenset({"XX", "ZZ", "T1", "A1", "A2", "AP", "EU"})
"""What proxies and databases say of addresses that are in no one country."""


class CountrySettings(Protocol):
    """The settings that decide who tells."""

    @property
    def country_header(self) -> str | None:
        """Header in which a trusted proxy tells the country."""
        ...

    @property
    def country_database(self) -> str | None:
        """Path of a database (MMDB) of addresses and countries."""
        ...


def open_countries(settings: CountrySettings) -> Countries:
    """Whoever the settings say can tell; nobody by default. Raises what the library does for a file that is none."""
    if settings.country_header is not None:
        return ToldByProxy(settings.country_header.lower())
    if settings.country_database is not None:
        return LookedUp(maxminddb.open_database(settings.country_database))
    return Unknown()


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell."""

    def country_of(self, ip: str, *, told: Mapping[str, str]) -> str | None:
        """Never a country."""
        return None


@dataclass(frozen=True, slots=True)
class ToldByProxy:
    """The word of a trusted proxy, which must set the header itself and let none of the client's through."""

    header: str

    def country_of(self, ip: str, *, told: Mapping[str, str]) -> str | None:
        """What the header says, if it is a country."""
        return _country(told.get(self.header))


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A database in the form of MaxMind (GeoLite2, DB-IP, IPinfo, …), read from its file."""

    reader: maxminddb.Reader

    def country_of(self, ip: str, *, told: Mapping[str, str]) -> str | None:
        """What the database says, if it is a country."""
        try:
            record: Any = self.reader.get(ip)
        except (ValueError, maxminddb.InvalidDatabaseError):
            # An IPv6 address in a database of IPv4 addresses, or a damaged part of the file.
            return None
        if not isinstance(record, dict):
            return None
        country = record.get("country", record.get("country_code"))
        return _country(country.get("iso_code") if isinstance(country, dict) else country)


def _country(word: object) -> str | None:
    code = word.strip().upper() if isinstance(word, str) else ""
    return code if _CODE.fullmatch(code) and code not in _NOWHERE else None
