"""Content keys at rest: sealed with AES-256-GCM under a key that only the settings know, and taken in with a film."""

import hashlib
import os
from dataclasses import dataclass, field
from typing import Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from store.entitlement.errors import KeysUnreadable
from store.entitlement.models import ContentKey

KEY_BYTES: Final = 16
"""A content key of Common Encryption is an AES-128 key (ISO/IEC 23001-7)."""

_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class KeySeal:
    """Seals and opens content keys; each is bound to its key id and film, so that rows cannot be swapped."""

    wrapping_key: bytes = field(repr=False)
    """32 bytes."""

    @classmethod
    def from_secret(cls, content_key_secret: bytes) -> Self:
        """The seal of this installation: HKDF-SHA256 (RFC 5869) over `settings.content_key_secret`."""
        return cls(HKDF(hashes.SHA256(), 32, None, b"videothek/content-keys").derive(content_key_secret))

    @property
    def name(self) -> str:
        """16 hex digits that tell this wrapping key from another one and nothing about it."""
        return hashlib.sha256(b"videothek/wrapping-key-name\0" + self.wrapping_key).hexdigest()[:16]

    def seal(self, *, kid: UUID, asset_id: UUID, track: str, key: bytes) -> ContentKey:
        """A row for a key of 16 bytes; raises `ValueError` for any other length."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a content key has {KEY_BYTES} bytes")
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(self.wrapping_key).encrypt(nonce, key, _binding(kid, asset_id, track))
        return ContentKey(kid=kid, asset_id=asset_id, track=track, sealed=sealed, sealed_with=self.name)

    def open(self, row: ContentKey) -> bytes:
        """The key of a row, 16 bytes; raises `KeysUnreadable` when it was sealed elsewhere or tampered with."""
        nonce, sealed = row.sealed[:_NONCE_BYTES], row.sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self.wrapping_key).decrypt(nonce, sealed, _binding(row.kid, row.asset_id, row.track))
        except InvalidTag as fault:
            raise KeysUnreadable from fault


def _binding(kid: UUID, asset_id: UUID, track: str) -> bytes:
    return b"content-key\0" + kid.bytes + asset_id.bytes + track.encode()
