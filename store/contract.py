"""The OpenAPI document as a contract: what Litestar leaves out is added to every operation, in one place."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, OpenAPI, SecurityScheme

from auth.errors import NotSignedIn, Refusal, TooManyAttempts
from store.entitlement.licence_errors import ProofInvalid
from store.errors import BodyTooLarge, InternalError, MalformedRequest, UnsupportedMediaType

Schema = dict[str, Any]

PROBLEM_TYPE: Final = "application/problem+json"

SECURITY_SCHEMES: Final = {
    "bearer": SecurityScheme(type="http", scheme="bearer", description="The token that `POST /v1/sessions` gave."),
    "cookie": SecurityScheme(
        type="apiKey",
        name="sid",
        security_scheme_in="cookie",
        description="A browser's session; changes also need its `X-CSRF-Token`. Over TLS the name is `__Host-sid`.",
    ),
    "playback": SecurityScheme(
        type="http", scheme="DPoP", description="A playback token beside a `DPoP` proof (RFC 9449)."
    ),
}

PARAMETERS: Final[Mapping[str, tuple[str, Any]]] = {
    "case_number": ("", "A-2026-KRMT-4821"),
    "cursor": ("`next_cursor` of the page before.", None),
    "email": ("", "anna@beispiel.example"),
    "end": ("", "2026-12-01"),
    "from": ("", "2026-11-01"),
    "genre": ("", "drama"),
    "invoice_number": ("", "R-2026-000001"),
    "kind": ("Only titles of this kind.", "film"),
    "limit": ("Entries of a page.", 20),
    "name": ("Which of the texts.", "terms"),
    "order": ("By what the list is sorted.", "new"),
    "order_number": ("", "V-2026-0001-2345"),
    "person": ("", "spike-jonze"),
    "q": ("", "her"),
    "slug": ("The name in addresses.", "her-2013"),
    "to": ("", "2026-12-01"),
    "version": ("The poster's version; an older one leads to today's.", "0a1b2c3d.svg"),
}
"""Description and example of parameters whose own route gives none."""

EXAMPLES: Final[Mapping[str, Any]] = {
    "amount": 1199,
    "currency": "EUR",
    "locale": "de",
    "market": "DE",
    "country": "DE",
    "language": "de",
    "name": "Anna",
    "slug": "her-2013",
    "status": "accepted",
    "title": "Her",
    "year": 2013,
}
"""Examples of fields by their names."""

LIMIT_HEADERS: Final[Schema] = {
    "RateLimit-Policy": {
        "description": "Each limit with its quota (q) and window in seconds (w).",
        "schema": {"type": "string"},
        "example": '"sign_in.ip.minute";q=30;w=60',
    },
    "RateLimit": {
        "description": "What is left of each limit (r), and the seconds (t) until it is whole again.",
        "schema": {"type": "string"},
        "example": '"sign_in.ip.minute";r=29;t=2',
    },
}
"""Headers of every answer of an operation that is limited (draft-ietf-httpapi-ratelimit-headers)."""

_BY_FORMAT: Final = {
    "uuid": "01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10",
    "date-time": "2026-11-25T20:15:00Z",
    "date": "2026-11-25",
}


class Document(OpenAPI):
    """The document, completed whenever it is written out."""

    def to_schema(self) -> dict[str, Any]:
        """The document as JSON-able values."""
        document = super().to_schema()
        for operation in operations_of(document):
            _complete(operation, document)
        return document


@dataclass
class ContractConfig(OpenAPIConfig):
    """Litestar's settings of the document, for a `Document`."""

    def to_openapi_schema(self) -> OpenAPI:
        """The document without its paths, which Litestar adds."""
        begun = super().to_openapi_schema()
        return Document(
            info=begun.info,
            servers=begun.servers,
            components=Components(security_schemes=dict(SECURITY_SCHEMES)),
            paths=begun.paths,
        )


def operations_of(document: Schema) -> Iterator[Schema]:
    """Every operation of a document."""
    for item in document["paths"].values():
        yield from (item[method] for method in ("get", "post", "put", "patch", "delete") if method in item)


