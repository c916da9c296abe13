"""HTTP for the library, devices, playback, licences and media."""

from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from litestar import Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import SerializationException, ValidationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.types import ASGIApp
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.errors import CrossSiteRequest
from auth.headers import header_of
from auth.schemas import problems
from store.entitlement import device_routes, download_routes, hosted_licence_routes, progress_routes
from store.entitlement.base64url import encode
from store.entitlement.device_errors import DeviceLimitReached, DeviceNotRegistered, DeviceRemoved, NewDevicesExhausted
from store.entitlement.download_errors import RentalDownloaded
from store.entitlement.dpop import PublicKey
from store.entitlement.errors import (
    AgeRestricted,
    EntitlementError,
    FilmNotReady,
    FilmUnknown,
    NotEntitled,
    PlaybackEnded,
    PlaybackNotFound,
    RentalNotStarted,
    RentalOver,
    RentalStreamBusy,
    RightPaused,
    RightRevoked,
    StartConfirmationNeeded,
    StreamsBusy,
    TitleStreamsBusy,
    TitleTakenDown,
)
from store.entitlement.heartbeats import Heartbeats
from store.entitlement.library import list_library
from store.entitlement.licence_errors import (
    ClearKeyNotAllowed,
    ForeignKeyAsked,
    KeysUnreadable,
    LicenceRequestMalformed,
    NothingGranted,
    ProofInvalid,
    StartNotConfirmed,
    TokenInvalid,
)
from store.entitlement.licence_requests import LicenceQuestion
from store.entitlement.licences import Licence, Licences
from store.entitlement.media import serve_film
from store.entitlement.playback import Playback, list_streams
from store.entitlement.proved_requests import (
    CUSTOMER,
    PROVED,
    AnyRequest,
    PlaybackMeans,
    proof_headers,
    provide_device_key,
    public_url,
    signed_in_and_proved,
)
from store.entitlement.schemas import (
    LICENCE_URL,
    DecisionOut,
    FailureOut,
    HeartbeatCreate,
    HeartbeatOut,
    KeyOut,
    LibraryOut,
    LicenceOut,
    LicenceRequest,
    PlaybackCreate,
    PlaybackOut,
    StreamsOut,
)
from store.ready_answer import ReadyAnswer
from store.settings import Settings

AGAINST_THE_RIGHT = (NotEntitled, RightRevoked, RightPaused, RentalOver, RentalNotStarted)
"""What may stand against a right, the weightiest first."""


@get(
    "/v1/library",
    for_every_age=True,
    guards=[customer_only],
    summary="What the customer may watch",
    tags=["Library"],
    responses=problems(*CUSTOMER),
)
async def read_library(
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
) -> LibraryOut:
    """Films to watch, with their deadlines and the server's time, and those that are over."""
    library = await list_library(
        session,
        account_id=identity.account_id,
        market=identity.market,
        age_limit=identity.viewer.age_limit,
        at=at,
        locale=locale,
    )
    return LibraryOut.of(library)


