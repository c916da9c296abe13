"""Finance's look at our account at the provider: its movements, its payouts with their sums, their contents as CSV.

The columns of the CSV (comma, UTF-8, a header line, one line per movement that is in a payout of the period):

    payout_id          the provider's key of the payout
    paid_out           accounting day of the payout in the seller's zone
    movement_id        the provider's key of the movement
    date               accounting day of the movement in the seller's zone
    kind               the provider's word: charge, refund, adjustment, stripe_fee, …
    source_id          charge, refund or dispute that moved the money
    order_number       empty where no order belongs to it
    currency           ISO 4217
    amount_minor       before the fee, positive to us, in minor units
    fee_minor          what the provider kept
    net_minor          amount - fee; the lines of a payout sum up to what reached the bank
    amount, fee, net   the same three as decimal numbers with a point
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from auth.ports import OpenDatabase
from billing.exports import Period, stream_csv
from billing.money import Money
from billing.provider_lists import BEGINNING
from billing.tax import SELLER_ZONE


@dataclass(frozen=True, slots=True)
class AccountMovement:
    """A movement of our account at the provider, and what the books say of it."""

    id: str
    kind: str
    source_id: str | None
    created_at: datetime
    amount: Money
    fee: Money
    payout_id: str | None
    order_number: str | None
    note: str | None
    """Why it is not matched: a code of `billing.movements`; None for what is."""
    is_matched: bool


@dataclass(frozen=True, slots=True)
class Payout:
    """What went to our bank; amount = charges + refunds + disputes + fees + others once its contents are known."""

    id: str
    created_at: datetime
    is_complete: bool
    """Whether its contents add up to it."""
    count: int
    charges: Money
    refunds: Money
    disputes: Money
    fees: Money
    others: Money
    amount: Money


@dataclass(frozen=True, slots=True)
class MonthAtProvider:
    """What moved our account in a calendar month of the seller's zone, in one currency."""

    month: str
    """`2026-11`."""
    charges: Money
    refunds: Money
    fees: Money
    payouts: Money


_MOVEMENTS: Final = """
    SELECT
        t.id, t.kind, t.source_id, t.created_at, t.amount, t.fee, t.currency, t.payout_id, t.note,
        t.matched_at IS NOT NULL AS is_matched, coalesce(j.order_number, o.order_number) AS order_number
    FROM billing.provider_transactions AS t
    LEFT JOIN billing.journals AS j ON j.id = t.journal_id
    LEFT JOIN billing.payments AS p ON p.intent_id = t.intent_id
    LEFT JOIN billing.orders AS o ON o.id = p.order_id
    WHERE t.matched_at IS {} NULL AND (t.created_at, t.id) > ($1, $2)
    ORDER BY t.created_at, t.id LIMIT $3
"""

_UNMATCHED: Final = _MOVEMENTS.format("")
_MATCHED: Final = _MOVEMENTS.format("NOT")

_PAYOUTS: Final = """
    SELECT
        payout.source_id AS id, payout.created_at, payout.matched_at IS NOT NULL AS is_complete, payout.currency,
        -payout.amount AS amount, count(line.id) AS count,
        coalesce(sum(line.amount) FILTER (WHERE line.kind IN ('charge', 'payment')), 0)::bigint AS charges,
        coalesce(sum(line.amount) FILTER (WHERE line.kind ~ 'refund'), 0)::bigint AS refunds,
        coalesce(sum(line.amount) FILTER (WHERE line.kind = 'adjustment'), 0)::bigint AS disputes,
        (coalesce(sum(line.amount) FILTER (WHERE line.kind ~ '_fee$'), 0) - coalesce(sum(line.fee), 0)
            - payout.fee)::bigint AS fees,
        coalesce(sum(line.amount) FILTER (
            WHERE line.kind NOT IN ('charge', 'payment', 'adjustment') AND line.kind !~ 'refund|_fee$'
        ), 0)::bigint AS others
    FROM billing.provider_transactions AS payout
    LEFT JOIN billing.provider_transactions AS line ON line.payout_id = payout.source_id AND line.id <> payout.id
    WHERE payout.kind = 'payout' AND payout.created_at >= $1 AND payout.created_at < $2
    GROUP BY payout.id ORDER BY payout.created_at, payout.id
"""

