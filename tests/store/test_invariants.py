"""The invariants between money and rights: silent while all is well, and each finds its own case."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx
import pytest

from billing.reconciliation import Reconciliation
from store.database import Database
from store.invariants import INVARIANTS, check_invariants
from tests.fakes import FakeGateway
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event, sign_in, sign_in_staff

FORGED = "SET session_replication_role = replica; {}; SET session_replication_role = origin"

BROKEN_BY = {
    "paid_without_access": "DELETE FROM store.entitlements",
    "access_without_payment": "UPDATE billing.orders SET state = 'cancelled'",
    "paid_but_taken_down": """
        INSERT INTO store.takedowns (id, title_id, reason, at, done_at)
        SELECT gen_random_uuid(), title_id, 'Landgericht', now(), now() FROM store.entitlements
    """,
    "given_by_nobody": "UPDATE billing.orders SET gross = 0, net = 0, tax = 0, quote_id = NULL",
    "unbalanced_journals": "UPDATE billing.postings SET minor = minor + 1 WHERE line = 1",
    "paid_without_sale_or_invoice": "DELETE FROM billing.journals",
    "returned_without_refund": "UPDATE billing.payments SET state = 'returned'",
    "refunded_more_than_paid": """
        INSERT INTO billing.refunds (id, order_id, payment_id, intent_id, kind, amount, net, tax, currency, reason,
                                     idempotency_key, state, created_at, updated_at)
        SELECT gen_random_uuid(), order_id, id, intent_id, 'sale', amount + 1, amount + 1, 0, currency, 'goodwill',
               id::text, 'requested', created_at, created_at FROM billing.payments
    """,
    "unmatched_provider_transactions": """
        INSERT INTO billing.provider_transactions (id, kind, amount, fee, currency, created_at, note)
        VALUES ('txn_1', 'payout', 0, 0, 'EUR', now() - interval '73 hours', 'contents_missing')
    """,
    "clearing_differs_from_provider": "UPDATE billing.journals SET booked_at = now() - interval '25 hours'",
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


async def test_what_the_provider_knows_agrees_with_the_books_before_and_after_it_is_paid_out(
    paid: Buyer, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> None:
    reconciliation = Reconciliation(database, gateway)
    for intent in gateway.intents:
        gateway.works_out(intent)
    await reconciliation.run(at=datetime.now(UTC))
    # From here on no booking is too young to count.
    await owner.execute(FORGED.format("UPDATE billing.journals SET booked_at = booked_at - interval '25 hours'"))
    assert await broken(database) == set()

    gateway.pays_out()

    assert await reconciliation.run(at=datetime.now(UTC)) == 0
    assert await broken(database) == set()


@pytest.mark.parametrize(
    ("note", "hours", "found"),
    [
        ("not_booked", 23, 0),
        ("not_booked", 25, 1),
        (None, 25, 1),
        ("under_way", 29 * 24, 0),
        ("under_way", 31 * 24, 1),
        ("contents_missing", 71, 0),
        ("contents_missing", 73, 1),
    ],
)
async def test_a_movement_may_wait_for_its_booking_for_as_long_as_that_can_take(
    database: Database, owner: asyncpg.Connection, note: str | None, hours: int, found: int
) -> None:
    await owner.execute(
        "INSERT INTO billing.provider_transactions (id, kind, amount, fee, currency, created_at, note)"
        " VALUES ('txn_1', 'charge', 399, 31, 'EUR', now() - make_interval(hours => $1), $2)",
        hours,
        note,
    )
    counts = {finding.invariant.name: finding.count for finding in await check_invariants(database)}
    assert counts["unmatched_provider_transactions"] == found
