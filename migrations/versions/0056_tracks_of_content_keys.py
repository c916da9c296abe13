"""A content key is of a track that there is: one written otherwise would be granted to nobody.

The table has a few rows for each film, and is read once. Fails where there is such a row: remove it and take the film in
anew (`add-film`), for no licence was ever given of it.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0056"
down_revision: str | None = "0055"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the rule."""
    op.create_check_constraint(
        op.f("ck_content_keys_track"), "content_keys", "track IN ('AUDIO', 'SD', 'HD', 'UHD')", schema="store"
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_constraint(op.f("ck_content_keys_track"), "content_keys", schema="store")
