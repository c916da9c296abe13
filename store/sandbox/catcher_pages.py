"""How the mail catcher's pages are drawn, and what a mail's HTML may do in them: nothing."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)

_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'self'; connect-src 'self'; "
    "frame-src 'self'; frame-ancestors 'none'"
)
MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox allow-popups allow-popups-to-escape-sandbox; frame-ancestors 'self'"
)
"""Content policy of a mail's HTML: no scripts, no foreign images."""


def page(template: str, **values: object) -> Response[str]:
    """A page of the catcher."""
    body = TEMPLATES.get_template(template).render(**values)
    headers = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(body, media_type=MediaType.HTML, headers=headers)
