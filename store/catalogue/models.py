"""Tables of the catalogue: titles with their people, texts and ratings, and the markets and words they are found by.

What is offered of titles stands in `offer_records`, their stored pages in `stored_pages`.
"""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    String,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from auth.ids import NAMING, new_id


class Base(DeclarativeBase):
    """Declarative base of schema `store`, also for entitlements and mails."""

    metadata = MetaData(schema="store", naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this name from the class and never writes it
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        list[str]: ARRAY(String),
    }


class Market(Base):
    """A country in which is sold, with its money, its clock and its tax category."""

    __tablename__ = "markets"

    code: Mapped[str] = mapped_column(String(8), primary_key=True)
    country: Mapped[str] = mapped_column(String(2))
    """ISO 3166-1 alpha-2."""
    currency: Mapped[str] = mapped_column(String(3))
    """ISO 4217."""
    time_zone: Mapped[str]
    """IANA name; a licensor's windows are meant in this zone and stored in UTC."""
    tax_category: Mapped[str] = mapped_column(String(32), default="standard")
    """Category of `billing.tax_rates`."""


class Genre(Base):
    """A genre and its names; titles hold its code."""

    __tablename__ = "genres"

    code: Mapped[str] = mapped_column(primary_key=True)
    name_de: Mapped[str]
    name_en: Mapped[str]


class Person(Base):
    """Someone who made films."""

    __tablename__ = "people"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    search_text: Mapped[str]
    """The name folded by `search.fold`."""
    search: Mapped[Any] = mapped_column(
        TSVECTOR, Computed("to_tsvector('simple', search_text)", persisted=True), deferred=True
    )
    film_count: Mapped[int] = mapped_column(default=0)
    """Titles with a credit of this person: what comes first when several have a name."""
    invented: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (Index(None, "search", postgresql_using="gin"),)


class Title(Base):
    """A film, a series, a season of one, or an episode of a season."""

    __tablename__ = "titles"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(unique=True)
    """What stands in addresses; it never changes once published."""
    kind: Mapped[str] = mapped_column(String(8))
    """`film`, `series`, `season` or `episode`."""
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("titles.id"))
    """The series of a season, the season of an episode."""
    number: Mapped[int | None]
    """A season's or episode's number, counted from 1."""
    original_title: Mapped[str]
    year: Mapped[int | None]
    runtime_minutes: Mapped[int | None]
    countries: Mapped[list[str]]
    """Countries of production: ISO 3166-1 alpha-2, or a former country's code of ISO 3166-3 (`SUHH`)."""
    languages: Mapped[list[str]]
    """Original languages: BCP 47, or a name in English where there is no code."""
    genres: Mapped[list[str]]
    """Codes of `genres`, the most telling first. An array, because it is always read with its title."""
    rights_line: Mapped[str | None]
    """The rights holder's trademark and copyright line."""
    invented: Mapped[bool] = mapped_column(default=False)
    """Whether the title exists in the demonstration only."""
    source: Mapped[str] = mapped_column(String(16), default="editors")
    """Where the facts come from: `editors`, `wikidata`, `licensor` or `invented`."""
    cast_order: Mapped[str] = mapped_column(String(16), default="unknown")
    """`billing`, `alphabetical` or `unknown`."""
    popularity: Mapped[int] = mapped_column(default=0)
    """0 to 1000: what comes first in lists and searches."""
    sort_key: Mapped[str]
    """What lists by title are sorted by (bytewise): folded, without a leading article."""
    search_text: Mapped[str]
    """All its titles folded by `search.fold`, each word once; empty for seasons, which are not searched."""
    search: Mapped[Any] = mapped_column(
        TSVECTOR, Computed("to_tsvector('simple', search_text)", persisted=True), deferred=True
    )
    added_at: Mapped[datetime]
    """When it came into the store."""
    changed_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("kind IN ('film', 'series', 'season', 'episode')", "kind"),
        CheckConstraint("(kind IN ('season', 'episode')) = (parent_id IS NOT NULL)", "parent"),
        CheckConstraint("(parent_id IS NULL) = (number IS NULL)", "number"),
        CheckConstraint("source IN ('editors', 'wikidata', 'licensor', 'invented')", "source"),
        CheckConstraint("cast_order IN ('billing', 'alphabetical', 'unknown')", "cast_order"),
        CheckConstraint("popularity BETWEEN 0 AND 1000", "popularity"),
        Index(
            "uq_titles_parent_id_number",
            "parent_id",
            "number",
            unique=True,
            postgresql_where=text("parent_id IS NOT NULL"),
        ),
        Index(None, "search", postgresql_using="gin"),
        Index(
            "ix_titles_whole",
            text("string_to_array(search_text::text, ' | ')"),
            postgresql_using="gin",
        ),
        Index("ix_titles_popularity", text("popularity DESC"), "id"),
        Index("ix_titles_kind_popularity", "kind", text("popularity DESC"), "id"),
        Index("ix_titles_kind_sort_key", "kind", text('sort_key COLLATE "C"'), "id"),
        Index("ix_titles_kind_added_at", "kind", text("added_at DESC"), "id"),
        Index(
            "ix_titles_popularity_listed",
            text("popularity DESC"),
            "id",
            postgresql_where=text("kind IN ('film', 'series')"),
        ),
        Index(
            "ix_titles_genre_popularity_listed",
            text("(genres[1])"),
            text("popularity DESC"),
            "id",
            postgresql_where=text("kind IN ('film', 'series')"),
        ),
        Index(
            "ix_titles_sort_key_listed",
            text('sort_key COLLATE "C"'),
            "id",
            postgresql_where=text("kind IN ('film', 'series')"),
        ),
        Index(
            "ix_titles_added_at_listed",
            text("added_at DESC"),
            "id",
            postgresql_where=text("kind IN ('film', 'series')"),
        ),
    )


