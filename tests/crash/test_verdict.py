"""The verdict finds what it looks for: each fault is made behind everybody's back, and found under its name."""

from dataclasses import dataclass

import asyncpg
import httpx
import pytest
from litestar import Litestar

from store.database import Database
from tests.crash.verdict import Rows, Verdict, judge
from tests.fakes import FakeGateway
from tests.scratch import run_due_jobs
from tests.store.purchase.shops import Buyer, intent_of, make_offer, send_event, sign_in

FORGED = "SET session_replication_role = replica; {}; SET session_replication_role = origin"
"""As if nobody watched over the rows."""


MADE_BY = {
    "orders that ended otherwise than their buyers must find them": "UPDATE billing.orders SET state = 'open'",
    "orders that no buyer knows": """
        INSERT INTO billing.orders SELECT (jsonb_populate_record(o, jsonb_build_object(
            'id', gen_random_uuid(), 'order_number', 'V-1', 'quote_id', gen_random_uuid()))).*
          FROM billing.orders o LIMIT 1
    """,
    "intents without exactly one payment and order": "UPDATE billing.payments SET intent_id = NULL",
    "payments whose intent the provider does not know": "UPDATE billing.payments SET intent_id = intent_id || 'x'",
    "captured, but neither kept nor given back": "UPDATE billing.payments SET state = 'processing'",
    "captured in another amount than ordered": "UPDATE billing.payments SET amount = amount + 1",
    "kept, but without exactly one right, sale, invoice and confirmation": "DELETE FROM store.entitlements",
    "to be given back, but without exactly one refund, or with a right or a sale": "DELETE FROM billing.refunds",
    "undone, but with money left at the provider": "UPDATE billing.orders SET state = 'refunded'",
    "rights without captured money": "UPDATE billing.payments SET order_id = gen_random_uuid()",
    "refunds on which we and the provider disagree": "UPDATE billing.refunds SET amount = amount + 1",
    "refunds that never arrived": "UPDATE billing.refunds SET state = 'pending'",
    "movements at the provider that the books do not explain": """
        UPDATE billing.provider_transactions SET matched_at = NULL
    """,
    "claims of the books on the provider that are not what it holds for us": """
        UPDATE billing.postings SET minor = minor + 1 WHERE account = 'clearing:stripe'
    """,
    "events of the provider that nobody took in": "DELETE FROM billing.webhook_events",
    "money owed to customers": "UPDATE billing.postings SET minor = minor + 1 WHERE account = 'liability:refunds'",
    "books that do not balance": "UPDATE billing.postings SET minor = minor + 1 WHERE line = 1",
    "series of documents with a gap": "UPDATE billing.documents SET number = number + 1",
    "jobs that are left or failed": """
        INSERT INTO jobs.pgqueuer (priority, status, entrypoint) VALUES (0, 'failed', 'deliver_mail')
    """,
    "mails that were not sent": "UPDATE store.mails SET status = 'queued'",
    "events without an outcome, or parked": "UPDATE billing.webhook_events SET outcome = 'received'",
}
MADE_AT_THE_PROVIDER = {
    "paid, but with money given back": lambda key, captured, _refunded: (key, captured, 1),
    "paid for us, but not captured at the provider": lambda key, _captured, _refunded: (key, 0, 0),
}
"""Other rows of intents."""

MOVEMENTS = """
    INSERT INTO billing.provider_transactions (id, kind, amount, fee, currency, created_at, matched_at, journal_id)
    SELECT 'txn_' || j.id, 'charge', p.minor, 0, 'EUR', now(), now(), j.id
      FROM billing.journals j JOIN billing.postings p ON p.journal_id = j.id AND p.account = 'clearing:stripe'
    RETURNING id, amount
"""
"""What the reconciliation would have noted."""


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@dataclass(slots=True)
class Ended:
    """What is left when all went well, to be judged within a transaction that never ends well."""

    owner: asyncpg.Connection
    provider: Rows
    wanted: dict[str, frozenset[str]]

    async def judged(self, *, after: str = "", instead: Rows | None = None) -> Verdict:
        """The verdict after a statement, or with other rows of the provider."""
        transaction = self.owner.transaction()
        await transaction.start()
        try:
            await self.owner.execute(FORGED.format(after))
            return await judge(self.owner, {**self.provider, **(instead or {})}, self.wanted)
        finally:
            await transaction.rollback()


@pytest.fixture
async def ended(
    client: httpx.AsyncClient, app: Litestar, database: Database, gateway: FakeGateway, owner: asyncpg.Connection
) -> Ended:
    """One order that was paid and kept, and one whose money went back."""
    await owner.execute("INSERT INTO billing.blocked_cards VALUES ('stolen', 'fraud_warning', now())")
    buyer, wanted = Buyer(client, await sign_in(database)), {}
    for card, state in (("card-of-ada", "paid"), ("stolen", "refunded")):
        order = await buyer.order(await make_offer(database))
        intent_id = intent_of(gateway, await buyer.payment(order["id"]))
        gateway.pay(intent_id, card=card)
        await send_event(client, intent_id)
        wanted[order["id"]] = frozenset({state})
    await owner.execute("UPDATE store.mails SET status = 'sent'")
    await run_due_jobs(owner, app.state.parts)
    movements = await owner.fetch(MOVEMENTS)
    back = {refund.intent_id: refund for refund in gateway.refunds.values()}
    provider = {
        "intents": [(key, 399, 399 if key in back else 0) for key in gateway.intents],
        "provider_refunds": [(refund.id, refund.intent_id, refund.amount.minor) for refund in back.values()],
        "movements": [tuple(row) for row in movements],
        "events": [tuple(row) for row in await owner.fetch("SELECT event_id FROM billing.webhook_events")],
    }
    return Ended(owner, provider, wanted)


async def test_where_all_went_well_nothing_is_found(ended: Ended) -> None:
    verdict = await ended.judged()
    assert verdict.broken == {}
    assert (verdict.figures["kept"], verdict.figures["given back"]) == (1, 1)


async def test_each_fault_in_the_database_is_found(ended: Ended) -> None:
    missed = [name for name, fault in MADE_BY.items() if name not in (await ended.judged(after=fault)).broken]
    assert missed == []


async def test_each_fault_at_the_provider_is_found(ended: Ended) -> None:
    for name, change in MADE_AT_THE_PROVIDER.items():
        rows = [change(*row) for row in ended.provider["intents"]]
        assert name in (await ended.judged(instead={"intents": rows})).broken


async def test_every_check_has_its_case(ended: Ended) -> None:
    own = {name for name in (await ended.judged()).faults if not name.startswith("invariant ")}
    assert own == {*MADE_BY, *MADE_AT_THE_PROVIDER}
