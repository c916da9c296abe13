"""Bad input is a located 4xx in German or English, never a 500, and writes nothing."""

from typing import Any

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from store import problems
from store.database import Database
from store.problems import LONGEST_LANGUAGES
from tests.store.consoles.people import a_person

DEEP = b'{"email":' + b"[" * 5000 + b"]" * 5000 + b"}"

BODIES = {
    "not JSON": b"{",
    "empty": b"",
    "another type": b"[]",
    "a missing field": b'{"email": "a@example.org"}',
    "an unknown field": b'{"email": "a@example.org", "password": "x", "role": "admin"}',
    "a wrong type": b'{"email": 5, "password": "x"}',
    "deep nesting": DEEP,
    "bad UTF-8": b'{"email": "\xff\xfe", "password": "x"}',
    "a lone surrogate": b'{"email": "\\ud800", "password": "x"}',
    "NUL": b'{"email": "a\\u0000b@example.org", "password": "x"}',
    "not a number": b'{"email": NaN, "password": "x"}',
    "a huge number": b'{"email": ' + b"9" * 5000 + b', "password": "x"}',
}

AN_ID = "01a214a0-7c1e-7b7a-9d1f-3f6c2b9e4a10"
HEARTBEATS = f"/v1/playback-sessions/{AN_ID}/heartbeats"


def an_order(**consents: Any) -> dict[str, Any]:
    return {"quote_id": AN_ID, "consents": {"immediate_performance": True, "withdrawal_loss": True, **consents}}


def a_refund(amount: Any) -> dict[str, Any]:
    note = "Anruf, Vorgang 4711: der Film stockt"
    return {"order_id": AN_ID, "reason": "goodwill", "note": note, "amount": {"amount": amount, "currency": "EUR"}}


WRONG_TYPES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a number in quotes": (HEARTBEATS, {"position": "60"}, "body.position"),
    "a truth for a number": (HEARTBEATS, {"position": True}, "body.position"),
    "a number for a truth": ("/v1/orders", an_order(withdrawal_loss=1), "body.consents.withdrawal_loss"),
    "a truth in quotes": ("/v1/orders", an_order(immediate_performance="true"), "body.consents.immediate_performance"),
    "a number for a text": ("/v1/sessions", {"email": "a@example.org", "password": 5}, "body.password"),
    "an amount in quotes": ("/v1/refunds", a_refund("300"), "body.amount.amount"),
    "half a cent": ("/v1/refunds", a_refund(300.5), "body.amount.amount"),
    "a missing field": ("/v1/sessions", {"email": "a@example.org"}, "body.password"),
    "an unknown field": ("/v1/orders", an_order(newsletter=True), "body.consents.newsletter"),
}
"""Bodies that are nearly right, with the place of the fault."""


@pytest.mark.parametrize("name", WRONG_TYPES)
async def test_a_value_of_another_type_is_refused_with_its_place(
    client: httpx.AsyncClient, database: Database, name: str
) -> None:
    path, body, place = WRONG_TYPES[name]
    person = await a_person(database, roles=("support_lead",) if path == "/v1/refunds" else ())
    answer = await client.post(path, json=body, headers={**person.headers, "Idempotency-Key": str(new_id())})
    assert (answer.status_code, answer.json()["code"], answer.json()["place"]) == (400, "malformed_request", place)


async def test_numbers_of_a_query_are_texts_by_nature(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/titles?limit=5")).status_code == 200


@pytest.mark.parametrize("name", BODIES)
async def test_a_malformed_body_is_refused_with_the_place_of_the_fault(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/v1/sessions", content=BODIES[name], headers={"content-type": "application/json"})
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert problem["code"] in ("malformed_request", "email_address_invalid")
    assert problem["detail"]
    assert answer.headers["x-request-id"] == problem["instance"]


async def test_the_place_names_the_field_and_never_what_was_sent(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/sessions", json={"email": "a@example.org", "password": ["geheim"]})
    assert "password" in answer.json()["place"]
    assert "geheim" not in answer.text


async def test_a_body_that_is_not_declared_as_json_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/sessions", content=b'{"email": "a@example.org", "password": "x"}', headers={"content-type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("declared", [True, False])
async def test_an_oversized_body_is_refused(client: httpx.AsyncClient, declared: bool) -> None:
    body = b'{"email": "' + b"a" * 200_000 + b'"}'

    async def chunks() -> object:
        yield body

    answer = await client.post(
        "/v1/sessions", content=body if declared else chunks(), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("language", ["de", "en"])
async def test_problems_speak_german_and_english(client: httpx.AsyncClient, language: str) -> None:
    answer = await client.get("/v1/nothing-here", headers={"accept-language": language})
    sentences = {"de": "Unter dieser Adresse gibt es nichts.", "en": "There is nothing at this address."}
    assert (answer.status_code, answer.json()["detail"]) == (404, sentences[language])


def test_of_a_header_of_languages_only_its_beginning_is_read_and_remembered() -> None:
    lists = [f"fr;q=0.2,en;q=0.9{',xx' * 90}{number}" for number in range(200)]
    before = problems._better_liked.cache_info().currsize
    assert {problems.preferred_locale(text) for text in lists} == {"en"}
    assert problems._better_liked.cache_info().currsize <= before + 1
    assert problems.preferred_locale(" " * LONGEST_LANGUAGES + "en") == "de"


async def test_a_wrong_method_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/sessions", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("query", ["cursor=%FF", "cursor=abc", "limit=0", "limit=100000", "limit=x", "cursor=%00"])
async def test_a_bad_cursor_or_limit_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/titles?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/titles/%00", "/v1/titles/%FF", "/v1/titles/" + "a" * 3000])
async def test_a_path_that_nothing_can_be_named_after_is_refused(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code in (400, 404)


async def test_an_unknown_host_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/titles", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_host")


async def test_a_refused_request_writes_nothing(client: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    for body in BODIES.values():
        await client.post("/v1/registrations", content=body, headers={"content-type": "application/json"})
    assert await owner.fetchval("SELECT count(*) FROM auth.registrations") == 0
    assert await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer") == 0
