"""Tokens: prefixed by their kind, 256 bits, shown once and stored as SHA-256 only."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

SESSION: Final = "session"
"""A signed-in browser or app."""
PASSWORD_RESET: Final = "reset"  # noqa: S105 - the name of a kind
"""The link that sets a new password."""
REGISTRATION: Final = "confirm"
"""The link that confirms an address."""
EMAIL_CHANGE: Final = "email"
"""The link that confirms a new address."""
EMAIL_UNDO: Final = "undo"
"""The link that undoes a change of address."""
DEVICE: Final = "device"
"""A browser or app that someone signed in on, known again at the next sign-in."""
KEEP_ACCOUNT: Final = "keep"
"""The link that keeps an account which was to be erased."""
RECOVERY: Final = "recover"
"""The link that carries out what support asked for and a second person agreed to."""
SUPPORT_CANCEL: Final = "cancel"
"""The link that calls off what support began."""

SIGN_IN_STEP: Final = "step"
"""A sign-in whose second factor is still due."""
PASSKEY: Final = "passkey"
"""Who asked for something that a passkey is to sign, and is not signed in."""
TV: Final = "tv"
"""What a TV polls with while somebody enters the code that it shows."""
INVITATION: Final = "invite"
"""The link with which staff join."""

_SHAPE: Final = re.compile(r"vt1_([a-z]{1,16})_([A-Za-z0-9_-]{43})", re.ASCII)


def make_token(kind: str) -> str:
    """A new random token of a kind: `vt1_<kind>_<43 characters of base64url>`."""
    return _compose(kind, secrets.token_bytes(32))


def hash_token(token: str, *, kind: str) -> bytes | None:
    """SHA-256 (32 bytes) of a token; None if it is no token, or one of another kind.

    With 256 random bits neither salt nor key is needed, and the search by hash leaks no timing.
    """
    match = _SHAPE.fullmatch(token)
    if match is None or match[1] != kind:
        return None
    return hashlib.sha256(token.encode("ascii")).digest()


@dataclass(frozen=True, slots=True)
class MailedTokens:
    """Mints the tokens of mailed links from a key, so that a mail repeated after a crash holds the same link."""

    key: bytes = field(repr=False)
    """32 secret bytes for this purpose alone."""

    def mint(self, kind: str, reference: UUID) -> str:
        """The one token of this kind for the request `reference`; 256 bits to anyone without the key."""
        secret = hmac.digest(self.key, f"{kind}|{reference}".encode(), "sha256")
        return _compose(kind, secret)


def _compose(kind: str, secret: bytes) -> str:
    return f"vt1_{kind}_{base64.urlsafe_b64encode(secret).rstrip(b'=').decode()}"
