"""What must always hold between money and rights: one query each, whose number is zero while all is well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from auth.ports import OpenDatabase
from store.catalogue.models import Base

log = structlog.get_logger("invariants")


class InvariantFinding(Base):
    """What was counted last of an invariant."""

    __tablename__ = "invariant_findings"

    name: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    checked_at: Mapped[datetime]
    """Real time."""
    broken_since: Mapped[datetime | None]
    """When it was first found broken; None while all is well."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """One thing that must never be."""

    name: str
    words: Mapping[str, str]
    """What it counts, by locale."""
    query: str
    """SQL that counts the cases."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How many cases of an invariant there are."""

    invariant: Invariant
    count: int


@dataclass(frozen=True, slots=True)
class LastFinding:
    """What was found last, and when."""

    invariant: Invariant
    count: int
    checked_at: datetime
    """Real time."""
    broken_since: datetime | None


INVARIANTS: Final = (
    Invariant(
        "paid_without_access",
        {"de": "Bezahlt, aber ohne Recht", "en": "Paid, but without a right"},
        """
        SELECT count(*) FROM billing.orders AS o JOIN billing.order_lines AS l ON l.order_id = o.id
         WHERE o.state = 'paid' AND NOT EXISTS (
            SELECT FROM store.entitlements AS e
             WHERE e.order_line_id = l.id AND (
                   e.revoked_at IS NULL OR e.revoke_reason = 'dispute'
                OR o.gross = 0 AND e.revoke_reason = 'title_taken_down'))
        """,
    ),
    Invariant(
        # While a bank decides about the money, the right is on hold and a takedown waits.
        "paid_but_taken_down",
        {"de": "Bezahlt, aber gesperrt und nicht erstattet", "en": "Paid, but taken down and not refunded"},
        """
        SELECT count(*) FROM store.takedowns AS k
          JOIN store.titles AS t ON k.title_id = t.id OR k.title_id = t.parent_id
            OR k.title_id = (SELECT season.parent_id FROM store.titles AS season WHERE season.id = t.parent_id)
          JOIN store.entitlements AS e ON e.title_id = t.id
          JOIN billing.order_lines AS l ON l.id = e.order_line_id JOIN billing.orders AS o ON o.id = l.order_id
         WHERE k.lifted_at IS NULL AND e.revoked_at IS NULL AND e.paused_at IS NULL AND o.gross > 0
           AND (e.kind = 'buy' OR coalesce(e.ends_at, e.start_by) > now())
        """,
    ),
    Invariant(
        "access_without_payment",
        {"de": "Recht, aber nicht bezahlt", "en": "A right, but not paid"},
        """
        SELECT count(*) FROM store.entitlements AS e
          JOIN billing.order_lines AS l ON l.id = e.order_line_id JOIN billing.orders AS o ON o.id = l.order_id
         WHERE e.revoked_at IS NULL AND (o.state <> 'paid' OR o.gross > 0 AND NOT EXISTS (
            SELECT FROM billing.payments AS p WHERE p.order_id = o.id AND p.state = 'succeeded'))
        """,
    ),
    Invariant(
        "given_by_nobody",
        {"de": "Ohne Preis, aber von niemandem geschenkt", "en": "Without a price, but given by nobody"},
        """
        SELECT count(*) FROM billing.orders AS o WHERE o.gross = 0
           AND NOT EXISTS (SELECT FROM billing.gifts AS g WHERE g.order_id = o.id)
        """,
    ),
    Invariant(
        "unbalanced_journals",
        {"de": "Buchungen, die nicht aufgehen", "en": "Journals that do not balance"},
        """
        SELECT count(*) FROM (
            SELECT journal_id FROM billing.postings GROUP BY journal_id HAVING sum(minor) <> 0
        ) AS unbalanced
        """,
    ),
    Invariant(
        "paid_without_sale_or_invoice",
        {"de": "Bezahlt, aber nicht gebucht oder berechnet", "en": "Paid, but not booked or not invoiced"},
        """
        SELECT count(*) FROM billing.payments AS p WHERE p.state = 'succeeded' AND NOT (
            EXISTS (SELECT FROM billing.journals AS j
                     WHERE j.source = 'payment' AND j.source_id = p.id AND j.kind = 'sale')
            AND EXISTS (SELECT FROM billing.documents AS d WHERE d.order_id = p.order_id AND d.kind = 'invoice'))
        """,
    ),
    Invariant(
        "returned_without_refund",
        {"de": "Zurückzugeben, aber ohne Rückzahlung", "en": "To be given back, but without a refund"},
        """
        SELECT count(*) FROM billing.payments AS p WHERE p.state = 'returned'
           AND NOT EXISTS (SELECT FROM billing.refunds AS r WHERE r.payment_id = p.id)
        """,
    ),
    Invariant(
        "refunded_more_than_paid",
        {"de": "Mehr zurückgegeben als bezahlt", "en": "More given back than was paid"},
        """
        SELECT count(*) FROM (
            SELECT o.id FROM billing.orders AS o JOIN billing.refunds AS r ON r.order_id = o.id
             WHERE r.kind = 'sale' AND r.replaces_id IS NULL AND r.state <> 'rejected'
             GROUP BY o.id HAVING sum(r.amount) > o.gross
        ) AS too_much
        """,
    ),
    Invariant(
        "gaps_in_document_numbers",
        {"de": "Lücken in den Belegnummern", "en": "Gaps in the numbers of documents"},
        """
        SELECT count(*) FROM (
            SELECT s.code FROM billing.document_series AS s LEFT JOIN billing.documents AS d ON d.series = s.code
             GROUP BY s.code HAVING count(d.id) <> s.next_number - 1
        ) AS gaps
        """,
    ),
    Invariant(
        # Reconciliation runs every hour and lost events are found within minutes, so a day is ample. The provider
        # knows the contents of a payout when it has reconciled it itself, which may take a weekend. A debit or the
        # refund of one may be under way for 14 banking days.
        "unmatched_provider_transactions",
        {"de": "Bewegungen beim Zahlungsdienst ohne Buchung", "en": "Movements at the provider without a booking"},
        """
        SELECT count(*) FROM billing.provider_transactions WHERE matched_at IS NULL
           AND created_at < now() - CASE note WHEN 'under_way' THEN interval '30 days'
                                              WHEN 'contents_missing' THEN interval '3 days'
                                              ELSE interval '1 day' END
        """,
    ),
    Invariant(
        # A sale is booked before its movement is known, and a movement may be known before it is booked: what is
        # younger than the graces above counts on neither side until one explains the other.
        "clearing_differs_from_provider",
        {
            "de": "Währungen, in denen der Zahlungsdienst etwas anderes schuldet als gebucht",
            "en": "Currencies in which the provider owes something else than is booked",
        },
        """
        WITH books AS (
            SELECT j.currency, sum(p.minor) AS minor
              FROM billing.postings AS p JOIN billing.journals AS j ON j.id = p.journal_id
             WHERE p.account = 'clearing:stripe' AND (
                   j.booked_at < now() - interval '1 day'
                OR j.kind IN ('fee', 'provider_fee', 'payout', 'payout_reversal')
                OR EXISTS (SELECT FROM billing.provider_transactions AS t WHERE t.journal_id = j.id))
             GROUP BY j.currency
        ), provider AS (
            SELECT currency, sum(amount - fee) AS minor FROM billing.provider_transactions
             WHERE payout_id IS NULL AND (
                   matched_at IS NOT NULL OR journal_id IS NOT NULL
                OR created_at < now() - CASE note WHEN 'under_way' THEN interval '30 days'
                                                  ELSE interval '1 day' END)
             GROUP BY currency
        )
        SELECT count(*) FROM books FULL JOIN provider USING (currency)
         WHERE coalesce(books.minor, 0) <> coalesce(provider.minor, 0)
        """,
    ),
)
"""Every invariant; a new rule between money and rights belongs here and nowhere else."""


