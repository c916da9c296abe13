"""The table of stored film pages, and the triggers that forget a page when something that stands on it changes.

Triggers, because titles, texts and offers are data: editors, imports and operators change them in ways of their own.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from store.catalogue.models import Base, Market, Title


class TitlePage(Base):
    """The stored film page of a title in a market and a language: what `GET /v1/titles/{slug}` answers, as bytes."""

    __tablename__ = "title_pages"

    slug: Mapped[str] = mapped_column(primary_key=True)
    """The title's slug: the page is found without reading the title."""
    market: Mapped[str] = mapped_column(ForeignKey(Market.code), primary_key=True)
    locale: Mapped[str] = mapped_column(String(5), primary_key=True)
    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id), index=True)
    document: Mapped[bytes] = mapped_column(LargeBinary)
    """`schemas.FilmPage` as JSON."""
    etag: Mapped[str]
    """Strong entity tag of the document, with its quotation marks."""
    valid_from: Mapped[datetime]
    """It shows what holds from here on (inclusive) …"""
    valid_until: Mapped[datetime | None]
    """… until one of its windows changes (exclusive); None: nothing is going to change by itself."""


_CHANGES: Final = {
    "titles": ("INSERT", "UPDATE"),
    "title_texts": ("INSERT", "UPDATE", "DELETE"),
    "opinions": ("INSERT", "UPDATE", "DELETE"),
    "ratings": ("INSERT", "UPDATE", "DELETE"),
    "credits": ("INSERT", "UPDATE", "DELETE"),
    "editions": ("INSERT", "UPDATE"),
    "offers": ("INSERT", "UPDATE"),
    # A takedown ends offers, by which the pages are forgotten; when it is lifted, that alone changes them.
    "takedowns": ("UPDATE",),
}
"""What a film page is made of, and how it can change."""


def _trigger(table: str, event: str) -> str:
    """One statement's rows are forgotten together; of changed rows, as they were (a row never changes its title)."""
    rows = "NEW" if event == "INSERT" else "OLD"
    return f"""
    CREATE OR REPLACE TRIGGER forget_pages_{event.lower()} AFTER {event} ON store.{table}
        REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION store.forget_pages()
    """


DDL: tuple[str, ...] = (
    """
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
    """,
    *(_trigger(table, event) for table, events in _CHANGES.items() for event in events),
)
"""What metadata cannot say; run after the tables stand, and safe to run again."""
