"""Reads one header of a request as it came in, without making an object of them all, which every request would feel."""

from litestar.types import Scope


def header_of(scope: Scope, name: bytes) -> str:
    """The first header of that name (in small letters); empty where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""