@get(
    "/v1/playback-sessions",
    guards=[customer_only],
    summary="What plays now",
    tags=["Playback"],
    responses=problems(*CUSTOMER),
)
async def read_streams(
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> StreamsOut:
    """Playbacks that take a place at this moment, so that a stuck one can be ended from anywhere."""
    streams = await list_streams(session, account_id=identity.account_id, real_now=real_now, locale=locale)
    return StreamsOut.of(streams, at=at)


@post(
    "/v1/playback-sessions",
    for_every_age=True,
    guards=[customer_only],
    summary="Play a title",
    tags=["Playback"],
    responses=problems(
        *PROVED,
        FilmUnknown,
        TitleTakenDown,
        *AGAINST_THE_RIGHT,
        FilmNotReady,
        AgeRestricted,
        DeviceLimitReached,
        NewDevicesExhausted,
        DeviceNotRegistered,
        DeviceRemoved,
        RentalStreamBusy,
        TitleStreamsBusy,
        RentalDownloaded,
        StreamsBusy,
        StartConfirmationNeeded,
    ),
)
async def open_playback(
    data: JSONBody[PlaybackCreate],
    identity: NamedDependency[Identity],
    device_key: NamedDependency[PublicKey],
    playback: NamedDependency[Playback],
    settings: NamedDependency[Settings],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> PlaybackOut:
    """Allow or deny playing a title on the device that signed the proof, with every reason against it."""
    showing = await playback.open(
        identity=identity,
        key=device_key,
        title_slug=data.title,
        start_confirmed=data.start_confirmed,
        at=at,
        real_now=real_now,
    )
    return PlaybackOut.of(showing, services=settings.hosted_drm, at=at)


@post(
    "/v1/playback-decisions",
    for_every_age=True,
    guards=[customer_only],
    status_code=200,
    summary="May this title be played?",
    tags=["Playback"],
    responses=problems(*PROVED, FilmUnknown),
)
async def check_playback(
    data: JSONBody[PlaybackCreate],
    identity: NamedDependency[Identity],
    device_key: NamedDependency[PublicKey],
    playback: NamedDependency[Playback],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> DecisionOut:
    """Decide as `POST /v1/playback-sessions` would, without taking a place, beginning or recording anything."""
    decision = await playback.check(
        identity=identity,
        key=device_key,
        title_slug=data.title,
        start_confirmed=data.start_confirmed,
        at=at,
        real_now=real_now,
    )
    return DecisionOut.of(decision, at=at)


@post(
    "/v1/playback-sessions/{playback_session_id:uuid}/heartbeats",
    status_code=200,
    summary="A player's sign of life",
    tags=["Playback"],
    # The session is found in the one statement that does all the rest. What a form's token is for elsewhere, that no
    # other site sends this in a customer's name, the device's signature does here.
    exclude_from_auth=True,
    responses={
        200: ResponseSpec(HeartbeatOut, description="The place is kept.", generate_examples=False),
        **problems(*PROVED, PlaybackNotFound, PlaybackEnded, *AGAINST_THE_RIGHT),
    },
)
async def beat_playback(
    request: AnyRequest, playback_session_id: FromPath[UUID], data: JSONBody[HeartbeatCreate]
) -> ASGIApp:
    """Keep the place of a playback and get a fresh token; a refusal means that the player stops."""
    means: PlaybackMeans = await request.app.state.playback_means()
    real_now = datetime.now(UTC)
    session_hash, proof = await signed_in_and_proved(request, means, real_now=real_now)
    beat = await Heartbeats(means.database, means.tokens).take(
        session_hash=session_hash,
        proof=proof,
        playback_session_id=playback_session_id,
        position=data.position,
        sequence=data.sequence,
        sought=data.sought,
        at=means.at,
        real_now=real_now,
    )
    return ReadyAnswer.of_json(HeartbeatOut.of(beat, at=means.at))


@post(
    "/v1/playback-sessions/{playback_session_id:uuid}/failures",
    for_every_age=True,
    guards=[customer_only],
    status_code=200,
    summary="The player failed",
    tags=["Playback"],
    responses=problems(*PROVED, PlaybackNotFound, PlaybackEnded),
)
async def report_playback_failure(
    playback_session_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    device_key: NamedDependency[PublicKey],
    playback: NamedDependency[Playback],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> FailureOut:
    """End a playback that failed; if no picture was seen, the start of a rental is taken back, once."""
    right, taken_back = await playback.report_failure(
        account_id=identity.account_id,
        key=device_key,
        playback_session_id=playback_session_id,
        at=at,
        real_now=real_now,
    )
    return FailureOut(taken_back, start_by=right.start_by, ends_at=right.ends_at, server_time=at)


@delete(
    "/v1/playback-sessions/{playback_session_id:uuid}",
    for_every_age=True,
    guards=[customer_only],
    summary="Stop a playback",
    tags=["Playback"],
    responses=problems(*CUSTOMER, CrossSiteRequest, PlaybackNotFound),
)
async def stop_playback(
    playback_session_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    playback: NamedDependency[Playback],
    real_now: NamedDependency[datetime],
) -> None:
    """Free the place of a playback, on this device or another one of the account."""
    await playback.stop(account_id=identity.account_id, playback_session_id=playback_session_id, real_now=real_now)


async def refuse_unreadable_licence_request(request: AnyRequest) -> None:
    """A body that cannot be read is refused, and recorded, by whoever knows whose playback the token names."""
    fault = LicenceRequestMalformed(place="the body is no object with a list of kids")
    try:
        await request.json()
    except (ValidationException, SerializationException, UnicodeDecodeError, RecursionError):
        await _clear_key(request, fault=fault)
    except RequestEntityTooLarge:
        # Answered as everywhere: the connection is closed, for the rest of such a body is not read.
        with suppress(EntitlementError):
            await _clear_key(request, fault=fault)
        raise


async def _clear_key(
    request: AnyRequest, data: LicenceRequest | None = None, *, fault: EntitlementError | None = None
) -> tuple[Licence, datetime]:
    """The licence that is asked for by this body, and when; raises the refusals of `Licences.issue`, and the body's
    fault.
    """
    means: PlaybackMeans = await request.app.state.playback_means()
    asked = LicenceQuestion(
        authorization=header_of(request.scope, b"authorization"),
        proofs=proof_headers(request),
        method="POST",
        url=public_url(request, means.settings),
        system="clearkey",
        kids=data.kids if data is not None else None,
        kind=data.type if data is not None else "temporary",
        fault=fault,
    )
    licences = Licences(means.database, means.tokens, means.seal)
    return await licences.issue(asked, at=means.at, real_now=datetime.now(UTC)), means.at


@post(
    LICENCE_URL,
    before_request=refuse_unreadable_licence_request,
    status_code=200,
    summary="A Clear Key licence",
    tags=["Playback"],
    # Players send no Content-Type. No cookie counts here, so no other site can make a browser ask for anything.
    any_content_type=True,
    csrf_exempt=True,
    exclude_from_auth=True,
    responses={
        200: ResponseSpec(LicenceOut, description="The keys.", generate_examples=False),
        **problems(
            LicenceRequestMalformed,
            ProofInvalid,
            TokenInvalid,
            DeviceNotRegistered,
            PlaybackEnded,
            *AGAINST_THE_RIGHT,
            ClearKeyNotAllowed,
            ForeignKeyAsked,
            NothingGranted,
            StartNotConfirmed,
            KeysUnreadable,
        ),
    },
)
async def issue_clear_key_licence(request: AnyRequest, data: JSONBody[LicenceRequest]) -> ASGIApp:
    """Content keys for a playback: `Authorization: DPoP <token>` and a `DPoP` proof that names the token's hash."""
    licence, at = await _clear_key(request, data)
    keys = [KeyOut(kty="oct", kid=encode(one.kid.bytes), k=encode(one.key)) for one in licence.keys]
    answer = LicenceOut(keys=keys, licence_ends_at=at + licence.policy.lasts, server_time=at)
    return ReadyAnswer.of_json(answer, [(b"cache-control", b"no-store")])


router = Router(
    "/",
    route_handlers=[
        read_library,
        *device_routes.handlers,
        *progress_routes.handlers,
        *download_routes.handlers,
        read_streams,
        check_playback,
        open_playback,
        beat_playback,
        report_playback_failure,
        stop_playback,
        issue_clear_key_licence,
        *hosted_licence_routes.handlers,
        serve_film,
    ],
    dependencies={"device_key": Provide(provide_device_key)},
)
