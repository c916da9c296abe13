"""What the pages' forms have in common: a field's text, and a form that comes back with its refusal in it."""

from typing import Annotated, Any

import msgspec
from litestar import Response

from auth.errors import Refusal
from store.web.pages import Frame

Text = Annotated[str, msgspec.Meta(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A field of one line; control characters are refused."""

Prose = Annotated[str, msgspec.Meta(max_length=20_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
"""A field of several lines; other control characters are refused."""


def prose(text: str) -> str:
    """Words as they are kept: lines end as they do everywhere but in forms, and nothing is around them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def refused(frame: Frame, template: str, refusal: Refusal, /, **values: Any) -> Response[str]:
    """A form again, with the status and the headers (Retry-After) that belong to the refusal told in it."""
    response = frame.page(template, status=refusal.status, **values)
    response.headers.update(refusal.headers)
    return response
