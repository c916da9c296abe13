"""Content keys at rest: sealed with AES-256-GCM under a key of the settings, which can be replaced by another."""

import hashlib
import os
from dataclasses import dataclass, field
from typing import Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select

from store.database import Database
from store.entitlement.licence_errors import KeysUnreadable
from store.entitlement.models import ContentKey

KEY_BYTES: Final = 16
"""A content key of Common Encryption is an AES-128 key (ISO/IEC 23001-7)."""

_NONCE_BYTES: Final = 12

_BATCH: Final = 200
"""Keys that are sealed anew in one transaction."""


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A `ContentKey` as a statement read it."""

    kid: UUID
    asset_id: UUID
    track: str
    sealed: bytes
    sealed_with: str


@dataclass(frozen=True, slots=True)
class KeySeal:
    """Seals and opens content keys; each is bound to its key id and film, so that rows cannot be swapped."""

    wrapping_key: bytes = field(repr=False)
    """32 bytes."""
    before: "KeySeal | None" = None
    """The one that this one takes over from; it opens what it sealed, and seals nothing more."""

    @classmethod
    def from_secret(cls, content_key_secret: bytes, before: bytes | None = None) -> Self:
        """The seal of this installation: HKDF-SHA256 (RFC 5869) over `settings.content_key_secret`.

        `before` is the secret that is being replaced: its keys open as well.
        """
        wrapping_key = HKDF(hashes.SHA256(), 32, None, b"videothek/content-keys").derive(content_key_secret)
        return cls(wrapping_key, cls.from_secret(before) if before is not None else None)

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

    def open(self, row: ContentKey | SealedKey) -> bytes:
        """The key of a row, 16 bytes; raises `KeysUnreadable` when it was sealed elsewhere or tampered with."""
        if self.before is not None and row.sealed_with == self.before.name:
            return self.before.open(row)
        nonce, sealed = row.sealed[:_NONCE_BYTES], row.sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self.wrapping_key).decrypt(nonce, sealed, _binding(row.kid, row.asset_id, row.track))
        except InvalidTag as fault:
            raise KeysUnreadable from fault


async def reseal_keys(database: Database, seal: KeySeal) -> int:
    """Seal every key anew that another wrapping key sealed; how many there were.

    In small transactions, so that licences wait for none of them. Safe to kill and to run again, also twice at once:
    a batch is sealed whole or not at all, and licences open both. Raises `KeysUnreadable` for a key that neither
    wrapping key opens, and leaves it as it is.
    """
    others = select(ContentKey).where(ContentKey.sealed_with != seal.name).order_by(ContentKey.kid).limit(_BATCH)
    resealed = 0
    while True:
        async with database.sessions.begin() as session:
            rows = (await session.scalars(others.with_for_update())).all()
            for row in rows:
                anew = seal.seal(kid=row.kid, asset_id=row.asset_id, track=row.track, key=seal.open(row))
                row.sealed, row.sealed_with = anew.sealed, anew.sealed_with
        if not rows:
            return resealed
        resealed += len(rows)


def _binding(kid: UUID, asset_id: UUID, track: str) -> bytes:
    return b"content-key\0" + kid.bytes + asset_id.bytes + track.encode()