_MONTHS: Final = """
    SELECT
        to_char(created_at AT TIME ZONE $3, 'YYYY-MM') AS month, currency,
        coalesce(sum(amount) FILTER (WHERE kind IN ('charge', 'payment')), 0)::bigint AS charges,
        coalesce(sum(amount) FILTER (WHERE kind ~ 'refund'), 0)::bigint AS refunds,
        (coalesce(sum(amount) FILTER (WHERE kind ~ '_fee$'), 0) - sum(fee))::bigint AS fees,
        coalesce(sum(amount) FILTER (WHERE kind ~ '^payout'), 0)::bigint AS payouts
    FROM billing.provider_transactions
    WHERE created_at >= $1 AND created_at < $2
    GROUP BY 1, currency ORDER BY currency, 1
"""

_CSV: Final = """
    SELECT
        payout.source_id AS payout_id, (payout.created_at AT TIME ZONE $3)::date AS paid_out,
        line.id AS movement_id, (line.created_at AT TIME ZONE $3)::date AS date, line.kind, line.source_id,
        journal.order_number, line.currency,
        line.amount AS amount_minor, line.fee AS fee_minor, line.amount - line.fee AS net_minor,
        round(line.amount / 10::numeric ^ digits, digits) AS amount,
        round(line.fee / 10::numeric ^ digits, digits) AS fee,
        round((line.amount - line.fee) / 10::numeric ^ digits, digits) AS net
    FROM billing.provider_transactions AS payout
    JOIN billing.provider_transactions AS line ON line.payout_id = payout.source_id AND line.id <> payout.id
    LEFT JOIN billing.journals AS journal ON journal.id = line.journal_id
    CROSS JOIN LATERAL billing.currency_digits(line.currency) AS digits
    WHERE payout.kind = 'payout' AND payout.created_at >= $1 AND payout.created_at < $2
    ORDER BY payout.created_at, payout.id, line.created_at, line.id
"""


async def list_account_movements(
    database: OpenDatabase, *, matched: bool, after: tuple[datetime, str] | None = None, limit: int = 100
) -> Sequence[AccountMovement]:
    """Movements in the order of time, beginning behind the place `after`."""
    start, last_id = after or (BEGINNING, "")
    rows = await database.reads.fetch(_MATCHED if matched else _UNMATCHED, start, last_id, limit)
    return [
        AccountMovement(
            id=row["id"],
            kind=row["kind"],
            source_id=row["source_id"],
            created_at=row["created_at"],
            amount=Money(row["amount"], row["currency"]),
            fee=Money(row["fee"], row["currency"]),
            payout_id=row["payout_id"],
            order_number=row["order_number"],
            note=row["note"],
            is_matched=row["is_matched"],
        )
        for row in rows
    ]


async def list_payouts(database: OpenDatabase, *, period: Period) -> Sequence[Payout]:
    """The payouts that were made in a period, the oldest first."""
    rows = await database.reads.fetch(_PAYOUTS, *period.instants)
    return [
        Payout(
            id=row["id"],
            created_at=row["created_at"],
            is_complete=row["is_complete"],
            count=row["count"],
            **_amounts(row, "charges", "refunds", "disputes", "fees", "others", "amount"),
        )
        for row in rows
    ]


async def total_by_month(database: OpenDatabase, *, period: Period) -> Sequence[MonthAtProvider]:
    """What moved the account, by currency and month; months without a movement have no row."""
    rows = await database.reads.fetch(_MONTHS, *period.instants, SELLER_ZONE.key)
    return [
        MonthAtProvider(month=row["month"], **_amounts(row, "charges", "refunds", "fees", "payouts")) for row in rows
    ]


def export_payouts(database: OpenDatabase, *, period: Period) -> AsyncGenerator[bytes]:
    """The contents of the period's payouts as CSV."""
    return stream_csv(database, _CSV, *period.instants, SELLER_ZONE.key)


def _amounts(row: Any, *names: str) -> dict[str, Money]:
    return {name: Money(row[name], row["currency"]) for name in names}
