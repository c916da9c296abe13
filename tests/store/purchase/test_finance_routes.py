"""Finance through HTTP: who may read and export, and that exports leave a trail."""

import asyncpg
import httpx
import pytest

from store.database import Database
from tests.billing.tills import NOON, Till, count
from tests.store.purchase.shops import sign_in, sign_in_staff

NOVEMBER = "from=2026-11-01&to=2026-12-01"
PATHS = ["/v1/finance/transactions", "/v1/finance/transactions.csv"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("role", "status"),
    [("finance", 200), ("support", 403), ("support_lead", 403), ("editor", 403), ("admin", 403)],
)
async def test_only_finance_reads_transactions(
    client: httpx.AsyncClient, database: Database, path: str, role: str, status: int
) -> None:
    answer = await client.get(f"{path}?{NOVEMBER}", headers=await sign_in_staff(database, role))

    assert answer.status_code == status


@pytest.mark.parametrize("path", PATHS)
async def test_customers_and_strangers_read_no_transactions(
    client: httpx.AsyncClient, database: Database, path: str
) -> None:
    assert (await client.get(f"{path}?{NOVEMBER}")).status_code == 401
    assert (await client.get(f"{path}?{NOVEMBER}", headers=await sign_in(database))).status_code == 403


async def test_an_export_is_a_file_and_leaves_an_audit_entry(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection
) -> None:
    order = await Till(database).paid_order(price=1199)
    headers = await sign_in_staff(database, "finance")

    answer = await client.get(f"/v1/finance/transactions.csv?{NOVEMBER}", headers=headers)

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="transactions_2026-11-01_2026-12-01.csv"'
    assert order.order_number in answer.text
    entry = await owner.fetchrow("SELECT action, target_id, outcome FROM auth.audit_events")
    assert tuple(entry) == ("finance.transactions.export", "2026-11-01/2026-12-01", "done")


async def test_the_list_goes_on_with_its_cursor(client: httpx.AsyncClient, database: Database) -> None:
    till = Till(database)
    orders = [await till.paid_order(at=NOON.replace(minute=minute)) for minute in range(3)]
    headers = await sign_in_staff(database, "finance")

    async def page(cursor: str | None) -> httpx.Response:
        more = f"&cursor={cursor}" if cursor else ""
        return await client.get(f"/v1/finance/transactions?{NOVEMBER}&limit=2{more}", headers=headers)

    first = (await page(None)).json()
    second = (await page(first["next_cursor"])).json()

    seen = [line["order_number"] for line in first["transactions"] + second["transactions"]]
    assert seen == [order.order_number for order in orders]
    assert second["next_cursor"] is None
    assert first["transactions"][0]["amount"] == {"amount": 399, "currency": "EUR"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "query",
    ["", "from=2026-11-01", "from=x&to=y", "from=2026-11-02&to=2026-11-01", "from=0001-01-01&to=9999-12-31"],
)
async def test_an_impossible_period_is_a_problem_and_no_export(
    client: httpx.AsyncClient, database: Database, owner: asyncpg.Connection, path: str, query: str
) -> None:
    answer = await client.get(f"{path}?{query}", headers=await sign_in_staff(database, "finance"))

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert await count(owner, "auth.audit_events") == 0


async def test_a_cursor_of_somewhere_else_is_a_problem(client: httpx.AsyncClient, database: Database) -> None:
    headers = await sign_in_staff(database, "finance")

    answer = await client.get(f"/v1/finance/transactions?{NOVEMBER}&cursor=AAAA", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
