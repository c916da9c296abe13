"""The one decision about a playback: whether a title may be played here and now, and every reason against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.identity import ALL_AGES
from store.catalogue.age_labels import may_be_seen
from store.catalogue.models import Title
from store.catalogue.takedowns import is_taken_down, see_takedowns
from store.entitlement.device_errors import DeviceNotRegistered, DeviceRemoved
from store.entitlement.device_places import find_limits, lock_account, obstacles_to_registration
from store.entitlement.download_places import against_download, against_streaming
from store.entitlement.errors import (
    AgeRestricted,
    ConfirmationOutstanding,
    EntitlementError,
    FilmNotReady,
    FilmUnknown,
    NotEntitled,
    RentalStreamBusy,
    StartConfirmationNeeded,
    StreamsBusy,
    TitleStreamsBusy,
    TitleTakenDown,
)
from store.entitlement.films import find_film
from store.entitlement.models import ContentKey, Device, Entitlement, MediaAsset, PlaybackSession, Track
from store.entitlement.reasons import Reason, tell
from store.entitlement.rights import Ending, choose, covers, ending, granted_tracks, holds, needs_start, obstacles
from store.purchase_confirmation import Confirmation, confirmation_of_line

SILENCE: Final = timedelta(seconds=90)
"""After so long without a heartbeat (real time) a stream's place is free again."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked: may this account play this title on the device with this key?"""

    account_id: UUID
    title: Title
    jkt: str | None
    """Thumbprint of the device's key; None: no device is known."""
    start_confirmed: bool
    """Whether the customer agrees that a rental's hours begin."""
    market: str
    """Whose age labels count."""
    age_limit: int
    """Years up to which the title's age label may go; 18: everything."""
    to_keep: bool = False
    """Whether it is asked for a licence that stays on the device, and not to stream."""
    has_hosted_drm: bool = False
    """Whether there is a service that gives licences of films which Clear Key is not enough for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was found, and every reason against; without any the title may be played."""

    title: Title
    right: Entitlement | None
    film: MediaAsset | None
    device: Device | None
    tracks: Sequence[str]
    """Tracks whose keys the right opens."""
    ending: Ending | None
    """When the right ends, or would end if it were first played now."""
    confirmation: Confirmation | None
    """Of the contract by which it was bought; None: it was a gift, or does not hold."""
    reasons: Sequence[EntitlementError]
    """What nobody here can mend comes first, lest a device is removed or a film stopped in vain; then the
    customer's own steps, in the order in which they are taken."""

    def told(self) -> list[Reason]:
        """The reasons as they are told."""
        return [tell(reason, self.title) for reason in self.reasons]


def is_live(*, ended_at: datetime | None, beat_at: datetime, real_now: datetime) -> bool:
    """Whether a playback still has its place: not ended, and heard of within the last 90 seconds."""
    return ended_at is None and real_now - beat_at < SILENCE


async def find_title(session: AsyncSession, slug: str) -> Title:
    """The title of this name; raises `FilmUnknown`."""
    title = await session.scalar(select(Title).where(Title.slug == slug))
    if title is None:
        raise FilmUnknown
    return title


async def take_turn(session: AsyncSession, account_id: UUID, *, real_now: datetime) -> None:
    """Lock the account until the transaction ends, and end the playbacks that fell silent.

    Their places are free from here on: a sign of life that was late on its way must not bring one back. A takedown
    comes before this transaction or after it, too.
    """
    await lock_account(session, account_id)
    await see_takedowns(session)
    silent = (
        select(PlaybackSession.id)
        .where(
            PlaybackSession.account_id == account_id,
            PlaybackSession.ended_at.is_(None),
            PlaybackSession.beat_at <= real_now - SILENCE,
        )
        .order_by(PlaybackSession.id)
        .with_for_update()
    )
    await session.execute(
        update(PlaybackSession)
        .where(PlaybackSession.id.in_(silent))
        .values(ended_at=PlaybackSession.beat_at + SILENCE, end_reason="silent")
    )


