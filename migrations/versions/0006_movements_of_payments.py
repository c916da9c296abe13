"""Which payment a movement of our account at the provider belongs to; payouts are no line of finance's transactions.

Safe under load: a column that may be empty, and a view that is replaced at once; programs of the version before go on
working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TRANSACTIONS = """
    CREATE OR REPLACE VIEW billing.transactions AS
    SELECT
        journal.id AS journal_id, journal.booked_at, journal.kind, journal.order_number,
        journal.document_number AS invoice_number, journal.customer_pseudonym AS customer, journal.country,
        sums.tax_rate, journal.currency, sums.gross, sums.net, sums.tax, sums.to_refund, journal.payment_id,
        journal.description, sums.fees, sums.elsewhere
    FROM billing.journals AS journal
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(minor) FILTER (WHERE account LIKE 'clearing:%'), 0)::bigint AS gross,
            coalesce(-sum(minor) FILTER (WHERE account LIKE 'revenue:%'), 0)::bigint AS net,
            coalesce(-sum(minor) FILTER (WHERE account LIKE 'vat:%'), 0)::bigint AS tax,
            coalesce(-sum(minor) FILTER (WHERE account = 'liability:refunds'), 0)::bigint AS to_refund,
            string_agg(DISTINCT split_part(account, ':', 3), ' ') FILTER (WHERE account LIKE 'vat:%') AS tax_rate,
            coalesce(-sum(minor) FILTER (WHERE account ~ '^(fees|loss):'), 0)::bigint AS fees,
            coalesce(-sum(minor) FILTER (WHERE account ~ '^(bank|receivable):'), 0)::bigint AS elsewhere
        FROM billing.postings WHERE postings.journal_id = journal.id
    ) AS sums
    """
"""The lines of the books as they were before."""

WITHOUT_PAYOUTS = "WHERE journal.kind NOT IN ('payout', 'payout_reversal')"


def upgrade() -> None:
    """Add the column and leave payouts out of the view."""
    op.add_column(
        "provider_transactions", sa.Column("intent_id", sa.String(length=80), nullable=True), schema="billing"
    )
    op.get_bind().exec_driver_sql(f"{TRANSACTIONS}{WITHOUT_PAYOUTS}")


def downgrade() -> None:
    """Take the column away and let payouts in again."""
    op.get_bind().exec_driver_sql(TRANSACTIONS)
    op.drop_column("provider_transactions", "intent_id", schema="billing")
