"""Why a customer cannot watch: support sees the decision that the customer's player gets, with its last inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.identity import ALL_AGES
from store.catalogue.models import Title, TitleText
from store.entitlement.decision import Wish, decide, find_title
from store.entitlement.errors import PlaybackNeverTried
from store.entitlement.models import Device, Entitlement, LicenceEvent, PlaybackSession
from store.entitlement.schemas import DecisionOut
from store.support import CustomerDesk
from store.support_money import NEWEST

CHECKED: Final = "customer.playback_checked"


class AttemptOut(msgspec.Struct, frozen=True):
    """The customer's last attempt to play the title, or to keep it on a device."""

    at: datetime
    """Business time."""
    outcome: Literal["granted", "refused"]
    reason: str | None
    """Code of the first reason then."""


class LastLicenceOut(msgspec.Struct, frozen=True):
    """The last licence that was asked for the title in a playback: what was allowed may fail there still."""

    at: datetime
    """Business time."""
    outcome: Literal["granted", "refused"]
    reason: str | None
    """Code of the refusal."""
    system: str | None
    """`clearkey`, or the hosted service that was to issue it."""


class PlaybackCheck(msgspec.Struct, frozen=True):
    """The decision about a customer's playback at this instant, and what it was asked with."""

    title: str
    """The title's slug."""
    device: str | None
    """Name of the device that is asked for; null: one that was never registered, or none is known."""
    start_confirmed: bool
    """Whether the customer had agreed that the rental's hours begin."""
    to_keep: bool
    """Whether it is asked for a licence that stays on the device, and not to stream."""
    age_limit: int
    """Years up to which titles were open to whoever tried; 18: all."""
    last_attempt: AttemptOut | None
    """Where all these come from; null: never tried, so the device that was used last is asked for."""
    last_licence: LastLicenceOut | None
    player_failed_at: datetime | None
    """When a playback of the title was opened last whose player then told that it failed; business time."""
    decision: DecisionOut


@dataclass(frozen=True, slots=True)
class PlaybackDesk:
    """Decides for a customer as the player would, on behalf of support; every look is in the audit trail."""

    desk: CustomerDesk
    has_hosted_drm: bool

    async def check(
        self, customer_id: UUID, *, title_slug: str | None, at: datetime, real_now: datetime
    ) -> PlaybackCheck:
        """The decision with the inputs of the last attempt at a title (`None`: at any).

        Raises `AccountNotFound`, `FilmUnknown`, or `PlaybackNeverTried` where there is neither a title nor an attempt.
        """
        customer = await self.desk.customer(customer_id, action=CHECKED, real_now=real_now)
        session = self.desk.session
        title = await find_title(session, title_slug) if title_slug else None
        attempt = await _last_attempt(session, customer.id, title)
        if title is None:
            if attempt is None:
                raise PlaybackNeverTried
            title = await session.get_one(Title, attempt.title_id)
        await self.desk.record(CHECKED, customer.id, real_now=real_now, details={"title": title.slug})
        jkt = attempt.jkt if attempt is not None else await _last_used_key(session, customer.id)
        is_confirmed = attempt is not None and bool(attempt.start_confirmed)
        to_keep = attempt is not None and attempt.step == "licence"
        wish = Wish(
            account_id=customer.id,
            title=title,
            jkt=jkt,
            start_confirmed=is_confirmed,
            market=customer.residence_country or "",
            age_limit=_age_limit_of(attempt),
            to_keep=to_keep,
            has_hosted_drm=self.has_hosted_drm,
        )
        decision = await decide(session, wish, at=at, real_now=real_now)
        return PlaybackCheck(
            title=title.slug,
            device=decision.device.name if decision.device is not None else None,
            start_confirmed=is_confirmed,
            to_keep=to_keep,
            age_limit=wish.age_limit,
            last_attempt=msgspec.convert(attempt, AttemptOut, from_attributes=True) if attempt is not None else None,
            last_licence=await _last_licence(session, customer.id, title),
            player_failed_at=await _last_failure(session, customer.id, title),
            decision=DecisionOut.of(decision, at=at),
        )

    async def list_titles(self, customer_id: UUID, *, locale: str) -> Sequence[tuple[str, str]]:
        """Slug and title of everything that the customer has or had a right to, by title."""
        name = func.coalesce(TitleText.title, Title.original_title)
        rows = await self.desk.session.execute(
            select(Title.slug, name)
            .join(Entitlement, Entitlement.title_id == Title.id)
            .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
            .where(Entitlement.account_id == customer_id)
            .distinct()
            .order_by(name, Title.slug)
            .limit(NEWEST)
        )
        return [(slug, title) for slug, title in rows]


def _age_limit_of(attempt: LicenceEvent | None) -> int:
    """Up to which age whoever tried could watch."""
    return attempt.age_limit if attempt is not None and attempt.age_limit is not None else ALL_AGES


async def _last_attempt(session: AsyncSession, account_id: UUID, title: Title | None) -> LicenceEvent | None:
    """Of a playback or of a download: licences within a playback name no key of their own."""
    attempts = select(LicenceEvent).where(LicenceEvent.account_id == account_id, LicenceEvent.jkt.is_not(None))
    of_title = LicenceEvent.title_id == title.id if title is not None else LicenceEvent.title_id.is_not(None)
    return await session.scalar(attempts.where(of_title).order_by(LicenceEvent.recorded_at.desc()).limit(1))


async def _last_licence(session: AsyncSession, account_id: UUID, title: Title) -> LastLicenceOut | None:
    licence = await session.scalar(
        select(LicenceEvent)
        .where(
            LicenceEvent.account_id == account_id,
            LicenceEvent.title_id == title.id,
            LicenceEvent.step == "licence",
            LicenceEvent.playback_session_id.is_not(None),
        )
        .order_by(LicenceEvent.recorded_at.desc())
        .limit(1)
    )
    return msgspec.convert(licence, LastLicenceOut, from_attributes=True) if licence is not None else None


async def _last_failure(session: AsyncSession, account_id: UUID, title: Title) -> datetime | None:
    failed = select(func.max(PlaybackSession.opened_at)).where(
        PlaybackSession.account_id == account_id,
        PlaybackSession.title_id == title.id,
        PlaybackSession.end_reason == "failed",
    )
    opened_at: datetime | None = await session.scalar(failed)
    return opened_at


async def _last_used_key(session: AsyncSession, account_id: UUID) -> str | None:
    """Thumbprint of the registered device that was used last."""
    return await session.scalar(
        select(Device.jkt)
        .where(Device.account_id == account_id, Device.removed_at.is_(None))
        .order_by(Device.last_used_at.desc())
        .limit(1)
    )
