"""Transactions of a period: half-open days in Berlin, and a CSV whose sum is SQL's."""

import asyncio
import csv
import io
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from billing.cursors import cursor_of, place_of
from billing.errors import CursorInvalid, PeriodInvalid
from billing.exports import AMOUNTS, Period, export_csv, list_transactions, total_transactions
from billing.money import Money
from tests.billing.tills import NOON, Till

NOVEMBER = Period.of(date(2026, 11, 1), date(2026, 12, 1))

COLUMNS = [
    *("date", "booked_at", "journal_id", "kind", "order_number", "invoice_number", "customer", "country", "tax_rate"),
    *("currency", *(f"{name}_minor" for name in AMOUNTS), *AMOUNTS),
    *("payment_id", "description"),
]


async def exported(till: Till, period: Period = NOVEMBER) -> list[dict[str, str]]:
    chunks = [chunk async for chunk in export_csv(till.database, period=period)]
    assert {type(chunk) for chunk in chunks} == {bytes}
    content = b"".join(chunks)
    return list(csv.DictReader(io.StringIO(content.decode())))


async def test_the_sum_of_the_csv_is_sqls(till: Till, owner: asyncpg.Connection) -> None:
    for price, country in ((399, "DE"), (1199, "AT"), (499, "DE"), (1, "DE")):
        await till.paid_order(price=price, country=country)
    returned = await till.open_order(price=399)
    await till.settle(till.gateway.pay((await till.payable(returned)).id, amount=Money(777, "EUR")))
    await till.refunds.sweep(at=NOON + timedelta(hours=1))

    lines = await exported(till)

    assert len(lines) == 6
    sums = await owner.fetchrow(
        "SELECT sum(minor) FILTER (WHERE account LIKE 'clearing:%') AS amount, "
        "-sum(minor) FILTER (WHERE account LIKE 'revenue:%') AS net, "
        "-sum(minor) FILTER (WHERE account LIKE 'vat:%') AS tax, "
        "-sum(minor) FILTER (WHERE account = 'liability:refunds') AS to_refund FROM billing.postings"
    )
    for column in ("amount", "net", "tax", "to_refund"):
        assert sum(int(line[f"{column}_minor"]) for line in lines) == sums[column]
        assert sum(Decimal(line[column]) for line in lines) * 100 == sums[column]
    assert (sums["amount"], sums["to_refund"]) == (399 + 1199 + 499 + 1, 0)
    for line in lines:
        assert int(line["amount_minor"]) == sum(int(line[f"{column}_minor"]) for column in AMOUNTS[1:])


async def test_what_a_dispute_costs_is_in_the_file_and_every_line_still_adds_up(
    till: Till, owner: asyncpg.Connection
) -> None:
    order = await till.paid_order(price=399)
    intent_id = (await till.find(order))[1].intent_id
    assert intent_id is not None
    await till.note_dispute(till.gateway.dispute(intent_id))

    lines = await exported(till)

    [taken] = [line for line in lines if line["kind"] == "dispute_withdrawn"]
    assert (taken["amount"], taken["fees"], taken["elsewhere"]) == ("-18.99", "-15.00", "-3.99")
    for line in lines:
        assert int(line["amount_minor"]) == sum(int(line[f"{column}_minor"]) for column in AMOUNTS[1:])
    clearing = await owner.fetchval("SELECT sum(minor) FROM billing.postings WHERE account LIKE 'clearing:%'")
    assert sum(int(line["amount_minor"]) for line in lines) == clearing


async def test_a_line_says_everything_about_its_money_event(till: Till) -> None:
    order = await till.paid_order(price=1199, country="AT", kind="buy", name="Her")
    _, payment = await till.find(order)

    [line] = await exported(till)

    assert list(line) == COLUMNS
    assert line | {"journal_id": ""} == {
        "date": "2026-11-24",
        "booked_at": "2026-11-24T12:00:00.000000Z",
        "journal_id": "",
        "kind": "sale",
        "order_number": order.order_number,
        "invoice_number": "R-2026-000001",
        "customer": str(order.customer_pseudonym),
        "country": "AT",
        "tax_rate": "20",
        "currency": "EUR",
        "amount_minor": "1199",
        "net_minor": "999",
        "tax_minor": "200",
        "to_refund_minor": "0",
        "fees_minor": "0",
        "elsewhere_minor": "0",
        "amount": "11.99",
        "net": "9.99",
        "tax": "2.00",
        "to_refund": "0.00",
        "fees": "0.00",
        "elsewhere": "0.00",
        "payment_id": str(payment.id),
        "description": "Her",
    }


