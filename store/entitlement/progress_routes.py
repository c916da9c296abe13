"""HTTP for watch progress, films to go on with, and the choice of languages."""

from datetime import datetime
from uuid import UUID

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from auth.errors import CrossSiteRequest
from auth.schemas import problems
from store.entitlement.download_errors import DownloadNotFound
from store.entitlement.dpop import PublicKey
from store.entitlement.errors import FilmUnknown, PlaybackNotFound
from store.entitlement.models import TrackChoice
from store.entitlement.progress import Progress, forget_progress, list_begun
from store.entitlement.progress_schemas import (
    BegunListOut,
    ProgressOut,
    ReportsCreate,
    TrackChoiceCreate,
    TrackChoiceOut,
)
from store.entitlement.proved_requests import CUSTOMER, PROVED


@post(
    "/v1/playback-sessions/{playback_session_id:uuid}/progress-reports",
    for_every_age=True,
    guards=[customer_only],
    status_code=200,
    summary="Report what was watched offline",
    tags=["Playback"],
    responses=problems(*PROVED, PlaybackNotFound),
)
async def report_progress(
    playback_session_id: FromPath[UUID],
    data: JSONBody[ReportsCreate],
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    device_key: NamedDependency[PublicKey],
    real_now: NamedDependency[datetime],
) -> ProgressOut:
    """Take reports that could not be sent as heartbeats; what is kept never goes back by mistake."""
    kept = await Progress(session).take(
        account_id=identity.account_id,
        key=device_key,
        playback_session_id=playback_session_id,
        reports=data.plain(),
        real_now=real_now,
    )
    return ProgressOut.of(kept)


@post(
    "/v1/offline-licences/{download_id:uuid}/progress-reports",
    for_every_age=True,
    guards=[customer_only],
    status_code=200,
    summary="Report what was watched of a download",
    tags=["Downloads"],
    responses=problems(*PROVED, DownloadNotFound),
)
async def report_progress_of_download(
    download_id: FromPath[UUID],
    data: JSONBody[ReportsCreate],
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    device_key: NamedDependency[PublicKey],
    real_now: NamedDependency[datetime],
) -> ProgressOut:
    """Take reports of what was played from a licence that stays on this device, whenever it is online again."""
    kept = await Progress(session).take_of_download(
        account_id=identity.account_id,
        key=device_key,
        download_id=download_id,
        reports=data.plain(),
        real_now=real_now,
    )
    return ProgressOut.of(kept)


@get(
    "/v1/watch-progress",
    for_every_age=True,
    guards=[customer_only],
    summary="Films to go on with",
    tags=["Library"],
    responses=problems(*CUSTOMER),
)
async def read_progress(
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    locale: NamedDependency[str],
    at: NamedDependency[datetime],
) -> BegunListOut:
    """Films that were begun and may still be watched, the last watched first."""
    begun = await list_begun(
        session,
        account_id=identity.account_id,
        market=identity.market,
        age_limit=identity.viewer.age_limit,
        at=at,
        locale=locale,
    )
    return BegunListOut.of(begun)


@delete(
    "/v1/watch-progress/{slug:str}",
    guards=[customer_only],
    summary="Forget how far a film was watched",
    tags=["Library"],
    responses=problems(*CUSTOMER, CrossSiteRequest, FilmUnknown),
)
async def remove_progress(
    slug: FromPath[str], session: NamedDependency[AsyncSession], identity: NamedDependency[Identity]
) -> None:
    """Take a film out of the row of those to go on with; the next time begins at the beginning."""
    await forget_progress(session, account_id=identity.account_id, title_slug=slug)


@get(
    "/v1/track-choice",
    for_every_age=True,
    guards=[customer_only],
    summary="Languages chosen last",
    tags=["Playback"],
    responses=problems(*CUSTOMER),
)
async def read_track_choice(
    session: NamedDependency[AsyncSession], identity: NamedDependency[Identity]
) -> TrackChoiceOut:
    """In which language the customer last chose to hear and to read films."""
    return TrackChoiceOut.of(await session.get(TrackChoice, identity.account_id))


@put(
    "/v1/track-choice",
    for_every_age=True,
    guards=[customer_only],
    summary="Keep the languages",
    tags=["Playback"],
    responses=problems(*CUSTOMER, CrossSiteRequest),
)
async def keep_track_choice(
    data: JSONBody[TrackChoiceCreate],
    session: NamedDependency[AsyncSession],
    identity: NamedDependency[Identity],
    real_now: NamedDependency[datetime],
) -> TrackChoiceOut:
    """Keep in which language films are heard and read, on all devices of the account."""
    chosen = {"audio": data.audio, "subtitles": data.subtitles, "chosen_at": real_now}
    choice = insert(TrackChoice).values(account_id=identity.account_id, **chosen)
    await session.execute(choice.on_conflict_do_update(index_elements=[TrackChoice.account_id], set_=chosen))
    return TrackChoiceOut(data.audio, data.subtitles)


handlers = [
    report_progress,
    report_progress_of_download,
    read_progress,
    remove_progress,
    read_track_choice,
    keep_track_choice,
]
