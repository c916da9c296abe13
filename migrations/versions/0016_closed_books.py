"""Up to which instant the books are closed; idempotency keys also of people who are not signed in.

It adds a table and takes a foreign key away, which holds a lock for an instant. Older processes go on as before: what
they book late into an exported period is not held back yet.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KEY = "fk_idempotent_answers_account_id"


def upgrade() -> None:
    op.create_table(
        "closed_until",
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_closed_until")),
        schema="billing",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON billing.closed_until TO videothek_app")
    op.execute("GRANT SELECT ON billing.closed_until TO videothek_finance")
    op.execute("INSERT INTO billing.closed_until (code, closed_until) VALUES ('books', '2000-01-01 00:00:00+00')")
    op.drop_constraint(KEY, "idempotent_answers", schema="billing", type_="foreignkey")


def downgrade() -> None:
    """Keys of people who were not signed in go; they are kept for a day anyway."""
    op.execute(
        "DELETE FROM billing.idempotent_answers AS answer WHERE NOT EXISTS "
        "(SELECT FROM auth.accounts WHERE accounts.id = answer.account_id)"
    )
    op.create_foreign_key(
        KEY,
        "idempotent_answers",
        "accounts",
        ["account_id"],
        ["id"],
        source_schema="billing",
        referent_schema="auth",
    )
    op.drop_table("closed_until", schema="billing")
