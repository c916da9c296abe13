"""A licence request that is too large to be read is on record like every other one with a token of ours."""

import asyncpg
import httpx
import pytest

from auth.ids import new_id
from store.catalogue.models import Title
from store.database import Database
from store.entitlement.base64url import encode
from tests.store.entitlement.parts import Customer, TestDevice, make_right

EVENTS = "SELECT outcome, reason FROM store.licence_events WHERE step = 'licence'"


@pytest.mark.parametrize("knows_its_token", [True, False])
async def test_ten_thousand_key_ids_are_not_read_and_leave_a_trace(
    client: httpx.AsyncClient,
    database: Database,
    owner: asyncpg.Connection,
    customer: Customer,
    device: TestDevice,
    title: Title,
    knows_its_token: bool,
) -> None:
    await make_right(database, customer, title)
    token = (await device.open(client, customer, title)).json()["token"]
    kids = [encode(new_id().bytes) for _ in range(10_000)]
    answer = await device.licence(client, token if knows_its_token else "nonsense", kids=kids)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"
    traces = [("refused", "licence_request_malformed")] if knows_its_token else []
    assert [tuple(event) for event in await owner.fetch(EVENTS)] == traces
    assert await owner.fetchval("SELECT first_played_at FROM store.entitlements") is None
