"""The invariants between money and rights: silent while all is well, and each finds its own case."""

from uuid import UUID

import asyncpg
import httpx
import pytest

from store.database import Database
from store.invariants import INVARIANTS, check_invariants
from tests.fakes import FakeGateway
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event, sign_in, sign_in_staff

FORGED = "SET session_replication_role = replica; {}; SET session_replication_role = origin"

BROKEN_BY = {
    "paid_without_access": "DELETE FROM store.entitlements",
    "access_without_payment": "UPDATE billing.orders SET state = 'cancelled'",
    "unbalanced_journals": "UPDATE billing.postings SET minor = minor + 1 WHERE line = 1",
    "paid_without_sale_or_invoice": "DELETE FROM billing.journals",
    "returned_without_refund": "UPDATE billing.payments SET state = 'returned'",
    "refunded_more_than_paid": """
        INSERT INTO billing.refunds (id, order_id, payment_id, intent_id, kind, amount, net, tax, currency, reason,
                                     idempotency_key, state, created_at, updated_at)
        SELECT gen_random_uuid(), order_id, id, intent_id, 'sale', amount + 1, amount + 1, 0, currency, 'goodwill',
               id::text, 'requested', created_at, created_at FROM billing.payments
    """,
    "gaps_in_document_numbers": "UPDATE billing.document_series SET next_number = next_number + 1",
}
"""What would have to happen behind our back."""


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def paid(client: httpx.AsyncClient, database: Database, gateway: FakeGateway) -> Buyer:
    """A customer who bought one film, and withdrew from another."""
    buyer = Buyer(client, await sign_in(database))
    for kind in ("buy", "rent"):
        order = await buyer.order(await make_offer(database, kind=kind))
        intent = intent_of(gateway, await buyer.payment(order["id"]))
        gateway.pay(intent)
        await send_event(client, intent)
    await buyer.post(f"/v1/orders/{UUID(order['id'])}/withdrawals", {"declared": True})
    return buyer


async def broken(database: Database) -> set[str]:
    """Names of the invariants that do not hold."""
    return {finding.invariant.name for finding in await check_invariants(database) if finding.count}


async def test_after_a_purchase_and_a_withdrawal_all_of_them_hold(paid: Buyer, database: Database) -> None:
    assert await broken(database) == set()
    finance = Buyer(paid.client, await sign_in_staff(database, "finance"))
    findings = (await finance.get("/v1/finance/invariants")).json()["findings"]
    assert {finding["name"]: finding["count"] for finding in findings} == {one.name: 0 for one in INVARIANTS}


@pytest.mark.parametrize("name", [invariant.name for invariant in INVARIANTS])
async def test_each_finds_its_case(paid: Buyer, database: Database, owner: asyncpg.Connection, name: str) -> None:
    await owner.execute(FORGED.format(BROKEN_BY[name]))
    assert name in await broken(database)
