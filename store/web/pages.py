"""Draws pages: the template engine, what every page knows, its content policy, and the page of a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar import MediaType, Request, Response
from litestar.di import NamedDependency
from litestar.response import Redirect
from markupsafe import Markup

from auth.authentication import Identity
from auth.errors import Refusal
from auth.identity import ALL_AGES
from auth.passkeys import RelyingParty
from store.problems import locale_of
from store.settings import Settings
from store.web.assets import asset_url, icon_markup
from store.web.wording import LOCALES, Wording, wording

AnyRequest = Request[Any, Any, Any]

POLICY: Final[Mapping[str, str]] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
"""Content security policy of every page; a page that needs more names it in `allow=`."""


@pass_context
def _csrf_field(context: Context) -> Markup:
    """The hidden field that every form with `method=post` carries; visitors are held by their Origin."""
    visitor = context["visitor"]
    if visitor is None:
        return Markup()
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(visitor.csrf_token)


def _icon(name: str, label: str = "") -> Markup:
    """An inline icon; with a label it speaks, without one it is decoration."""
    meaning = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup('<svg class="icon" viewBox="0 0 24 24" focusable="false" {}>{}</svg>').format(
        meaning,
        Markup(icon_markup(name)),  # noqa: S704  (a file of ours, never a visitor's text)
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(asset=asset_url, icon=_icon, csrf=_csrf_field, locales=LOCALES)
    return environment


TEMPLATES: Final = _environment()


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds one page: who asks, in which language and market, and where."""

    request: AnyRequest
    settings: Settings
    visitor: Identity | None
    locale: str
    market: str
    at: datetime
    """Business time."""
    video_count: int
    """How many videos the store offers in this market."""

    @property
    def age_limit(self) -> int:
        """Years up to which a title's age label may go for whoever asks; 18: everything."""
        return self.visitor.viewer.age_limit if self.visitor is not None else ALL_AGES

    @property
    def w(self) -> Wording:
        """The wording of the page's language."""
        return wording(self.locale, self.market)

    @property
    def path(self) -> str:
        """The page's own address with its query, to come back to."""
        query = self.request.scope["query_string"].decode("latin-1")
        path = str(self.request.scope["path"])
        return f"{path}?{query}" if query else path

    @property
    def markets(self) -> list[str]:
        """Codes of the markets that there are, Germany before Austria."""
        return sorted(self.request.app.state.parts.markets, reverse=True)

    @property
    def takes_passkeys(self) -> bool:
        """Whether browsers make passkeys for our address."""
        return RelyingParty(self.settings.base_url).has_name

    @property
    def query(self) -> str:
        """What was searched for on this page, shown again in the search field."""
        return self.request.query_params.get("q", "")[:200]

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of the page only."""
        headers = self.request.headers
        return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"

    def url(self, path: str = "", /, **query: object) -> str:
        """An address below the page's language: `url("/orders", page=2)` -> `/de/orders?page=2`."""
        present = {key: str(value) for key, value in query.items() if value not in (None, "")}
        return f"/{self.locale}{path}" + (f"?{urlencode(present)}" if present else "")

    def in_locale(self, locale: str) -> str:
        """The same page in another language."""
        if self.request.scope["path"].split("/")[1] not in LOCALES:
            return f"/{locale}"
        return f"/{locale}{self.path[3:]}"

    def page(
        self, template: str, /, *, status: int = 200, allow: Mapping[str, str] | None = None, **values: Any
    ) -> Response[str]:
        """A whole page (or, by a name that begins with `_`, a part of one).

        `allow` adds sources to directives of the content policy: `{"script-src": "https://js.stripe.com"}`.
        """
        body = TEMPLATES.get_template(template).render(
            frame=self,
            w=self.w,
            t=self.w.text,
            url=self.url,
            visitor=self.visitor,
            settings=self.settings,
            at=self.at,
            **values,
        )
        return Response(body, status_code=status, media_type=MediaType.HTML, headers=self._headers(allow or {}))

    def go(self, path: str, /, *, done: str | None = None) -> Response[Any]:
        """Answer a form: 303 to a page (below the language, unless `path` names one), with the notice `done.<key>`."""
        is_whole = path.partition("?")[0].partition("/")[2].partition("/")[0] in LOCALES
        target = path if is_whole else self.url(path)
        if done is not None:
            target += ("&" if "?" in target else "?") + urlencode({"done": done})
        if self.is_fragment:
            return Response(None, status_code=204, headers={"HX-Redirect": target})
        return Redirect(target, status_code=303)

    @property
    def notice(self) -> str | None:
        """The text of the notice that the last form left in the address, if it is one of ours."""
        return self.w.texts.get(f"done.{self.request.query_params.get('done', '')}")

    def _headers(self, allow: Mapping[str, str]) -> dict[str, str]:
        sources = {name: f"{POLICY.get(name, '')} {allow.get(name, '')}".strip() for name in {**POLICY, **allow}}
        return {
            "Content-Language": self.locale,
            "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in sources.items()),
            "Referrer-Policy": "same-origin",
            "Cache-Control": "private, no-cache" if self.visitor is None else "no-store",
            "Vary": "Cookie, HX-Request",
        }


