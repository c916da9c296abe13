"""How far a film was watched: one place per account and title, which never goes back by mistake.

The merge rule. A report carries the number that its player gave it (counting up within one playback), the place,
whether the customer moved there, and how long ago it was (a duration: a device's clock may be wrong, its stopwatch is
not). Within one playback the higher number wins, wherever it stands: seeking back is deliberate, and what was delayed
on the way comes too late. Between playbacks the later one wins; but a place before the kept one counts only where the
customer moved there, or a device that begins at zero by itself would lose the evening of another. A sign of life with
the place of the one before is no report: a paused player goes on living. After the end any place counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, delete, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from store.catalogue.age_labels import may_be_seen
from store.catalogue.models import Title, TitleText
from store.entitlement.decision import find_title
from store.entitlement.download_errors import DownloadNotFound
from store.entitlement.download_records import OfflineLicence
from store.entitlement.dpop import PublicKey
from store.entitlement.errors import PlaybackNotFound
from store.entitlement.models import Device, Entitlement, PlaybackSession, WatchProgress
from store.entitlement.rights import holds

WATCHED: Final = 0.95
"""Part of a film from which it counts as watched to the end: the rest is credits."""

RESUME_FROM: Final = 10.0
"""Seconds; who saw less begins at the beginning."""

ROW: Final = 20
"""Films in the row to go on with."""


@dataclass(frozen=True, slots=True)
class Report:
    """Where a player stood."""

    sequence: int
    """Counts up within one playback."""
    position: float
    """Media time in seconds."""
    sought: bool
    """Whether the customer moved the place since the last report that was answered."""
    ago: timedelta
    """How long before it was sent."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A film to go on with."""

    title_id: UUID
    slug: str
    title: str
    position: float
    seconds: int
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """Takes what players report, also what they kept while they were offline."""

    session: AsyncSession

    async def take(
        self,
        *,
        account_id: UUID,
        key: PublicKey,
        playback_session_id: UUID,
        reports: Sequence[Report],
        real_now: datetime,
    ) -> WatchProgress:
        """Take reports of a playback of this device, also of one that has ended; gives what is kept now.

        Of a batch the last one counts, whatever order it came in. Raises `PlaybackNotFound`.
        """
        playback = await self.session.scalar(
            select(PlaybackSession)
            .join(Device, Device.id == PlaybackSession.device_id)
            .where(
                PlaybackSession.id == playback_session_id,
                PlaybackSession.account_id == account_id,
                Device.jkt == key.jkt,
                Device.removed_at.is_(None),
            )
            .with_for_update(of=PlaybackSession)
        )
        if playback is None:
            raise PlaybackNotFound
        playback.position = max(playback.position, *(report.position for report in reports))
        last = max(reports, key=lambda report: report.sequence)
        was_sought = any(report.sought for report in reports)
        await note(
            self.session,
            playback,
            sequence=last.sequence,
            position=last.position,
            sought=was_sought,
            seen_at=real_now - last.ago,
        )
        return await self.session.get_one(WatchProgress, (account_id, playback.title_id), populate_existing=True)

    async def take_of_download(
        self, *, account_id: UUID, key: PublicKey, download_id: UUID, reports: Sequence[Report], real_now: datetime
    ) -> WatchProgress:
        """Take reports of what was played from a licence that stays on this device, also after it was returned.

        They are those of a playback of the same id, which never took a place. Raises `DownloadNotFound`.
        """
        columns = ("id", "account_id", "entitlement_id", "device_id", "title_id", "asset_id")
        showing = (
            select(
                *(getattr(OfflineLicence, name) for name in columns),
                OfflineLicence.issued_at,
                *(literal(value) for value in (True, real_now, 0.0, real_now, "offline")),
            )
            .join(Device, Device.id == OfflineLicence.device_id)
            .where(OfflineLicence.id == download_id, OfflineLicence.account_id == account_id, Device.jkt == key.jkt)
        )
        told = ("opened_at", "start_confirmed", "beat_at", "position", "ended_at", "end_reason")
        await self.session.execute(
            insert(PlaybackSession).from_select([*columns, *told], showing).on_conflict_do_nothing()
        )
        try:
            return await self.take(
                account_id=account_id, key=key, playback_session_id=download_id, reports=reports, real_now=real_now
            )
        except PlaybackNotFound:
            raise DownloadNotFound from None


