"""What hosted DRM services are told: Axinom's entitlement messages and castLabs DRMtoday's tokens, from one policy.

Neither was ever sent to the real service: the forms are those of the services' documentation (docs/drm.md).
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from auth.ids import new_id
from store.drm_settings import AxinomAccess, DrmTodayAccess
from store.entitlement.base64url import encode
from store.entitlement.licence_policy import PROTECTIONS, LicencePolicy
from store.entitlement.licences import Licence, LicensedKey

MESSAGE_LIVES: Final = timedelta(minutes=2)
"""For so long a service takes what we signed: the player asks it at once."""

_CLOCKS_APART: Final = timedelta(minutes=1)
"""By how much a service's clock may be behind ours."""

_RETRY: Final = 20
_RECOVERY: Final = 120
"""Seconds: how often a renewal is tried again, and for how long playing goes on while it fails."""

_PLAYREADY_HARDWARE: Final = 3000
_PLAYREADY_SOFTWARE: Final = 2000
_PLAYREADY_HDCP: Final[Mapping[str, Any]] = {
    "uncompressed_digital_video_opl": 300,
    "compressed_digital_video_opl": 500,
}
"""Output protection levels (PlayReady Compliance Rules, 3.6): no picture without HDCP, none still compressed."""

_PLAYREADY_HDCP_TYPE_1: Final = {"id": "ABB2C6F1-E663-4625-A945-972D17B231E7", "config_data": "AAAAAQ=="}
"""Explicit digital video output protection "HDCP type restriction" with the value 1: HDCP 2.2 (3.6.5.7)."""

_WIDEVINE_HARDWARE: Final = 1
_STRONG: Final[Mapping[str, range]] = {
    "WIDEVINE_MODULAR": range(_WIDEVINE_HARDWARE, _WIDEVINE_HARDWARE + 1),
    "PLAYREADY": range(_PLAYREADY_HARDWARE, 10_000),
}
"""Levels of security that count as hardware, by the name of the DRM. FairPlay tells none: its devices have it."""


@dataclass(frozen=True, slots=True)
class Axinom:
    """Signs messages that tell Axinom's licence service which keys to give, under which limits (version 2)."""

    access: AxinomAccess

    def message(self, licence: Licence, *, real_now: datetime) -> str:
        """The value of the header `X-AxDRM-Message`: a JWT (HS256) around the entitlement message."""
        limits = licence.policy
        message = {
            "version": 1,
            "com_key_id": str(self.access.key_id),
            "id": str(new_id()),
            "begin_date": _iso(real_now - _CLOCKS_APART),
            "expiration_date": _iso(real_now + MESSAGE_LIVES),
            "message": {
                "type": "entitlement_message",
                "version": 2,
                "license": _axinom_limits(limits, real_now),
                "content_keys_source": {"inline": [self._key(key) for key in licence.keys]},
                "content_key_usage_policies": [_axinom_protection(track) for track in licence.tracks],
                # A renewal asks us for a message of its own: then the right is looked at again.
                "license_server": {"access_control": {"prevent_drm_message_reuse": True}},
                "session": {},
            },
        }
        return _signed({"alg": "HS256", "typ": "JWT"}, message, self.access.communication_key)

    def _key(self, key: LicensedKey) -> dict[str, str]:
        """A content key, encrypted under the communication key (AES-256-CBC without padding, IV: the key's id)."""
        encryptor = Cipher(algorithms.AES(self.access.communication_key), modes.CBC(key.kid.bytes)).encryptor()
        encrypted = encryptor.update(key.key) + encryptor.finalize()
        return {
            "id": str(key.kid),
            "encrypted_key": base64.b64encode(encrypted).decode(),
            "usage_policy": key.track,
        }