@pytest.mark.parametrize("title", ["=SUM(A1)", "+1", "-30-", "@home", "\tx", "\rx", "\nx", "＝1+1", "＠x"])
async def test_a_title_that_a_spreadsheet_would_run_is_disarmed(till: Till, title: str) -> None:
    await till.paid_order(name=title)

    [line] = await exported(till)

    assert line["description"] == f"'{title}"


async def test_commas_quotes_and_umlauts_survive(till: Till) -> None:
    await till.paid_order(name='„Ödipus“, "Fluch"; Teil 2')

    [line] = await exported(till)

    assert line["description"] == '„Ödipus“, "Fluch"; Teil 2'


async def test_a_period_is_half_open_and_of_berlin(till: Till) -> None:
    first = datetime(2026, 10, 31, 23, 0, tzinfo=UTC)
    end = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
    for at in (first - timedelta(microseconds=1), first, end - timedelta(microseconds=1), end):
        await till.paid_order(at=at)

    assert [line["date"] for line in await exported(till)] == ["2026-11-01", "2026-11-30"]
    assert len(await list_transactions(till.database, period=NOVEMBER)) == 2
    [total] = await total_transactions(till.database, period=NOVEMBER)
    assert (total.kind, total.country, total.count, total.amount) == ("sale", "DE", 2, Money(798, "EUR"))


async def test_an_empty_period_is_a_header(till: Till) -> None:
    content = b"".join([chunk async for chunk in export_csv(till.database, period=NOVEMBER)])

    assert content.decode() == ",".join(COLUMNS) + "\n"


async def test_pages_of_the_list_are_the_whole_list(till: Till) -> None:
    for step in range(5):
        await till.paid_order(at=NOON + timedelta(minutes=step // 2))
    whole = await list_transactions(till.database, period=NOVEMBER)

    seen, place = [], None
    while page := await list_transactions(till.database, period=NOVEMBER, after=place, limit=2):
        seen += page
        place = place_of(cursor_of((page[-1].booked_at, page[-1].journal_id)))

    assert seen == list(whole)
    assert len(seen) == 5


async def test_a_reader_that_goes_away_gives_the_connection_back(till: Till) -> None:
    await till.paid_order()
    for _ in range(12):
        chunks = export_csv(till.database, period=NOVEMBER)
        await anext(chunks)
        await chunks.aclose()

    assert len(await asyncio.wait_for(exported(till), timeout=10)) == 1


MANY = 200_000
MANY_JOURNALS = """
    INSERT INTO billing.journals (id, booked_at, source, source_id, kind, currency, description)
    SELECT gen_random_uuid(), $1::timestamptz + number * interval '1 millisecond', 'provider', gen_random_uuid(),
           'fee', 'EUR', repeat('Ein langer Titel ', 11)
      FROM generate_series(1, $2) AS number
"""


@pytest.fixture
async def many_journals(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """More money events than a small store has in a year; gone without a trace, or later tests would wade in it."""
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(MANY_JOURNALS, NOON, MANY)
    yield
    await owner.execute("DELETE FROM billing.journals")
    await owner.execute("SET session_replication_role = origin")
    await owner.execute("VACUUM billing.journals")


async def test_an_export_of_many_lines_is_never_in_memory_as_a_whole(till: Till, many_journals: None) -> None:
    size = lines = 0
    tracemalloc.start()
    try:
        async for chunk in export_csv(till.database, period=NOVEMBER):
            size, lines = size + len(chunk), lines + chunk.count(b"\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lines == MANY + 1
    assert size > 60_000_000
    assert peak < size / 10


async def test_a_fault_of_the_database_reaches_the_reader(till: Till, owner: asyncpg.Connection) -> None:
    await owner.execute("REVOKE SELECT ON billing.transactions FROM videothek_app")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await exported(till)
    finally:
        await owner.execute("GRANT SELECT ON billing.transactions TO videothek_app")


@pytest.mark.parametrize(
    ("first", "end"),
    [
        (date(2026, 11, 1), date(2026, 11, 1)),
        (date(2026, 11, 2), date(2026, 11, 1)),
        (date(2000, 1, 1), date(2026, 1, 1)),
        (date(1, 1, 1), date(1, 1, 2)),
        (date(9999, 12, 30), date(9999, 12, 31)),
    ],
)
def test_an_impossible_period_is_refused(first: date, end: date) -> None:
    with pytest.raises(PeriodInvalid):
        Period.of(first, end)


@pytest.mark.parametrize("cursor", ["", "x", "äöü", "W10", "bnVsbA", "eyJhIjoxfQ", "A" * 500, "\x00"])
def test_a_cursor_that_the_list_did_not_make_is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        place_of(cursor)
