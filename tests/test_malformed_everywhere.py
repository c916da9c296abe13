"""Every operation and every form, sent every kind of nonsense: a readable 4xx, never a 500, and nothing written."""

import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.database import Database
from tests.crawling import Crawler, Operation, a_crawler, operations, rows_by_table

DEEP = b"[" * 5000 + b"]" * 5000
HUGE = b"9" * 5000

VALUES = {
    "NUL": b'"a\\u0000b"',
    "a lone surrogate": b'"\\ud800"',
    "a control character": b'"a\\u0007b"',
    "an over-long text": b'"' + b"a" * 20_000 + b'"',
    "an empty text": b'""',
    "a huge integer": HUGE,
    "a huge integer in a text": b'"' + HUGE + b'"',
    "a large exponent": b"1e400",
    "a negative number": b"-1",
    "NaN": b"NaN",
    "null": b"null",
    "a list": b"[]",
    "an object": b"{}",
    "deep nesting": DEEP,
    "bad UTF-8": b'"\xff\xfe"',
    "text beyond ASCII": '"Ä\u202e\U0001f3ac"'.encode(),
}
"""What stands in every field of a JSON body."""

BODIES = {
    "nothing": b"",
    "not JSON": b"{",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "an empty object": b"{}",
    "deep nesting": DEEP,
    "bad UTF-8": b"\xff\xfe",
    "UTF-16": '{"email": "a@example.org"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "an unknown field": b'{"nobody_knows_this": 1}',
}
"""Whole bodies."""

TEXTS = {
    "NUL": "%00",
    "a NUL inside": "a%00b",
    "bad UTF-8": "%FF%FE",
    "an overlong encoding": "%C0%80",
    "half an escape": "%",
    "not an escape": "%zz",
    "a surrogate": "%ED%A0%80",
    "an over-long text": "a" * 3000,
    "a huge integer": "9" * 400,
    "a wildcard": "%25_%25",
    "a quote": "%27%22%3C%3E",
    "dots": "..%2F..%2Fetc",
    "nothing": "",
}
"""What stands in paths, queries and forms, percent-encoded."""

HEADERS = {
    "an invalid language": {"accept-language": ";;q=x,,\xff,de;q=NaN,en;q=1e999"},
    "an over-long language": {"accept-language": "de," * 2000},
    "an invalid cookie": {"cookie": 'sid="\\x00;=;;\xff'},
    "a wrong session": {"cookie": "sid=vt1_session_" + "a" * 43},
    "an invalid bearer": {"authorization": "Bearer \xff\xfe"},
    "an empty bearer": {"authorization": "Bearer "},
    "another scheme": {"authorization": "Basic YTpi"},
    "an invalid proof": {"dpop": "a.b.c"},
    "a proof of nonsense": {"dpop": "e30.e30." + "A" * 86, "authorization": "DPoP e30.e30.e30"},
    "an invalid tag": {"if-none-match": '"\xff", W/"", ,'},
    "an invalid origin": {"origin": "http://[", "sec-fetch-site": "none"},
    "an invalid market": {"cookie": "market=%00"},
    "an invalid key": {"idempotency-key": "\x7f" * 300},
    "a language that nobody speaks": {"accept-language": "xx"},
}
"""Headers beside a request that is otherwise empty."""


@pytest.fixture
async def crawler(client: httpx.AsyncClient, database: Database) -> Crawler:
    return await a_crawler(client, database)


@pytest.fixture
async def unchanged(crawler: Crawler, owner: asyncpg.Connection) -> AsyncIterator[None]:
    """Fails where the test wrote a row."""
    before = await rows_by_table(owner)
    yield
    assert await rows_by_table(owner) == before


def faults_of(answer: httpx.Response, operation: Operation, *, may_succeed: bool = False) -> list[str]:
    """What is wrong with the answer to a request that makes no sense; `may_succeed`: parts of it may be ignored."""
    if may_succeed and answer.status_code < 400:
        return []
    if not 400 <= answer.status_code < 500:
        return [f"status {answer.status_code}"]
    if operation.is_page:
        is_page = answer.headers.get("content-type", "").startswith("text/html") and "<h1" in answer.text
        return [] if is_page else ["no page"]
    if answer.headers.get("content-type") != "application/problem+json":
        return [f"{answer.status_code} as {answer.headers.get('content-type')}"]
    problem = answer.json()
    missing = [name for name in ("type", "title", "status", "code", "detail", "instance") if not problem.get(name)]
    if problem.get("code") == "malformed_request" and not problem.get("place"):
        missing.append("place")
    return [f"{answer.status_code} without {name}" for name in missing]


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_no_object_of_the_operation_is_refused(
    app: Litestar, crawler: Crawler, unchanged: None, name: str
) -> None:
    faults = []
    for operation in operations(app):
        if operation.fields and not operation.is_page:
            answer = await crawler.send(operation, content=BODIES[name], headers={"content-type": "application/json"})
            faults += [(operation.method, operation.template, fault) for fault in faults_of(answer, operation)]
    assert faults == []


