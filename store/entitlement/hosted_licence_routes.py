"""HTTP for licences of hosted DRM services: what the player passes on to them, and their own questions to us."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.types import ASGIApp

from auth.headers import header_of
from auth.schemas import NO_CONTROLS, problems
from store.entitlement.device_errors import DeviceNotRegistered
from store.entitlement.errors import (
    EntitlementError,
    NotEntitled,
    PlaybackEnded,
    RentalNotStarted,
    RentalOver,
    RightPaused,
    RightRevoked,
)
from store.entitlement.hosted_drm import DrmToday, is_strong
from store.entitlement.hosted_schemas import Hosted, HostedLicenceOut, has_contract, hosted_licence
from store.entitlement.licence_errors import (
    KeysUnreadable,
    NothingGranted,
    ProofInvalid,
    StartNotConfirmed,
    TokenInvalid,
)
from store.entitlement.licence_requests import HostedDevice, LicenceQuestion
from store.entitlement.licences import Licences
from store.entitlement.proved_requests import AnyRequest, PlaybackMeans, proof_headers, public_url
from store.errors import NotFound
from store.ready_answer import ReadyAnswer

LICENCE = (
    TokenInvalid,
    DeviceNotRegistered,
    PlaybackEnded,
    NotEntitled,
    RightRevoked,
    RightPaused,
    RentalOver,
    RentalNotStarted,
    NothingGranted,
    StartNotConfirmed,
    KeysUnreadable,
)
"""Why there is no licence."""


Short = Annotated[str, msgspec.Meta(max_length=200, pattern=NO_CONTROLS)]


class ClientInfo(msgspec.Struct, frozen=True, rename="camel"):
    """What DRMtoday knows of a device."""

    sec_level: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None
    """Widevine: 1 to 3; PlayReady: 150, 2000 or 3000."""


class LicenceCallback(msgspec.Struct, frozen=True, rename="camel"):
    """DRMtoday's question whether a device may have a licence; what else it tells is not needed."""

    asset: Short
    user: Short
    """The id of the playback: the service is not told who watches."""
    session: Annotated[str, msgspec.Meta(max_length=1_024, pattern=NO_CONTROLS)]
    """The playback token that the player passed on."""
    client: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024, pattern=NO_CONTROLS)]
    """The device's id by its DRM."""
    drm_scheme: Short
    """`WIDEVINE_MODULAR`, `PLAYREADY` or `FAIRPLAY`."""
    variant: Short | None = None
    """The picture that is asked for: `SD`, `HD` or `UHD`."""
    client_info: ClientInfo | None = None


class CallbackNotVerified(EntitlementError):
    """A call that says it is a DRM service's, without its secret."""

    status, code = 401, "callback_not_verified"
    de = "Der Aufruf kommt nicht von dem DRM-Dienst, mit dem wir verbunden sind."
    en = "The call does not come from the DRM service that we are connected to."

    @property
    def headers(self) -> Mapping[str, str]:
        """The scheme that the service uses (RFC 7617)."""
        return {"WWW-Authenticate": 'Basic realm="drm"'}


@post(
    "/v1/playback-licences/axinom",
    status_code=200,
    summary="A message for Axinom's licence service",
    tags=["Playback"],
    csrf_exempt=True,
    exclude_from_auth=True,
    responses={
        200: ResponseSpec(HostedLicenceOut, description="The header.", generate_examples=False),
        **problems(NotFound, ProofInvalid, *LICENCE),
    },
)
async def tell_axinom(request: AnyRequest) -> ASGIApp:
    """All keys that the right opens, encrypted for the service: token and proof as for a Clear Key licence."""
    return await _tell(request, "axinom", None)


@post(
    "/v1/playback-licences/drmtoday",
    status_code=200,
    summary="A token for DRMtoday",
    tags=["Playback"],
    csrf_exempt=True,
    exclude_from_auth=True,
    responses={
        200: ResponseSpec(HostedLicenceOut, description="The header.", generate_examples=False),
        **problems(NotFound, ProofInvalid, *LICENCE),
    },
)
async def tell_drmtoday(request: AnyRequest) -> ASGIApp:
    """For a device of whose hardware nothing is known yet, so that only SD is granted; the callback grants more."""
    return await _tell(request, "drmtoday", HostedDevice(is_strong=False))


@post(
    "/v1/callbacks/drmtoday",
    status_code=200,
    summary="DRMtoday asks for a device",
    tags=["Webhooks"],
    csrf_exempt=True,
    exclude_from_auth=True,
    responses=problems(NotFound, CallbackNotVerified, *LICENCE),
)
async def answer_drmtoday(request: AnyRequest, data: JSONBody[LicenceCallback]) -> dict[str, Any]:
    """Decide anew, for the device as DRMtoday knows it, and answer the customer rights token.

    The service proves itself by a password of the setting `DRMTODAY_CALLBACK_SECRETS` (HTTP Basic, any name). Asked
    again it decides again, and nothing is used up; but the first device that gets a licence of a playback is the only
    one that gets any of it.
    """
    means: PlaybackMeans = await request.app.state.playback_means()
    if means.settings.drmtoday is None or not means.settings.drmtoday.callback_secrets:
        raise NotFound
    drmtoday, real_now = DrmToday(means.settings.drmtoday), datetime.now(UTC)
    if not drmtoday.knows(header_of(request.scope, b"authorization")):
        raise CallbackNotVerified
    level = data.client_info.sec_level if data.client_info else None
    device = HostedDevice(
        is_strong=is_strong(data.drm_scheme, level),
        playback=data.user,
        asset=data.asset,
        picture=data.variant,
        client=data.client,
    )
    licences = Licences(means.database, means.tokens, means.seal)
    licence = await licences.issue_for_service(data.session, device, system="drmtoday", at=means.at, real_now=real_now)
    return drmtoday.rights(licence, picture=data.variant, real_now=real_now)


async def _tell(request: AnyRequest, system: Hosted, device: HostedDevice | None) -> ASGIApp:
    """Decide, and tell the player what to send to the service; nothing begins where there is no contract with it."""
    means: PlaybackMeans = await request.app.state.playback_means()
    if not has_contract(means.settings, system):
        raise NotFound
    real_now = datetime.now(UTC)
    asked = LicenceQuestion(
        authorization=header_of(request.scope, b"authorization"),
        proofs=proof_headers(request),
        method="POST",
        url=public_url(request, means.settings),
        system=system,
    )
    licence = await Licences(means.database, means.tokens, means.seal).issue(
        asked, device, at=means.at, real_now=real_now
    )
    told = hosted_licence(means.settings, system, licence, at=means.at, real_now=real_now)
    return ReadyAnswer.of_json(told, [(b"cache-control", b"no-store")])


handlers = [tell_axinom, tell_drmtoday, answer_drmtoday]
