"""Playback tokens: a signed permission of a minute to ask for licences, bound to one device's key."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from store.entitlement.errors import TokenInvalid

LIFE: Final = timedelta(seconds=60)
"""How long a token is good; it never outlives the right."""

PURPOSE: Final = "playback-licence"
"""Audience of the token: a signature for one purpose is none for another."""

LONGEST_TOKEN: Final = 1_024
"""Characters; ours have about 400."""


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
        claims = {
            "iss": self.issuer,
            "aud": PURPOSE,
            "sub": str(playback_session_id),
            "iat": int(real_now.timestamp()),
            "exp": expires,
            "cnf": {"jkt": jkt},
        }
        text = jwt.encode(claims, self.signing_key, algorithm="EdDSA", headers={"typ": "playback+jwt"})
        return PlaybackToken(text=text, expires_at=datetime.fromtimestamp(expires, tz=UTC))

    def read(self, text: str, *, real_now: datetime) -> Permission:
        """Verify a token; raises `TokenInvalid` for anything that is not ours, for this purpose and still good."""
        if len(text) > LONGEST_TOKEN:
            raise TokenInvalid
        try:
            claims = jwt.decode(
                text,
                self.signing_key.public_key(),
                algorithms=["EdDSA"],
                audience=PURPOSE,
                issuer=self.issuer,
                # Whether it is still good is measured against `real_now`, not against PyJWT's own clock.
                options={"require": ["exp", "iat", "sub", "aud", "iss"], "verify_exp": False, "verify_iat": False},
            )
            permission = Permission(playback_session_id=UUID(claims["sub"]), jkt=str(claims["cnf"]["jkt"]))
            is_over = real_now.timestamp() >= int(claims["exp"])
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as fault:
            raise TokenInvalid from fault
        if is_over:
            raise TokenInvalid
        return permission
