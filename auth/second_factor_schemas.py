"""Request and answer bodies of second factors and of the second step of a sign-in."""

from datetime import datetime
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from auth.schemas import CodeText, DeviceTokenText, PasswordText, TokenText
from auth.second_factor import Offer


class SecondFactorOffer(Struct, frozen=True):
    """An authenticator to be set up in an app; its first code confirms it."""

    secret: Annotated[str, Meta(description="In base32.", examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"])]
    address: Annotated[
        str,
        Meta(
            description="What apps open, or read from a QR code of it.",
            examples=["otpauth://totp/Videothek:anna@beispiel.example?secret=JBSWY3DP&issuer=Videothek"],
        ),
    ]

    @classmethod
    def of(cls, offer: Offer) -> Self:
        """From the use case's answer."""
        return cls(secret=offer.secret, address=offer.address)


class SecondFactorDue(Struct, frozen=True):
    """The password was right; nobody is signed in yet. The token goes to `POST /v1/second-steps`, with a code."""

    token: TokenText
    offer: SecondFactorOffer | None
    """Where the account has no second factor and must have one: the authenticator to set up; else null. A passkey may
    be set up in its place: `POST /v1/first-passkey-offers`."""
    expires_at: datetime
    takes_code: bool
    """Whether there is an app (or one is offered) whose code finishes it."""
    takes_passkey: bool
    """Whether the account has a passkey, which finishes it too: `POST /v1/passkey-challenges`."""


class SecondStepCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """The second step of a sign-in."""

    token: TokenText
    code: CodeText
    client: Literal["web", "app"] = "app"
    """`app` gets a bearer token in the answer, `web` a cookie."""
    device_token: DeviceTokenText | None = None
    """What an earlier sign-in of this app gave. Browsers have a cookie for it."""


class SecondFactorOfferCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Asking for an authenticator: the own password once more."""

    password: PasswordText


class CodeCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the second factor."""

    code: CodeText


class RecoveryCodes(Struct, frozen=True):
    """Ten codes that stand in for a lost authenticator, each once. Shown here only."""

    codes: list[str]


class SecondFactorOut(Struct, frozen=True):
    """Whether the own account has a second factor."""

    since: datetime | None
    """Null: none."""
    recovery_codes_left: int