_KEEP: Final = """
    INSERT INTO store.invariant_findings AS f (name, count, checked_at, broken_since)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO UPDATE SET count = excluded.count, checked_at = excluded.checked_at,
        broken_since = CASE WHEN excluded.count > 0 THEN coalesce(f.broken_since, excluded.broken_since) END
"""


async def count_invariants(database: OpenDatabase) -> Sequence[Finding]:
    """Count the cases of every invariant now, each in its own statement."""
    return [Finding(invariant, int(await database.reads.fetchval(invariant.query))) for invariant in INVARIANTS]


async def check_invariants(database: OpenDatabase) -> Sequence[Finding]:
    """Count, and keep what was found; what is not zero is logged as an error."""
    findings, now = await count_invariants(database), datetime.now(UTC)
    for finding in findings:
        await database.reads.execute(_KEEP, finding.invariant.name, finding.count, now, now if finding.count else None)
        if finding.count:
            log.error("invariant broken", name=finding.invariant.name, count=finding.count)
    return findings


async def check_if_never_checked(database: OpenDatabase) -> None:
    """Count once on the first start: a new store does not wait for its first night to know how it stands."""
    if not await last_findings(database):
        await check_invariants(database)


async def last_findings(database: OpenDatabase) -> Sequence[LastFinding]:
    """What was found last, in the order of the invariants; one that was never counted is left out."""
    rows = await database.reads.fetch("SELECT name, count, checked_at, broken_since FROM store.invariant_findings")
    kept = {row["name"]: row for row in rows}
    return [
        LastFinding(invariant, row["count"], row["checked_at"], row["broken_since"])
        for invariant in INVARIANTS
        if (row := kept.get(invariant.name)) is not None
    ]
