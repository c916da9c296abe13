"""Playback tokens: a signed permission of a minute to ask for licences, bound to one device's key."""

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from store.entitlement.base64url import decode, encode
from store.entitlement.licence_errors import TokenInvalid

LIFE: Final = timedelta(seconds=60)
"""How long a token is good; it never outlives the right."""

PURPOSE: Final = "playback-licence"
"""Audience of the token: a signature for one purpose is none for another."""

LONGEST_TOKEN: Final = 1_024
"""Characters; ours have about 400."""

_HEADER: Final = encode(b'{"alg":"EdDSA","typ":"playback+jwt"}')
"""The first part of each of our tokens: a token that names another algorithm or type is none of ours."""


class _Confirmation(msgspec.Struct, frozen=True):
    """Which key may use the token (RFC 7800, 3)."""

    jkt: str


class _Claims(msgspec.Struct, frozen=True):
    """What a token says (RFC 7519, 4.1)."""

    iss: str
    aud: str
    sub: UUID
    iat: int
    exp: int
    cnf: _Confirmation


_claims_in: Final = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True)
class PlaybackToken:
    """A signed token and the instant (real time) from which it is refused."""

    text: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Permission:
    """What a verified token says: which playback it is for, and the thumbprint of the key it is bound to."""

    playback_session_id: UUID
    jkt: str
    has_expired: bool
    """It permits nothing any more, and only tells whose request it is."""


@dataclass(frozen=True, slots=True)
class PlaybackTokens:
    """Signs and reads tokens (JWT, Ed25519; RFC 7519, RFC 8037, RFC 7800)."""

    signing_key: Ed25519PrivateKey = field(repr=False)
    issuer: str

    @classmethod
    def from_seed(cls, seed: bytes, *, issuer: str) -> Self:
        """The signer of this installation: `settings.licence_signing_key` (32 bytes) and its public address."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed), issuer)

    def sign(
        self, *, playback_session_id: UUID, jkt: str, ends_at: datetime | None, at: datetime, real_now: datetime
    ) -> PlaybackToken:
        """A token for a minute, or for what is left of the right (business time) if that is less."""
        life = LIFE if ends_at is None else min(LIFE, ends_at - at)
        expires = int((real_now + life).timestamp())
        claims = _Claims(
            iss=self.issuer,
            aud=PURPOSE,
            sub=playback_session_id,
            iat=int(real_now.timestamp()),
            exp=expires,
            cnf=_Confirmation(jkt),
        )
        signed = f"{_HEADER}.{encode(msgspec.json.encode(claims))}"
        return PlaybackToken(
            text=f"{signed}.{self._signature(signed)}", expires_at=datetime.fromtimestamp(expires, tz=UTC)
        )

    def read(self, text: str, *, real_now: datetime) -> Permission:
        """Verify a token; raises `TokenInvalid` for anything that is not ours and for this purpose.

        One that has expired is read as well: that it was shown is refused where it can be recorded whose it was.

        An Ed25519 signature depends on nothing but key and text (RFC 8032, 5.1.6), and here is the key: signing again
        and comparing costs a third of verifying, and lets through exactly what `sign` made.
        """
        signed, _, signature = text.rpartition(".")
        header, _, payload = signed.partition(".")
        if len(text) > LONGEST_TOKEN or not text.isascii() or header != _HEADER:
            raise TokenInvalid
        if not hmac.compare_digest(signature, self._signature(signed)):
            raise TokenInvalid
        try:
            claims = _claims_in.decode(decode(payload))
        except (msgspec.MsgspecError, ValueError) as fault:
            raise TokenInvalid from fault
        if (claims.iss, claims.aud) != (self.issuer, PURPOSE):
            raise TokenInvalid
        return Permission(claims.sub, claims.cnf.jkt, has_expired=real_now.timestamp() >= claims.exp)

    def _signature(self, signed: str) -> str:
        return encode(self.signing_key.sign(signed.encode()))
