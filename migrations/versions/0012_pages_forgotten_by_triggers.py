"""A film page is forgotten when something that stands on it changes, by triggers.

It only adds: a function and triggers, each under a SHARE ROW EXCLUSIVE lock of a moment; readers go on, and whoever
writes waits for five seconds at most. Programs of the version before go on working.

Who fills an empty catalogue says so (`SET LOCAL store.has_no_pages = 'on'`): nothing stands on pages yet, and before
their first ANALYZE the tables are joined by plans that take minutes.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

CHANGES = {
    "titles": ("INSERT", "UPDATE"),
    "title_texts": ("INSERT", "UPDATE", "DELETE"),
    "opinions": ("INSERT", "UPDATE", "DELETE"),
    "ratings": ("INSERT", "UPDATE", "DELETE"),
    "credits": ("INSERT", "UPDATE", "DELETE"),
    "editions": ("INSERT", "UPDATE"),
    "offers": ("INSERT", "UPDATE"),
}

FORGET_PAGES = """
    CREATE OR REPLACE FUNCTION store.forget_pages() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        ids uuid[];
    BEGIN
        IF current_setting('store.has_no_pages', true) = 'on' THEN
            RETURN NULL;
        END IF;
        IF TG_TABLE_NAME = 'titles' THEN
            ids := ARRAY(SELECT id FROM changed);
        ELSIF TG_TABLE_NAME = 'offers' THEN
            ids := ARRAY(
                SELECT e.title_id FROM changed
                JOIN store.products p ON p.id = changed.product_id JOIN store.editions e ON e.id = p.edition_id
            );
        ELSE
            ids := ARRAY(SELECT title_id FROM changed);
        END IF;
        -- A series, its seasons and its episodes stand on each other's pages.
        ids := ARRAY(
            WITH tops AS (
                SELECT coalesce(season.parent_id, t.parent_id, t.id) AS id
                FROM unnest(ids) AS changed_title(id) JOIN store.titles t USING (id)
                LEFT JOIN store.titles season ON season.id = t.parent_id
            ), seasons AS (
                SELECT id FROM store.titles WHERE parent_id IN (SELECT id FROM tops)
            )
            SELECT id FROM tops UNION SELECT id FROM seasons
            UNION SELECT id FROM store.titles WHERE parent_id IN (SELECT id FROM seasons)
        );
        -- A page that is being built from the old rows is waited for; none is built before this transaction ends.
        PERFORM FROM unnest(ids) AS affected(id) JOIN store.titles t USING (id) ORDER BY t.id FOR NO KEY UPDATE OF t;
        DELETE FROM store.title_pages USING unnest(ids) AS affected(id) WHERE title_id = affected.id;
        RETURN NULL;
    END $$
    """


def upgrade() -> None:
    op.execute(FORGET_PAGES)
    for table, events in CHANGES.items():
        for event in events:
            rows = "NEW" if event == "INSERT" else "OLD"
            op.execute(
                f"CREATE TRIGGER forget_pages_{event.lower()} AFTER {event} ON store.{table} "
                f"REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION store.forget_pages()"
            )


def downgrade() -> None:
    for table, events in CHANGES.items():
        for event in events:
            op.execute(f"DROP TRIGGER forget_pages_{event.lower()} ON store.{table}")
    op.execute("DROP FUNCTION store.forget_pages()")
