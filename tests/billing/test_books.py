"""The books: journals balance, nothing is changed or removed, invoice numbers have no gap."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from babel.numbers import get_currency_precision, list_currencies
from sqlalchemy.exc import DBAPIError

from billing.ledger import book
from billing.orders import invoice_of
from tests.billing.tills import NOON, Till, books_balance, count

BOOKS = ["journals", "postings", "documents"]
CHANGES = [
    "UPDATE billing.journals SET kind = 'sale'",
    "UPDATE billing.postings SET minor = minor + 1",
    "UPDATE billing.documents SET gross = 1, net = 1, tax = 0",
    *(f"DELETE FROM billing.{table}" for table in BOOKS),
    *(f"TRUNCATE billing.{table} CASCADE" for table in BOOKS),
]


async def book_something(till: Till, sides: dict[str, int]) -> None:
    """A journal with these postings, in a transaction of its own."""
    order = await till.open_order()
    _, payment = await till.find(order)
    async with till.database.sessions.begin() as session:
        await book(
            session,
            kind="sale",
            source=("payment", payment.id),
            order=order,
            payment_id=payment.id,
            document_number=None,
            description="Her",
            currency="EUR",
            sides=sides,
            at=NOON,
        )


@pytest.mark.parametrize(
    "sides",
    [
        {"clearing:stripe": 399, "revenue:rent:DE": -398},
        {"clearing:stripe": 399},
        {"clearing:stripe": 0},
        {},
    ],
)
async def test_a_journal_that_does_not_balance_is_refused_at_commit(
    till: Till, owner: asyncpg.Connection, sides: dict[str, int]
) -> None:
    with pytest.raises(DBAPIError, match="does not balance"):
        await book_something(till, sides)
    assert await count(owner, "billing.journals") == 0


async def test_a_posting_added_later_must_balance_too(till: Till, database: Any, owner: asyncpg.Connection) -> None:
    await book_something(till, {"clearing:stripe": 399, "liability:refunds": -399})

    with pytest.raises(asyncpg.CheckViolationError):
        await database.reads.execute(
            "INSERT INTO billing.postings (journal_id, line, account, minor) "
            "SELECT id, 3, 'clearing:stripe', 1 FROM billing.journals"
        )
    assert await count(owner, "billing.postings") == 2


async def test_the_same_event_is_booked_once(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order()
    _, payment = await till.find(order)

    with pytest.raises(asyncpg.UniqueViolationError, match="uq_journals"):
        async with till.database.sessions.begin() as session:
            await book(
                session,
                kind="sale",
                source=("payment", payment.id),
                order=order,
                payment_id=payment.id,
                document_number=None,
                description="again",
                currency="EUR",
                sides={"clearing:stripe": 1, "liability:refunds": -1},
                at=NOON,
            )
    assert await count(owner, "billing.journals") == 1


@pytest.mark.parametrize("change", CHANGES)
async def test_not_even_the_owner_of_the_tables_can_change_the_books(
    till: Till, owner: asyncpg.Connection, change: str
) -> None:
    await till.paid_order()

    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await owner.execute(change)
    assert [await count(owner, f"billing.{table}") for table in BOOKS] == [1, 3, 1]


@pytest.mark.parametrize("change", CHANGES)
async def test_the_applications_role_may_not_even_try(till: Till, change: str) -> None:
    await till.paid_order()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await till.database.reads.execute(change)


async def test_finances_role_reads_the_books_and_nothing_else(till: Till, owner: asyncpg.Connection) -> None:
    await till.paid_order(price=1199)
    async with owner.transaction():
        await owner.execute("SET LOCAL ROLE videothek_finance")
        assert await owner.fetchval("SELECT sum(gross) FROM billing.transactions") == 1199
        assert await owner.fetchval("SELECT count(*) FROM billing.postings") == 3
    for forbidden in (
        "SELECT email FROM auth.accounts",
        "SELECT 1 FROM store.titles",
        "UPDATE billing.orders SET gross = 1",
        "INSERT INTO billing.tax_rates VALUES ('XX', 'standard', '2026-01-01', 0)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(f"BEGIN; SET LOCAL ROLE videothek_finance; {forbidden}")
        await owner.execute("ROLLBACK")


async def test_invoice_numbers_have_no_gap_when_settlements_are_aborted(till: Till, owner: asyncpg.Connection) -> None:
    intents = []
    for _ in range(12):
        order = await till.open_order()
        intents.append(till.gateway.pay((await till.payable(order)).id))

    async def settle_and_abort(number: int) -> None:
        async with till.database.sessions() as session:
            await till.checkout(session).settle(intents[number], at=NOON)
            await session.rollback()

    await asyncio.gather(
        *(settle_and_abort(number) for number in range(0, 12, 2)), *(till.settle(intent) for intent in intents)
    )

    numbers = await owner.fetch("SELECT number, document_number FROM billing.documents ORDER BY number")
    assert [row["number"] for row in numbers] == list(range(1, 13))
    assert numbers[-1]["document_number"] == "R-2026-000012"
    assert await books_balance(owner)


async def test_a_new_accounting_year_begins_at_midnight_in_berlin_with_number_one(
    till: Till, owner: asyncpg.Connection
) -> None:
    before_midnight = datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC)
    after_midnight = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
    await till.paid_order(at=before_midnight)
    await till.paid_order(at=after_midnight)

    numbers = await owner.fetch("SELECT document_number FROM billing.documents ORDER BY issued_at")
    assert [row["document_number"] for row in numbers] == ["R-2026-000001", "R-2027-000001"]


async def test_an_invoice_says_what_a_small_invoice_must_say(till: Till, owner: asyncpg.Connection) -> None:
    order = await till.paid_order(price=1199, country="AT", kind="buy")

    async with till.database.sessions() as session:
        invoice = await invoice_of(session, order.id)
    assert invoice is not None
    assert invoice.content["seller"] == {
        "name": "Videothek Demo GmbH",
        "address": "Filmstraße 1 · 10115 Berlin",
        "vat_id": "DE000000000",
    }
    assert (invoice.content["issued_on"], invoice.content["tax_country"]) == ("2026-11-24", "AT")
    assert invoice.content["lines"][0]["tax_rate"] == "20"
    assert (invoice.gross, invoice.net, invoice.tax) == (1199, 999, 200)
    accounts = {row["account"] for row in await owner.fetch("SELECT account FROM billing.postings")}
    assert accounts == {"clearing:stripe", "revenue:buy:AT", "vat:AT:20"}


async def test_the_database_knows_the_digits_of_every_currency(owner: asyncpg.Connection) -> None:
    currencies = sorted(list_currencies())
    rows = await owner.fetch(
        "SELECT code, billing.currency_digits(code) AS digits FROM unnest($1::text[]) AS code", currencies
    )

    assert {row["code"]: row["digits"] for row in rows} == {code: get_currency_precision(code) for code in currencies}
