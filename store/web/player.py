"""The page that plays a film: nothing but the film, and a sentence where it may not be played."""

from typing import Final, get_args

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import customer_only
from store.catalogue.age_labels import may_be_seen
from store.catalogue.models import Title, TitleText
from store.entitlement.errors import FilmUnknown, Way
from store.web.pages import Frame

_SPOKEN_BY_SCRIPT: Final = (
    "question_full",
    "question_cut",
    "time_left",
    "again",
    "to_film",
    "to_devices",
    "save_confirmation",
    "to_sign_in",
    "register_again",
    "subtitles_off",
    "quality_auto",
    "stop_there",
    "offline",
    "stalled",
    "stalled_long",
    "volume",
    "failed",
    "failed_taken_back",
    "failed_untold",
    *(f"way_{way}" for way in get_args(Way)),
    "no_device",
    "unsupported",
    "protected",
)
"""Texts `player.*` that the page's script fills in by itself."""


@get("/watch/{title_slug:str}", for_every_age=True, guards=[customer_only], include_in_schema=False)
async def show_player(
    frame: NamedDependency[Frame], session: NamedDependency[AsyncSession], title_slug: FromPath[str]
) -> Response[str]:
    """The player of a title; whether it may be played is decided by the API, when the page asks."""
    title = await session.scalar(
        select(func.coalesce(TitleText.title, Title.original_title))
        .select_from(Title)
        .outerjoin(TitleText, and_(TitleText.title_id == Title.id, TitleText.locale == frame.locale))
        .where(Title.slug == title_slug, may_be_seen(Title.id, market=frame.market, age_limit=frame.age_limit))
    )
    if title is None:
        raise FilmUnknown
    texts = {key: frame.w.texts[f"player.{key}"] for key in _SPOKEN_BY_SCRIPT}
    return frame.page("player.html", title=title, slug=title_slug, texts=texts)


handlers = [show_player]
