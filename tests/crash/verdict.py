"""What must be true when all is quiet: money at the payment service, rights, books and receipts fit each other.

Every check is one query that counts what must not be; the payment service's side is what its own store says.
"""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from billing.webhooks import SUBSCRIBED
from store.invariants import INVARIANTS

_TABLES: Final = """
    CREATE TEMPORARY TABLE intents (id text PRIMARY KEY, captured bigint NOT NULL, refunded bigint NOT NULL);
    CREATE TEMPORARY TABLE provider_refunds (id text PRIMARY KEY, intent_id text NOT NULL, amount bigint NOT NULL);
    CREATE TEMPORARY TABLE movements (id text PRIMARY KEY, net bigint NOT NULL);
    CREATE TEMPORARY TABLE events (id text PRIMARY KEY);
    CREATE TEMPORARY TABLE wanted (order_id uuid PRIMARY KEY, states text[] NOT NULL);
    CREATE TEMPORARY VIEW captured AS SELECT * FROM intents WHERE captured > 0;
    CREATE TEMPORARY VIEW found AS
        SELECT p.intent_id, p.state, p.amount, o.id AS order_id, o.state AS order_state,
               (SELECT count(*) FROM store.entitlements e JOIN billing.order_lines l ON l.id = e.order_line_id
                 WHERE l.order_id = o.id) AS rights,
               (SELECT count(*) FROM billing.journals j WHERE j.order_id = o.id AND j.kind = 'sale') AS sales,
               (SELECT count(*) FROM billing.documents d WHERE d.order_id = o.id AND d.kind = 'invoice') AS invoices,
               (SELECT count(*) FROM store.mails m
                 WHERE m.reference = o.id AND m.kind = 'order_confirmation' AND m.status = 'sent') AS confirmations,
               (SELECT count(*) FROM billing.refunds r
                 WHERE r.intent_id = p.intent_id AND r.state = 'succeeded') AS refunds
          FROM billing.payments p JOIN billing.orders o ON o.id = p.order_id
         WHERE p.intent_id IS NOT NULL;
"""

_MUST_NOT_BE: Final = {
    "orders that ended otherwise than their buyers must find them": """
        SELECT count(*) FROM wanted w LEFT JOIN billing.orders o ON o.id = w.order_id
         WHERE o.id IS NULL OR NOT (o.state = ANY (w.states))""",
    "orders that no buyer knows": """
        SELECT count(*) FROM billing.orders o WHERE NOT EXISTS (SELECT FROM wanted w WHERE w.order_id = o.id)""",
    "intents without exactly one payment and order": """
        SELECT count(*) FROM intents i WHERE 1 <> (SELECT count(*) FROM found f WHERE f.intent_id = i.id)""",
    "payments whose intent the provider does not know": """
        SELECT count(*) FROM billing.payments p
         WHERE p.intent_id IS NOT NULL AND NOT EXISTS (SELECT FROM intents i WHERE i.id = p.intent_id)""",
    "captured, but neither kept nor given back": """
        SELECT count(*) FROM captured c JOIN found f ON f.intent_id = c.id
         WHERE f.state NOT IN ('succeeded', 'returned')""",
    "captured in another amount than ordered": """
        SELECT count(*) FROM captured c JOIN found f ON f.intent_id = c.id WHERE c.captured <> f.amount""",
    "kept, but without exactly one right, sale, invoice and confirmation": """
        SELECT count(*) FROM found f
         WHERE f.state = 'succeeded' AND (f.rights, f.sales, f.invoices, f.confirmations) <> (1, 1, 1, 1)""",
    "to be given back, but without exactly one refund, or with a right or a sale": """
        SELECT count(*) FROM found f
         WHERE f.state = 'returned' AND (f.refunds, f.rights, f.sales, f.invoices) <> (1, 0, 0, 0)""",
    "undone, but with money left at the provider": """
        SELECT count(*) FROM found f JOIN intents i ON i.id = f.intent_id
         WHERE f.order_state = 'refunded' AND i.captured <> i.refunded""",
    "paid, but with money given back": """
        SELECT count(*) FROM found f JOIN intents i ON i.id = f.intent_id
         WHERE f.order_state = 'paid' AND f.state = 'succeeded' AND i.refunded > 0""",
    "paid for us, but not captured at the provider": """
        SELECT count(*) FROM found f WHERE f.state IN ('succeeded', 'returned')
           AND NOT EXISTS (SELECT FROM captured c WHERE c.id = f.intent_id)""",
    "rights without captured money": """
        SELECT count(*) FROM store.entitlements e JOIN billing.order_lines l ON l.id = e.order_line_id
         WHERE NOT EXISTS (SELECT FROM found f JOIN captured c ON c.id = f.intent_id WHERE f.order_id = l.order_id)""",
    "refunds on which we and the provider disagree": """
        SELECT count(*) FROM (SELECT * FROM billing.refunds WHERE provider_refund_id IS NOT NULL) r
          FULL JOIN provider_refunds p ON p.id = r.provider_refund_id AND p.intent_id = r.intent_id
         WHERE r.state IS DISTINCT FROM 'succeeded' OR p.amount IS DISTINCT FROM r.amount""",
    "refunds that never arrived": """
        SELECT count(*) FROM billing.refunds WHERE state <> 'succeeded'""",
    "movements at the provider that the books do not explain": """
        SELECT count(*) FROM movements m LEFT JOIN billing.provider_transactions t ON t.id = m.id
         WHERE t.matched_at IS NULL""",
    "claims of the books on the provider that are not what it holds for us": """
        SELECT count(*) FROM (SELECT sum(minor) AS minor FROM billing.postings WHERE account = 'clearing:stripe') AS b
         WHERE minor IS DISTINCT FROM (SELECT sum(net) FROM movements)""",
    "events of the provider that nobody took in": """
        SELECT count(*) FROM events e
         WHERE NOT EXISTS (SELECT FROM billing.webhook_events w WHERE w.event_id = e.id)""",
    "money owed to customers": """
        SELECT count(*) FROM (
            SELECT sum(minor) AS minor FROM billing.postings WHERE account = 'liability:refunds'
        ) AS owed WHERE minor <> 0""",
    "books that do not balance": """
        SELECT count(*) FROM (SELECT sum(minor) AS minor FROM billing.postings) AS all_of_them WHERE minor <> 0""",
    "series of documents with a gap": """
        SELECT count(*) FROM (
            SELECT series FROM billing.documents GROUP BY series HAVING (min(number), max(number)) <> (1, count(*))
        ) AS gaps""",
    "jobs that are left or failed": "SELECT count(*) FROM jobs.pgqueuer",
    "mails that were not sent": "SELECT count(*) FROM store.mails WHERE status <> 'sent'",
    "events without an outcome, or parked": """
        SELECT count(*) FROM billing.webhook_events
         WHERE outcome = 'received' OR (outcome = 'parked' AND note <> 'nothing is done for this type')""",
    **{f"invariant {invariant.name}": invariant.query for invariant in INVARIANTS},
}

