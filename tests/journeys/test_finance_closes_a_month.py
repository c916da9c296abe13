"""Finance looks at a month of the books and exports it, on the console and by a program."""

import csv
import io
from datetime import date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import asyncpg

from store.sandbox.demo_accounts import PASSWORD as DEMO_PASSWORD
from tests.journeys.staff import staff_sign_in
from tests.journeys.street import Street

FINANCE = "finance@demo.videothek.example"
SUMS_OF_THE_POSTINGS = """
    SELECT
        coalesce(sum(minor) FILTER (WHERE account LIKE 'clearing:%'), 0) AS amount,
        coalesce(-sum(minor) FILTER (WHERE account LIKE 'revenue:%'), 0) AS net,
        coalesce(-sum(minor) FILTER (WHERE account LIKE 'vat:%'), 0) AS tax,
        coalesce(sum(minor), 0) AS all_sides,
        count(DISTINCT journals.id) AS events
    FROM billing.journals JOIN billing.postings ON postings.journal_id = journals.id
    WHERE booked_at >= ($1::text || ' Europe/Berlin')::timestamptz
    AND booked_at < ($2::text || ' Europe/Berlin')::timestamptz
"""


async def test_finance_exports_a_month_whose_sums_are_those_of_the_postings(
    street: Street, books: asyncpg.Connection
) -> None:
    app = await street.signed_in_program(await street.customer())
    rented = await app.buy("rent")
    bought = await (await street.signed_in_program(await street.customer("bert"))).buy("buy")

    fritz = street.browser()
    await staff_sign_in(fritz, FINANCE)
    await fritz.follow("Arbeitsplätze")
    page = await fritz.follow("Finanzen")
    assert page.heading.startswith("Bücher, ")
    address = page.link("CSV herunterladen")
    answer = await fritz.client.get(address)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="transactions_')
    lines = list(csv.DictReader(io.StringIO(answer.text)))

    for order, minor in ((rented, "499"), (bought, "1199")):
        [line] = [one for one in lines if one["order_number"] == order["order"]["order_number"]]
        assert (line["kind"], line["amount_minor"], line["currency"]) == ("sale", minor, "EUR")
        assert line["invoice_number"] == order["invoice_number"]
        assert int(line["net_minor"]) + int(line["tax_minor"]) == int(minor)
    period = parse_qs(urlsplit(address).query)
    sums = await books.fetchrow(SUMS_OF_THE_POSTINGS, period["from"][0], period["to"][0])
    assert sums is not None
    assert {name: sum(int(line[f"{name}_minor"]) for line in lines) for name in ("amount", "net", "tax")} == {
        name: int(sums[name]) for name in ("amount", "net", "tax")
    }
    assert (len(lines), sums["all_sides"]) == (sums["events"], 0), "one line per money event, and the books balance"
    assert f"Betrag {int(sums['amount']) / 100:.2f} €".replace(".", ",") in page.words
    assert app.account_id not in answer.text, "a pseudonym stands in the books"


async def test_the_same_by_a_program_and_every_export_is_in_the_audit_trail(
    street: Street, books: asyncpg.Connection
) -> None:
    app = await street.signed_in_program(await street.customer())
    bought = await app.buy("buy")
    tool = street.program()
    await tool.sign_in(FINANCE, DEMO_PASSWORD)
    day = business_day(bought["order"]["paid_at"])
    period = {"from": day.isoformat(), "to": (day + timedelta(days=1)).isoformat()}
    listed = await tool.get("/v1/finance/transactions", limit="1000", **period)
    whole = await tool.client.get("/v1/finance/transactions.csv", params=period, headers=tool.headers)
    lines = list(csv.DictReader(io.StringIO(whole.text)))
    assert [line["journal_id"] for line in lines] == [one["journal_id"] for one in listed["transactions"]]
    assert bought["invoice_number"] in {line["invoice_number"] for line in lines}
    exports = "SELECT count(*) FROM auth.audit_events WHERE action = $1 AND target_id = $2"
    place = f"{period['from']}/{period['to']}"
    assert await books.fetchval(exports, "finance.transactions.export", place) == 1
    refused = await app.get("/v1/finance/transactions", status=403, **period)
    assert refused["code"] == "not_permitted"


def business_day(text: str) -> date:
    """The accounting day of an instant."""
    return datetime.fromisoformat(text).astimezone(ZoneInfo("Europe/Berlin")).date()
