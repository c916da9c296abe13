"""The API of signing in on a TV by a code (RFC 8628): what the TV asks and what it polls."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote
from uuid import UUID

from litestar import Request, Router, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody
from msgspec import Meta, Struct

from auth.device_grant_errors import (
    AuthorisationPending,
    DeviceCodeExpired,
    DeviceCodeInvalid,
    DeviceCodeRefused,
    PollingTooFast,
)
from auth.device_grants import GRANT_LIVES, INTERVAL, Asked, DeviceGrants
from auth.errors import CrossSiteRequest, TooManyAttempts
from auth.schemas import NO_CONTROLS, DeviceTokenText, problems
from auth.sessions import SignedIn
from auth.visits import Visit
from store.database import Database
from store.entitlement.device_schemas import DeviceName
from store.entitlement.dpop import Proof, read_proof, use_once
from store.entitlement.licence_errors import ProofInvalid
from store.entitlement.proved_requests import proof_header, public_url
from store.settings import Settings

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
"""RFC 8628, 3.4."""


class DeviceAuthorisationCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A TV that wants to be signed in; its key is the one that signed the request's DPoP proof."""

    device_name: DeviceName
    """What whoever enters the code sees, and what the sign-in is called afterwards."""


class DeviceAuthorisationOut(Struct, frozen=True):
    """What the TV keeps and what it shows (RFC 8628, 3.2)."""

    device_code: str
    """A secret, of use to the same key only."""
    user_code: Annotated[str, Meta(examples=["BCDF-GHJK"])]
    """To be shown, large."""
    verification_uri: str
    """To be shown: where the code is entered."""
    verification_uri_complete: str
    """The same with the code in it, as a QR code; what it leads to has to be confirmed all the same."""
    expires_in: int
    """Seconds."""
    interval: int
    """Seconds to wait between two polls."""

    @classmethod
    def of(cls, asked: Asked, *, base_url: str, locale: str) -> Self:
        """With the addresses of the page in the TV's language."""
        page = f"{base_url}/{locale}/tv"
        return cls(
            device_code=asked.device_code,
            user_code=asked.user_code,
            verification_uri=page,
            verification_uri_complete=f"{page}?code={quote(asked.user_code)}",
            expires_in=int(GRANT_LIVES.total_seconds()),
            interval=INTERVAL,
        )


class DeviceTokenCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A poll (RFC 8628, 3.4), with a proof by the key that asked."""

    grant_type: Literal["urn:ietf:params:oauth:grant-type:device_code"]
    device_code: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            pattern=NO_CONTROLS,
            examples=["vt1_tv_8l1mB5kQyZr0c3J9u2hXwF7dTn4sVaEoGpRiLxKjYqA"],
        ),
    ]
    device_token: DeviceTokenText | None = None
    """By which the TV is known from a sign-in before, if it was given one."""


class DeviceTokenOut(Struct, frozen=True):
    """The session of the TV (RFC 6749, 5.1)."""

    access_token: str
    """To be sent as `Authorization: Bearer …`; shown here, once."""
    token_type: Literal["Bearer"]
    expires_in: int
    """Seconds at most; it ends earlier when it is not used."""
    account_id: UUID
    device_token: str | None
    """To be kept: by it the TV is known at its next sign-in. None if it has one."""

    @classmethod
    def of(cls, signed_in: SignedIn, *, at: datetime) -> Self:
        """From the session just opened."""
        return cls(
            access_token=signed_in.token,
            token_type="Bearer",  # noqa: S106 - a word of the standard
            expires_in=int((signed_in.expires_at - at).total_seconds()),
            account_id=signed_in.account_id,
            device_token=signed_in.device_token,
        )


async def provide_tv_proof(
    request: Request[Any, Any, Any], settings: NamedDependency[Settings], real_now: NamedDependency[datetime]
) -> Proof:
    """Dependency `tv_proof`: the request's proof, verified but not used up yet.

    Nobody is signed in here, and whoever likes makes keys and proofs: they are written down only for who is admitted.
    """
    return read_proof(
        proof_header(request), method=request.method, url=public_url(request, settings), real_now=real_now
    )


@post(
    "/device-authorisations",
    summary="Ask to be signed in on a TV",
    responses=problems(ProofInvalid, CrossSiteRequest, TooManyAttempts),
)
async def ask_for_device(
    data: JSONBody[DeviceAuthorisationCreate],
    tv_proof: NamedDependency[Proof],
    database: NamedDependency[Database],
    device_grants: NamedDependency[DeviceGrants],
    settings: NamedDependency[Settings],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
    locale: NamedDependency[str],
) -> DeviceAuthorisationOut:
    """Show the code and the address; then poll `POST /v1/device-tokens` with a proof by the same key."""
    await device_grants.admit(visit)
    await use_once(database, tv_proof)
    asked = await device_grants.ask(jkt=tv_proof.key.jkt, device_name=data.device_name, at=real_now, visit=visit)
    return DeviceAuthorisationOut.of(asked, base_url=settings.base_url, locale=locale)


@post(
    "/device-tokens",
    summary="Ask whether the code was entered",
    responses=problems(
        ProofInvalid,
        CrossSiteRequest,
        AuthorisationPending,
        PollingTooFast,
        DeviceCodeRefused,
        DeviceCodeExpired,
        DeviceCodeInvalid,
    ),
)
async def exchange_device_code(
    data: JSONBody[DeviceTokenCreate],
    tv_proof: NamedDependency[Proof],
    database: NamedDependency[Database],
    device_grants: NamedDependency[DeviceGrants],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> DeviceTokenOut:
    """The session, once; until then `error` says in the words of RFC 8628 what to do."""
    await device_grants.require_known(data.device_code, jkt=tv_proof.key.jkt)
    await use_once(database, tv_proof)
    signed_in = await device_grants.exchange(
        data.device_code, jkt=tv_proof.key.jkt, at=real_now, visit=visit.on_device(data.device_token)
    )
    return DeviceTokenOut.of(signed_in, at=real_now)


router = Router(
    "/v1",
    route_handlers=[ask_for_device, exchange_device_code],
    dependencies={"tv_proof": Provide(provide_tv_proof)},
    tags=["Sign-in on a TV"],
)