async def decide(session: AsyncSession, wish: Wish, *, at: datetime, real_now: datetime) -> Decision:
    """Decide about a playback; writes nothing. Who acts on the answer took the account's turn before."""
    account_id, title = wish.account_id, wish.title
    rights = await _rights(session, account_id, title)
    right = choose(rights, at=at, start_confirmed=wish.start_confirmed) if rights else None
    film = await find_film(session, title.id)
    device = await _find_device(session, account_id, wish.jkt)

    reasons: list[EntitlementError] = []
    if await session.scalar(select(is_taken_down(title.id))):
        reasons.append(TitleTakenDown())
    reasons += obstacles(right, at=at) if right is not None else [NotEntitled()]
    tracks = await _tracks(session, right, film)
    if not _can_play(wish, right, film, tracks):
        reasons.append(FilmNotReady())
    if not await _may_be_seen(session, wish):
        reasons.append(AgeRestricted(age_limit=wish.age_limit))
    if device is None or device.removed_at is not None:
        reasons += await obstacles_to_registration(session, account_id=account_id, is_new=device is None, at=at)
        removed_at = device.removed_at if device is not None else None
        reasons.append(DeviceRemoved(removed_at=removed_at) if removed_at else DeviceNotRegistered())
    reasons += await _busy(session, wish, right, device, real_now=real_now)
    if right is not None and holds(right, at=at):
        if wish.to_keep:
            reasons += await against_download(session, right, device, title_id=title.id, at=at)
        else:
            reasons += await against_streaming(session, right, at=at)
    confirmation = None
    if right is not None and right.order_line_id is not None and holds(right, at=at):
        confirmation = await confirmation_of_line(session, right.order_line_id)
        if confirmation is not None and confirmation.at is None:
            reasons.append(ConfirmationOutstanding(id=str(confirmation.order_id)))
    # What is kept begins when it is first played on the device: the app asks there.
    is_asked = not wish.to_keep and not wish.start_confirmed
    if right is not None and needs_start(right) and holds(right, at=at) and is_asked:
        reasons.append(_start_question(right, at=at))
    return Decision(
        title=title,
        right=right,
        film=film,
        device=device,
        tracks=tracks,
        ending=ending(right, at=at) if right is not None else None,
        confirmation=confirmation,
        reasons=reasons,
    )


async def _may_be_seen(session: AsyncSession, wish: Wish) -> bool:
    """Whether the title is for whoever watches; asked of nobody where there is no limit."""
    if wish.age_limit >= ALL_AGES:
        return True
    seen = may_be_seen(Title.id, market=wish.market, age_limit=wish.age_limit)
    return bool(await session.scalar(select(exists().where(Title.id == wish.title.id, seen))))


async def _rights(session: AsyncSession, account_id: UUID, title: Title) -> Sequence[Entitlement]:
    """The account's rights to a title; a right to a season or series covers its episodes."""
    rights = await session.scalars(select(Entitlement).where(Entitlement.account_id == account_id, covers(title.id)))
    return rights.all()


async def _find_device(session: AsyncSession, account_id: UUID, jkt: str | None) -> Device | None:
    """The account's device with this key, also where it was removed."""
    return await session.scalar(select(Device).where(Device.account_id == account_id, Device.jkt == jkt))


async def _busy(
    session: AsyncSession, wish: Wish, right: Entitlement | None, device: Device | None, *, real_now: datetime
) -> list[EntitlementError]:
    """What the streams of other devices (and of this one, for other titles) leave no room for."""
    limits = await find_limits(session, wish.account_id)
    live = (
        select(PlaybackSession, Device.name)
        .join(Device, Device.id == PlaybackSession.device_id)
        .where(
            PlaybackSession.account_id == wish.account_id,
            PlaybackSession.ended_at.is_(None),
            PlaybackSession.beat_at > real_now - SILENCE,
        )
        .order_by(PlaybackSession.beat_at)
    )
    others = [
        (playback, name)
        for playback, name in await session.execute(live)
        if device is None or (playback.device_id, playback.title_id) != (device.id, wish.title.id)
    ]
    same_right = [(playback, name) for playback, name in others if right and playback.entitlement_id == right.id]
    found: list[EntitlementError] = []
    # What is kept takes no place among the streams, but a rental's hours run in one place only.
    most_of_rental = 1 if wish.to_keep else limits.streams_per_rental
    if right is not None and right.kind == "rent" and len(same_right) >= most_of_rental:
        found.append(RentalStreamBusy(limit=most_of_rental, sessions=_named(same_right)))
    same_title = [(playback, name) for playback, name in others if playback.title_id == wish.title.id]
    most_of_title = limits.streams_per_title
    if most_of_title is not None and len(same_title) >= most_of_title and not wish.to_keep:
        found.append(TitleStreamsBusy(limit=most_of_title, sessions=_named(same_title)))
    if len(others) >= limits.streams and not wish.to_keep:
        found.append(StreamsBusy(limit=limits.streams, sessions=_named(others)))
    return found


async def _tracks(session: AsyncSession, right: Entitlement | None, film: MediaAsset | None) -> Sequence[str]:
    if right is None or film is None:
        return ()
    tracks = await session.scalars(select(ContentKey.track).where(ContentKey.asset_id == film.id))
    return granted_tracks(right, tracks)


def _can_play(wish: Wish, right: Entitlement | None, film: MediaAsset | None, tracks: Sequence[str]) -> bool:
    """Whether there is a film, who gives its keys, and a picture among those that the right opens.

    Seasons and series have none; where nothing else is there the sandbox's test film would stand in for them.
    """
    if film is None or wish.title.kind in ("season", "series"):
        return False
    has_picture = any(track != Track.AUDIO for track in tracks)
    return (film.clear_key or wish.has_hosted_drm) and (right is None or has_picture)


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