class Credit(Base):
    """What a person did for a title, in the order in which they are named."""

    __tablename__ = "credits"

    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id), primary_key=True)
    role: Mapped[str] = mapped_column(String(8), primary_key=True)
    """`actor`, `director` or `writer`."""
    position: Mapped[int] = mapped_column(primary_key=True)
    """Counted from 1; what it means for actors says `Title.cast_order`."""
    person_id: Mapped[UUID] = mapped_column(ForeignKey(Person.id), index=True)
    character: Mapped[str | None]

    __table_args__ = (CheckConstraint("role IN ('actor', 'director', 'writer')", "role"),)


class TitleText(Base):
    """A title's name and synopsis in one language."""

    __tablename__ = "title_texts"

    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id), primary_key=True)
    locale: Mapped[str] = mapped_column(String(5), primary_key=True)
    """`de` or `en`."""
    title: Mapped[str]
    synopsis: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    """`[{"heading": ..., "text": ...}, ...]`; None: there is none."""


class Opinion(Base):
    """What the store's own editors think of a title, kept apart from the rights holder's text."""

    __tablename__ = "opinions"

    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id), primary_key=True)
    locale: Mapped[str] = mapped_column(String(5), primary_key=True)
    heading: Mapped[str]
    text: Mapped[str]
    author: Mapped[str]
    published_on: Mapped[date]


class Rating(Base):
    """An age label of a title in a market (JuSchG 14a: whose, and found how)."""

    __tablename__ = "ratings"

    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id), primary_key=True)
    market: Mapped[str] = mapped_column(ForeignKey(Market.code), primary_key=True)
    system: Mapped[str] = mapped_column(String(16), primary_key=True)
    """Such as `FSK`."""
    label: Mapped[str] = mapped_column(String(16))
    """Such as `12`."""
    minimum_age: Mapped[int]
    """Years; what a profile's limit is compared with."""
    method: Mapped[str | None]
    """How it was found, where that is known."""


class SearchWord(Base):
    """A word that occurs in titles or names, folded: what a mistyped word is corrected to."""

    __tablename__ = "search_words"

    word: Mapped[str] = mapped_column(primary_key=True)
    frequency: Mapped[int]
    """In how many titles and names."""

    __table_args__ = (Index(None, "word", postgresql_using="gin", postgresql_ops={"word": "gin_trgm_ops"}),)


GENRES: Final = (
    ("action", "Action", "Action"),
    ("adventure", "Abenteuer", "Adventure"),
    ("animation", "Animation", "Animation"),
    ("biography", "Biografie", "Biography"),
    ("comedy", "Komödie", "Comedy"),
    ("crime", "Krimi", "Crime"),
    ("documentary", "Dokumentarfilm", "Documentary"),
    ("drama", "Drama", "Drama"),
    ("family", "Familie", "Family"),
    ("fantasy", "Fantasy", "Fantasy"),
    ("history", "Historie", "History"),
    ("horror", "Horror", "Horror"),
    ("music", "Musik", "Music"),
    ("musical", "Musical", "Musical"),
    ("mystery", "Mystery", "Mystery"),
    ("romance", "Liebe", "Romance"),
    ("sci-fi", "Science-Fiction", "Science fiction"),
    ("sport", "Sport", "Sport"),
    ("thriller", "Thriller", "Thriller"),
    ("war", "Kriegsfilm", "War"),
    ("western", "Western", "Western"),
)
"""Genres that the store knows: code, German name, English name."""

_GENRE_ROWS = ", ".join(f"('{code}', '{de}', '{en}')" for code, de, en in GENRES)

DDL: tuple[str, ...] = (
    # The two markets that the store begins with (DESIGN: markets are data).
    """
    INSERT INTO store.markets (code, country, currency, time_zone, tax_category) VALUES
        ('DE', 'DE', 'EUR', 'Europe/Berlin', 'standard'), ('AT', 'AT', 'EUR', 'Europe/Vienna', 'standard')
    ON CONFLICT DO NOTHING
    """,
    f"INSERT INTO store.genres (code, name_de, name_en) VALUES {_GENRE_ROWS} ON CONFLICT DO NOTHING",  # noqa: S608
)
"""What metadata cannot say; run after the tables stand, and safe to run again."""
