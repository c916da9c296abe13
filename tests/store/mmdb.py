"""A database of countries as small as can be, in MaxMind's form (MMDB 2.0): what `maxminddb` reads in the tests."""

import struct
from collections.abc import Mapping
from ipaddress import IPv6Network, ip_network
from pathlib import Path
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
TYPES = {str: 2, dict: 7, list: 11}
UNSIGNED = {16: (5, ">H"), 32: (6, ">I"), 64: (9, ">Q")}


def write_database(path: Path, countries: Mapping[str, Any]) -> Path:
    """Write a database that knows the record of each network."""
    tree: list[list[Any]] = [[None, None]]
    data = b""
    for text, record in countries.items():
        network = _in_ipv6(text)
        bits = [int(network.network_address) >> (127 - place) & 1 for place in range(network.prefixlen)]
        node = 0
        for bit in bits[:-1]:
            if tree[node][bit] is None:
                tree.append([None, None])
                tree[node][bit] = len(tree) - 1
            node = tree[node][bit]
        tree[node][bits[-1]] = ("data", len(data))
        data += _encode(record)
    metadata = {
        "node_count": (32, len(tree)),
        "record_size": (16, 24),
        "ip_version": (16, 6),
        "database_type": "Test-Country",
        "languages": ["en"],
        "binary_format_major_version": (16, 2),
        "binary_format_minor_version": (16, 0),
        "build_epoch": (64, 1_780_000_000),
        "description": {"en": "made by a test"},
    }
    nodes = b"".join(_record(entry, len(tree)) for node in tree for entry in node)
    path.write_bytes(nodes + bytes(16) + data + MARKER + _encode(metadata))
    return path


def _in_ipv6(text: str) -> IPv6Network:
    """IPv4 lies in the last 32 bits."""
    network = ip_network(text)
    if isinstance(network, IPv6Network):
        return network
    return IPv6Network((int(network.network_address), 96 + network.prefixlen))


def _record(entry: Any, node_count: int) -> bytes:
    match entry:
        case None:
            value = node_count
        case ("data", offset):
            value = node_count + 16 + offset
        case _:
            value = entry
    return int(value).to_bytes(3, "big")


def _encode(value: Any) -> bytes:
    match value:
        case (bits, number):
            kind, form = UNSIGNED[bits]
            content = struct.pack(form, number)
            return _head(kind, len(content)) + content
        case str():
            content = value.encode()
            return _head(TYPES[str], len(content)) + content
        case dict():
            return _head(TYPES[dict], len(value)) + b"".join(_encode(part) for pair in value.items() for part in pair)
        case list():
            return _head(TYPES[list], len(value)) + b"".join(map(_encode, value))
    raise TypeError(value)


def _head(kind: int, size: int) -> bytes:
    """Type and size; types beyond seven stand in a byte of their own, sizes beyond 28 are not needed here."""
    assert size < 29
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])
