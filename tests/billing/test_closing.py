"""A closed period stays what it was, to the byte, also while payments are settled; what comes late is booked behind."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from billing.closing import close_books
from billing.exports import Period, export_csv
from tests.billing.tills import Till, count

NOVEMBER = Period.of(date(2026, 11, 1), date(2026, 12, 1))
DECEMBER = Period.of(date(2026, 12, 1), date(2027, 1, 1))
LAST_MOMENT = datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)


async def export(till: Till, period: Period = NOVEMBER, *, at: datetime = MIDNIGHT) -> bytes:
    """What finance downloads, closing what is over first."""
    async with till.database.sessions.begin() as session:
        await close_books(session, end=period.instants[1], at=at)
    return await read(export_csv(till.database, period=period))


async def read(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def lines(content: bytes) -> int:
    return len(content.splitlines()) - 1


async def test_what_settles_after_the_export_is_in_the_next_period(till: Till, owner: asyncpg.Connection) -> None:
    await till.paid_order(at=LAST_MOMENT)
    late = await till.open_order(at=LAST_MOMENT)
    intent = await till.payable(late, at=LAST_MOMENT)
    first = await export(till)

    await till.settle(till.gateway.pay(intent.id), at=LAST_MOMENT)

    assert await export(till) == first
    assert (lines(first), lines(await export(till, DECEMBER))) == (1, 1)
    assert await owner.fetchval("SELECT max(booked_at) FROM billing.journals") == MIDNIGHT
    assert await owner.fetchval("SELECT paid_at FROM billing.orders WHERE id = $1", late.id) == LAST_MOMENT


async def test_an_export_waits_for_what_is_being_settled_at_that_moment(till: Till) -> None:
    order = await till.open_order(at=LAST_MOMENT)
    paid = till.gateway.pay((await till.payable(order, at=LAST_MOMENT)).id)
    async with till.begin() as checkout:
        await checkout.settle(paid, at=LAST_MOMENT)
        exporting: asyncio.Task[bytes] = asyncio.create_task(export(till))
        done, _ = await asyncio.wait([exporting], timeout=0.3)
        assert not done, "what is not committed yet belongs to the period"
    assert lines(await exporting) == 1
    assert await export(till) == await exporting


async def test_exports_while_payments_settle_never_lose_or_double_one(till: Till, owner: asyncpg.Connection) -> None:
    intents = []
    for _ in range(8):
        order = await till.open_order(at=LAST_MOMENT)
        intents.append(till.gateway.pay((await till.payable(order, at=LAST_MOMENT)).id))
    answers: list[Any] = await asyncio.gather(
        *(till.settle(intent, at=LAST_MOMENT) for intent in intents[:4]),
        *(export(till) for _ in range(3)),
        *(till.settle(intent, at=LAST_MOMENT) for intent in intents[4:]),
    )
    november = {answer for answer in answers if isinstance(answer, bytes)}
    assert november == {await export(till)}, "closed once, the same for everybody"
    assert lines(november.pop()) + lines(await export(till, DECEMBER)) == 8
    assert await count(owner, "billing.journals", kind="sale") == 8


async def test_a_period_that_is_not_over_stays_open(till: Till) -> None:
    await till.paid_order(at=LAST_MOMENT)
    first = await export(till, at=MIDNIGHT - timedelta(microseconds=1))
    await till.paid_order(at=LAST_MOMENT)
    assert (lines(first), lines(await export(till))) == (1, 2)
