"""What an account may watch, what it has at a title, and what it had: plain reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.catalogue.age_labels import may_be_seen
from store.catalogue.models import Title, TitleText
from store.entitlement.models import Entitlement
from store.entitlement.rights import Standing, choose, covers, ending, holds, needs_start, standing

WITH_EPISODES: Final = ("season", "series")
"""Kinds of titles that do not play themselves: their episodes do."""


def watch_path(kind: str, slug: str) -> str:
    """The page, below the language, that leads who has a title to watching it: the player, or the episodes."""
    return f"/films/{slug}#seasons" if kind in WITH_EPISODES else f"/watch/{slug}"


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """One right and how it stands."""

    entitlement_id: UUID
    title_id: UUID
    slug: str
    title: str
    """The title in the language asked for, else the original one."""
    year: int | None
    title_kind: str
    kind: str
    """`rent` or `buy`."""
    quality: str
    state: Standing
    granted_at: datetime
    start_by: datetime | None
    """Rentals: the first play must lie before this instant."""
    watch_hours: int | None
    first_played_at: datetime | None
    ends_at: datetime | None
    """Exclusive end of a rental whose hours run (or ran); None: no end, or not begun."""

    @property
    def is_watchable(self) -> bool:
        """Whether it may be watched now."""
        return self.state in ("ready", "running")

    @property
    def has_episodes(self) -> bool:
        """Whether it is a season or a series: then its episodes are what plays."""
        return self.title_kind in WITH_EPISODES

    @property
    def deadline(self) -> datetime | None:
        """The next instant that the customer has to keep: the end, or the latest start; None: none."""
        return self.ends_at or self.start_by


@dataclass(frozen=True, slots=True)
class Library:
    """What an account has, as it stands at `server_time`."""

    server_time: datetime
    watchable: Sequence[LibraryEntry]
    """Rentals before purchases; rentals by their next deadline, purchases the newest first."""
    history: Sequence[LibraryEntry]
    """What is over, missed, on hold or taken back, the newest first."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """The best right that an account holds to a title at an instant."""

    entitlement_id: UUID
    kind: str
    quality: str
    started: bool
    """Whether a rental's hours run; always False for a purchase."""
    start_by: datetime | None
    ends_at: datetime | None
    """When it ends, or would end if it were first played now; None: never."""


async def list_library(
    session: AsyncSession, *, account_id: UUID, market: str, age_limit: int, at: datetime, locale: str = "de"
) -> Library:
    """What an account has or had and a viewer with an age limit may see, with titles in `locale`."""
    rows = await session.execute(
        select(
            Entitlement,
            Title.slug,
            Title.year,
            Title.kind,
            func.coalesce(TitleText.title, Title.original_title),
        )
        .join(Title, Title.id == Entitlement.title_id)
        .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == locale))
        .where(
            Entitlement.account_id == account_id,
            may_be_seen(Title.id, market=market, age_limit=age_limit),
        )
        .order_by(Entitlement.granted_at.desc(), Entitlement.id.desc())
    )
    entries = [
        LibraryEntry(
            entitlement_id=right.id,
            title_id=right.title_id,
            slug=slug,
            title=title,
            year=year,
            title_kind=title_kind,
            kind=right.kind,
            quality=right.quality,
            state=standing(right, at=at),
            granted_at=right.granted_at,
            start_by=right.start_by,
            watch_hours=right.watch_hours,
            first_played_at=right.first_played_at,
            ends_at=right.ends_at,
        )
        for right, slug, year, title_kind, title in rows
    ]
    watchable = [entry for entry in entries if entry.is_watchable]
    rentals = sorted(
        (entry for entry in watchable if entry.deadline is not None),
        key=lambda entry: (entry.deadline or at, entry.slug),
    )
    return Library(
        server_time=at,
        watchable=[*rentals, *(entry for entry in watchable if entry.deadline is None)],
        history=[entry for entry in entries if not entry.is_watchable],
    )


async def find_ownership(session: AsyncSession, account_id: UUID, title_id: UUID, at: datetime) -> Ownership | None:
    """By which right an account may watch a title at an instant, its season's or series' included; None: by none."""
    rights = await session.scalars(
        select(Entitlement).where(
            Entitlement.account_id == account_id,
            covers(title_id),
            Entitlement.revoked_at.is_(None),
        )
    )
    held = [right for right in rights if holds(right, at=at)]
    if not held:
        return None
    right = choose(held, at=at)
    return Ownership(
        entitlement_id=right.id,
        kind=right.kind,
        quality=right.quality,
        started=right.kind == "rent" and not needs_start(right),
        start_by=right.start_by,
        ends_at=ending(right, at=at).ends_at,
    )
