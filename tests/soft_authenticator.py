"""A passkey authenticator in software (WebAuthn Level 2, section 6): P-256, no attestation, and every way to lie."""

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, CAN_BE_BACKED_UP, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
AAGUID = bytes(range(16))


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(slots=True)
class Key:
    """One passkey: what the authenticator keeps of it."""

    id: bytes
    private: ec.EllipticCurvePrivateKey
    user_handle: bytes
    count: int = 0


@dataclass(slots=True)
class SoftAuthenticator:
    """Makes passkeys and signs with them, for a browser that is on a page of `base_url`.

    What it says of itself can be set: `verifies` (a PIN or finger was there), `counts` (by how much the counter moves),
    `origin` and `rp_id` (where the browser believes to be).
    """

    base_url: str
    verifies: bool = True
    counts: int = 1
    is_backed_up: bool = False
    origin: str = ""
    rp_id: str = ""
    keys: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        self.origin = self.origin or f"{address.scheme}://{address.netloc}"
        self.rp_id = self.rp_id or (address.hostname or "")

    def make(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.create()`; `changes` replace members of the client data."""
        key = Key(os.urandom(32), ec.generate_private_key(ec.SECP256R1()), decode(options["user"]["id"]))
        self.keys.append(key)
        numbers = key.private.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = AAGUID + struct.pack(">H", len(key.id)) + key.id + cbor2.dumps(public)
        data = self._authenticator_data(key, ATTESTED) + attested
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", options["challenge"], changes)
        response = {
            "clientDataJSON": encode(client_data),
            "attestationObject": encode(made),
            "transports": ["internal", "hybrid"],
        }
        return _credential(key, response)

    def sign(self, options: dict[str, Any], *, key: Key | None = None, **changes: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.get()` with a passkey that may answer it (the last one), or with `key`."""
        allowed = [decode(one["id"]) for one in options.get("allowCredentials") or []]
        key = key or next(one for one in reversed(self.keys) if not allowed or one.id in allowed)
        key.count += self.counts
        data = self._authenticator_data(key, 0)
        client_data = self._client_data("webauthn.get", options["challenge"], changes)
        signature = key.private.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(data),
            "signature": encode(signature),
            "userHandle": encode(key.user_handle),
        }
        return _credential(key, response)

    def _authenticator_data(self, key: Key, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies else 0)
        flags |= CAN_BE_BACKED_UP | BACKED_UP if self.is_backed_up else 0
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, key.count)

    def _client_data(self, kind: str, challenge: str, changes: dict[str, Any]) -> bytes:
        facts = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**facts, **changes}).encode()


def _credential(key: Key, response: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": encode(key.id),
        "rawId": encode(key.id),
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": response,
    }
