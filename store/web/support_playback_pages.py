"""Support's page about a playback: why a customer cannot watch a title, and letting new devices in again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody

from auth.authentication import Identity, requires
from auth.errors import Refusal
from auth.ids import new_id
from auth.permissions import CUSTOMER_READ, DEVICES_REMOVE, FILM_GIVE, RENTAL_REMEDY
from store.entitlement.errors import PlaybackNeverTried
from store.entitlement.remedies import RemedyKind
from store.support_devices import DeviceDesk
from store.support_gifts import GiftDesk, Wanted
from store.support_playback import PlaybackDesk
from store.support_rentals import RentalDesk
from store.web.forms import Prose
from store.web.pages import Frame
from store.web.support_pages import LONGEST_REASON, SHORTEST_REASON, Line, ReasonForm


class RemedyForm(msgspec.Struct, frozen=True):
    """What is to be done for which rental, and why."""

    request: UUID
    """Of the form: sent again it is the same wish."""
    rental: UUID
    what: Literal["24", "48", "72", "anew", "lost"]
    reason: Prose = ""


_KINDS: Final[Mapping[str, RemedyKind]] = {"anew": "rearmed", "lost": "written_off"}
"""What is done that takes no hours."""


class GiftForm(msgspec.Struct, frozen=True):
    """Which film is to be given, and why."""

    request: UUID
    """Of the form: sent again it is the same wish."""
    title: Line = ""
    kind: Literal["rent", "buy"] = "rent"
    quality: Literal["SD", "HD", "UHD"] = "HD"
    reason: Prose = ""


@get("/support/customers/{customer_id:uuid}/playback", guards=[requires(CUSTOMER_READ)])
async def show_playback(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    playback_desk: NamedDependency[PlaybackDesk],
    rental_desk: NamedDependency[RentalDesk],
    identity: NamedDependency[Identity],
    real_now: NamedDependency[datetime],
    title: FromQuery[str] = "",
    refused: FromQuery[str] = "",
    of: FromQuery[str] = "",
) -> Response[str]:
    """The decision about a title, at first about the one that was tried last."""
    try:
        check = await playback_desk.check(customer_id, title_slug=title or None, at=frame.at, real_now=real_now)
    except PlaybackNeverTried:
        check = None
    titles = await playback_desk.list_titles(customer_id, locale=frame.locale)
    rentals = [
        (right_id, f"{name} · {frame.w.texts[f'support.right_state.{state}']}")
        for right_id, name, state in await rental_desk.list_rentals(customer_id, at=frame.at, locale=frame.locale)
    ]
    sentence = frame.w.texts.get(f"support.refused_{refused}", "")
    errors = {"reason": sentence} if sentence else {}
    return frame.page(
        "support/playback.html",
        customer_id=customer_id,
        check=check,
        titles=titles,
        may_reset=DEVICES_REMOVE in identity.permissions,
        errors=errors if not of else {},
        may_remedy=RENTAL_REMEDY in identity.permissions,
        rentals=rentals,
        remedy_errors=errors if of == "rental" else {},
        may_give=FILM_GIVE in identity.permissions,
        gift_errors={"reason" if refused == "no_reason" else "title": sentence} if sentence and of == "gift" else {},
        request=new_id(),
        longest=LONGEST_REASON,
    )


@post("/support/customers/{customer_id:uuid}/device-resets", guards=[requires(DEVICES_REMOVE)])
async def reset_devices(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[ReasonForm],
    device_desk: NamedDependency[DeviceDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Let new devices in again; what was refused is said beside the field."""
    page, reason = f"/support/customers/{customer_id}/playback", data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return frame.go(frame.url(page, refused="no_reason"))
    try:
        await device_desk.reset(customer_id, reason=reason, at=frame.at, real_now=real_now)
    except Refusal as refusal:
        if f"support.refused_{refusal.code}" not in frame.w.texts:
            raise
        return frame.go(frame.url(page, refused=refusal.code))
    return frame.go(page, done="devices_reset")


@post("/support/customers/{customer_id:uuid}/rental-remedies", guards=[requires(RENTAL_REMEDY)])
async def remedy_rental(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[RemedyForm],
    rental_desk: NamedDependency[RentalDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Extend a rental or let it begin anew; sent twice, it is done once."""
    page, reason = f"/support/customers/{customer_id}/playback", data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return frame.go(frame.url(page, refused="no_reason", of="rental"))
    try:
        await rental_desk.remedy(
            customer_id,
            data.rental,
            kind=_KINDS.get(data.what, "extended"),
            hours=None if data.what in _KINDS else int(data.what),
            reason=reason,
            at=frame.at,
            real_now=real_now,
            remedy_id=data.request,
        )
    except Refusal as refusal:
        if f"support.refused_{refusal.code}" not in frame.w.texts:
            raise
        return frame.go(frame.url(page, refused=refusal.code, of="rental"))
    return frame.go(page, done="rental_remedied")


@post("/support/customers/{customer_id:uuid}/gifts", guards=[requires(FILM_GIVE)])
async def give_film(
    customer_id: FromPath[UUID],
    frame: NamedDependency[Frame],
    data: URLEncodedBody[GiftForm],
    gift_desk: NamedDependency[GiftDesk],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Give a film; sent twice, it is given once. The title may be the whole address of its page."""
    page, reason = f"/support/customers/{customer_id}/playback", data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return frame.go(frame.url(page, refused="no_reason", of="gift"))
    wanted = Wanted(data.title.strip().rstrip("/").rpartition("/")[2].partition("?")[0], data.kind, data.quality)
    try:
        await gift_desk.give(customer_id, wanted, reason=reason, at=frame.at, real_now=real_now, order_id=data.request)
    except Refusal as refusal:
        if f"support.refused_{refusal.code}" not in frame.w.texts:
            raise
        return frame.go(frame.url(page, refused=refusal.code, of="gift"))
    return frame.go(f"/support/customers/{customer_id}", done="film_given")


handlers = [show_playback, reset_devices, remedy_rental, give_film]
