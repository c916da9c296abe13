"""Workers are woken where there is a job to take, and no more whenever one is done.

Safe under load: a trigger is replaced and one is added; both take a lock that waits for writers for a moment.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Wake for what is queued, and for what is queued again."""
    op.execute(
        "CREATE OR REPLACE TRIGGER tg_pgqueuer_changed AFTER INSERT ON jobs.pgqueuer"
        " EXECUTE FUNCTION jobs.fn_pgqueuer_changed()"
    )
    op.execute(
        "CREATE TRIGGER tg_pgqueuer_queued_again AFTER UPDATE OF status ON jobs.pgqueuer"
        " FOR EACH ROW WHEN (NEW.status = 'queued' AND OLD.status <> 'queued')"
        " EXECUTE FUNCTION jobs.fn_pgqueuer_changed()"
    )


def downgrade() -> None:
    """Wake as the library does."""
    op.execute("DROP TRIGGER tg_pgqueuer_queued_again ON jobs.pgqueuer")
    op.execute(
        "CREATE OR REPLACE TRIGGER tg_pgqueuer_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON jobs.pgqueuer"
        " EXECUTE FUNCTION jobs.fn_pgqueuer_changed()"
    )
