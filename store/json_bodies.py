"""Reads JSON bodies strictly: a number in quotes is no number, and what is wrong is named by its place."""

import re
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, SerializationException, ValidationException

from auth.headers import header_of

_FIELD: Final = re.compile(r"Object (?:missing required|contains unknown) field `(.+)`")
"""What msgspec says of a field without naming its place."""


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body is read as the type that its handler declares.

    Litestar would read the body as plain values and convert them as if they were texts of a query, so that "60" is
    60 and 1 is true.
    """

    @property
    def content_length(self) -> int | None:
        """What the request says of its body's length, read without making an object of all headers."""
        said = header_of(self.scope, b"content-length")
        try:
            return int(said) if said else None
        except ValueError as fault:
            raise ClientException("the content-length is no number") from fault

    async def json(self) -> Any:
        """The body; raises `ValidationException` with the place where it is not of the handler's type."""
        field = self.route_handler.parsed_data_field
        try:
            return msgspec.json.decode(await self.body(), type=field.annotation if field else Any)
        except msgspec.ValidationError as fault:
            raise ValidationException(extra=[_described(str(fault))]) from fault
        except msgspec.DecodeError as fault:
            raise SerializationException(str(fault)) from fault


def _described(fault: str) -> dict[str, str]:
    """msgspec's "Expected `int`, got `str` - at `$.forward_seconds`" as a rule and a place."""
    rule, _, place = fault.partition(" - at ")
    places = [place.strip("`").removeprefix("$").removeprefix("."), *_FIELD.findall(rule)]
    return {"source": "body", "key": ".".join(filter(None, places)), "message": rule}
