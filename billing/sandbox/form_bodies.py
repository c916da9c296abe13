"""Form-encoded bodies and queries with nested keys (`a[b]=1`, `list[]=x`, `list[0]=x`) as nested dictionaries."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from billing.sandbox.errors import JsonObject, StripeRefusal

MOST_FIELDS = 1000
_DEEPEST = 8
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")


def read_form(encoded: bytes) -> JsonObject:
    """The parameters of a body or query: strings, lists and dictionaries; 400 on what is none of these."""
    try:
        pairs = parse_qsl(encoded.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except (UnicodeDecodeError, ValueError) as error:
        raise StripeRefusal("Invalid request: the parameters are not form-encoded UTF-8.") from error
    given: dict[Any, Any] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise StripeRefusal("Invalid request: parameters must not hold NUL.", param=name.replace("\0", ""))
        _place(given, _path(name), value, name)
    _refuse_card_data(given, ())
    return {name: _with_lists(value) for name, value in given.items()}


def _path(name: str) -> list[str]:
    """`a[b][]` as ["a", "b", ""]."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise StripeRefusal("Invalid request: a parameter's name is malformed.", param=name[:100])
    parts = [match[1], *_PART.findall(match[2])]
    if len(parts) > _DEEPEST:
        raise StripeRefusal("Invalid request: parameters are nested too deeply.", param=match[1])
    return parts


def _place(given: dict[Any, Any], path: list[str], value: str, name: str) -> None:
    """Hang one value into the tree; the parts of a list `x[]` become the keys 0, 1, 2, …"""
    here = given
    for index, part in enumerate(path):
        key: str | int = len(here) if part == "" else part
        if index == len(path) - 1:
            if isinstance(here.get(key), dict):
                raise StripeRefusal("Invalid request: a parameter is both a value and an object.", param=name)
            here[key] = value
            return
        here = here.setdefault(key, {})
        if not isinstance(here, dict):
            raise StripeRefusal("Invalid request: a parameter is both a value and an object.", param=name)


def _with_lists(value: Any) -> Any:
    """Dictionaries whose keys count up from 0 are lists."""
    if not isinstance(value, dict):
        return value
    keys = [str(key) for key in value]
    if keys and keys == [str(index) for index in range(len(keys))]:
        return [_with_lists(part) for part in value.values()]
    return {str(key): _with_lists(part) for key, part in value.items()}


def _refuse_card_data(given: Mapping[Any, Any], path: tuple[str, ...]) -> None:
    """402 on the number or the check digits of a card, before anything is read, kept or hashed."""
    for key, value in given.items():
        if str(key) in ("number", "cvc", "pan") and (not path or path[-1] in ("card", "source")):
            raise StripeRefusal(
                "Sending credit card numbers directly to the API is refused. "
                "This sandbox knows test payment methods such as pm_card_visa instead.",
                status=402,
                kind="card_error",
                code="card_number_refused",
            )
        if isinstance(value, dict):
            _refuse_card_data(value, (*path, str(key)))
