"""Finance sees a month of the books: sums equal to SQL's, honest bars, pseudonyms and no names."""

import csv
import io
import re
from datetime import UTC, date, datetime

import asyncpg
import httpx
import pytest

from billing.exports import Period
from billing.summaries import total_by_day, total_by_rate
from store.database import Database
from store.web.charts import chart_days
from store.web.finance_pages import month_of, read_month
from store.web.wording import wording
from tests.billing.tills import Till
from tests.store.consoles.people import Person, a_paid_order, a_person
from tests.store.web.page_reading import faults_of

NOVEMBER = Period.of(date(2026, 11, 1), date(2026, 12, 1))


@pytest.fixture
async def accountant(database: Database) -> Person:
    return await a_person(database, roles=("finance",))


async def a_month_of_sales(database: Database) -> None:
    """Five sales of two countries; the first and the last lie just outside of November in Berlin."""
    till = Till(database)
    german = (await a_person(database, email="anna@example.org")).account
    austrian = await till.customer(country="AT")
    for at, customer, price in (
        (datetime(2026, 10, 31, 22, 59, 59, tzinfo=UTC), german, 100),
        (datetime(2026, 10, 31, 23, 0, 0, tzinfo=UTC), german, 399),
        (datetime(2026, 11, 14, 12, 0, 0, tzinfo=UTC), austrian, 1199),
        (datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC), german, 499),
        (datetime(2026, 11, 30, 23, 0, 0, tzinfo=UTC), german, 200),
    ):
        await a_paid_order(till, customer, at=at, price=price)


async def test_the_sums_of_the_page_equal_those_of_sql(
    client: httpx.AsyncClient, database: Database, accountant: Person, owner: asyncpg.Connection
) -> None:
    await a_month_of_sales(database)
    postings = await owner.fetchrow(
        """
        SELECT sum(p.minor) FILTER (WHERE p.account LIKE 'clearing:%') AS amount,
               -sum(p.minor) FILTER (WHERE p.account LIKE 'revenue:%') AS net,
               -sum(p.minor) FILTER (WHERE p.account LIKE 'vat:%') AS tax,
               count(DISTINCT j.id) AS count
          FROM billing.journals j JOIN billing.postings p ON p.journal_id = j.id
         WHERE j.booked_at >= '2026-11-01 00:00 Europe/Berlin' AND j.booked_at < '2026-12-01 00:00 Europe/Berlin'
        """
    )
    assert (postings["amount"], postings["count"]) == (399 + 1199 + 499, 3)
    rates = await total_by_rate(database, period=NOVEMBER)
    assert [(rate.country, rate.tax_rate, rate.count) for rate in rates] == [("AT", "20", 1), ("DE", "19", 2)]
    for name in ("amount", "net", "tax"):
        assert sum(getattr(rate, name).minor for rate in rates) == postings[name]
    days = await total_by_day(database, period=NOVEMBER)
    assert {day.day.day: day.amount.minor for day in days} == {1: 399, 14: 1199, 30: 499}

    page = await client.get("/de/finance?month=2026-11", headers=accountant.headers)
    w = wording("de", "DE")
    for name in ("amount", "net", "tax"):
        amount = w.money({"amount": int(postings[name]), "currency": "EUR"})
        assert page.text.count(amount) >= 3, name
    assert len(re.findall(r'<rect class="bar"', page.text)) == 3


async def test_the_link_leads_to_a_file_with_the_same_sum(
    client: httpx.AsyncClient, database: Database, accountant: Person
) -> None:
    await a_month_of_sales(database)
    page = (await client.get("/de/finance?month=2026-11", headers=accountant.headers)).text
    link = re.search(r'href="(/v1/finance/transactions.csv[^"]+)"', page)
    assert link is not None
    file = await client.get(link[1].replace("&amp;", "&"), headers={"Cookie": accountant.cookie})
    assert file.status_code == 200
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [int(row["amount_minor"]) for row in rows] == [399, 1199, 499]


async def test_the_page_names_no_customer(client: httpx.AsyncClient, database: Database, accountant: Person) -> None:
    await a_month_of_sales(database)
    for locale in ("de", "en"):
        page = await client.get(f"/{locale}/finance?month=2026-11", headers=accountant.headers)
        assert "anna" not in page.text
        assert "ada@" not in page.text
        assert faults_of(page.text, locale=locale) == []
        assert page.headers["cache-control"] == "no-store"


async def test_every_look_at_the_books_leaves_an_entry(
    client: httpx.AsyncClient, accountant: Person, owner: asyncpg.Connection
) -> None:
    await client.get("/de/finance?month=2026-11", headers=accountant.headers)
    entry = await owner.fetchrow("SELECT * FROM auth.audit_events")
    assert (entry["actor_id"], entry["action"], entry["target_id"]) == (
        accountant.account.id,
        "transactions.viewed",
        "2026-11-01/2026-12-01",
    )


async def test_a_month_that_does_not_exist_is_said_beside_the_field(
    client: httpx.AsyncClient, accountant: Person
) -> None:
    for month in ("2026-13", "2026-1", "9999-12", "0001-01", "november", "2026-11-01", "２０２６-11", "2999-12", "%00"):
        page = await client.get(f"/de/finance?month={month}", headers=accountant.headers)
        assert page.status_code == 400, month
        assert "Diesen Monat gibt es nicht" in page.text, month


async def test_a_foreign_cursor_is_a_refusal(client: httpx.AsyncClient, accountant: Person) -> None:
    for cursor in ("x", "bm9wZQ", "%00", "a" * 400):
        page = await client.get(f"/de/finance?month=2026-11&after={cursor}", headers=accountant.headers)
        assert page.status_code == 400, cursor


def test_months_are_half_open_and_know_december() -> None:
    assert read_month("2026-12") == Period.of(date(2026, 12, 1), date(2027, 1, 1))
    assert month_of(date(2028, 2, 29)) == Period.of(date(2028, 2, 1), date(2028, 3, 1))


def test_bars_begin_at_zero_and_are_in_proportion() -> None:
    days = {date(2026, 11, 1): 10_000, date(2026, 11, 2): 5_000, date(2026, 11, 3): -2_500}
    chart = chart_days(days, first=NOVEMBER.first, end=NOVEMBER.end)
    heights = {bar.day.day: bar.height for bar in chart.bars}
    assert heights[1] == pytest.approx(2 * heights[2], abs=0.05)
    assert heights[1] == pytest.approx(4 * heights[3], abs=0.05)
    first, _, third = chart.bars[:3]
    assert first.y + first.height == pytest.approx(chart.zero, abs=0.05)
    assert third.y == pytest.approx(chart.zero, abs=0.05)
    assert 0 in [line.value for line in chart.lines]
    assert len(chart.bars) == 30


@pytest.mark.parametrize("values", [{}, {date(2026, 11, 5): 0}, {date(2026, 11, 5): 1}, {date(2026, 11, 5): -1}])
def test_a_chart_of_little_is_still_a_chart(values: dict[date, int]) -> None:
    chart = chart_days(values, first=NOVEMBER.first, end=NOVEMBER.end)
    assert 2 <= len(chart.lines) <= 7
    assert all(0 <= bar.y <= chart.height for bar in chart.bars)


def test_a_large_sum_needs_no_forest_of_lines() -> None:
    chart = chart_days({date(2026, 11, 5): 987_654_321}, first=NOVEMBER.first, end=NOVEMBER.end)
    assert 3 <= len(chart.lines) <= 7
    assert chart.lines[-1].value >= 987_654_321