@pytest.mark.parametrize("name", VALUES)
async def test_a_field_with_nonsense_in_it_is_refused(
    app: Litestar, crawler: Crawler, unchanged: None, name: str
) -> None:
    faults = []
    for operation in operations(app):
        for field in () if operation.is_page else operation.fields:
            body = b"{" + json.dumps(field).encode() + b": " + VALUES[name] + b"}"
            answer = await crawler.send(operation, content=body, headers={"content-type": "application/json"})
            faults += [(operation.method, operation.template, field, fault) for fault in faults_of(answer, operation)]
    assert faults == []


@pytest.mark.parametrize("name", TEXTS)
async def test_a_path_with_nonsense_in_it_is_refused(
    app: Litestar, crawler: Crawler, unchanged: None, name: str
) -> None:
    faults = []
    for operation in operations(app):
        if operation.path_types:
            path = operation.with_values(dict.fromkeys(operation.path_types, TEXTS[name]))
            answer = await crawler.send(operation, path)
            faults += [
                (operation.method, operation.template, fault)
                for fault in faults_of(answer, operation, may_succeed=TEXTS[name] == "")
            ]
    assert faults == []


@pytest.mark.parametrize("name", TEXTS)
async def test_a_query_with_nonsense_in_it_is_answered_or_refused_and_never_fails(
    app: Litestar, crawler: Crawler, unchanged: None, name: str
) -> None:
    text, faults = TEXTS[name], []
    for operation in operations(app):
        unasked = "&".join(f"{key}={text}" for key in ("q", "market", "done", "done", "next", text))
        for query in (unasked, *(f"{key}=1&{key}={text}" for key in operation.query)):
            if operation.method == "GET":
                answer = await crawler.send(operation, f"{operation.path}?{query}")
                faults += [
                    (operation.template, query[:30], fault) for fault in faults_of(answer, operation, may_succeed=True)
                ]
    assert faults == []


@pytest.mark.parametrize("name", TEXTS)
async def test_a_form_with_nonsense_in_it_never_fails(
    app: Litestar, crawler: Crawler, unchanged: None, name: str
) -> None:
    faults = []
    for operation in operations(app):
        for field in operation.fields if operation.is_page else ():
            person = crawler.person_for(operation)
            body = f"csrf_token={quote(person.csrf_token)}&=&&{field}=1&{field}={TEXTS[name]}"
            answer = await crawler.send(
                operation, content=body.encode(), headers={"content-type": "application/x-www-form-urlencoded"}
            )
            faults += [(operation.template, field, fault) for fault in faults_of(answer, operation, may_succeed=True)]
    assert faults == []


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "multipart/form-data", "application/x-www-form-urlencoded", "\xff", ""],
)
async def test_a_body_of_another_kind_is_refused(
    app: Litestar, crawler: Crawler, unchanged: None, content_type: str
) -> None:
    faults = []
    for operation in operations(app):
        if operation.fields:
            answer = await crawler.send(
                operation, content=b"\xffno form and no JSON", headers={b"content-type": content_type.encode("latin-1")}
            )
            faults += [
                (operation.template, fault) for fault in faults_of(answer, operation, may_succeed=operation.is_page)
            ]
    assert faults == []


@pytest.mark.parametrize("is_declared", [True, False])
async def test_an_oversized_body_is_refused_everywhere(
    app: Litestar, crawler: Crawler, unchanged: None, is_declared: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    faults = []
    for operation in operations(app):
        if operation.fields:
            kind = "application/x-www-form-urlencoded" if operation.is_page else "application/json"
            body = b" " * 2_621_440 if is_declared else chunks()
            answer = await crawler.send(operation, content=body, headers={"content-type": kind})
            if answer.status_code != 413 or faults_of(answer, operation):
                faults.append((operation.template, answer.status_code, *faults_of(answer, operation)))
    assert faults == []


@pytest.mark.parametrize("name", HEADERS)
async def test_headers_that_make_no_sense_are_ignored_or_refused_and_never_fail(
    app: Litestar, crawler: Crawler, unchanged: None, name: str
) -> None:
    headers = {key.encode(): value.encode("latin-1") for key, value in HEADERS[name].items()}
    faults = []
    for operation in operations(app):
        if operation.template == "/de/sign-out":
            continue
        answer = await crawler.client.request(operation.method, operation.path, headers=headers)
        faults += [
            (operation.method, operation.template, fault) for fault in faults_of(answer, operation, may_succeed=True)
        ]
    assert faults == []


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "BREW"])
async def test_a_method_that_a_route_does_not_have_is_refused(
    app: Litestar, crawler: Crawler, unchanged: None, method: str
) -> None:
    faults = []
    known = {operation.template for operation in operations(app) if operation.method == method}
    for operation in {operation.template: operation for operation in operations(app)}.values():
        if operation.template in known:
            continue
        answer = await crawler.send(operation, method=method)
        if answer.status_code != 405 or faults_of(answer, operation):
            faults.append((operation.template, answer.status_code, *faults_of(answer, operation)))
    assert faults == []


async def test_a_wrong_field_is_named_also_where_the_application_uses_its_name(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/registrations",
        json={"email": "a@example.org", "password": "x", "residence_country": "DE", "locale": "geheim"},
    )
    assert (answer.status_code, answer.json()["place"]) == (400, "body.locale")
    assert "geheim" not in answer.text


async def test_a_word_that_is_not_allowed_is_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/sessions", json={"email": "a@example.org", "password": "x", "client": "geheim"})
    assert answer.json()["errors"] == [{"place": "body.client", "rule": "Invalid enum value"}]
