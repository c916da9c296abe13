"""Holds answers against the OpenAPI document: the status and the shape that the operation promises."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from store.contract import PROBLEM_TYPE

METHODS = ("get", "post", "put", "patch", "delete")


def absolute(schema: Any) -> Any:
    """The schema with references that lead into the document."""
    if isinstance(schema, dict):
        return {key: f"urn:contract{value}" if key == "$ref" else absolute(value) for key, value in schema.items()}
    return [absolute(part) for part in schema] if isinstance(schema, list) else schema


@dataclass(slots=True)
class Contract:
    """The document with its validators, each made once."""

    document: dict[str, Any]
    _registry: Registry[Any] = field(init=False)
    _paths: list[tuple[re.Pattern[str], dict[str, Any]]] = field(init=False)
    _validators: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        resource: Resource[Any] = Resource.from_contents(self.document, default_specification=DRAFT202012)
        self._registry = Registry().with_resource("urn:contract", resource)
        # A path without parameters is looked at before one whose parameter would take its last word.
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path.replace(".", r"\."))), item)
            for path, item in sorted(self.document["paths"].items(), key=lambda entry: entry[0].count("{"))
        ]

    def validator(self, schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator(absolute(schema), registry=self._registry)

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation behind an address; None where the document has none."""
        found = (item for pattern, item in self._paths if pattern.fullmatch(path))
        return next((item[method.lower()] for item in found if method.lower() in item), None)

    async def check(self, response: httpx.Response) -> None:
        """Raise `AssertionError` where an answer is none that its operation promises."""
        request = response.request
        operation = self.operation(request.method, request.url.path)
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if operation is None or media_type not in ("application/json", PROBLEM_TYPE):
            return
        promised = operation["responses"].get(str(response.status_code))
        if promised is None and response.status_code >= 400:
            promised = operation["responses"]["500"]
        name = f"{operation['operationId']} answered {response.status_code} as {media_type}"
        assert promised is not None, f"{name}, which the contract does not know"
        assert media_type in promised["content"], f"{name}, which the contract does not know"
        key = (operation["operationId"], str(response.status_code), media_type)
        if key not in self._validators:
            self._validators[key] = self.validator(promised["content"][media_type]["schema"])
        await response.aread()
        faults = [f"{fault.json_path}: {fault.message}" for fault in self._validators[key].iter_errors(response.json())]
        assert not faults, f"{name}: {faults}"
