"""The journal of erasures, with those that were carried out already.

Safe under load: a new table, filled from one that is small.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0036"
down_revision: str | None = "0035"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add it."""
    op.create_table(
        "erasure_journal",
        sa.Column("pseudonym", sa.Uuid(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pseudonym", name=op.f("pk_erasure_journal")),
        schema="auth",
    )
    op.execute(
        """
        INSERT INTO auth.erasure_journal (pseudonym, erased_at)
        SELECT a.pseudonym, min(e.erased_at) FROM auth.erasures AS e JOIN auth.accounts AS a ON a.id = e.account_id
         WHERE e.erased_at IS NOT NULL GROUP BY a.pseudonym
        """
    )
    op.execute(
        "CREATE OR REPLACE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON auth.erasure_journal "
        "FOR EACH ROW EXECUTE FUNCTION auth.refuse_change()"
    )
    op.execute(
        "CREATE OR REPLACE TRIGGER append_only_table BEFORE TRUNCATE ON auth.erasure_journal "
        "FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change()"
    )
    op.execute("GRANT SELECT, INSERT ON auth.erasure_journal TO videothek_app")


def downgrade() -> None:
    """Take it away; what it says stands in the erasures, too."""
    op.drop_table("erasure_journal", schema="auth")
