"""The OpenAPI document is a contract: every operation says what it takes, what it gives and how it refuses."""

from typing import Any

import httpx
import pytest

from store.contract import PROBLEM_TYPE, codes_of, operations_of, refusals
from tests.contract_checks import Contract

OUR_WORDS = ("postgres", "sqlalchemy", "litestar", "msgspec", "asyncpg")


@pytest.fixture(scope="session")
def document(contract: Contract) -> dict[str, Any]:
    return contract.document


def contents(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every JSON body of an operation, with its media type: the request's and the answers'."""
    parts = [operation.get("requestBody", {}), *operation["responses"].values()]
    return [
        (media_type, content)
        for part in parts
        for media_type, content in part.get("content", {}).items()
        if "json" in media_type and content.get("schema")
    ]


def missing_from(operation: dict[str, Any]) -> list[str]:
    """What an operation does not say."""
    missing = [part for part in ("summary", "description", "tags", "operationId") if not operation.get(part)]
    for parameter in operation.get("parameters", []):
        missing += [f"{part} of {parameter['name']}" for part in ("description", "example") if not parameter.get(part)]
    missing += [f"examples of {media_type}" for media_type, content in contents(operation) if not content["examples"]]
    for status, response in operation["responses"].items():
        if int(status) >= 400 and (not codes_of(response) or list(response["content"]) != [PROBLEM_TYPE]):
            missing.append(f"the codes of {status}")
    if "401" in operation["responses"] and "not_signed_in" in str(operation["responses"]["401"]):
        missing += [] if operation["security"] else ["security"]
    if operation.get("requestBody"):
        missing += [status for status in ("400", "413", "415") if status not in operation["responses"]]
    return missing


def test_every_operation_says_what_it_does_takes_gives_and_refuses(document: dict[str, Any]) -> None:
    silent = {operation["operationId"]: missing_from(operation) for operation in operations_of(document)}
    assert {name: missing for name, missing in silent.items() if missing} == {}


def test_every_example_is_one_of_its_schema(contract: Contract) -> None:
    faults = []
    for operation in operations_of(contract.document):
        for _, content in contents(operation):
            validator = contract.validator(content["schema"])
            for example in content["examples"].values():
                faults += [
                    (operation["operationId"], fault.message) for fault in validator.iter_errors(example["value"])
                ]
    assert faults == []


def test_every_code_in_the_contract_is_that_of_a_refusal_with_that_status(document: dict[str, Any]) -> None:
    known = {code: kind.status for code, kind in refusals().items()}
    faults = [
        (operation["operationId"], status, code)
        for operation in operations_of(document)
        for status, response in operation["responses"].items()
        for code in codes_of(response)
        if known.get(code) != int(status)
    ]
    assert faults == []


def test_every_scheme_that_an_operation_names_is_described(document: dict[str, Any]) -> None:
    named = {name for operation in operations_of(document) for choice in operation["security"] for name in choice}
    assert named == {"bearer", "cookie", "playback"} == set(document["components"]["securitySchemes"])


def test_no_word_of_our_machinery_is_in_the_contract(document: dict[str, Any]) -> None:
    text = str(document).lower()
    assert [word for word in OUR_WORDS if word in text] == []


async def test_an_answer_of_another_shape_breaks_the_contract(contract: Contract) -> None:
    request = httpx.Request("GET", "http://127.0.0.1/v1/genres")
    await contract.check(httpx.Response(200, json={"genres": []}, request=request))
    for status, body in ((200, {"genres": [{"code": 5}]}), (200, {}), (201, {"genres": []})):
        with pytest.raises(AssertionError, match="GenresShowGenres"):
            await contract.check(httpx.Response(status, json=body, request=request))
