"""Finance sees what the provider moved without a booking, and payouts with their parts; honest bars, no names."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta

import asyncpg
import httpx
import pytest

from billing.exports import Period
from billing.tax import accounting_day
from store.database import Database
from store.web.charts import chart_months
from store.web.finance_pages import month_of
from store.web.reconciliation_pages import months_until
from store.web.wording import wording
from tests.billing.test_reconciliation import LATER, sold
from tests.billing.tills import Till
from tests.store.consoles.people import Person, a_person
from tests.store.web.page_reading import faults_of


@pytest.fixture
def this_month() -> Period:
    """The month of this moment: tests that were begun before its first midnight may run after it."""
    return month_of(accounting_day(datetime.now(UTC)))


def span(month: Period) -> str:
    return f"from={month.first}&to={month.end}"


@pytest.fixture
async def accountant(database: Database) -> Person:
    return await a_person(database, roles=("finance",))


@pytest.fixture
async def till(database: Database) -> Till:
    """A payout of one sale, and a movement that is none of ours."""
    till = Till(database)
    await sold(till, price=1199, fee=43)
    till.gateway.pays_out()
    till.gateway.moves("charge", "ch_foreign", 700, fee=5)
    await till.reconciliation.run(at=LATER)
    return till


async def test_programs_read_what_is_not_matched_what_is_and_the_payouts(
    client: httpx.AsyncClient, till: Till, accountant: Person, this_month: Period
) -> None:
    async def read(path: str) -> dict[str, list[dict[str, object]]]:
        answer = await client.get(f"/v1/finance/{path}", headers={"Cookie": accountant.cookie})
        assert answer.status_code == 200
        return answer.json()  # type: ignore[no-any-return]

    [foreign] = (await read("provider-transactions"))["provider_transactions"]
    assert (foreign["source_id"], foreign["reason"], foreign["is_matched"]) == ("ch_foreign", "not_ours", False)
    matched = (await read("provider-transactions?matched=true"))["provider_transactions"]
    assert [(one["kind"], one["reason"]) for one in matched] == [("charge", None), ("payout", None)]
    assert str(matched[0]["order_number"]).startswith("V-")
    [payout] = (await read(f"payouts?{span(this_month)}"))["payouts"]
    assert payout["amount"] == {"amount": 1156, "currency": "EUR"}
    assert (payout["id"], payout["is_complete"], payout["count"]) == (matched[0]["payout_id"], True, 1)


async def test_a_list_is_read_page_by_page(client: httpx.AsyncClient, till: Till, accountant: Person) -> None:
    path, cookie = "/v1/finance/provider-transactions?matched=true&limit=1", {"Cookie": accountant.cookie}
    first = (await client.get(path, headers=cookie)).json()
    second = (await client.get(f"{path}&cursor={first['next_cursor']}", headers=cookie)).json()
    kinds = [page["provider_transactions"][0]["kind"] for page in (first, second)]
    assert (kinds, second["next_cursor"]) == (["charge", "payout"], None)


async def test_every_look_and_every_file_leave_an_entry(
    client: httpx.AsyncClient, till: Till, accountant: Person, owner: asyncpg.Connection, this_month: Period
) -> None:
    file = await client.get(f"/v1/finance/payouts.csv?{span(this_month)}", headers={"Cookie": accountant.cookie})
    [line] = csv.DictReader(io.StringIO(file.text))
    assert (line["kind"], line["net"]) == ("charge", "11.56")
    await client.get("/de/finance/reconciliation", headers=accountant.headers)
    entries = await owner.fetch("SELECT action, target_id FROM auth.audit_events ORDER BY id")
    assert {(entry["action"], entry["target_id"]) for entry in entries} == {
        ("finance.payouts.export", str(this_month)),
        ("provider_account.viewed", str(this_month)),
    }


async def test_the_page_shows_both_with_a_chart_and_names_nobody(
    client: httpx.AsyncClient, till: Till, accountant: Person
) -> None:
    for locale, reason in (("de", "keine Zahlung von uns"), ("en", "no payment of ours")):
        page = await client.get(f"/{locale}/finance/reconciliation", headers=accountant.headers)
        w = wording(locale, "DE")
        assert page.status_code == 200
        assert reason in page.text
        for minor in (1199, -43, 1156, 700):
            assert w.money({"amount": minor, "currency": "EUR"}) in page.text, minor
        bars = re.findall(
            r'<rect class="bar (\w+)" x="[^"]+" y="[^"]+" width="[^"]+" height="[^"]+"><title>', page.text
        )
        assert bars == ["charges", "fees", "payouts"]
        assert "ada@" not in page.text
        assert faults_of(page.text, locale=locale) == []
        assert page.headers["cache-control"] == "no-store"


async def test_an_empty_account_is_said_in_words(client: httpx.AsyncClient, accountant: Person) -> None:
    page = await client.get("/de/finance/reconciliation", headers=accountant.headers)
    assert "Jede Bewegung gehört zu einer Buchung." in page.text
    assert "In diesem Monat wurde nichts ausgezahlt." in page.text


async def test_many_movements_are_turned_over_page_by_page(
    client: httpx.AsyncClient, database: Database, accountant: Person
) -> None:
    till, at = Till(database), datetime.now(UTC)
    for number in range(101):
        till.gateway.moves("topup", f"tu_{number:03d}", 1, at=at + timedelta(seconds=number))
    await till.reconciliation.run(at=LATER)
    first = await client.get("/de/finance/reconciliation", headers=accountant.headers)
    [link] = re.findall(r'rel="next" href="([^"#]+after=[^"#]+)', first.text)
    second = await client.get(link.replace("&amp;", "&"), headers=accountant.headers)
    assert ("tu_099" in first.text, "tu_100" in first.text) == (True, False)
    assert ("tu_099" in second.text, "tu_100" in second.text) == (False, True)


async def test_a_month_that_does_not_exist_and_a_foreign_cursor_are_refused(
    client: httpx.AsyncClient, accountant: Person
) -> None:
    page = await client.get("/de/finance/reconciliation?month=2026-13", headers=accountant.headers)
    assert (page.status_code, "Diesen Monat gibt es nicht" in page.text) == (400, True)
    for path in ("/de/finance/reconciliation?after=x", "/v1/finance/provider-transactions?cursor=x"):
        assert (await client.get(path, headers=accountant.headers)).status_code == 400


def test_twelve_months_end_with_the_one_that_is_shown() -> None:
    months = months_until(month_of(date(2026, 3, 31)))
    assert (len(months), months[0], months[-1]) == (12, date(2025, 4, 1), date(2026, 3, 1))


def test_bars_of_months_stand_beside_each_other_and_in_proportion() -> None:
    chart = chart_months({date(2026, 1, 1): [10_000, -2_500], date(2026, 2, 1): [0, 0]})
    tall, back = chart.groups[0].bars
    assert tall.height == pytest.approx(4 * back.height, abs=0.05)
    assert tall.y + tall.height == pytest.approx(back.y, abs=0.05)
    assert tall.x + tall.width < back.x
    assert chart.groups[0].label_x < chart.groups[1].bars[0].x
    assert [bar.height for bar in chart.groups[1].bars] == [0, 0]
