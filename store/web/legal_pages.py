"""The legal texts and the imprint as pages, and the little Markdown that the texts are written in."""

import re
from collections.abc import Iterator

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from markupsafe import Markup, escape

from store.errors import NotFound
from store.legal_texts import current_text
from store.web.pages import Frame


@get("/legal/imprint", for_every_age=True)
async def show_imprint(frame: NamedDependency[Frame]) -> Response[str]:
    """Who sells and answers for these pages (DDG 5), from the settings."""
    return frame.page("imprint.html")


@get("/legal/{name:str}", for_every_age=True)
async def show_legal_text(frame: NamedDependency[Frame], name: FromPath[str]) -> Response[str]:
    """A legal text in its current version."""
    try:
        text = current_text(name, frame.locale)
    except KeyError as fault:
        raise NotFound from fault
    return frame.page("legal.html", heading=text.heading, body=to_html(text.body), version=text.version)


def to_html(markdown: str) -> Markup:
    """Headings of the second level, lists, emphasis and paragraphs; everything else is text."""
    return Markup("\n").join(_blocks(markdown))


def _blocks(markdown: str) -> Iterator[Markup]:
    for block in re.split(r"\n\s*\n", markdown.strip()):
        if block.startswith("## "):
            yield Markup("<h2>{}</h2>").format(_inline(block[3:]))
        elif block.startswith("- "):
            points = re.split(r"\n- ", block[2:])
            items = Markup("").join(Markup("<li>{}</li>").format(_inline(point)) for point in points)
            yield Markup("<ul>{}</ul>").format(items)
        else:
            yield Markup("<p>{}</p>").format(_inline(block))


def _inline(text: str) -> Markup:
    escaped = str(escape(" ".join(text.split())))
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escaped)
    return Markup(re.sub(r"\*(.+?)\*", r"<em>\1</em>", strong))  # noqa: S704  (escaped before the marks were read)


handlers = [show_imprint, show_legal_text]