def refusals() -> dict[str, type[Refusal]]:
    """Every refusal by its code."""
    found, left = {}, [Refusal]
    while left:
        kind = left.pop()
        found[kind.code] = kind
        left += kind.__subclasses__()
    return found


def codes_of(response: Schema) -> list[str]:
    """The codes that a response's description names."""
    return re.findall(r"^`(\w+)`: ", response.get("description", ""), re.MULTILINE)


def example_of(schema: Schema, document: Schema, name: str = "") -> Any:
    """A value that a schema allows: its own example, else one after its name, format or type."""
    if "$ref" in schema:
        return example_of(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document, name)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        return example_of(choices[0], document, name)
    kind = schema.get("type")
    if kind == "object":
        return {key: example_of(part, document, key) for key, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema["items"], document, name)] if "items" in schema else []
    return _plain_example(schema, kind, name)


def _plain_example(schema: Schema, kind: Any, name: str) -> Any:
    if "format" in schema and schema["format"] in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    fitting = {"string": str, "integer": int, "number": int}.get(kind)
    if fitting is not None and isinstance(EXAMPLES.get(name), fitting):
        return EXAMPLES[name]
    return {"string": name or "text", "integer": schema.get("minimum", 1), "number": 1.5, "boolean": True}.get(kind)


def _complete(operation: Schema, document: Schema) -> None:
    parameters, responses = operation.get("parameters", []), operation["responses"]
    own = {code for response in responses.values() for code in codes_of(response)}
    added: list[type[Refusal]] = [InternalError]
    if operation.get("requestBody"):
        added += [BodyTooLarge, UnsupportedMediaType]
    if parameters or operation.get("requestBody"):
        added.append(MalformedRequest)
    for refusal in added:
        if refusal.code not in own:
            _add(responses, refusal)
    for status, response in responses.items():
        _give_examples(response, int(status), document)
        if TooManyAttempts.code in own:
            response["headers"] = {**response.get("headers", {}), **LIMIT_HEADERS}
    for parameter in parameters:
        _describe(parameter, document)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["examples"] = {"example": {"value": example_of(content["schema"], document)}}
    operation["security"] = _security(own)


def _security(codes: set[str]) -> list[dict[str, list[str]]]:
    if NotSignedIn.code in codes:
        return [{"bearer": []}, {"cookie": []}]
    return [{"playback": []}] if ProofInvalid.code in codes else []


def _add(responses: Schema, refusal: type[Refusal]) -> None:
    """Add a refusal to the responses; Litestar's own shape of a refusal is none of ours and gives way."""
    line = f"`{refusal.code}`: {(refusal.__doc__ or '').strip().partition(chr(10))[0]}"
    present = responses.get(str(refusal.status))
    is_ours = present is not None and PROBLEM_TYPE in present.get("content", {})
    if present is not None and is_ours:
        present["description"] += f"  \n{line}"
        return
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses[str(refusal.status)] = {"description": line, "content": content}


def _give_examples(response: Schema, status: int, document: Schema) -> None:
    for media_type, content in response.get("content", {}).items():
        if media_type == PROBLEM_TYPE:
            content["examples"] = {code: {"value": _problem(code, status)} for code in codes_of(response)}
        elif media_type == "application/json" and content.get("schema"):
            content["examples"] = {"example": {"value": example_of(content["schema"], document)}}


def _problem(code: str, status: int) -> Schema:
    return {
        "type": f"/problems/{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": re.sub(r"\{\w+\}", "…", refusals()[code].en),
        "instance": _BY_FORMAT["uuid"],
    }


def _describe(parameter: Schema, document: Schema) -> None:
    description, example = PARAMETERS.get(parameter["name"], ("", None))
    if parameter["name"].endswith("_id"):
        description, example = f"Id of the {parameter['name'][:-3].replace('_', ' ')}.", _BY_FORMAT["uuid"]
    parameter.setdefault("description", description)
    parameter["example"] = example if example is not None else example_of(parameter["schema"], document)
