"""Meine Filme: what can be watched now, with the time that is left."""

from datetime import datetime, timedelta
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, customer_only
from store.catalogue.schemas import TitleCard
from store.database import Database
from store.entitlement.library import LibraryEntry, list_library
from store.entitlement.progress import Begun, list_begun, minutes_left
from store.web.pages import Frame
from store.web.titles import cards_by_id


@get("/library", for_every_age=True, guards=[customer_only])
async def show_library(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    database: NamedDependency[Database],
) -> Response[str]:
    """Rentals by what ends first, then purchases; what is over is folded away."""
    shown: dict[str, Any] = {
        "account_id": identity.account_id,
        "market": frame.market,
        "age_limit": frame.age_limit,
        "at": frame.at,
    }
    library = await list_library(session, locale=frame.locale, **shown)
    entries = [*library.watchable, *library.history]
    cards = await cards_by_id(frame, database, [entry.title_id for entry in entries])
    begun = {one.title_id: one for one in await list_begun(session, **shown)}
    lines = {
        entry.entitlement_id: _line(frame, entry, cards[entry.title_id], begun.get(entry.title_id))
        for entry in entries
        if entry.title_id in cards
    }
    watchable = [
        (entry.kind, lines[entry.entitlement_id]) for entry in library.watchable if entry.entitlement_id in lines
    ]
    return frame.page(
        "library/library.html",
        rentals=[line for kind, line in watchable if kind == "rent"],
        purchases=[line for kind, line in watchable if kind != "rent"],
        history=[lines[entry.entitlement_id] for entry in library.history if entry.entitlement_id in lines],
    )


def _line(frame: Frame, entry: LibraryEntry, film: TitleCard, begun: Begun | None) -> dict[str, object]:
    """One right in words, with the part of its time that is left (from 0 to 1)."""
    left, part, until = "", 1.0, ""
    t, w = frame.w.text, frame.w
    if not entry.is_watchable:
        until = _ending(frame, entry)
    elif entry.ends_at is not None and entry.first_played_at is not None:
        left = t("library.left", span=w.span(entry.ends_at - frame.at))
        part = share_left(entry.first_played_at, entry.ends_at, frame.at)
        until = t("library.until", at=w.moment(entry.ends_at))
    elif entry.start_by is not None and entry.watch_hours is not None:
        left = t("library.start_left", span=w.span(entry.start_by - frame.at))
        part = share_left(entry.granted_at, entry.start_by, frame.at)
        until = t("library.not_started", hours=w.hours(entry.watch_hours))
    else:
        until = t("library.bought_on", date=w.day(entry.granted_at))
    return {
        "film": film,
        "kind": entry.kind,
        "has_episodes": entry.has_episodes,
        "quality": entry.quality,
        "started": begun is not None or entry.first_played_at is not None,
        "left": left,
        "part": part,
        "until": until,
        "reached": t("library.reached", span=w.minutes(minutes_left(begun))) if begun is not None else "",
    }


def _ending(frame: Frame, entry: LibraryEntry) -> str:
    """Why something cannot be watched any more."""
    t, day = frame.w.text, frame.w.day
    if entry.state in ("paused", "revoked"):
        return t(f"library.{entry.state}")
    if entry.ends_at is not None:
        return t("library.ended_on", date=day(entry.ends_at))
    return t("library.never_started", date=day(entry.start_by or entry.granted_at))


def share_left(begins_at: datetime, ends_at: datetime, at: datetime) -> float:
    """The part of a span that is still to come, from 0 to 1."""
    whole = ends_at - begins_at
    if whole <= timedelta():
        return 0.0
    return min(1.0, max(0.0, (ends_at - at) / whole))


handlers = [show_library]
