"""Where a request comes from: the one function that decides a client's address, and what is kept of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Self

from litestar import Request
from litestar.connection import ASGIConnection

from auth.ports import AuthSettings, Countries
from auth.tokens import DEVICE, hash_token

_UNKNOWN = "0.0.0.0"  # noqa: S104 - what is said of a peer without an address; nothing binds to it
_LONGEST_AGENT = 120
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = ("Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux")


@dataclass(frozen=True, slots=True)
class Visit:
    """What limits, sessions and the audit trail may know of a request's origin."""

    ip: str
    """The client's address in full; kept nowhere but in the audit trail."""
    user_agent: str = ""
    """As sent, shortened to printable characters."""
    request_id: str | None = None
    country: str | None = None
    """From which country it comes (ISO 3166-1 alpha-2), where somebody can tell."""
    device: bytes | None = field(default=None, repr=False)
    """SHA-256 of the token by which the browser or app may be known again."""

    def on_device(self, token: str | None) -> Self:
        """The visit of an app that sends the token of its device in the body; without one, the visit as it is."""
        return replace(self, device=hash_token(token, kind=DEVICE)) if token else self

    @property
    def limit_key(self) -> str:
        """What limits count: the IPv4 address, or the /64 that an IPv6 customer owns as a whole."""
        address = ip_address(self.ip)
        if isinstance(address, IPv6Address):
            return str(ip_network((address, 64), strict=False))
        return str(address)

    @property
    def network(self) -> str:
        """The address as it is kept beside sessions: /24 or /48."""
        prefix = 48 if isinstance(ip_address(self.ip), IPv6Address) else 24
        return str(ip_network((self.ip, prefix), strict=False))


def visit_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Visit:
    """The origin of a request, by the settings' trusted proxies."""
    settings: AuthSettings = connection.app.state.settings
    countries: Countries = connection.app.state.countries
    peer = connection.client.host if connection.client else _UNKNOWN
    forwarded = [value for name, value in connection.scope["headers"] if name == b"x-forwarded-for"]
    ip = client_address(peer, b",".join(forwarded).decode("latin-1"), trusted_proxies=settings.trusted_proxies)
    told = connection.headers if is_trusted(peer, settings.trusted_proxies) else {}
    return Visit(
        ip=ip,
        user_agent=_printable(connection.headers.get("user-agent", "")),
        request_id=connection.scope["state"].get("request_id"),
        country=countries.country_of(ip, told=told),
        device=hash_token(connection.cookies.get(settings.device_cookie, ""), kind=DEVICE),
    )


def client_address(peer: str, forwarded_for: str, *, trusted_proxies: Sequence[str]) -> str:
    """The client's address.

    It is the peer's own, unless the peer is a trusted proxy; then it is the rightmost entry of X-Forwarded-For
    that is none. Everything left of it is the client's own invention.
    """
    address = _parse(peer)
    if address is None:
        return _UNKNOWN
    networks = [ip_network(proxy, strict=False) for proxy in trusted_proxies]
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    while hops and any(address in network for network in networks):
        previous = _parse(hops.pop())
        if previous is None:
            break
        address = previous
    return str(address)


def is_trusted(peer: str, trusted_proxies: Sequence[str]) -> bool:
    """Whether a peer is one of the trusted proxies."""
    address = _parse(peer)
    return address is not None and any(address in ip_network(proxy, strict=False) for proxy in trusted_proxies)


def browser_of(user_agent: str) -> str | None:
    """A well-known browser and its system, as a User-Agent names them; None for anything else that it says."""
    for mark, name in _BROWSERS:
        if mark in user_agent:
            system = next((one for one in _SYSTEMS if one in user_agent), "")
            return f"{name}, {system}" if system else name
    return None


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:_LONGEST_AGENT]


async def provide_visit(request: Request[Any, Any, Any]) -> Visit:
    """Dependency `visit`: the origin of the request."""
    return visit_of(request)
