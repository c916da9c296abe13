"""What the pages' forms have in common: a field's text, and a form that comes back with its refusal in it."""

from typing import Annotated, Any

import msgspec
from litestar import Response

from auth.errors import Refusal
from store.web.pages import Frame

Text = Annotated[str, msgspec.Meta(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A field of one line; control characters are refused."""


def refused(frame: Frame, template: str, refusal: Refusal, /, **values: Any) -> Response[str]:
    """A form again, with the status and the headers (Retry-After) that belong to the refusal told in it."""
    response = frame.page(template, status=refusal.status, **values)
    response.headers.update(refusal.headers)
    return response
