"""Showings: whether a title may be played here and now, the stream slot it takes, and its signs of life."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from store.catalogue.models import Title
from store.database import Database
from store.entitlement.devices import find_limits, lock_account
from store.entitlement.dpop import PublicKey
from store.entitlement.errors import (
    DeviceNotRegistered,
    EntitlementError,
    FilmNotReady,
    FilmUnknown,
    PlaybackEnded,
    PlaybackNotFound,
    RentalStreamBusy,
    StartConfirmationNeeded,
    StreamsBusy,
)
from store.entitlement.films import find_film
from store.entitlement.grants import take_back_start
from store.entitlement.models import ContentKey, Device, DeviceLimit, Entitlement, MediaAsset, PlaybackSession
from store.entitlement.record import Question
from store.entitlement.rights import Ending, choose, ending, granted_tracks, needs_start, obstacles
from store.entitlement.tokens import PlaybackToken, PlaybackTokens

HEARTBEAT: Final = timedelta(seconds=30)
"""How often a player says that it is still there."""

SILENCE: Final = timedelta(seconds=90)
"""After so long without a heartbeat (real time) a stream's place is free again."""

PICTURE_SEEN: Final = 0.5
"""Seconds of media time from which a film counts as having been seen."""


@dataclass(frozen=True, slots=True)
class Showing:
    """A playback that was allowed: what to play, by which right, and the token for its licences."""

    playback_session_id: UUID
    film: MediaAsset
    right: Entitlement
    tracks: Sequence[str]
    """Tracks whose keys the right opens."""
    ending: Ending
    token: PlaybackToken


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a sign of life."""

    ending: Ending
    token: PlaybackToken


@dataclass(frozen=True, slots=True)
class Stream:
    """A playback that takes a place at this moment."""

    playback_session_id: UUID
    device_name: str
    title_slug: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Playback:
    """Opens, keeps and ends showings."""

    session: AsyncSession
    database: Database
    tokens: PlaybackTokens

    async def open(
        self,
        *,
        account_id: UUID,
        key: PublicKey,
        title_slug: str,
        start_confirmed: bool,
        at: datetime,
        real_now: datetime,
    ) -> Showing:
        """Decide whether a title may be played now on the device that proved `key`.

        Raises the weightiest refusal; its detail `reasons` lists the codes of all that stand in the way, in the
        order in which they would have to be cleared. Grants and refusals are recorded. Opening begins no rental: the
        first licence does, if `start_confirmed` says that the customer agreed.
        """
        question = Question("playback", at, real_now, account_id)
        try:
            showing = await self._open(question, key, title_slug, start_confirmed=start_confirmed)
        except EntitlementError as refusal:
            await question.refused(self.session, self.database, refusal)
            raise
        question.granted(self.session)
        return showing

    async def _open(self, question: Question, key: PublicKey, title_slug: str, *, start_confirmed: bool) -> Showing:
        account_id, at, real_now = question.account_id, question.at, question.real_now
        title = await self.session.scalar(select(Title).where(Title.slug == title_slug))
        if title is None:
            raise FilmUnknown
        question.title_id = title.id
        await lock_account(self.session, account_id)
        right = choose(await _rights(self.session, account_id, title), at=at)
        question.entitlement_id = right.id
        film = await find_film(self.session, title.id)
        device = await find_device(self.session, account_id, key)
        question.device_id = device.id if device is not None else None

        reasons = obstacles(right, at=at)
        if film is None:
            reasons.append(FilmNotReady())
        if device is None:
            reasons.append(DeviceNotRegistered())
        reasons += await self._busy(right, title.id, device, real_now=real_now)
        if not reasons and needs_start(right) and not start_confirmed:
            reasons.append(_start_question(right, at=at))
        if reasons or film is None or device is None:
            raise reasons[0].leading(reasons)

        await self._replace_own(device, title.id, real_now=real_now)
        device.last_used_at = at
        playback = PlaybackSession(
            account_id=account_id,
            entitlement_id=right.id,
            device_id=device.id,
            title_id=title.id,
            asset_id=film.id,
            start_confirmed=start_confirmed,
            opened_at=at,
            beat_at=real_now,
        )
        self.session.add(playback)
        await self.session.flush()
        question.playback_session_id = playback.id
        tracks = await self.session.scalars(select(ContentKey.track).where(ContentKey.asset_id == film.id))
        return Showing(
            playback_session_id=playback.id,
            film=film,
            right=right,
            tracks=granted_tracks(right, tracks),
            ending=ending(right, at=at),
            token=self._token(playback, key, right, at=at, real_now=real_now),
        )

    async def beat(
        self,
        *,
        account_id: UUID,
        key: PublicKey,
        playback_session_id: UUID,
        position: float,
        at: datetime,
        real_now: datetime,
    ) -> Beat:
        """Take a sign of life with the media time reached (seconds); gives a fresh token.

        Raises `PlaybackNotFound`, `PlaybackEnded`, or what now stands against the right: then the player stops.
        """
        playback, right = await self._running(account_id, key, playback_session_id, real_now=real_now)
        against = obstacles(right, at=at)
        if against:
            raise against[0]
        playback.beat_at = real_now
        playback.position = max(playback.position, position)
        return Beat(ending=ending(right, at=at), token=self._token(playback, key, right, at=at, real_now=real_now))

    async def stop(self, *, account_id: UUID, playback_session_id: UUID, real_now: datetime) -> None:
        """End a playback of the account, on whichever device it runs; one that has ended already stays as it is."""
        stopped = await self.session.execute(
            update(PlaybackSession)
            .where(PlaybackSession.id == playback_session_id, PlaybackSession.account_id == account_id)
            .values(
                ended_at=func.coalesce(PlaybackSession.ended_at, real_now),
                end_reason=func.coalesce(PlaybackSession.end_reason, "stopped"),
            )
            .returning(PlaybackSession.id)
        )
        if stopped.first() is None:
            raise PlaybackNotFound

    async def report_failure(
        self, *, account_id: UUID, key: PublicKey, playback_session_id: UUID, at: datetime, real_now: datetime
    ) -> bool:
        """End a playback whose player failed; whether that took back the start of the rental.

        It does so once per rental, if this playback began its hours a short while ago, and no sign of life of any
        playback by this right told of a picture.
        """
        playback, right = await self._running(account_id, key, playback_session_id, real_now=real_now)
        playback.ended_at, playback.end_reason = real_now, "failed"
        seen = select(
            exists().where(PlaybackSession.entitlement_id == right.id, PlaybackSession.position >= PICTURE_SEEN)
        )
        if await self.session.scalar(seen):
            return False
        return await take_back_start(self.session, entitlement_id=right.id, playback_session_id=playback.id, at=at)

    async def _running(
        self, account_id: UUID, key: PublicKey, playback_session_id: UUID, *, real_now: datetime
    ) -> tuple[PlaybackSession, Entitlement]:
        """A playback of this account on this device that still has its place, locked, and its right."""
        found = (
            await self.session.execute(
                select(PlaybackSession, Entitlement)
                .join(Entitlement, Entitlement.id == PlaybackSession.entitlement_id)
                .join(Device, Device.id == PlaybackSession.device_id)
                .where(
                    PlaybackSession.id == playback_session_id,
                    PlaybackSession.account_id == account_id,
                    Device.jkt == key.jkt,
                )
                .with_for_update(of=PlaybackSession)
            )
        ).one_or_none()
        if found is None:
            raise PlaybackNotFound
        playback, right = found
        if not is_live(playback, real_now=real_now):
            raise PlaybackEnded(end_reason=playback.end_reason or "silent")
        return playback, right

    async def _busy(
        self, right: Entitlement, title_id: UUID, device: Device | None, *, real_now: datetime
    ) -> list[EntitlementError]:
        """What the streams of other devices (and of this one, for other titles) leave no room for."""
        limits: DeviceLimit = await find_limits(self.session, right.account_id)
        live = (
            select(PlaybackSession, Device.name)
            .join(Device, Device.id == PlaybackSession.device_id)
            .where(
                PlaybackSession.account_id == right.account_id,
                PlaybackSession.ended_at.is_(None),
                PlaybackSession.beat_at > real_now - SILENCE,
            )
            .order_by(PlaybackSession.beat_at)
        )
        others = [
            (playback, name)
            for playback, name in await self.session.execute(live)
            if device is None or (playback.device_id, playback.title_id) != (device.id, title_id)
        ]
        same_right = [(playback, name) for playback, name in others if playback.entitlement_id == right.id]
        if right.kind == "rent" and len(same_right) >= limits.streams_per_rental:
            return [RentalStreamBusy(limit=limits.streams_per_rental, sessions=_named(same_right))]
        if len(others) >= limits.streams:
            return [StreamsBusy(limit=limits.streams, sessions=_named(others))]
        return []

    async def _replace_own(self, device: Device, title_id: UUID, *, real_now: datetime) -> None:
        """End what the same device played of the same title: a reload must not lock anybody out."""
        await self.session.execute(
            update(PlaybackSession)
            .where(
                PlaybackSession.device_id == device.id,
                PlaybackSession.title_id == title_id,
                PlaybackSession.ended_at.is_(None),
            )
            .values(ended_at=real_now, end_reason="replaced")
        )

    def _token(
        self,
        playback: PlaybackSession,
        key: PublicKey,
        right: Entitlement,
        *,
        at: datetime,
        real_now: datetime,
    ) -> PlaybackToken:
        return self.tokens.sign(
            playback_session_id=playback.id,
            jkt=key.jkt,
            ends_at=ending(right, at=at).ends_at,
            at=at,
            real_now=real_now,
        )


def is_live(playback: PlaybackSession, *, real_now: datetime) -> bool:
    """Whether a playback still has its place: not ended, and heard of within the last 90 seconds."""
    return playback.ended_at is None and real_now - playback.beat_at < SILENCE


async def find_device(session: AsyncSession, account_id: UUID, key: PublicKey) -> Device | None:
    """The account's registered device with this key."""
    found: Device | None = await session.scalar(
        select(Device).where(Device.account_id == account_id, Device.jkt == key.jkt, Device.removed_at.is_(None))
    )
    return found


