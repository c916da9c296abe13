"""Proofs of a device's key: a fresh signature over one request (DPoP, RFC 9449), accepted once.

Everything here runs on real time: a moved sandbox clock makes no proof younger.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from store.database import Database
from store.entitlement.errors import ProofInvalid
from store.entitlement.models import DpopProof

ACCEPTANCE: Final = timedelta(minutes=2)
"""How far a proof's `iat` may lie from our clock, in either direction."""

LONGEST_PROOF: Final = 2_048
"""Characters; ours have about 450."""

_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of a JWK that must never leave a device (RFC 7518, 6)."""

_COORDINATE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A P-256 key by its coordinates, base64url without padding."""

    x: str
    y: str

    @property
    def jkt(self) -> str:
        """The key's thumbprint (RFC 7638): SHA-256 over its members in this order, base64url, 43 characters."""
        members = json.dumps({"crv": "P-256", "kty": "EC", "x": self.x, "y": self.y}, separators=(",", ":"))
        return encode(hashlib.sha256(members.encode()).digest())


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified proof: whose key signed it, and what makes it unique."""

    key: PublicKey
    jti: str
    issued_at: int
    """Unix seconds."""


def read_proof(header: str | None, *, method: str, url: str, real_now: datetime, token: str | None = None) -> Proof:
    """Verify the `DPoP` header of a request to `url` (RFC 9449, 4.3); raises `ProofInvalid`.

    `token` is the access token that the request carries: then the proof must name its hash (`ath`).
    Whether the proof was used before is asked by `use_once`.
    """
    if not header or len(header) > LONGEST_PROOF:
        raise ProofInvalid(reason="the proof is missing or too long")
    key = _key_of(header)
    try:
        claims = jwt.decode(
            header,
            _verifying_key(key),
            algorithms=["ES256"],
            options={
                "require": ["jti", "htm", "htu", "iat"],
                "verify_iat": False,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_jti": False,
                "verify_sub": False,
            },
        )
    except jwt.InvalidTokenError as fault:
        raise ProofInvalid(reason="the signature is wrong") from fault
    jti, issued_at = claims["jti"], claims["iat"]
    if not isinstance(jti, str) or not 8 <= len(jti) <= 64 or not jti.isascii() or not jti.isprintable():
        raise ProofInvalid(reason="jti must have 8 to 64 characters")
    if not isinstance(issued_at, int) or abs(int(real_now.timestamp()) - issued_at) > ACCEPTANCE.total_seconds():
        raise ProofInvalid(reason="iat is too far from the server's time", server_time=real_now.isoformat())
    if claims["htm"] != method:
        raise ProofInvalid(reason="htm names another method")
    if not isinstance(claims["htu"], str) or _address(claims["htu"]) != _address(url):
        raise ProofInvalid(reason="htu names another address")
    if token is not None and not _same(claims.get("ath"), encode(hashlib.sha256(token.encode()).digest())):
        raise ProofInvalid(reason="ath names another token")
    return Proof(key=key, jti=jti, issued_at=issued_at)


async def use_once(database: Database, proof: Proof) -> None:
    """Accept a proof for the first and last time; raises `ProofInvalid` for a copy.

    It has its own short transaction: a proof stays used even if the request that carried it is refused. Of many
    copies at once the primary key lets exactly one through.
    """
    remembered = insert(DpopProof).values(
        jkt=proof.key.jkt,
        jti=proof.jti,
        expires_at=forgotten_at(proof),
    )
    async with database.sessions.begin() as session:
        first = await session.scalar(remembered.on_conflict_do_nothing().returning(DpopProof.jti))
    refuse_copy(is_first=first is not None)


def forgotten_at(proof: Proof) -> datetime:
    """From when a used proof need not be remembered: it would be too old by itself."""
    return datetime.fromtimestamp(proof.issued_at, tz=UTC) + 2 * ACCEPTANCE


def refuse_copy(*, is_first: bool) -> None:
    """Raise `ProofInvalid` unless this was the first use of a proof."""
    if not is_first:
        raise ProofInvalid(reason="the proof was used before")


async def forget_old_proofs(database: Database, *, real_now: datetime) -> None:
    """Remove proofs that are too old to be accepted again; a job for the worker, at any interval."""
    async with database.sessions.begin() as session:
        await session.execute(delete(DpopProof).where(DpopProof.expires_at < real_now))


def encode(value: bytes) -> str:
    """base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decode(text: str, *, length: int) -> bytes:
    """The bytes of unpadded, canonical base64url text; raises `ValueError` unless they are exactly `length`."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as fault:
        raise ValueError("not base64url") from fault
    if len(value) != length or encode(value) != text:
        raise ValueError(f"not {length} bytes in base64url")
    return value


def _key_of(header: str) -> PublicKey:
    """The public key that a proof names; its algorithm is fixed, whatever the proof says."""
    try:
        named = jwt.get_unverified_header(header)
    except jwt.InvalidTokenError as fault:
        raise ProofInvalid(reason="the proof is no JWT") from fault
    if named.get("typ") != "dpop+jwt" or named.get("alg") != "ES256" or "crit" in named:
        raise ProofInvalid(reason="typ must be dpop+jwt and alg ES256")
    jwk = named.get("jwk")
    if not isinstance(jwk, Mapping) or _PRIVATE_MEMBERS & jwk.keys():
        raise ProofInvalid(reason="jwk must be a public key")
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise ProofInvalid(reason="jwk must be a P-256 key")
    x, y = jwk.get("x"), jwk.get("y")
    if not isinstance(x, str) or not isinstance(y, str):
        raise ProofInvalid(reason="jwk must have x and y")
    return PublicKey(x=x, y=y)


def _verifying_key(key: PublicKey) -> ec.EllipticCurvePublicKey:
    try:
        x, y = (int.from_bytes(decode(part, length=_COORDINATE_BYTES)) for part in (key.x, key.y))
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as fault:
        raise ProofInvalid(reason="jwk is not on the curve") from fault


def _address(url: str) -> tuple[str, str, str]:
    """Scheme, host and path as they are compared: without query, fragment and a default port (RFC 9449, 4.3)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ("", "", "")
    is_default = port is None or (parts.scheme.lower(), port) in (("http", 80), ("https", 443))
    return (parts.scheme.lower(), f"{parts.hostname or ''}{'' if is_default else f':{port}'}", parts.path or "/")


def _same(given: Any, expected: str) -> bool:
    return isinstance(given, str) and given.isascii() and hmac.compare_digest(given, expected)
