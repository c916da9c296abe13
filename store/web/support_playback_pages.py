"""Support's page about a playback: why a customer cannot watch a title, as the customer's player is told."""

from datetime import datetime
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from auth.authentication import requires
from auth.permissions import CUSTOMER_READ
from store.entitlement.errors import PlaybackNeverTried
from store.support_playback import PlaybackDesk
from store.web.pages import Frame


@get("/support/customers/{customer_id:uuid}/playback", guards=[requires(CUSTOMER_READ)])
async def show_playback(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    playback_desk: NamedDependency[PlaybackDesk],
    real_now: NamedDependency[datetime],
    title: FromQuery[str] = "",
) -> Response[str]:
    """The decision about a title, at first about the one that was tried last."""
    try:
        check = await playback_desk.check(customer_id, title_slug=title or None, at=frame.at, real_now=real_now)
    except PlaybackNeverTried:
        check = None
    titles = await playback_desk.list_titles(customer_id, locale=frame.locale)
    return frame.page("support/playback.html", customer_id=customer_id, check=check, titles=titles)


handlers = [show_playback]
