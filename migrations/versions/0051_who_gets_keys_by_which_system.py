"""Whether Clear Key may give a film's keys, and for which device a hosted service got a playback's.

Clear Key may for the film that stands in for others only. Columns with a constant default or none, which rewrite nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0051"
down_revision: str | None = "0050"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add them."""
    op.add_column("playback_sessions", sa.Column("hosted_client", sa.LargeBinary(), nullable=True), schema="store")
    op.add_column(
        "media_assets", sa.Column("clear_key", sa.Boolean(), server_default="false", nullable=False), schema="store"
    )
    op.execute("UPDATE store.media_assets SET clear_key = true WHERE title_id IS NULL")


def downgrade() -> None:
    """Take them away: Clear Key gives the keys of every film again, and a token is good for any device of a service."""
    op.drop_column("media_assets", "clear_key", schema="store")
    op.drop_column("playback_sessions", "hosted_client", schema="store")
