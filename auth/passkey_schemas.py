"""What the API of passkeys takes and gives. An authenticator's answers are in the browser's own words."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from msgspec import Meta, Struct

from auth.factor_records import Passkey
from auth.schemas import NO_CONTROLS, DeviceTokenText, TokenText

Base64Url = Annotated[
    str,
    Meta(min_length=1, max_length=1024, pattern="^[A-Za-z0-9_-]+$", examples=["qX3v0f8hS1mA9kzD2bYtLw"]),
]
LongBase64Url = Annotated[
    str, Meta(min_length=1, max_length=12_000, pattern="^[A-Za-z0-9_-]+$", examples=["o2NmbXRkbm9uZWdhdHRTdG10oA"])
]
Transport = Annotated[str, Meta(max_length=32, examples=["internal"])]
PasskeyName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        pattern=NO_CONTROLS + r"\s*\S",
        description="What its owner calls it.",
        examples=["Mein Telefon"],
    ),
]

_CREATION: dict[str, Any] = {
    "rp": {"id": "videothek.example", "name": "Videothek"},
    "user": {"id": "AaIUoHweenqdHz9sK55KEA", "name": "anna@beispiel.example", "displayName": "anna@beispiel.example"},
    "challenge": "qX3v0f8hS1mA9kzD2bYtLw",
    "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
}
_REQUEST: dict[str, Any] = {
    "rpId": "videothek.example",
    "challenge": "qX3v0f8hS1mA9kzD2bYtLw",
    "userVerification": "required",
}


class AttestationResponse(
    Struct,
    frozen=True,
    rename={"client_data_json": "clientDataJSON", "attestation_object": "attestationObject"},
):
    """What an authenticator made."""

    client_data_json: LongBase64Url
    attestation_object: LongBase64Url
    transports: Annotated[list[Transport], Meta(max_length=10)] = []


class NewCredential(Struct, frozen=True, rename={"raw_id": "rawId"}):
    """`PublicKeyCredential.toJSON()` after `navigator.credentials.create()`; other members are ignored."""

    id: Base64Url
    raw_id: Base64Url
    response: AttestationResponse
    type: Literal["public-key"]


class AssertionResponse(
    Struct,
    frozen=True,
    rename={
        "client_data_json": "clientDataJSON",
        "authenticator_data": "authenticatorData",
        "user_handle": "userHandle",
    },
):
    """What an authenticator signed."""

    client_data_json: LongBase64Url
    authenticator_data: LongBase64Url
    signature: Base64Url
    user_handle: Base64Url | None = None


class Credential(Struct, frozen=True, rename={"raw_id": "rawId"}):
    """`PublicKeyCredential.toJSON()` after `navigator.credentials.get()`; other members are ignored."""

    id: Base64Url
    raw_id: Base64Url
    response: AssertionResponse
    type: Literal["public-key"]


class PasskeyOffer(Struct, frozen=True):
    """A passkey to be made by an authenticator."""

    options: Annotated[
        dict[str, Any],
        Meta(description="For `PublicKeyCredential.parseCreationOptionsFromJSON()`.", examples=[_CREATION]),
    ]
    expires_at: datetime


class PasskeyCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The passkey that an authenticator made."""

    name: PasskeyName
    credential: NewCredential


class PasskeyChange(Struct, frozen=True, forbid_unknown_fields=True):
    """Another name."""

    name: PasskeyName


class PasskeyChallengeCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Asking for something to sign."""

    purpose: Literal["sign_in", "second_step", "step_up"]
    """`sign_in`: by the passkey alone; `second_step`: after the password; `step_up`: of who is signed in."""
    token: TokenText | None = None
    """For `second_step`: that of the begun sign-in. Browsers have a cookie for it."""
    client: Literal["web", "app"] = "app"
    """`app` gets what belongs to a `sign_in` in the answer, `web` a cookie."""
    device_token: DeviceTokenText | None = None
    """What an earlier sign-in of this app gave: its challenges then count apart. Browsers have a cookie for it."""


class PasskeyChallengeOut(Struct, frozen=True):
    """Something to sign, once."""

    token: str | None
    """For `sign_in` by an app: to be sent back with the signature; else null."""
    options: Annotated[
        dict[str, Any],
        Meta(description="For `PublicKeyCredential.parseRequestOptionsFromJSON()`.", examples=[_REQUEST]),
    ]
    expires_at: datetime


class PasskeySignInCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Signing in by a passkey alone."""

    credential: Credential
    token: TokenText | None = None
    """Of the challenge. Browsers have a cookie for it."""
    client: Literal["web", "app"] = "app"
    """`app` gets a bearer token in the answer, `web` a cookie."""
    device_token: DeviceTokenText | None = None
    """What an earlier sign-in of this app gave. Browsers have a cookie for it."""


class PasskeySecondStepCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The second step of a sign-in, by a passkey."""

    token: TokenText
    """Of the begun sign-in."""
    credential: Credential
    client: Literal["web", "app"] = "app"
    """`app` gets a bearer token in the answer, `web` a cookie."""
    device_token: DeviceTokenText | None = None
    """What an earlier sign-in of this app gave. Browsers have a cookie for it."""


class FirstPasskeyOfferCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Asking for a passkey to be made in the second step of a sign-in."""

    client: Literal["web", "app"]
    """`app` sends the token of the begun sign-in, `web` has a cookie for it."""
    token: TokenText | None = None


class FirstPasskeyCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The passkey that an authenticator made in the second step of a sign-in."""

    token: TokenText
    """Of the begun sign-in."""
    name: PasskeyName
    credential: NewCredential
    client: Literal["web", "app"] = "app"
    """`app` gets a bearer token in the answer, `web` a cookie."""
    device_token: DeviceTokenText | None = None
    """What an earlier sign-in of this app gave. Browsers have a cookie for it."""


class PasskeyStepUpCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Proving anew who is there, by a passkey."""

    credential: Credential


class PasskeyOut(Struct, frozen=True):
    """One of the own passkeys."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None
    """Null: never yet."""
    is_backed_up: bool
    """Whether it is also kept elsewhere, such as in an account of its maker, and outlives the device."""

    @classmethod
    def of(cls, passkey: Passkey) -> Self:
        """From its row."""
        return cls(
            id=passkey.id,
            name=passkey.name,
            created_at=passkey.created_at,
            last_used_at=passkey.last_used_at,
            is_backed_up=passkey.is_backed_up,
        )


class PasskeyList(Struct, frozen=True):
    """All own passkeys, the oldest first."""

    passkeys: list[PasskeyOut]
