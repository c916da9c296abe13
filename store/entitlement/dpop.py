"""Proofs of a device's key: a fresh signature over one request (DPoP, RFC 9449), accepted once.

Everything here runs on real time: a moved sandbox clock makes no proof younger.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from sqlalchemy import delete

from store.database import Database
from store.entitlement.base64url import decode, encode
from store.entitlement.licence_errors import ProofInvalid
from store.entitlement.models import DpopProof

ACCEPTANCE: Final = timedelta(minutes=2)
"""How far a proof's `iat` may lie from our clock, in either direction."""

LONGEST_PROOF: Final = 2_048
"""Characters; ours have about 450."""

_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of a JWK that must never leave a device (RFC 7518, 6)."""

_COORDINATE_BYTES: Final = 32

_ES256: Final = ec.ECDSA(hashes.SHA256())
"""The one algorithm (RFC 7518, 3.4); its signatures are two numbers of 32 bytes each."""


class _Header(msgspec.Struct, frozen=True):
    """What a proof says of itself (RFC 9449, 4.2)."""

    typ: str
    alg: str
    jwk: dict[str, Any]
    crit: Any = msgspec.UNSET


class _Claims(msgspec.Struct, frozen=True):
    """What a proof is for."""

    jti: str
    htm: str
    htu: str
    iat: int
    ath: str | None = None


_header_in: Final = msgspec.json.Decoder(_Header)
_claims_in: Final = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A P-256 key by its coordinates, base64url without padding."""

    x: str
    y: str

    @property
    def jkt(self) -> str:
        """The key's thumbprint (RFC 7638): SHA-256 over its members in this order, base64url, 43 characters."""
        members = f'{{"crv":"P-256","kty":"EC","x":"{self.x}","y":"{self.y}"}}'
        return encode(hashlib.sha256(members.encode()).digest())


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified proof: whose key signed it, and what makes it unique."""

    key: PublicKey
    jti: str
    issued_at: int
    """Unix seconds."""


def only_one(headers: Sequence[str]) -> str | None:
    """The one `DPoP` header of a request; raises `ProofInvalid` where there are several (RFC 9449, 4.3)."""
    if len(headers) > 1:
        raise ProofInvalid(reason="there are several proofs")
    return headers[0] if headers else None


def read_proof(header: str | None, *, method: str, url: str, real_now: datetime, token: str | None = None) -> Proof:
    """Verify the `DPoP` header of a request to `url` (RFC 9449, 4.3); raises `ProofInvalid`.

    `token` is the access token that the request carries: then the proof must name its hash (`ath`).
    Whether the proof was used before is asked by `use_once`.
    """
    if not header or len(header) > LONGEST_PROOF:
        raise ProofInvalid(reason="the proof is missing or too long")
    key, claims = _verified(header)
    if not 8 <= len(claims.jti) <= 64 or not claims.jti.isascii() or not claims.jti.isprintable():
        raise ProofInvalid(reason="jti must have 8 to 64 characters")
    if abs(int(real_now.timestamp()) - claims.iat) > ACCEPTANCE.total_seconds():
        raise ProofInvalid(reason="iat is too far from the server's time", server_time=real_now.isoformat())
    if claims.htm != method:
        raise ProofInvalid(reason="htm names another method")
    if claims.htu != url and _address(claims.htu) != _address(url):
        raise ProofInvalid(reason="htu names another address")
    if token is not None and not _same(claims.ath, encode(hashlib.sha256(token.encode()).digest())):
        raise ProofInvalid(reason="ath names another token")
    return Proof(key=key, jti=claims.jti, issued_at=claims.iat)


_USE_UP: Final = """
    INSERT INTO store.dpop_proofs (jkt, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING jti
"""


async def use_once(database: Database, proof: Proof) -> None:
    """Accept a proof for the first and last time; raises `ProofInvalid` for a copy.

    One statement, and so a transaction of its own: a proof stays used even if the request that carried it is refused.
    Of many copies at once the primary key lets exactly one through. (Heartbeats and licences do it within theirs.)
    """
    first = await database.reads.fetchval(_USE_UP, proof.key.jkt, proof.jti, forgotten_at(proof))
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


def _verified(proof: str) -> tuple[PublicKey, _Claims]:
    """The key that a proof names, and its claims once that key's signature over them is found right."""
    signed, _, signature = proof.rpartition(".")
    header, _, claims = signed.partition(".")
    try:
        key = _key_of(_header_in.decode(decode(header)))
        numbers = decode(signature, length=2 * _COORDINATE_BYTES)
        r, s = numbers[:_COORDINATE_BYTES], numbers[_COORDINATE_BYTES:]
        der = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
        _verifying_key(key.x, key.y).verify(der, signed.encode(), _ES256)
        return key, _claims_in.decode(decode(claims))
    except InvalidSignature as fault:
        raise ProofInvalid(reason="the signature is wrong") from fault
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
        raise ProofInvalid(reason="the proof is no signed JWT with jti, htm, htu and iat") from fault


def _key_of(header: _Header) -> PublicKey:
    """The public key that a proof names; its algorithm is fixed, whatever the proof says."""
    if header.typ != "dpop+jwt" or header.alg != "ES256" or header.crit is not msgspec.UNSET:
        raise ProofInvalid(reason="typ must be dpop+jwt and alg ES256")
    jwk = header.jwk
    if _PRIVATE_MEMBERS & jwk.keys():
        raise ProofInvalid(reason="jwk must be a public key")
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise ProofInvalid(reason="jwk must be a P-256 key")
    x, y = jwk.get("x"), jwk.get("y")
    if not isinstance(x, str) or not isinstance(y, str):
        raise ProofInvalid(reason="jwk must have x and y")
    return PublicKey(x=x, y=y)


@lru_cache(maxsize=16_384)
def _verifying_key(x: str, y: str) -> ec.EllipticCurvePublicKey:
    """The key of two coordinates; those of the devices that play now are kept, as nothing in them is secret."""
    try:
        point = b"".join(decode(part, length=_COORDINATE_BYTES) for part in (x, y))
        # 4: both coordinates follow (SEC 1, 2.3.4). A point that is not on the curve is refused.
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + point)
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


def _same(given: str | None, expected: str) -> bool:
    return given is not None and given.isascii() and hmac.compare_digest(given, expected)
