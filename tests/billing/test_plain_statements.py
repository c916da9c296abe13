"""Plain statements run in the session's own transaction, and say the same as the unit of work would."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select
from sqlalchemy.orm.exc import DetachedInstanceError

from auth.ids import new_id
from auth.plain_statements import add, columns, driver_of, read, save, track
from billing.books import LedgerAccount
from billing.models import Order, OrderState, Quote
from billing.provider_records import WebhookEvent
from store.database import Database
from tests.billing.tills import Till

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


def event(**changes: Any) -> WebhookEvent:
    key = f"evt_{new_id().hex}"
    facts: dict[str, Any] = {"source": "stripe", "event_id": key, "type": "x", "outcome": "new", "received_at": AT}
    return WebhookEvent(**{**facts, **changes})


async def events(owner: asyncpg.Connection) -> list[str]:
    return [row["event_id"] for row in await owner.fetch("SELECT event_id FROM billing.webhook_events ORDER BY 1")]


async def test_a_rollback_takes_a_plain_statement_with_it(database: Database, owner: asyncpg.Connection) -> None:
    async with database.sessions() as session:
        await add(session, event())
        await session.rollback()
    assert await events(owner) == []


async def test_a_plain_statement_that_comes_first_begins_the_transaction(
    database: Database, owner: asyncpg.Connection
) -> None:
    async with database.sessions.begin() as session:
        assert (await driver_of(session)).is_in_transaction()
        first = event()
        await add(session, first)
        assert await events(owner) == []
    assert await events(owner) == [first.event_id]


async def test_the_next_transaction_of_the_same_session_is_begun_anew(
    database: Database, owner: asyncpg.Connection
) -> None:
    first, second = event(), event()
    async with database.sessions() as session:
        await add(session, first)
        await session.commit()
        await add(session, second)
        await session.rollback()
    assert await events(owner) == [first.event_id]


async def test_session_and_plain_statements_see_what_the_other_wrote(database: Database) -> None:
    async with database.sessions.begin() as session:
        by_session, plainly = event(), event()
        session.add(by_session)
        driver = await driver_of(session)
        found = await driver.fetchval(
            "SELECT count(*) FROM billing.webhook_events WHERE event_id = $1", by_session.event_id
        )
        assert found == 1
        await add(session, plainly)
        read_back = await session.scalar(select(WebhookEvent).where(WebhookEvent.event_id == plainly.event_id))
        assert read_back is not None
        assert read_back.received_at == AT


async def test_a_failed_plain_statement_leaves_nothing_and_the_connection_usable(
    database: Database, owner: asyncpg.Connection
) -> None:
    async def write_twice(key: str) -> None:
        async with database.sessions.begin() as session:
            await add(session, event(event_id=key))
            await add(session, event(event_id=key))

    for place in range(20):
        with pytest.raises(asyncpg.UniqueViolationError):
            await write_twice(f"evt_{place}")
    assert await events(owner) == []
    async with database.sessions.begin() as session:
        await add(session, event(event_id="evt_0"))
    assert await events(owner) == ["evt_0"]


async def test_a_row_in_the_way_is_told_and_nothing_is_inserted(database: Database, owner: asyncpg.Connection) -> None:
    first = event()
    async with database.sessions.begin() as session:
        assert await add(session, first, unless={WebhookEvent: "(source, event_id)"})
        assert not await add(
            session, event(event_id=first.event_id, type="y"), unless={WebhookEvent: "(source, event_id)"}
        )
    assert await owner.fetchval("SELECT type FROM billing.webhook_events") == "x"


async def test_several_rows_are_inserted_by_one_statement(database: Database, owner: asyncpg.Connection) -> None:
    rows = [LedgerAccount(code=f"asset:{place}", kind="asset") for place in range(3)]
    async with database.sessions.begin() as session:
        await add(session, *rows)
    assert await owner.fetchval("SELECT count(*) FROM billing.ledger_accounts WHERE code LIKE 'asset:%'") == 3


async def test_only_what_was_changed_is_written(till: Till, owner: asyncpg.Connection) -> None:
    ordered = await till.open_order()
    async with till.database.sessions.begin() as session:
        order = (await session.scalars(select(Order).where(Order.id == ordered.id))).one()
        await owner.execute("UPDATE billing.orders SET locale = 'en' WHERE id = $1", ordered.id)
        order.state, order.closed_at = OrderState.CANCELLED, AT
        await save(session, order)
        assert not session.dirty
        await save(session, order)
    row = await owner.fetchrow("SELECT state, closed_at, locale FROM billing.orders WHERE id = $1", ordered.id)
    assert row is not None
    assert tuple(row) == ("cancelled", AT, "en")


async def test_a_record_reads_as_the_session_reads_it(till: Till) -> None:
    order = await till.open_order()
    async with till.database.sessions.begin() as session:
        by_session = (await session.scalars(select(Order).where(Order.id == order.id))).one()
        quote = (await session.scalars(select(Quote).where(Quote.id == order.quote_id))).one()
        driver = await driver_of(session)
        statement = f"""
            SELECT {columns(Order, "o")}, {columns(Quote, "q", prefix="quote_")}
              FROM billing.orders o JOIN billing.quotes q ON q.id = o.quote_id WHERE o.id = $1
        """
        found = await driver.fetchrow(statement, order.id)
        assert found is not None
        pairs = ((read(Order, found), by_session), (read(Quote, found, prefix="quote_"), quote))
        for plain, tracked in pairs:
            for column in type(tracked).__table__.columns:
                assert getattr(plain, column.key) == getattr(tracked, column.key)
                assert type(getattr(plain, column.key)) is type(getattr(tracked, column.key))
    # Connections outside of sessions leave JSON as text; an object reads the same.
    outside = await till.database.reads.fetchrow(statement, order.id)
    assert outside is not None
    assert read(Quote, outside, prefix="quote_").terms == quote.terms


async def test_the_session_writes_what_is_changed_in_a_row_that_it_was_given(
    till: Till, owner: asyncpg.Connection
) -> None:
    ordered = await till.open_order()
    mine = f"SELECT {columns(Order)} FROM billing.orders WHERE id = $1"
    async with till.database.sessions.begin() as session:
        driver = await driver_of(session)
        order = track(session, read(Order, await driver.fetchrow(mine, ordered.id)))
        assert not session.dirty
        order.state, order.closed_at = OrderState.CANCELLED, AT
        assert await session.get(Order, ordered.id) is order
    assert await owner.fetchval("SELECT state FROM billing.orders WHERE id = $1", ordered.id) == "cancelled"


async def test_a_row_that_the_session_knows_stays_the_same_object_and_becomes_as_it_was_read(
    till: Till, owner: asyncpg.Connection
) -> None:
    ordered = await till.open_order()
    async with till.database.sessions.begin() as session:
        known = await session.get_one(Order, ordered.id)
        await owner.execute("UPDATE billing.orders SET locale = 'en' WHERE id = $1", ordered.id)
        assert known.locale == "de"
        driver = await driver_of(session)
        found = await driver.fetchrow(f"SELECT {columns(Order)} FROM billing.orders WHERE id = $1", ordered.id)
        assert track(session, read(Order, found)) is known
        assert known.locale == "en"
        assert not session.dirty


async def test_a_column_that_was_not_asked_for_cannot_be_read(till: Till) -> None:
    order = await till.open_order()
    found = await till.database.reads.fetchrow("SELECT id FROM billing.orders WHERE id = $1", order.id)
    assert found is not None
    with pytest.raises(DetachedInstanceError):
        _ = read(Order, found).gross
