"""Tables of what is offered: licensors, the editions and products that they deliver, and offers.

title -> edition (a cut with its sound) -> product (what a licensor delivers) -> offer (a price in a window).
Amounts are integers in minor units beside an ISO 4217 currency; spans are half-open; instants are UTC.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.ids import new_id
from store.catalogue.models import Base, Market, Title

QUALITIES: Final = ("SD", "HD", "UHD")
"""Qualities that are sold, ascending."""


class Licensor(Base):
    """Who licenses films to the store."""

    __tablename__ = "licensors"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    invented: Mapped[bool] = mapped_column(default=False)
    """Part of the demonstration only."""


class Edition(Base):
    """One cut of a title, with what can be heard and read in it."""

    __tablename__ = "editions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id), index=True)
    name: Mapped[str | None]
    """Such as "Director's Cut"; None: the usual cut."""
    runtime_minutes: Mapped[int | None]
    audio_languages: Mapped[list[str]]
    """BCP 47."""
    subtitle_languages: Mapped[list[str]]
    """BCP 47."""


class Product(Base):
    """An edition as a licensor delivers it."""

    __tablename__ = "products"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    edition_id: Mapped[UUID] = mapped_column(ForeignKey(Edition.id), index=True)
    licensor_id: Mapped[UUID] = mapped_column(ForeignKey(Licensor.id))
    alid: Mapped[str]
    """The licensor's Asset Logical ID: text, with its leading zeros."""

    __table_args__ = (UniqueConstraint("licensor_id", "alid"),)


class Offer(Base):
    """One version of what is sold at which terms; only its end may still be set, other terms are a new offer."""

    __tablename__ = "offers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    product_id: Mapped[UUID] = mapped_column(ForeignKey(Product.id))
    supersedes_id: Mapped[UUID | None] = mapped_column(ForeignKey("offers.id"))
    """The version before this one."""
    market: Mapped[str] = mapped_column(ForeignKey(Market.code))
    kind: Mapped[str] = mapped_column(String(8))
    """`rent` or `buy`."""
    quality: Mapped[str] = mapped_column(String(4))
    """`SD`, `HD` or `UHD`."""
    languages: Mapped[list[str]]
    """Audio languages sold with it (BCP 47)."""
    starts_at: Mapped[datetime]
    """From when on it is sold (inclusive)."""
    ends_at: Mapped[datetime | None]
    """Until when it is sold (exclusive); None: no end is agreed."""
    visible_from: Mapped[datetime]
    """From when on it may be announced; not after `starts_at`."""
    playable_from: Mapped[datetime]
    """From when on it may be watched; not after `starts_at`: what is sold plays at once."""
    gross: Mapped[int]
    """Price in minor units, VAT included."""
    currency: Mapped[str] = mapped_column(String(3))
    cost: Mapped[int | None]
    """What is owed to the licensor per sale, in minor units net."""
    minimum_price: Mapped[int | None]
    """Below this gross price (minor units) the licensor forbids to sell."""
    start_days: Mapped[int | None]
    """Rentals: days in which the film must be started."""
    watch_hours: Mapped[int | None]
    """Rentals: hours from the first play to the end."""
    near_end: Mapped[str] = mapped_column(String(4), default="full")
    """Rentals started late: `full` keeps all their hours, `cut` ends them with the days to start."""
    may_download: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Whether the licensor allows licences that stay on a device."""

    __table_args__ = (
        CheckConstraint("kind IN ('rent', 'buy')", "kind"),
        CheckConstraint("quality IN ('SD', 'HD', 'UHD')", "quality"),
        CheckConstraint("near_end IN ('full', 'cut')", "near_end"),
        CheckConstraint("ends_at > starts_at", "span"),
        CheckConstraint("visible_from <= starts_at", "visible_from"),
        CheckConstraint("playable_from <= starts_at", "playable_from"),
        CheckConstraint("gross > 0 AND cost >= 0 AND gross >= coalesce(minimum_price, 0)", "amounts"),
        CheckConstraint(
            "(kind = 'rent') = (start_days IS NOT NULL AND watch_hours IS NOT NULL) "
            "AND start_days > 0 AND watch_hours > 0",
            "rental_terms",
        ),
        Index(
            "uq_offers_supersedes_id",
            "supersedes_id",
            unique=True,
            postgresql_where=text("supersedes_id IS NOT NULL"),
        ),
        Index(None, "product_id"),
    )


DDL: tuple[str, ...] = (
    # One price at a time: no two offers of the same product, market, kind and quality may overlap.
    """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'ex_offers_overlap') THEN
            ALTER TABLE store.offers ADD CONSTRAINT ex_offers_overlap EXCLUDE USING gist (
                product_id WITH =, market WITH =, kind WITH =, quality WITH =,
                tstzrange(starts_at, ends_at) WITH &&
            );
        END IF;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION store.refuse_change_of_offer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE'
            AND to_jsonb(NEW) - 'ends_at' = to_jsonb(OLD) - 'ends_at'
            AND (OLD.ends_at IS NULL OR NEW.ends_at <= OLD.ends_at)
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'an offer is never changed or removed: end it and make a new one'
            USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON store.offers
        FOR EACH ROW EXECUTE FUNCTION store.refuse_change_of_offer()
    """,
    """
    CREATE OR REPLACE TRIGGER refuse_truncate BEFORE TRUNCATE ON store.offers
        FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_change_of_offer()
    """,
)
"""What metadata cannot say; run after the tables stand, and safe to run again."""
