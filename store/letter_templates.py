"""Turns the templates of a mail into subject, text and HTML, in German or English."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context

FOLDER: Final = Path(__file__).parent / "mail_templates"
"""`<kind>/<de|en>/subject.txt`, `body.txt`, `body.html`."""

_ZONE: Final = ZoneInfo("Europe/Berlin")
"""Zone of the times in mails: that of all markets so far; it is said beside them."""

_PATTERNS: Final = {"de": "d. MMMM y, HH:mm 'Uhr'", "en": "d MMMM y, HH:mm"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's words."""

    subject: str
    text: str
    html: str


def render(kind: str, locale: str, values: Mapping[str, object]) -> Rendered:
    """The words of a mail. A variable that a template wants and nobody gives is an error."""
    environment = _environment()
    subject, text, html = (
        environment.get_template(f"{kind}/{locale}/{name}").render(values)
        for name in ("subject.txt", "body.txt", "body.html")
    )
    return Rendered(subject=" ".join(subject.split()), text=text.strip() + "\n", html=html)


@pass_context
def _moment(context: Context, at: datetime) -> str:
    """An instant in words, in the zone of the markets."""
    return _in_words(at, str(context["locale"]))


@lru_cache(maxsize=256)
def _in_words(at: datetime, locale: str) -> str:
    """Kept for a while, as text and HTML of a mail say the same instants."""
    return format_datetime(at, _PATTERNS[locale], tzinfo=_ZONE, locale=locale)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(["html"]),
        # They come with the program: no need to look for changed ones with every mail.
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    return environment
