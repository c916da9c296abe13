"""Incidents that are made good for everybody whom they met.

A new table, a column without a default, and an index over refusals alone. Where there are very many licence events, build
it beforehand with CREATE INDEX CONCURRENTLY IF NOT EXISTS, by the same name: then nothing is left to do here.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0042"
down_revision: str | None = "0041"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("begins_at < ends_at", name=op.f("ck_incidents_span")),
        sa.ForeignKeyConstraint(["title_id"], ["store.titles.id"], name=op.f("fk_incidents_title_id")),
        sa.ForeignKeyConstraint(["agent_id"], ["auth.accounts.id"], name=op.f("fk_incidents_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint(
            "title_id", "code", "begins_at", "ends_at", name=op.f("uq_incidents_title_id_code_begins_at_ends_at")
        ),
        schema="store",
    )
    op.execute("GRANT SELECT, INSERT ON store.incidents TO videothek_app")
    op.add_column("rental_remedies", sa.Column("incident_id", sa.Uuid(), nullable=True), schema="store")
    op.create_foreign_key(
        "fk_rental_remedies_incident_id",
        "rental_remedies",
        "incidents",
        ["incident_id"],
        ["id"],
        source_schema="store",
        referent_schema="store",
    )
    op.create_unique_constraint(
        "uq_rental_remedies_incident_id_entitlement_id",
        "rental_remedies",
        ["incident_id", "entitlement_id"],
        schema="store",
    )
    op.create_index(
        "ix_licence_events_refused",
        "licence_events",
        ["title_id", "at"],
        schema="store",
        postgresql_where=sa.text("outcome = 'refused'"),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Take them away: what was made good stays, for which incident is forgotten."""
    op.drop_index("ix_licence_events_refused", "licence_events", schema="store")
    op.drop_constraint("uq_rental_remedies_incident_id_entitlement_id", "rental_remedies", schema="store")
    op.drop_column("rental_remedies", "incident_id", schema="store")
    op.drop_table("incidents", schema="store")
