"""Which parameters an address takes and of which type; anything else is refused as Stripe refuses it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from billing.sandbox.errors import JsonObject, StripeRefusal, unknown_parameter

Check = Callable[[str, Any], Any]
"""Takes a parameter's full name and its raw value; returns the value or raises StripeRefusal."""

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
_METADATA_KEYS, _METADATA_KEY_LENGTH, _METADATA_VALUE_LENGTH = 50, 40, 500


def check_parameters(given: Mapping[str, Any], accepts: Mapping[str, Check]) -> JsonObject:
    """The parameters, checked; 400 `parameter_unknown` on one that the address does not take."""
    checks = {"expand": texts(), **accepts}
    return _check_fields("", given, checks)


def _check_fields(prefix: str, given: Mapping[str, Any], checks: Mapping[str, Check]) -> JsonObject:
    checked = {}
    for name, value in given.items():
        spoken = f"{prefix}[{name}]" if prefix else name
        if name not in checks:
            raise unknown_parameter(spoken)
        checked[name] = checks[name](spoken, value)
    return checked


def text(limit: int = 5000) -> Check:
    """A string of up to `limit` characters that must not be empty."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise StripeRefusal(f"Invalid string: {name} must be a string.", param=name)
        if value == "":
            raise StripeRefusal(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a"
                f" parameter; however '{name}' cannot be unset. You should remove '{name}' from your request"
                " or supply a non-empty value.",
                code="parameter_invalid_empty",
                param=name,
            )
        if len(value) > limit:
            raise StripeRefusal(
                f"Invalid string: {name} must be at most {limit} characters",
                code="parameter_invalid_string_too_long",
                param=name,
            )
        return value

    return check


def unsettable(check: Check) -> Check:
    """The same, but an empty string unsets the field (None)."""
    return lambda name, value: None if value == "" else check(name, value)


def whole_number(at_least: int | None = None, at_most: int | None = None) -> Check:
    """An integer; no fractions, no exponents."""

    def check(name: str, value: Any) -> int:
        if not isinstance(value, str) or not _WHOLE_NUMBER.fullmatch(value):
            raise StripeRefusal(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        number = int(value)
        if at_least is not None and number < at_least:
            raise StripeRefusal(
                f"This value must be greater than or equal to {at_least}.",
                code="parameter_invalid_integer",
                param=name,
            )
        if at_most is not None and number > at_most:
            raise StripeRefusal(
                f"This value must be less than or equal to {at_most}.", code="parameter_invalid_integer", param=name
            )
        return number

    return check


def truth() -> Check:
    """`true` or `false`."""

    def check(name: str, value: Any) -> bool:
        if value not in ("true", "false"):
            raise StripeRefusal(f"Invalid boolean: {value}", param=name)
        return bool(value == "true")

    return check


def choice(*words: str) -> Check:
    """One of a few words."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise StripeRefusal(f"Invalid {name}: must be one of {', '.join(words)}", param=name)
        return value

    return check


def texts() -> Check:
    """A list of strings."""
    return list_of(text())


def list_of(one: Check) -> Check:
    """A list of things of one kind."""

    def check(name: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise StripeRefusal("Invalid array", param=name)
        return [one(f"{name}[{index}]", part) for index, part in enumerate(value)]

    return check


def anything() -> Check:
    """An object that is not looked into."""

    def check(name: str, value: Any) -> JsonObject:
        if not isinstance(value, dict):
            raise StripeRefusal("Invalid object", param=name)
        return value

    return check


def fields(**checks: Check) -> Check:
    """An object with these fields and no others."""

    def check(name: str, value: Any) -> JsonObject:
        if not isinstance(value, dict):
            raise StripeRefusal("Invalid object", param=name)
        return _check_fields(name, value, checks)

    return check


def metadata() -> Check:
    """Up to 50 strings; an empty value removes its key, an empty string in place of all removes all (None)."""

    def check(name: str, value: Any) -> dict[str, str] | None:
        if value == "":
            return None
        if isinstance(value, list):
            value = {str(index): part for index, part in enumerate(value)}
        if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
            raise StripeRefusal("Invalid object: metadata is a set of key-value pairs", param=name)
        if len(value) > _METADATA_KEYS:
            raise StripeRefusal("Metadata can have at most 50 keys.", param=name)
        for key, part in value.items():
            if len(key) > _METADATA_KEY_LENGTH or len(part) > _METADATA_VALUE_LENGTH:
                raise StripeRefusal(
                    "Metadata keys can have up to 40 characters and values up to 500.",
                    param=f"{name}[{key[:_METADATA_KEY_LENGTH]}]",
                )
        return value

    return check


def merged_metadata(present: Mapping[str, str], given: Mapping[str, str] | None) -> dict[str, str]:
    """What metadata becomes by an update."""
    if given is None:
        return {}
    return {key: value for key, value in {**present, **given}.items() if value != ""}


def moments() -> Check:
    """A list's `created` filter: one second, or a span by gt, gte, lt and lte (Unix seconds)."""
    second = whole_number()
    span = fields(gt=second, gte=second, lt=second, lte=second)

    def check(name: str, value: Any) -> dict[str, int]:
        if isinstance(value, str):
            exactly = second(name, value)
            return {"gte": exactly, "lte": exactly}
        checked: dict[str, int] = span(name, value)
        return checked

    return check


def address() -> Check:
    """A postal address."""
    part = unsettable(text())
    return fields(city=part, country=part, line1=part, line2=part, postal_code=part, state=part)
