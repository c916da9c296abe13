"""How far films were watched, and the languages that were chosen last.

Two new tables; nothing that exists is touched, so programs of the version before go on working.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "watch_progress",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("playback_session_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["auth.accounts.id"], name=op.f("fk_watch_progress_account_id")),
        sa.ForeignKeyConstraint(["title_id"], ["store.titles.id"], name=op.f("fk_watch_progress_title_id")),
        sa.ForeignKeyConstraint(
            ["playback_session_id"],
            ["store.playback_sessions.id"],
            name=op.f("fk_watch_progress_playback_session_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "title_id", name=op.f("pk_watch_progress")),
        schema="store",
    )
    op.create_table(
        "track_choices",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("audio", sa.String(length=35), nullable=True),
        sa.Column("subtitles", sa.String(length=35), nullable=True),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["auth.accounts.id"], name=op.f("fk_track_choices_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_track_choices")),
        schema="store",
    )
    for table in ("watch_progress", "track_choices"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON store.{table} TO videothek_app")


def downgrade() -> None:
    """Remove the tables, and with them what customers had watched and chosen."""
    op.drop_table("track_choices", schema="store")
    op.drop_table("watch_progress", schema="store")
