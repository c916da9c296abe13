"""How long billing keeps what no law demands: the books, documents and orders themselves are in none of these."""

from datetime import timedelta
from typing import Final

from auth.retention import Period

PERIODS: Final = (
    Period(
        "quotes that nobody ordered",
        timedelta(days=30),
        """
        DELETE FROM billing.quotes WHERE id IN (
            SELECT q.id FROM billing.quotes AS q
             WHERE q.expires_at < $1 AND NOT EXISTS (SELECT FROM billing.orders AS o WHERE o.quote_id = q.id)
             LIMIT $2)
        """,
    ),
    Period(
        "tries to pay",
        timedelta(days=90),
        """
        DELETE FROM billing.payment_tries WHERE charge_id IN (
            SELECT charge_id FROM billing.payment_tries WHERE at < $1 LIMIT $2)
        """,
    ),
    Period(
        "declined tries of payments",
        timedelta(days=400),
        """
        DELETE FROM billing.declined_tries WHERE key IN (
            SELECT key FROM billing.declined_tries WHERE at < $1 LIMIT $2)
        """,
    ),
    Period(
        "payers' address keys",
        timedelta(days=90),
        """
        UPDATE billing.payments SET address_key = NULL WHERE id IN (
            SELECT id FROM billing.payments WHERE address_key IS NOT NULL AND opened_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "addresses of orders",
        timedelta(days=180),
        """
        UPDATE billing.orders SET client_address = NULL WHERE id IN (
            SELECT id FROM billing.orders WHERE client_address IS NOT NULL AND ordered_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "cards' fingerprints and last digits",
        timedelta(days=400),
        """
        UPDATE billing.payments SET method = method - 'fingerprint' - 'last4' - 'mandate', mandate_reference = NULL
         WHERE id IN (
            SELECT id FROM billing.payments
             WHERE (method ? 'fingerprint' OR method ? 'last4') AND updated_at < $1 LIMIT $2)
        """,
    ),
    Period(
        "settled declarations of withdrawal",
        timedelta(days=1461),
        """
        DELETE FROM billing.withdrawal_declarations WHERE id IN (
            SELECT id FROM billing.withdrawal_declarations
             WHERE state IN ('withdrawn', 'closed') AND declared_at < $1 LIMIT $2)
        """,
    ),
)
"""Measured by business time."""
