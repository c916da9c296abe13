"""Idempotency-Key: the same request is answered as before, another one is refused, a twin is waited for."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from store.database import Database
from tests.store.purchase.shops import CONSENTS, Buyer, make_offer, sign_in


async def an_order_body(buyer: Buyer, database: Database) -> dict[str, Any]:
    """What orders a fresh quote."""
    quote = (await buyer.quote(await make_offer(database))).json()
    return {"quote_id": quote["id"], "consents": CONSENTS}


async def order(buyer: Buyer, body: object, key: str) -> httpx.Response:
    return await buyer.client.post("/v1/orders", headers={**buyer.headers, "Idempotency-Key": key}, json=body)


async def test_the_same_request_is_answered_as_before_to_the_byte(buyer: Buyer, database: Database) -> None:
    body = await an_order_body(buyer, database)
    first = await order(buyer, body, "key-1")
    again = await order(buyer, body, "key-1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


async def test_an_answer_is_kept_although_the_order_changed_since(
    buyer: Buyer, database: Database, owner: asyncpg.Connection
) -> None:
    body = await an_order_body(buyer, database)
    first = await order(buyer, body, "key-1")
    await owner.execute("UPDATE billing.orders SET state = 'cancelled'")

    assert (await order(buyer, body, "key-1")).json()["order"]["state"] == "open"
    assert (await order(buyer, body, "key-2")).json()["order"]["state"] == "cancelled"
    assert first.status_code == 201


async def test_another_body_with_the_same_key_is_refused_and_does_nothing(
    buyer: Buyer, database: Database, owner: asyncpg.Connection
) -> None:
    await order(buyer, await an_order_body(buyer, database), "key-1")
    refused = await order(buyer, await an_order_body(buyer, database), "key-1")

    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    assert await owner.fetchval("SELECT count(*) FROM billing.orders") == 1


async def test_the_key_of_one_customer_is_nothing_to_another(
    buyer: Buyer, client: httpx.AsyncClient, database: Database
) -> None:
    other = Buyer(client, await sign_in(database))
    answers = [await order(person, await an_order_body(person, database), "same") for person in (buyer, other)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["order"]["id"] != answers[1].json()["order"]["id"]


async def test_a_refusal_does_not_use_the_key_up(buyer: Buyer, database: Database) -> None:
    body = await an_order_body(buyer, database)
    refused = await order(buyer, {**body, "consents": {}}, "key-1")
    assert (refused.status_code, refused.json()["code"]) == (409, "consents_missing")
    assert (await order(buyer, body, "key-1")).status_code == 201


async def test_twins_at_the_same_instant_get_the_same_answer(
    buyer: Buyer, database: Database, owner: asyncpg.Connection
) -> None:
    body = await an_order_body(buyer, database)
    answers = await asyncio.gather(*(order(buyer, body, "key-1") for _ in range(6)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 5
    assert await owner.fetchval("SELECT count(*) FROM billing.orders") == 1


async def test_a_key_is_new_again_after_24_hours(buyer: Buyer, database: Database, owner: asyncpg.Connection) -> None:
    await order(buyer, await an_order_body(buyer, database), "key-1")
    await owner.execute("UPDATE billing.idempotent_answers SET created_at = now() - interval '24 hours'")

    answer = await order(buyer, await an_order_body(buyer, database), "key-1")
    assert answer.status_code == 201
    assert await owner.fetchval("SELECT count(*) FROM billing.orders") == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "umläut"])
async def test_a_key_that_is_none_is_refused_with_its_place(buyer: Buyer, database: Database, key: str) -> None:
    headers = {**buyer.headers, "Idempotency-Key": key.encode()}
    answer = await buyer.client.post("/v1/orders", headers=headers, json=await an_order_body(buyer, database))
    assert answer.status_code == 400
    assert answer.json()["place"] == "header.idempotency_key"
