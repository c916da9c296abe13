"""HTTP for licences that stay on a device."""

from datetime import datetime
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.schemas import problems
from store.entitlement.device_errors import DeviceNotRegistered, DeviceRemoved
from store.entitlement.download_errors import (
    CannotPersist,
    DownloadDevicesFull,
    DownloadElsewhere,
    DownloadNotFound,
    DownloadNotGranted,
    DownloadsUsedUp,
)
from store.entitlement.download_schemas import DownloadCreate, DownloadIssued, DownloadList, DownloadOut, ReturnCreate
from store.entitlement.downloads import Downloads, list_downloads
from store.entitlement.dpop import PublicKey
from store.entitlement.errors import (
    AgeRestricted,
    ConfirmationOutstanding,
    FilmNotReady,
    FilmUnknown,
    NotEntitled,
    RentalNotStarted,
    RentalOver,
    RentalStreamBusy,
    RightPaused,
    RightRevoked,
    TitleTakenDown,
)
from store.entitlement.hosted_schemas import has_contract, hosted_licence
from store.entitlement.licence_errors import KeysUnreadable, NothingGranted
from store.entitlement.proved_requests import CUSTOMER, PROVED
from store.errors import NotFound
from store.settings import Settings


@post(
    "/v1/offline-licences",
    for_every_age=True,
    guards=[customer_only],
    summary="Keep a title on this device",
    tags=["Downloads"],
    responses={
        201: ResponseSpec(DownloadIssued, description="It may stay.", generate_examples=False),
        **problems(
            *PROVED,
            NotFound,
            FilmUnknown,
            CannotPersist,
            NotEntitled,
            TitleTakenDown,
            RightRevoked,
            RightPaused,
            RentalOver,
            RentalNotStarted,
            FilmNotReady,
            AgeRestricted,
            DeviceNotRegistered,
            DeviceRemoved,
            RentalStreamBusy,
            DownloadNotGranted,
            DownloadElsewhere,
            DownloadDevicesFull,
            DownloadsUsedUp,
            ConfirmationOutstanding,
            NothingGranted,
            KeysUnreadable,
        ),
    },
)
async def keep_title(
    data: JSONBody[DownloadCreate],
    identity: NamedDependency[Identity],
    device_key: NamedDependency[PublicKey],
    downloads: NamedDependency[Downloads],
    settings: NamedDependency[Settings],
    at: NamedDependency[datetime],
    real_now: NamedDependency[datetime],
) -> Response[DownloadIssued]:
    """A licence that stays on the device which signed the proof, within the limits of the right.

    Asked again by the same device it is the same licence: a purchase's is renewed, a rental's is given once more within
    15 minutes, for an answer that was lost. The licence begins the performance: after it there is no withdrawal.
    """
    issued = await downloads.issue(
        identity=identity,
        key=device_key,
        title_slug=data.title,
        system=data.system,
        has_contract=has_contract(settings, data.system),
        at=at,
        real_now=real_now,
    )
    licence = hosted_licence(settings, data.system, issued.licence, at=at, real_now=real_now)
    return Response(DownloadIssued.of(issued, licence, at=at), status_code=201, headers={"Cache-Control": "no-store"})


@get(
    "/v1/offline-licences",
    for_every_age=True,
    guards=[customer_only],
    summary="What is on the customer's devices",
    tags=["Downloads"],
    responses=problems(*CUSTOMER),
)
async def read_downloads(
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
) -> DownloadList:
    """Licences that were given out, were not returned and have not lapsed, with those that the app must delete."""
    entries = await list_downloads(
        session,
        account_id=identity.account_id,
        market=identity.market,
        age_limit=identity.viewer.age_limit,
        at=at,
        locale=locale,
    )
    return DownloadList.of(entries, at=at)


@post(
    "/v1/offline-licences/{download_id:uuid}/returns",
    for_every_age=True,
    guards=[customer_only],
    status_code=200,
    summary="Return a title that was kept",
    tags=["Downloads"],
    responses=problems(*PROVED, DownloadNotFound),
)
async def return_title(
    download_id: FromPath[UUID],
    data: JSONBody[ReturnCreate],
    identity: NamedDependency[Identity],
    device_key: NamedDependency[PublicKey],
    downloads: NamedDependency[Downloads],
    at: NamedDependency[datetime],
) -> DownloadOut:
    """Say that the device has deleted its licence: only the device itself can. Doing so again changes nothing."""
    record = await downloads.give_back(
        identity=identity, key=device_key, download_id=download_id, first_played_at=data.first_played_at, at=at
    )
    return DownloadOut.of(record, at=at)


handlers = [keep_title, read_downloads, return_title]
