"""Handing over what was bought, exactly once, and what the library says of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from auth.identity import ALL_AGES
from auth.ids import new_id
from billing.models import Order, OrderLine
from store.database import Database
from store.entitlement.grants import Grants, SoldTerms
from store.entitlement.library import find_ownership, list_library
from tests.store.entitlement.parts import Customer, make_customer, make_order, make_right, make_title

AT = datetime(2026, 12, 1, 20, tzinfo=UTC)


async def rights_of(owner: asyncpg.Connection, customer: Customer) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await owner.fetch(
        "SELECT * FROM store.entitlements WHERE account_id = $1 ORDER BY id", customer.account_id
    )
    return rows


async def test_delivering_twice_grants_once_with_the_terms_of_the_sale(
    database: Database, owner: asyncpg.Connection, customer: Customer
) -> None:
    title = await make_title(database)
    order, line = await make_order(owner, customer, title)
    for _ in range(2):
        async with database.sessions.begin() as session:
            await Grants().deliver(session, order=order, lines=[line], at=AT)
    [right] = await rights_of(owner, customer)
    assert (right["kind"], right["quality"], right["source"], right["order_line_id"]) == ("rent", "HD", "sale", line.id)
    assert (right["start_by"], right["watch_hours"], right["ends_at"]) == (AT + timedelta(days=30), 48, None)


async def test_two_orders_for_one_film_settled_at_once_grant_one_right(
    database: Database, owner: asyncpg.Connection, customer: Customer
) -> None:
    title = await make_title(database)
    orders = [await make_order(owner, customer, title, kind="buy") for _ in range(6)]

    async def settle(order: Order, line: OrderLine) -> bool:
        async with database.sessions.begin() as session:
            refusal = await Grants().may_deliver(session, account_id=customer.account_id, line=line, at=AT)
            if refusal is None:
                await Grants().deliver(session, order=order, lines=[line], at=AT)
            return refusal is None

    assert sorted(await asyncio.gather(*(settle(*order) for order in orders))) == [False] * 5 + [True]
    assert len(await rights_of(owner, customer)) == 1


@pytest.mark.parametrize(
    ("has", "wants", "is_refused"),
    [("buy", "buy", True), ("buy", "rent", True), ("rent", "rent", True), ("rent", "buy", False)],
)
async def test_what_one_has_is_not_sold_again(
    database: Database, owner: asyncpg.Connection, customer: Customer, has: str, wants: str, is_refused: bool
) -> None:
    title = await make_title(database)
    right = await make_right(database, customer, title, kind=has, granted_at=AT)
    _, line = await make_order(owner, customer, title, kind=wants)
    async with database.sessions.begin() as session:
        refusal = await Grants().may_deliver(session, account_id=customer.account_id, line=line, at=AT)
        after = AT + timedelta(days=31)
        later = await Grants().may_deliver(session, account_id=customer.account_id, line=line, at=after)
    assert (refusal is not None) is is_refused
    if refusal is not None:
        assert (refusal.code, refusal.details["entitlement_id"]) == ("already_entitled", str(right))
        assert refusal.details["title_id"] == str(title.id)
    assert (later is not None) is (has == "buy"), "a rental that was never started may be rented again"


async def test_a_refunded_right_is_taken_back_once_and_may_be_bought_again(
    database: Database, owner: asyncpg.Connection, customer: Customer
) -> None:
    title = await make_title(database)
    order, line = await make_order(owner, customer, title, kind="buy")
    async with database.sessions.begin() as session:
        await Grants().deliver(session, order=order, lines=[line], at=AT)
        await Grants().take_back(session, lines=[line], reason="refund", at=AT)
        await Grants().take_back(session, lines=[line], reason="again", at=AT + timedelta(hours=1))
        assert await Grants().may_deliver(session, account_id=customer.account_id, line=line, at=AT) is None
    [right] = await rights_of(owner, customer)
    assert (right["revoked_at"], right["revoke_reason"]) == (AT, "refund")


async def test_a_rental_that_was_held_gets_the_time_it_lost(
    database: Database, owner: asyncpg.Connection, customer: Customer
) -> None:
    title = await make_title(database)
    right = await make_right(database, customer, title, granted_at=AT, first_played_at=AT)
    _, line = await make_order(owner, customer, title, kind="rent")
    await owner.execute("UPDATE store.entitlements SET order_line_id = $1 WHERE id = $2", line.id, right)
    [before] = await rights_of(owner, customer)
    day = timedelta(days=1)
    async with database.sessions.begin() as session:
        await Grants().hold(session, lines=[line], reason="dispute", at=AT + day)
        await Grants().hold(session, lines=[line], reason="takedown", at=AT + 2 * day)
        await Grants().release(session, lines=[line], reason="takedown", at=AT + 2 * day)
    [held] = await rights_of(owner, customer)
    assert (held["paused_at"], held["pause_reason"]) == (AT + day, "dispute")

    async with database.sessions.begin() as session:
        await Grants().release(session, lines=[line], reason="dispute", at=AT + 3 * day)
        await Grants().release(session, lines=[line], reason="dispute", at=AT + 9 * day)
    [released] = await rights_of(owner, customer)
    assert released["paused_at"] is None
    assert released["ends_at"] == before["ends_at"] + 2 * day
    assert released["start_by"] == before["start_by"] + 2 * day


@pytest.mark.parametrize(
    "fault", [{"kind": "lend"}, {"quality": "8K"}, {"start_days": None}, {"watch_hours": 0}, {"near_end": "soon"}]
)
def test_terms_that_nobody_could_grant_are_not_read(fault: dict[str, Any]) -> None:
    terms = {"kind": "rent", "quality": "HD", "title_id": str(new_id()), "start_days": 30, "watch_hours": 48}
    assert SoldTerms.of(terms).near_end == "full"
    with pytest.raises(msgspec.ValidationError):
        SoldTerms.of({**terms, **fault})


async def test_the_library_puts_what_ends_first_on_top_and_what_is_over_aside(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, customer: Customer
) -> None:
    bought, fresh, running, over, missed, refunded = [await make_title(database, slug=slug) for slug in "abcdef"]
    await make_right(database, customer, bought, kind="buy", granted_at=AT - timedelta(days=200))
    await make_right(database, customer, fresh, granted_at=AT - timedelta(days=1))
    await make_right(database, customer, running, granted_at=AT, first_played_at=AT - timedelta(hours=47))
    await make_right(database, customer, over, granted_at=AT, first_played_at=AT - timedelta(hours=48))
    await make_right(database, customer, missed, granted_at=AT - timedelta(days=30))
    right = await make_right(database, customer, refunded, kind="buy", granted_at=AT)
    await owner.execute("UPDATE store.entitlements SET revoked_at = $1 WHERE id = $2", AT, right)
    await make_right(database, await make_customer(database), fresh)
    async with database.sessions.begin() as session:
        library = await list_library(session, account_id=customer.account_id, market="DE", age_limit=ALL_AGES, at=AT)
    watchable = [(entry.slug, entry.state) for entry in library.watchable]
    assert watchable == [("c", "running"), ("b", "ready"), ("a", "ready")]
    assert {entry.slug: entry.state for entry in library.history} == {"d": "over", "e": "missed", "f": "revoked"}
    assert library.server_time == AT
    answer = await client.get("/v1/library", headers=customer.headers)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert len(body["watchable"]) + len(body["history"]) == 6
    assert body["server_time"].endswith("Z")


async def test_ownership_tells_the_best_right_that_holds(
    database: Database, owner: asyncpg.Connection, customer: Customer
) -> None:
    title = await make_title(database)

    async def ownership(at: datetime) -> tuple[str, str, bool, datetime | None] | None:
        async with database.sessions.begin() as session:
            found = await find_ownership(session, customer.account_id, title.id, at)
        return (found.kind, found.quality, found.started, found.ends_at) if found else None

    assert await ownership(AT) is None
    right: UUID = await make_right(database, customer, title, granted_at=AT)
    assert await ownership(AT) == ("rent", "HD", False, AT + timedelta(hours=48))
    assert await ownership(AT + timedelta(days=30)) is None
    await make_right(database, customer, title, kind="buy", quality="SD", granted_at=AT)
    assert await ownership(AT) == ("buy", "SD", False, None)
    await owner.execute("UPDATE store.entitlements SET paused_at = $1 WHERE kind = 'buy'", AT)
    assert await ownership(AT) == ("rent", "HD", False, AT + timedelta(hours=48))
    await owner.execute("UPDATE store.entitlements SET revoked_at = $1 WHERE id = $2", AT, right)
    assert await ownership(AT) is None
