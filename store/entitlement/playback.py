"""Showings: whether a title may be played here and now, and the stream slot it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.identity import Identity
from auth.sessions import bind_device
from store.catalogue.models import Title, TitleText
from store.database import Database
from store.entitlement.decision import SILENCE, Decision, Wish, decide, find_title, take_turn
from store.entitlement.dpop import PublicKey
from store.entitlement.errors import EntitlementError, PlaybackEnded, PlaybackNotFound
from store.entitlement.grants import of_present_start, take_back_start
from store.entitlement.heartbeats import PICTURE_SEEN
from store.entitlement.models import Device, Entitlement, MediaAsset, PlaybackSession, TrackChoice
from store.entitlement.progress import find_progress, resume_at
from store.entitlement.record import Question
from store.entitlement.remedies import hold_playbacks
from store.entitlement.rights import Ending, ending
from store.entitlement.tokens import PlaybackToken, PlaybackTokens
from store.purchase_confirmation import keep_confirmed


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
    resume_at: float
    """Where to go on, in seconds; 0: at the beginning."""
    choice: TrackChoice | None
    """Languages that were chosen last."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A playback that takes a place at this moment."""

    playback_session_id: UUID
    device_name: str
    title_slug: str
    title: str
    """The title in the language asked for, else the original one."""
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Playback:
    """Opens, keeps and ends showings."""

    session: AsyncSession
    database: Database
    tokens: PlaybackTokens
    has_hosted_drm: bool

    async def open(
        self,
        *,
        identity: Identity,
        key: PublicKey,
        title_slug: str,
        start_confirmed: bool,
        at: datetime,
        real_now: datetime,
    ) -> Showing:
        """Decide whether a title may be played now on the device that proved `key`.

        Raises the first reason against; its detail `reasons` tells all of them, in the order of `decide`. Grants and
        refusals are recorded. Opening begins no rental: the first licence does, if `start_confirmed` says that the
        customer agreed.
        """
        question = Question(
            "playback",
            at,
            real_now,
            identity.account_id,
            jkt=key.jkt,
            start_confirmed=start_confirmed,
            age_limit=identity.viewer.age_limit,
        )
        try:
            showing = await self._open(question, identity, key, title_slug, start_confirmed=start_confirmed)
        except EntitlementError as refusal:
            await self.session.rollback()
            await question.refused(self.database, refusal)
            raise
        question.granted(self.session)
        return showing

    async def check(
        self,
        *,
        identity: Identity,
        key: PublicKey,
        title_slug: str,
        start_confirmed: bool,
        at: datetime,
        real_now: datetime,
    ) -> Decision:
        """What `open` would decide at this instant: no place is taken, nothing begins, nothing is recorded.

        Raises `FilmUnknown`.
        """
        title = await find_title(self.session, title_slug)
        wish = self._wish(identity, title, key, start_confirmed=start_confirmed)
        return await decide(self.session, wish, at=at, real_now=real_now)

    async def _open(
        self, question: Question, identity: Identity, key: PublicKey, title_slug: str, *, start_confirmed: bool
    ) -> Showing:
        account_id, at, real_now = question.account_id, question.at, question.real_now
        title = await find_title(self.session, title_slug)
        question.title_id = title.id
        await take_turn(self.session, account_id, real_now=real_now)
        wish = self._wish(identity, title, key, start_confirmed=start_confirmed)
        decision = await decide(self.session, wish, at=at, real_now=real_now)
        right, film, device = decision.right, decision.film, decision.device
        question.entitlement_id = right.id if right is not None else None
        question.device_id = device.id if device is not None else None
        if decision.reasons:
            raise decision.reasons[0].with_details(reasons=decision.told(), server_time=at)
        if right is None or film is None or device is None or decision.ending is None:
            raise RuntimeError("a playback was allowed without right, film or device")

        confirmation = decision.confirmation
        if confirmation is not None and confirmation.at is not None and not confirmation.is_kept:
            await keep_confirmed(self.session, confirmation.order_id, at=confirmation.at)
        await self._replace_own(device, title.id, real_now=real_now)
        device.last_used_at = at
        await bind_device(self.session, session_id=identity.session_id, device_id=device.id)
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
        return Showing(
            playback_session_id=playback.id,
            film=film,
            right=right,
            tracks=decision.tracks,
            ending=decision.ending,
            token=self._token(playback, key, right, at=at, real_now=real_now),
            resume_at=resume_at(await find_progress(self.session, account_id, title.id)),
            choice=await self.session.get(TrackChoice, account_id),
        )

    def _wish(self, identity: Identity, title: Title, key: PublicKey, *, start_confirmed: bool) -> Wish:
        return Wish(
            account_id=identity.account_id,
            title=title,
            jkt=key.jkt,
            start_confirmed=start_confirmed,
            market=identity.market,
            age_limit=identity.viewer.age_limit,
            has_hosted_drm=self.has_hosted_drm,
        )

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
    ) -> tuple[Entitlement, bool]:
        """End a playback whose player failed; its right, and whether that took back the start of the rental.

        It does so once per rental, if this device began its hours a short while ago, and no playback since showed a
        picture. Whoever has no connection tells late: a playback that fell silent meanwhile failed, too. Told again,
        the answer is whether the hours still wait for a start.

        Raises `PlaybackNotFound`, or `PlaybackEnded` for one that ended otherwise.
        """
        playback, right = await self._lock_own(account_id, key, playback_session_id)
        if playback.end_reason == "failed":
            return right, right.first_played_at is None and right.start_taken_back_at is not None
        if playback.end_reason not in (None, "silent"):
            raise PlaybackEnded(end_reason=playback.end_reason, server_time=at)
        playback.ended_at, playback.end_reason = playback.ended_at or real_now, "failed"
        seen = (
            select(PlaybackSession.id)
            .join(Entitlement, Entitlement.id == PlaybackSession.entitlement_id)
            .where(Entitlement.id == right.id, PlaybackSession.position >= PICTURE_SEEN, of_present_start())
        )
        if await self.session.scalar(seen.limit(1)):
            return right, False
        is_taken_back = await take_back_start(self.session, playback, at=at)
        if is_taken_back:
            await self._end_all(right, real_now=real_now)
        await self.session.refresh(right)
        return right, is_taken_back

    async def _lock_own(
        self, account_id: UUID, key: PublicKey, playback_session_id: UUID
    ) -> tuple[PlaybackSession, Entitlement]:
        """A playback of this account on this device, locked with all that plays by its right, and the right."""
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
            )
        ).one_or_none()
        if found is None:
            raise PlaybackNotFound
        playback, right = found
        await hold_playbacks(self.session, right.id)
        await self.session.refresh(playback, with_for_update=True)
        await self.session.refresh(right)
        return playback, right

    async def _end_all(self, right: Entitlement, *, real_now: datetime) -> None:
        """End what else plays by a right whose hours do not run any more: it has keys, and begins by a new start."""
        await self.session.execute(
            update(PlaybackSession)
            .where(PlaybackSession.entitlement_id == right.id, PlaybackSession.ended_at.is_(None))
            .values(ended_at=real_now, end_reason="stopped")
        )

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


async def list_streams(
    session: AsyncSession, *, account_id: UUID, real_now: datetime, locale: str = "de"
) -> list[Stream]:
    """What plays at this moment on the account's devices: to free a stuck place oneself."""
    name = func.coalesce(TitleText.title, Title.original_title)
    rows = await session.execute(
        select(PlaybackSession.id, Device.name, Title.slug, name, PlaybackSession.opened_at)
        .join(Device, Device.id == PlaybackSession.device_id)
        .join(Title, Title.id == PlaybackSession.title_id)
        .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
        .where(
            PlaybackSession.account_id == account_id,
            PlaybackSession.ended_at.is_(None),
            PlaybackSession.beat_at > real_now - SILENCE,
        )
        .order_by(PlaybackSession.opened_at)
    )
    return [Stream(*row) for row in rows]