async def list_streams(session: AsyncSession, *, account_id: UUID, real_now: datetime) -> list[Stream]:
    """What plays at this moment on the account's devices: to free a stuck place oneself."""
    rows = await session.execute(
        select(PlaybackSession.id, Device.name, Title.slug, PlaybackSession.opened_at)
        .join(Device, Device.id == PlaybackSession.device_id)
        .join(Title, Title.id == PlaybackSession.title_id)
        .where(
            PlaybackSession.account_id == account_id,
            PlaybackSession.ended_at.is_(None),
            PlaybackSession.beat_at > real_now - SILENCE,
        )
        .order_by(PlaybackSession.opened_at)
    )
    return [Stream(*row) for row in rows]


async def _rights(session: AsyncSession, account_id: UUID, title: Title) -> Sequence[Entitlement]:
    """The account's rights to a title; a right to a season or series covers its episodes."""
    parent = select(Title.parent_id).where(Title.id == title.parent_id).scalar_subquery()
    rights = await session.scalars(
        select(Entitlement).where(
            Entitlement.account_id == account_id,
            (Entitlement.title_id == title.id)
            | (Entitlement.title_id == title.parent_id)
            | (Entitlement.title_id == parent),
        )
    )
    return rights.all()


def _start_question(right: Entitlement, *, at: datetime) -> StartConfirmationNeeded:
    would_end = ending(right, at=at)
    return StartConfirmationNeeded(
        ends_at=would_end.ends_at,
        bound_by=would_end.bound_by,
        watch_hours=right.watch_hours,
        start_by=right.start_by,
        server_time=at,
    )


def _named(streams: Sequence[tuple[PlaybackSession, str]]) -> list[dict[str, str]]:
    return [{"id": str(playback.id), "device": name} for playback, name in streams]
