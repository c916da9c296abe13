"""base64url without padding, the spelling of keys, hashes and signed texts (RFC 7515, 2)."""

import base64
import binascii


def encode(value: bytes) -> str:
    """The text of bytes."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decode(text: str, *, length: int | None = None) -> bytes:
    """The bytes of unpadded, canonical text; raises `ValueError` for any other, and unless there are `length`."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as fault:
        raise ValueError("not base64url") from fault
    if encode(value) != text or (length is not None and len(value) != length):
        raise ValueError("not canonical base64url" if length is None else f"not {length} bytes in base64url")
    return value
