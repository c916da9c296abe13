"""HEAD is understood wherever GET is, says the same in its headers and sends nothing else."""

import asyncio

import httpx
import pytest
from litestar import Litestar

from store.database import Database
from tests.crawling import a_crawler, operations
from tests.store.consoles.people import a_person
from tests.store.entitlement.test_media import SEGMENT

OF_EACH_ANSWER = ("x-request-id", "date")
"""Headers in which no two answers agree."""

EXPORT = "/v1/finance/transactions.csv?from=2026-11-01&to=2026-12-01"


def facts_of(answer: httpx.Response) -> tuple[int, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name not in OF_EACH_ANSWER}
    return answer.status_code, headers


async def test_every_get_operation_answers_head_with_the_same_headers_and_no_body(
    app: Litestar, client: httpx.AsyncClient, database: Database
) -> None:
    crawler, faults, statuses = await a_crawler(client, database), [], set()
    for operation in operations(app):
        if operation.method == "GET":
            wanted = await crawler.send(operation)
            head = await crawler.send(operation, method="HEAD")
            statuses.add(head.status_code)
            if facts_of(head) != facts_of(wanted) or head.content:
                faults.append((operation.template, facts_of(head), facts_of(wanted)))
    assert faults == []
    assert {200, 404} <= statuses


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/schema/openapi.json", "/static/store.css"])
async def test_head_is_understood_beside_the_operations_too(client: httpx.AsyncClient, path: str) -> None:
    head = await client.head(path)
    assert facts_of(head) == facts_of(await client.get(path))
    assert head.content == b""


@pytest.mark.parametrize("path", [SEGMENT, "/static/store.css"])
async def test_head_knows_tags_and_lengths_but_no_ranges(client: httpx.AsyncClient, path: str) -> None:
    whole = await client.get(path)
    head = await client.head(path, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"]) == (200, whole.headers["content-length"])
    assert (await client.head(path, headers={"If-None-Match": head.headers["etag"]})).status_code == 304


async def test_a_head_of_an_export_reads_nothing_and_gives_the_connection_back(
    client: httpx.AsyncClient, database: Database
) -> None:
    finance = await a_person(database, roles=("finance",))
    for _ in range(12):
        head = await client.head(EXPORT, headers=finance.headers)
        assert (head.status_code, head.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert (await asyncio.wait_for(client.get(EXPORT, headers=finance.headers), timeout=10)).status_code == 200


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/genres", {"GET", "HEAD", "OPTIONS"}), ("/v1/sessions/current", {"DELETE", "OPTIONS"})],
)
async def test_a_refused_method_and_options_name_the_methods_that_there_are(
    client: httpx.AsyncClient, path: str, methods: set[str]
) -> None:
    for method, status in (("PATCH", 405), ("OPTIONS", 204)):
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert set(answer.headers["allow"].split(", ")) == methods


def test_head_is_not_said_of_every_operation_in_the_contract(app: Litestar) -> None:
    assert not [path for path, item in app.openapi_schema.to_schema()["paths"].items() if "head" in item]
