"""Reasons against a playback as customers, programs and support are told them: code, sentence, and the way out."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from store.catalogue.models import Title
from store.entitlement.errors import EntitlementError, Way


class Sentences(msgspec.Struct, frozen=True):
    """What happened and what to do, for the customer."""

    de: str
    en: str


class NextAction(msgspec.Struct, frozen=True):
    """What the customer can do about a reason, and where."""

    name: Way
    method: str | None
    """Of the request to `api`."""
    api: str | None
    """Address in the API; null: only a person can do it. What stands in braces is an `id` among the details."""
    web: str
    """The page, below the language: `/account/devices` is `/de/account/devices`."""


class Reason(msgspec.Struct, frozen=True):
    """One reason against a playback."""

    code: str
    """Stable; programs decide by it."""
    sentence: Sentences
    retry: bool
    """Whether asking again later may help, without doing anything."""
    action: NextAction | None
    """The next step; null: there is none."""
    details: dict[str, Any]
    """What belongs to this code, such as `devices`, `sessions` or `next_free_at`."""


_WAYS: Final[Mapping[Way, tuple[str | None, str | None, str]]] = {
    "rent_or_buy": ("POST", "/v1/quotes", "{film}#buy"),
    "ask_support": (None, None, "/account/cases/new"),
    "wait": ("POST", "/v1/playback-decisions", "{film}"),
    "remove_device": ("DELETE", "/v1/devices/{id}", "/account/devices"),
    "replace_device": ("POST", "/v1/devices/{id}/emergency-removals", "/account/devices"),
    "enter_pin": ("POST", "/v1/viewer/unlocks", "/viewer"),
    "return_download": ("POST", "/v1/offline-licences/{id}/returns", "/account/devices"),
    "register_device": ("POST", "/v1/devices", "/watch/{slug}"),
    "stop_stream": ("DELETE", "/v1/playback-sessions/{id}", "/account/streams"),
    "save_confirmation": ("POST", "/v1/orders/{id}/confirmations", "/watch/{slug}"),
    "confirm_start": ("POST", "/v1/playback-sessions", "/watch/{slug}"),
}
"""Where each next step is taken: method and address in the API, and the page."""


def tell(refusal: EntitlementError, title: Title) -> Reason:
    """A reason against playing a title."""
    return Reason(
        code=refusal.code,
        sentence=Sentences(de=refusal.sentence("de"), en=refusal.sentence("en")),
        retry=refusal.retry,
        action=_next_action(refusal.way, title) if refusal.way is not None else None,
        details=dict(refusal.details),
    )


def _next_action(way: Way, title: Title) -> NextAction:
    method, api, web = _WAYS[way]
    film = f"/{'series' if title.kind == 'series' else 'films'}/{title.slug}"
    return NextAction(name=way, method=method, api=api, web=web.format(film=film, slug=title.slug))
