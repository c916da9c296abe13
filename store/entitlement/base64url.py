"""base64url without padding, the spelling of keys, hashes and signed texts (RFC 7515, 2)."""

import binascii
from typing import Final

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")


def encode(value: bytes) -> str:
    """The text of bytes."""
    return binascii.b2a_base64(value, newline=False).translate(_TO_URL).rstrip(b"=").decode()


def decode(text: str, *, length: int | None = None) -> bytes:
    """The bytes of unpadded, canonical text; raises `ValueError` for any other, and unless there are `length`."""
    padded = text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4)
    value = binascii.a2b_base64(padded, strict_mode=True)
    if encode(value) != text or (length is not None and len(value) != length):
        raise ValueError("not canonical base64url" if length is None else f"not {length} bytes in base64url")
    return value
