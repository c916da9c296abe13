"""Indexes for searches for very common words and for lists of one kind.

It only adds. Each index is built under a SHARE lock on `store.titles`: readers and the building of film pages go on;
whoever changes titles (editors, imports) waits, on 66,000 titles for about a second in all. An import that runs already
is waited for five seconds at most, and then nothing has changed.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INDEXES: dict[str, list[str | sa.TextClause]] = {
    "ix_titles_popularity": [sa.text("popularity DESC"), "id"],
    "ix_titles_kind_popularity": ["kind", sa.text("popularity DESC"), "id"],
    "ix_titles_kind_sort_key": ["kind", sa.text('sort_key COLLATE "C"'), "id"],
    "ix_titles_kind_added_at": ["kind", sa.text("added_at DESC"), "id"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "titles", columns, schema="store")
    whole = sa.text("string_to_array(search_text::text, ' | ')")
    op.create_index("ix_titles_whole", "titles", [whole], schema="store", postgresql_using="gin")
    op.execute("ANALYZE store.titles")


def downgrade() -> None:
    for name in ("ix_titles_whole", *INDEXES):
        op.drop_index(name, "titles", schema="store")