MERGE: Final = """
    INSERT INTO store.watch_progress AS kept
        (account_id, title_id, playback_session_id, sequence, position, seconds, finished, seen_at)
    SELECT playback.account_id, playback.title_id, playback.id, {sequence}, {position},
           asset.seconds, {position} >= {watched} * asset.seconds, {seen_at}
      FROM {playback} AS playback JOIN store.media_assets AS asset ON asset.id = playback.asset_id
     WHERE {condition}
    ON CONFLICT (account_id, title_id) DO UPDATE
       SET playback_session_id = excluded.playback_session_id, sequence = excluded.sequence,
           position = excluded.position, seconds = excluded.seconds, finished = excluded.finished,
           seen_at = excluded.seen_at
     WHERE (kept.playback_session_id = excluded.playback_session_id AND excluded.sequence > kept.sequence)
        OR (kept.playback_session_id <> excluded.playback_session_id AND excluded.seen_at > kept.seen_at
            AND ({sought} OR kept.finished OR excluded.position >= kept.position))
"""
"""The merge rule, with the places of its values left open: it is a statement of its own, and part of a heartbeat."""

_KEEP: Final = text(
    MERGE.format(
        playback="store.playback_sessions",
        condition="playback.id = :playback_session_id",
        sequence="CAST(:sequence AS bigint)",
        position="CAST(:position AS float8)",
        watched="CAST(:watched AS float8)",
        seen_at="CAST(:seen_at AS timestamptz)",
        sought="CAST(:sought AS boolean)",
    )
)


async def note(
    session: AsyncSession, playback: PlaybackSession, *, sequence: int, position: float, sought: bool, seen_at: datetime
) -> None:
    """Keep a place, as far as the merge rule lets it: one statement, so that reports at once do not cross."""
    place = {"sequence": sequence, "position": position, "sought": sought, "seen_at": seen_at, "watched": WATCHED}
    await session.execute(_KEEP, {"playback_session_id": playback.id, **place})


async def find_progress(session: AsyncSession, account_id: UUID, title_id: UUID) -> WatchProgress | None:
    """What is kept of a title."""
    return await session.scalar(
        select(WatchProgress)
        .where(WatchProgress.account_id == account_id, WatchProgress.title_id == title_id)
        .execution_options(populate_existing=True)
    )


def resume_at(progress: WatchProgress | None) -> float:
    """Where to go on with a film, in seconds; 0: at the beginning."""
    if progress is None or progress.finished or progress.position < RESUME_FROM:
        return 0.0
    return progress.position


def minutes_left(begun: Begun) -> int:
    """Whole minutes to the end of a film, at least one."""
    return max(1, round((begun.seconds - begun.position) / 60))


async def forget_progress(session: AsyncSession, *, account_id: UUID, title_slug: str) -> None:
    """Take a film out of the row; raises `FilmUnknown`."""
    title = await find_title(session, title_slug)
    await session.execute(
        delete(WatchProgress).where(WatchProgress.account_id == account_id, WatchProgress.title_id == title.id)
    )


async def list_begun(
    session: AsyncSession, *, account_id: UUID, market: str, age_limit: int, at: datetime, locale: str = "de"
) -> list[Begun]:
    """Films that were begun and can be gone on with by a right that holds, the last watched first.

    Without those that a viewer with an age limit may not see.
    """
    season = aliased(Title)
    rows = await session.execute(
        select(WatchProgress, Title, season.parent_id, func.coalesce(TitleText.title, Title.original_title))
        .join(Title, Title.id == WatchProgress.title_id)
        .outerjoin(season, season.id == Title.parent_id)
        .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
        .where(
            WatchProgress.account_id == account_id,
            ~WatchProgress.finished,
            WatchProgress.position >= RESUME_FROM,
            may_be_seen(Title.id, market=market, age_limit=age_limit),
        )
        .order_by(WatchProgress.seen_at.desc())
        .limit(5 * ROW)
    )
    covered = await _covered(session, account_id, at=at)
    return [
        Begun(title.id, title.slug, name, progress.position, progress.seconds, progress.seen_at)
        for progress, title, series_id, name in rows
        if {title.id, title.parent_id, series_id} & covered
    ][:ROW]


async def _covered(session: AsyncSession, account_id: UUID, *, at: datetime) -> set[UUID | None]:
    """Titles that a right of the account holds for; one to a season or series covers its episodes."""
    rights = await session.scalars(select(Entitlement).where(Entitlement.account_id == account_id))
    return {right.title_id for right in rights if holds(right, at=at)}
