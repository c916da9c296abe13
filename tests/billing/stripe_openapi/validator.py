"""Holds calls to Stripe, its answers and its events against Stripe's own OpenAPI description.

The description is that of version 2026-08-26.dahlia; one rule of the later endive is added: the parameter
`payment_method_types` must not be sent any more.
"""

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

JsonObject = dict[str, Any]

_REMOVED_IN_ENDIVE = "payment_method_types"
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


class ContractBreach(AssertionError):
    """A call, an answer or an event is not as Stripe describes it; the message says where."""


def check_request(method: str, url: str, form: str | bytes) -> None:
    """A call's parameters: the form-encoded body of a POST, else the query of the URL."""
    path = urlsplit(url).path
    operation = _operation(method, path)
    encoded = form if method.upper() == "POST" else urlsplit(url).query
    text = encoded.decode() if isinstance(encoded, bytes) else encoded
    given = _nested(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)))
    if _REMOVED_IN_ENDIVE in given:
        raise ContractBreach(f"{method} {path}: {_REMOVED_IN_ENDIVE} was removed in 2026-09-30.endive")
    schema = _parameters_schema(operation, method)
    _check(_coerced(given, schema), schema, f"{method} {path}, request")


def check_response(method: str, url: str, status: int, body: JsonObject) -> None:
    """The body of an answer; anything but 200 must be Stripe's error object."""
    path = urlsplit(url).path
    responses = _operation(method, path)["responses"]
    schema = responses.get(str(status), responses["default"])["content"]["application/json"]["schema"]
    _check(body, schema, f"{method} {path}, {status}")


def check_event(event: JsonObject) -> None:
    """A webhook's body, and the object in it by its own description."""
    _check(event, {"$ref": "#/components/schemas/event"}, f"event {event.get('type')}")
    subject = event["data"]["object"]
    _check(subject, {"$ref": f"#/components/schemas/{subject['object']}"}, f"object of {event['type']}")


@cache
def _description() -> JsonObject:
    packed = (Path(__file__).parent / "spec3.subset.json.gz").read_bytes()
    description: JsonObject = json.loads(gzip.decompress(packed))
    return description


def operations() -> Iterable[tuple[str, str]]:
    """Method and address of everything that the excerpt describes."""
    return [
        (method.upper(), template)
        for template, described in sorted(_description()["paths"].items())
        for method in sorted(described)
    ]


def operation_at(method: str, url: str) -> tuple[str, str]:
    """Method and address, as the excerpt writes it, of what is called by this URL."""
    path = urlsplit(url).path
    wanted = _operation(method, path)
    [template] = [
        template for template, described in _description()["paths"].items() if wanted is described.get(method.lower())
    ]
    return method.upper(), template


def knows(method: str, url: str) -> bool:
    """Whether the excerpt describes this address."""
    return _find_operation(method, urlsplit(url).path) is not None


def _operation(method: str, path: str) -> JsonObject:
    operation = _find_operation(method, path)
    if operation is None:
        raise ContractBreach(f"{method} {path} is not in the excerpt of Stripe's description")
    return operation


@cache
def _find_operation(method: str, path: str) -> JsonObject | None:
    asked = path.split("/")
    fitting = []
    for template, operations in _description()["paths"].items():
        parts = template.split("/")
        if len(parts) == len(asked) and method.lower() in operations:
            matches = [part == given or part.startswith("{") for part, given in zip(parts, asked, strict=True)]
            if all(matches):
                fitting.append((template.count("{"), template, operations[method.lower()]))
    return min(fitting)[2] if fitting else None


def _parameters_schema(operation: JsonObject, method: str) -> JsonObject:
    """The parameters as one closed object schema."""
    if method.upper() == "POST":
        schema: JsonObject = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        return schema
    queried = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    return {
        "type": "object",
        "properties": {parameter["name"]: parameter["schema"] for parameter in queried},
        "required": [parameter["name"] for parameter in queried if parameter.get("required")],
        "additionalProperties": False,
    }


def _nested(pairs: Iterable[tuple[str, str]]) -> JsonObject:
    """`a[b]=1&c[0]=x` as {"a": {"b": "1"}, "c": {"0": "x"}}."""
    nested: JsonObject = {}
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None:
            raise ContractBreach(f"malformed parameter name {name!r}")
        *outer, last = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        here = nested
        for part in outer:
            here = here.setdefault(part, {})
        here[last or str(len(here))] = value
    return nested


def _coerced(value: Any, schema: Mapping[str, Any]) -> Any:
    """Strings of a form as the type that the schema wants; what does not fit stays a string and fails there."""
    if "anyOf" in schema:
        tries = [_coerced(value, option) for option in schema["anyOf"]]
        fitting = [
            tried for tried, option in zip(tries, schema["anyOf"], strict=True) if _validator(option).is_valid(tried)
        ]
        return fitting[0] if fitting else tries[0]
    match schema.get("type"), value:
        case "integer", str() if re.fullmatch(r"-?\d+", value):
            return int(value)
        case "boolean", "true" | "false":
            return value == "true"
        case "array", dict():
            return [_coerced(part, schema["items"]) for part in value.values()]
        case "object", dict():
            properties, others = schema.get("properties", {}), schema.get("additionalProperties")
            fallback = others if isinstance(others, dict) else {}
            return {name: _coerced(part, properties.get(name, fallback)) for name, part in value.items()}
    return value


def _check(document: Any, schema: Mapping[str, Any], what: str) -> None:
    fault = best_match(_validator(schema).iter_errors(document))
    if fault is not None:
        raise ContractBreach(f"{what}: {fault.json_path}: {fault.message[:500]}")


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    return _compiled(json.dumps(schema, sort_keys=True))


@cache
def _compiled(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**_as_json_schema(json.loads(schema)), "components": _components()})


@cache
def _components() -> JsonObject:
    converted: JsonObject = _as_json_schema(_description()["components"])
    return converted


def _as_json_schema(part: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` becomes the type null, objects with listed fields are closed."""
    if isinstance(part, list):
        return [_as_json_schema(item) for item in part]
    if not isinstance(part, dict):
        return part
    converted = {name: _as_json_schema(item) for name, item in part.items() if name != "nullable"}
    if part.get("type") == "object" and part.get("properties") and "additionalProperties" not in part:
        converted["additionalProperties"] = False
    # A property may itself be called "nullable" or "type": only a boolean marks a schema.
    if part.get("nullable") is True:
        return {"anyOf": [converted, {"type": "null"}]}
    return converted