@dataclass(frozen=True, slots=True)
class DrmToday:
    """Signs tokens for castLabs DRMtoday, and answers its callbacks with the same rights (CRT)."""

    access: DrmTodayAccess

    def token(self, licence: Licence, *, real_now: datetime) -> str:
        """The value of the header `x-dt-auth-token`: a JWT (HS256) that the service takes once."""
        # Of who watches the service learns nothing.
        reference = str(licence.reference)
        who = {"merchant": self.access.merchant, "userId": reference, "sessionId": reference}
        claims = {
            "jti": str(new_id()),
            "iat": int(real_now.timestamp()),
            "exp": int((real_now + MESSAGE_LIVES).timestamp()),
            # Both are JSON in a string.
            "optData": msgspec.json.encode(who).decode(),
            "crt": msgspec.json.encode(self.rights(licence, real_now=real_now)).decode(),
        }
        return _signed({"alg": "HS256", "typ": "JWT", "kid": self.access.secret_id}, claims, self.access.secret)

    def rights(self, licence: Licence, *, picture: str | None = None, real_now: datetime) -> dict[str, Any]:
        """The customer rights token: for a picture (None: the best that the licence opens), and under which limits."""
        limits, best = licence.policy, picture or licence.tracks[-1]
        # By one reading a hard end, by another the last moment to start: docs/drm.md says what is left of the doubt.
        # For a rental that was not begun the last moment to start is right by the one and too early by the other.
        rental: dict[str, Any] = {"absoluteExpiration": _iso(real_now + (limits.may_start_within or limits.lasts))}
        if limits.plays_for is not None:
            rental["playDuration"] = int(limits.plays_for.total_seconds() * 1000)
        rights: dict[str, Any] = {
            "assetId": str(licence.asset_id),
            "variantId": best,
            "profile": {"rental": rental},
            # Left out it would be true.
            "storeLicense": limits.may_persist,
        }
        if (hdcp := PROTECTIONS[best].hdcp) is not None:
            rights["outputProtection"] = {
                "digital": True,
                "analogue": True,
                "enforce": True,
                "requireHDCP": "HDCP_V2_2" if hdcp.startswith("2") else "HDCP_V1",
            }
        return rights

    def knows(self, authorization: str) -> bool:
        """Whether a callback's header `Authorization` (Basic, RFC 7617; any name) holds one of the secrets."""
        scheme, _, credentials = authorization.partition(" ")
        try:
            _, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            return False
        given = password.encode()
        return scheme.lower() == "basic" and any(
            hmac.compare_digest(given, secret.encode()) for secret in self.access.callback_secrets
        )


def is_strong(drm: str, level: int | None) -> bool:
    """Whether a device that its DRM vouches for keeps keys and pictures in hardware; unknown ones do not."""
    if drm == "FAIRPLAY":
        return True
    return level is not None and level in _STRONG.get(drm, range(0))


def _axinom_limits(limits: LicencePolicy, real_now: datetime) -> dict[str, Any]:
    """The section `license`. Spans in whole seconds, rounded down: no licence outlives the right."""
    others: dict[str, Any] = {"real_time_expiration": True}
    widevine: dict[str, Any] = {
        "allow_playback": True,
        "real_time_duration_expiration": True,
        "real_time_playback_expiration": True,
        "allow_renewal": limits.renewed_after is not None,
    }
    if limits.plays_for is not None:
        widevine["playback_duration"] = others["playback_duration"] = int(limits.plays_for.total_seconds())
    if limits.renewed_after is not None:
        widevine |= {
            "renewal_delay": int(limits.renewed_after.total_seconds()),
            "renewal_retry_interval": _RETRY,
            "renewal_recovery": _RECOVERY,
        }
    return {
        "start_datetime": _iso(real_now - _CLOCKS_APART),
        "expiration_datetime": _iso(real_now + limits.lasts),
        "duration": int(limits.lasts.total_seconds()),
        "allow_persistence": limits.may_persist,
        "widevine": widevine,
        "playready": others,
        "fairplay": others,
    }


def _axinom_protection(track: str) -> dict[str, Any]:
    asked = PROTECTIONS[track]
    widevine: dict[str, Any] = {
        "device_security_level": "HW_SECURE_ALL" if asked.needs_hardware else "SW_SECURE_CRYPTO"
    }
    playready: dict[str, Any] = {
        "min_device_security_level": _PLAYREADY_HARDWARE if asked.needs_hardware else _PLAYREADY_SOFTWARE
    }
    fairplay: dict[str, Any] = {}
    if asked.hdcp is not None:
        is_type_1 = asked.hdcp.startswith("2")
        widevine["hdcp"] = asked.hdcp
        fairplay["hdcp"] = "TYPE1" if is_type_1 else "TYPE0"
        playready |= _PLAYREADY_HDCP
        if is_type_1:
            playready["digital_video_output_protections"] = [_PLAYREADY_HDCP_TYPE_1]
    return {"name": track, "widevine": widevine, "playready": playready, "fairplay": fairplay}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: bytes) -> str:
    """A JWT signed by HMAC-SHA256 (RFC 7515, RFC 7518 section 3.2)."""
    signed = f"{encode(msgspec.json.encode(header))}.{encode(msgspec.json.encode(claims))}"
    return f"{signed}.{encode(hmac.digest(key, signed.encode(), 'sha256'))}"
