"""Finance's look at our account at the provider: payouts whose lines add up to the cent, and what is not matched."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from billing.cursors import cursor_of, text_place_of
from billing.dispute_records import DisputeState
from billing.errors import CursorInvalid
from billing.exports import Period
from billing.money import Money
from billing.provider_account import export_payouts, list_account_movements, list_payouts, total_by_month
from tests.billing.test_reconciliation import LATER, refunded, sold
from tests.billing.tills import Till

TODAY = datetime.now(UTC).date()
NOW = Period.of(TODAY - timedelta(days=1), TODAY + timedelta(days=2))


async def two_payouts(till: Till, owner: asyncpg.Connection) -> list[str]:
    """A payout of everything that there is, and a second one of a sale and a bill of the provider."""
    await sold(till, price=4999, fee=100)
    await refunded(till, owner)
    _, lost = await sold(till, price=499, fee=32)
    await till.note_dispute(till.gateway.dispute(lost))
    await till.note_dispute(till.gateway.dispute(lost, DisputeState.LOST))
    first = till.gateway.pays_out()
    await sold(till, price=1199, fee=43)
    till.gateway.moves("stripe_fee", None, -200)
    till.gateway.moves("payout_failure", "po_0", 77)
    second = till.gateway.pays_out()
    await till.reconciliation.run(at=LATER)
    return [first, second]


def euros(minor: int) -> Money:
    return Money(minor, "EUR")


async def test_the_parts_of_each_payout_add_up_to_what_reached_the_bank(till: Till, owner: asyncpg.Connection) -> None:
    ids = await two_payouts(till, owner)

    first, second = await list_payouts(till.database, period=NOW)

    assert [first.id, second.id] == ids
    assert (first.charges, first.refunds, first.disputes) == (euros(4999 + 500 + 499), euros(-500), euros(-499))
    assert (first.fees, first.others, first.count) == (euros(-100 - 33 - 32 - 1500), euros(0), 5)
    assert (second.charges, second.fees, second.others, second.count) == (euros(1199), euros(-43 - 200), euros(77), 3)
    for payout in (first, second):
        assert payout.is_complete
        parts = (payout.charges, payout.refunds, payout.disputes, payout.fees, payout.others)
        assert sum(part.minor for part in parts) == payout.amount.minor
    booked = "SELECT sum(minor) FROM billing.postings WHERE account = 'bank:payouts'"
    assert first.amount.minor + second.amount.minor - 77 == await owner.fetchval(booked)


async def test_the_lines_of_the_file_add_up_to_each_payout_to_the_cent(till: Till, owner: asyncpg.Connection) -> None:
    await two_payouts(till, owner)

    text = b"".join([chunk async for chunk in export_payouts(till.database, period=NOW)]).decode()

    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 8
    for payout in await list_payouts(till.database, period=NOW):
        lines = [row for row in rows if row["payout_id"] == payout.id]
        assert sum(int(row["net_minor"]) for row in lines) == payout.amount.minor
        assert all(int(row["amount_minor"]) - int(row["fee_minor"]) == int(row["net_minor"]) for row in lines)
    sale = next(row for row in rows if row["amount_minor"] == "1199")
    assert (sale["kind"], sale["amount"], sale["fee"], sale["net"]) == ("charge", "11.99", "0.43", "11.56")
    assert sale["order_number"].startswith("V-2026-")
    assert {row["order_number"] for row in rows if row["kind"] == "stripe_fee"} == {""}


async def test_a_payout_whose_contents_are_not_known_says_so(till: Till) -> None:
    await sold(till)
    till.gateway.pays_out()
    till.gateway.movements = [(movement, None) for movement, _ in till.gateway.movements]
    await till.reconciliation.run(at=LATER)
    [payout] = await list_payouts(till.database, period=NOW)
    assert (payout.is_complete, payout.count, payout.amount) == (False, 0, euros(399 - 31))


async def test_a_payout_of_another_period_is_not_listed(till: Till, owner: asyncpg.Connection) -> None:
    await two_payouts(till, owner)
    assert await list_payouts(till.database, period=Period.of(date(2025, 1, 1), date(2025, 2, 1))) == []


async def test_movements_are_listed_page_by_page_and_none_twice(till: Till, owner: asyncpg.Connection) -> None:
    await two_payouts(till, owner)
    at = datetime.now(UTC)
    for number in range(5):
        till.gateway.moves("topup", f"tu_{number}", number + 1, at=at)  # all at the same instant
    await till.reconciliation.run(at=LATER)
    seen, after = [], None
    while page := await list_account_movements(till.database, matched=False, after=after, limit=2):
        seen += page
        after = text_place_of(cursor_of((page[-1].created_at, page[-1].id)))
    assert sorted(movement.source_id or "" for movement in seen) == [f"tu_{number}" for number in range(5)]
    assert {(movement.note, movement.is_matched) for movement in seen} == {("unknown_kind", False)}
    matched = await list_account_movements(till.database, matched=True)
    assert (len(matched), {movement.note for movement in matched}) == (10, {None})
    assert sum(movement.order_number is not None for movement in matched) == 6


async def test_a_month_at_the_provider_is_what_moved_the_account(till: Till, owner: asyncpg.Connection) -> None:
    await two_payouts(till, owner)
    months = await total_by_month(till.database, period=NOW)
    moved = await owner.fetchval("SELECT sum(amount - fee) FROM billing.provider_transactions")
    assert sum(month.charges.minor for month in months) == 4999 + 500 + 499 + 1199
    assert sum(month.refunds.minor for month in months) == -500
    assert sum(month.fees.minor for month in months) == -(100 + 33 + 32 + 1500 + 43 + 200)
    disputed = -499
    assert moved == disputed + sum(
        part.minor for month in months for part in (month.charges, month.refunds, month.fees, month.payouts)
    )


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "a" * 400,
        cursor_of((datetime(2026, 1, 1, tzinfo=UTC), "a\x00b")),
        "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwgImEiXQ",  # the year 1, before UTC begins
        "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwgImEiXQ",  # a time without a zone
    ],
)
def test_a_cursor_that_we_did_not_make_is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        text_place_of(cursor)