_PASSING: Final = (429, 500, 502, 503)
"""Statuses after which the same page may well be there a moment later."""


def local_path(value: str | None, *, default: str) -> str:
    """A path of this site to go on to; anything that could lead elsewhere becomes `default`."""
    if not value or not value.startswith("/") or value.startswith(("//", "/\\")) or "\\" in value:
        return default
    parts = urlsplit(value)
    is_ours = not parts.scheme and not parts.netloc and parts.path.split("/")[1] in LOCALES
    return value if is_ours and value.isprintable() else default


async def provide_frame(
    request: AnyRequest,
    settings: NamedDependency[Settings],
    visitor: NamedDependency[Identity | None],
    locale: NamedDependency[str],
    market: NamedDependency[str],
    at: NamedDependency[datetime],
    video_count: NamedDependency[int],
) -> Frame:
    """Dependency `frame` of every page."""
    return Frame(request, settings, visitor, locale, market, at, video_count)


def error_page(request: AnyRequest, refusal: Refusal) -> Response[Any]:
    """A refusal for people: what happened, that nothing was lost, and the way on."""
    visitor = request.scope.get("user")
    settings: Settings = request.app.state.settings
    frame = Frame(
        request=request,
        settings=settings,
        visitor=visitor if isinstance(visitor, Identity) else None,
        locale=locale_of(request),
        market=visitor.market if isinstance(visitor, Identity) else settings.default_market,
        at=request.app.state.parts.clock.recent(),
        video_count=0,
    )
    values: dict[str, Any] = {
        "refusal": refusal,
        "sentence": refusal.sentence(frame.locale),
        "request_id": _request_id(request),
    }
    if refusal.code == "step_up_required":
        return frame.go("/step-up?" + urlencode({"next": _page_before(frame)}))
    if refusal.code == "pin_required":
        return frame.go("/viewer?" + urlencode({"next": _page_before(frame)}))
    if frame.is_fragment:
        response = frame.page("_sorry.html", status=refusal.status, **values)
        response.headers.update({"HX-Retarget": "#sorry-body", "HX-Reswap": "innerHTML"})
    elif refusal.status == 401 and request.method == "GET":
        return Redirect(frame.url("/sign-in", next=frame.path), status_code=303)
    else:
        response = frame.page("error.html", status=refusal.status, ways=_ways_on(frame, refusal), **values)
    response.headers.update(refusal.headers)
    return response


def _page_before(frame: Frame) -> str:
    """The page that a refused request belongs to: itself, or the one whose form or link it came from."""
    if frame.request.method == "GET" and frame.request.scope["path"].startswith(f"/{frame.locale}"):
        return frame.path
    referer = frame.request.headers.get("referer", "")
    base = frame.settings.base_url
    before = local_path(referer.removeprefix(base) if referer.startswith(f"{base}/") else None, default=frame.url())
    # What was done there before is no news after the proof.
    parts = urlsplit(before)
    query = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key != "done"]
    return parts._replace(query=urlencode(query)).geturl()


def _ways_on(frame: Frame, refusal: Refusal) -> list[tuple[str, str]]:
    """Where to go from a refusal, the best way first: addresses, each with the key of its words."""
    if frame.visitor is not None and frame.visitor.viewer.is_restricted:
        return [(frame.url("/viewer", next=frame.path), "viewer.unlock"), (frame.url(), "sorry.home")]
    is_staff = frame.visitor is not None and not frame.visitor.is_customer
    elsewhere = (frame.url("/staff"), "staff.nav") if is_staff else (frame.url("/search"), "sorry.search")
    home = (frame.url(), "sorry.home")
    if refusal.status == 401:
        return [(frame.url("/sign-in"), "sign_in.action"), elsewhere]
    if refusal.code == "already_entitled":
        return [(frame.url("/library"), "nav.library"), elsewhere]
    if frame.request.method == "GET" and (refusal.status in _PASSING or refusal.code == "concurrent_change"):
        return [(frame.path, "sorry.again"), home]
    return [elsewhere, home] if is_staff else [home, elsewhere]


def _request_id(request: AnyRequest) -> str:
    return str(request.scope["state"].get("request_id", ""))
