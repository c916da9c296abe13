"""The latest business time, so that it never goes back.

One new table of one row; no table that exists is changed, so programs of the version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "business_time",
        sa.Column("single", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("latest", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_business_time_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_business_time")),
        schema="store",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON store.business_time TO videothek_app")


def downgrade() -> None:
    """Remove the table: a machine's clock that is set back sets business time back again."""
    op.drop_table("business_time", schema="store")
