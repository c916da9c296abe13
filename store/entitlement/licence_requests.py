"""What a licence request says: for whose proof and which keys, or for which device of a hosted service."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from store.entitlement.base64url import decode
from store.entitlement.dpop import Proof, only_one, read_proof
from store.entitlement.errors import EntitlementError
from store.entitlement.keys import KEY_BYTES
from store.entitlement.licence_errors import LicenceRequestMalformed, TokenInvalid
from store.entitlement.record import System
from store.entitlement.tokens import Permission

MOST_KIDS: Final = 16
"""Key ids in one request; a film has three or four."""


@dataclass(frozen=True, slots=True)
class LicenceQuestion:
    """A licence request as it came in."""

    authorization: str | None
    """The header `Authorization: DPoP <token>`."""
    proofs: Sequence[str]
    """The headers `DPoP`; more than one is refused."""
    method: str
    url: str
    """The public address that was asked, which the proof must name."""
    system: System
    """Whose licence it is to become."""
    kids: Sequence[str] | None = None
    """Key ids, 16 bytes each, base64url without padding; None: all that the right opens."""
    kind: str = "temporary"
    """Clear Key knows no licence that stays."""
    fault: EntitlementError | None = None
    """Why the body says none of these."""


@dataclass(frozen=True, slots=True)
class HostedDevice:
    """What a hosted service knows of the device that asks it, and what it was asked for (None: not known)."""

    is_strong: bool
    """Whether the service vouches for hardware that keeps keys and pictures."""
    playback: str | None = None
    asset: str | None = None
    picture: str | None = None
    """The track of the picture: `SD`, `HD` or `UHD`."""
    client: str | None = None
    """The device's id by its DRM."""

    def mark(self, playback_session_id: UUID) -> bytes | None:
        """What tells the device from others within one playback, and nothing of it beyond: SHA-256, 32 bytes."""
        if self.client is None:
            return None
        return hashlib.sha256(playback_session_id.bytes + self.client.encode()).digest()


def proof_of(asked: LicenceQuestion, permission: Permission, *, real_now: datetime) -> Proof | EntitlementError:
    """The proof of the key that the token is bound to, or what is wrong with either."""
    if permission.has_expired:
        return TokenInvalid()
    token = (asked.authorization or "").partition(" ")[2].strip()
    try:
        header = only_one(asked.proofs)
        proof = read_proof(header, method=asked.method, url=asked.url, real_now=real_now, token=token)
    except EntitlementError as fault:
        return fault
    return proof if proof.key.jkt == permission.jkt else TokenInvalid()


def key_ids(asked: LicenceQuestion) -> list[UUID] | None:
    """The key ids that are asked for (None: all); raises `LicenceRequestMalformed`."""
    if asked.fault is not None:
        raise asked.fault
    if asked.kind != "temporary":
        raise LicenceRequestMalformed(place="type must be temporary")
    if asked.kids is None:
        return None
    if not 1 <= len(asked.kids) <= MOST_KIDS:
        raise LicenceRequestMalformed(place=f"kids must name 1 to {MOST_KIDS} keys")
    try:
        kids = [UUID(bytes=decode(kid, length=KEY_BYTES)) for kid in asked.kids]
    except ValueError as fault:
        raise LicenceRequestMalformed(place="a key id is not 16 bytes in base64url") from fault
    if len(set(kids)) < len(kids):
        raise LicenceRequestMalformed(place="a key id is named twice")
    return kids
