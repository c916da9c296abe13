"""Where the pages are: every page below /de and /en, static files, and the way from the bare address."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from litestar import Request, Router, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from store.catalogue.lists import count_videos
from store.database import Database
from store.kept_facts import keep
from store.problems import preferred_locale
from store.web import (
    account_pages,
    case_desk_pages,
    case_pages,
    checkout_pages,
    colleague_pages,
    credential_pages,
    devices_pages,
    email_change_pages,
    finance_pages,
    incident_pages,
    invariant_pages,
    legal_pages,
    library_pages,
    orders_pages,
    passkey_pages,
    player,
    privacy_pages,
    profile_pages,
    reconciliation_pages,
    recovery_pages,
    refund_pages,
    second_factor_pages,
    second_step_pages,
    sign_in_pages,
    staff_pages,
    storefront,
    support_action_pages,
    support_caller_pages,
    support_pages,
    support_playback_pages,
    tv_pages,
    unresolved_pages,
    viewer_pages,
    withdrawal_desk_pages,
    withdrawal_pages,
)
from store.web.assets import serve_asset
from store.web.pages import TEMPLATES, provide_frame
from store.web.wording import LOCALES

PARTS = (
    storefront,
    sign_in_pages,
    second_step_pages,
    account_pages,
    second_factor_pages,
    passkey_pages,
    credential_pages,
    email_change_pages,
    checkout_pages,
    orders_pages,
    withdrawal_pages,
    library_pages,
    devices_pages,
    viewer_pages,
    profile_pages,
    tv_pages,
    support_action_pages,
    case_pages,
    privacy_pages,
    legal_pages,
    player,
    staff_pages,
    incident_pages,
    colleague_pages,
    support_pages,
    support_caller_pages,
    support_playback_pages,
    case_desk_pages,
    recovery_pages,
    refund_pages,
    withdrawal_desk_pages,
    finance_pages,
    invariant_pages,
    reconciliation_pages,
    unresolved_pages,
)
"""The modules whose `handlers` are pages."""

COUNT_LIVES = 300.0
"""Seconds for which a process keeps the number of videos that it counted."""


@get("/", include_in_schema=False, exclude_from_auth=True, sync_to_thread=False)
def choose_locale(request: Request[Any, Any, Any]) -> Redirect:
    """To the start page in the language that the browser asks for."""
    locale = preferred_locale(request.headers.get("accept-language", ""))
    return Redirect(f"/{locale}", status_code=303, headers={"Vary": "Accept-Language"})


async def provide_video_count(
    state: State, database: NamedDependency[Database], market: NamedDependency[str], at: NamedDependency[datetime]
) -> int:
    """Dependency `video_count`: how many videos are on sale, counted at most every five minutes per process."""
    return await keep(
        state,
        ("video_count", market),
        as_of=time.monotonic() // COUNT_LIVES,
        read=lambda: count_videos(database, market=market, at=at),
    )


async def warm_up(state: State, database: Database, *, markets: Iterable[str], at: datetime) -> None:
    """Do before the first visitor comes what the first page would wait for: count the videos, read the templates."""
    for market in markets:
        await provide_video_count(state, database, market, at)
    for name in TEMPLATES.list_templates(extensions=["html"]):
        TEMPLATES.get_template(name)


def page_routers(handlers: Sequence[ControllerRouterHandler], locales: Sequence[str] = LOCALES) -> list[Router]:
    """Pages in every language, with what pages need: also for pages that only the sandbox has."""
    return [
        Router(
            f"/{locale}",
            route_handlers=list(handlers),
            dependencies={"frame": Provide(provide_frame), "video_count": Provide(provide_video_count)},
            include_in_schema=False,
        )
        for locale in locales
    ]


def routers(locales: Sequence[str] = LOCALES) -> list[ControllerRouterHandler]:
    """The pages in every language, the static files and `/`."""
    pages = [handler for part in PARTS for handler in part.handlers]
    return [*page_routers(pages, locales), serve_asset, choose_locale]