_FIGURES: Final = {
    "captured payments": "SELECT count(*) FROM captured",
    "orders": "SELECT count(*) FROM billing.orders",
    "kept": "SELECT count(*) FROM found WHERE state = 'succeeded'",
    "given back": "SELECT count(*) FROM found WHERE state = 'returned'",
    "rights": "SELECT count(*) FROM store.entitlements",
    "sales booked": "SELECT count(*) FROM billing.journals WHERE kind = 'sale'",
    "invoices": "SELECT count(*) FROM billing.documents WHERE kind = 'invoice'",
    "credit notes": "SELECT count(*) FROM billing.documents WHERE kind = 'credit_note'",
    "refunds": "SELECT count(*) FROM billing.refunds",
    "confirmations sent": "SELECT count(*) FROM store.mails WHERE kind = 'order_confirmation' AND status = 'sent'",
    "events taken in": "SELECT count(*) FROM billing.webhook_events",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found when all was quiet."""

    faults: dict[str, int]
    """How many cases there are of what must not be, by its name."""
    figures: dict[str, int]

    @property
    def broken(self) -> dict[str, int]:
        """Only what must not be and is."""
        return {name: count for name, count in self.faults.items() if count}


Rows = dict[str, list[tuple[Any, ...]]]
"""Rows of the temporary tables by their names."""


async def judge(owner: asyncpg.Connection, provider: Rows, wanted: dict[str, frozenset[str]]) -> Verdict:
    """Hold the database against what the payment service has, and against the states that orders must be in."""
    await owner.execute(_TABLES)
    wishes = [(order_id, list(states)) for order_id, states in wanted.items()]
    for table, rows in {**provider, "wanted": wishes}.items():
        await owner.copy_records_to_table(table, records=rows)
    return Verdict(
        {name: int(await owner.fetchval(query)) for name, query in _MUST_NOT_BE.items()},
        {name: int(await owner.fetchval(query)) for name, query in _FIGURES.items()},
    )


def rows_of(stripe_store: Path) -> Rows:
    """What the payment stand-in's store says, which no process may have open: intents with what was captured and what
    went back, refunds, movements, events.
    """
    connection = sqlite3.connect(stripe_store)
    objects = [json.loads(body) for (body,) in connection.execute("SELECT body FROM objects")]
    connection.close()
    captured, refunded = Counter[str](), Counter[str]()
    for charge in _of_kind(objects, "charge"):
        captured[charge["payment_intent"]] += charge["amount_captured"]
        refunded[charge["payment_intent"]] += charge["amount_refunded"]
    return {
        "intents": [
            (one["id"], captured[one["id"]], refunded[one["id"]]) for one in _of_kind(objects, "payment_intent")
        ],
        "provider_refunds": [(one["id"], one["payment_intent"], one["amount"]) for one in _of_kind(objects, "refund")],
        "movements": [(one["id"], one["net"]) for one in _of_kind(objects, "balance_transaction")],
        "events": [(one["id"],) for one in _of_kind(objects, "event") if one["type"] in SUBSCRIBED],
    }


def _of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in objects if one["object"] == kind]
