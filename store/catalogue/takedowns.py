"""Titles that may not be shown, by order of a court or an authority: the table, and the rule of what that covers.

What comes into being by a title (a playback, a download, a right) first calls `see_takedowns`, and a takedown waits for
all of these: so each of them either sees the takedown, or is seen by it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, ColumnElement, ForeignKey, Index, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from auth.ids import new_id
from store.catalogue.models import Base, Title
from store.catalogue.offer_records import Edition, Offer, Product
from store.database import APP_ROLE

_LOCK: Final = 0x7A4ED0
"""Key of the advisory lock."""

SEE_TAKEDOWNS_SQL: Final = f"pg_advisory_xact_lock_shared({_LOCK})"
"""What `see_takedowns` calls, for plain statements; what is to see the takedowns is a statement of its own after it."""

IS_TAKEN_DOWN_SQL: Final = "store.is_taken_down({title})"
"""The same rule as `is_taken_down` for raw reads; `{title}` is a title's id."""


class Takedown(Base):
    """That a title may not be shown, with all that belongs to it, until that is lifted."""

    __tablename__ = "takedowns"
    __table_args__ = (
        CheckConstraint("char_length(reason) BETWEEN 1 AND 500", "reason"),
        Index("ux_takedowns_title_id_in_force", "title_id", unique=True, postgresql_where=text("lifted_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    title_id: Mapped[UUID] = mapped_column(ForeignKey(Title.id))
    reason: Mapped[str]
    """Whose order it is, and what it is called there."""
    done_by: Mapped[str | None]
    """Login on the machine that it was carried out from, where that has one."""
    at: Mapped[datetime]
    """Business time."""
    done_at: Mapped[datetime]
    """Real time."""
    lifted_at: Mapped[datetime | None]
    """Real time; None: it is in force."""


def is_taken_down(title_id: ColumnElement[UUID] | InstrumentedAttribute[UUID] | UUID) -> ColumnElement[bool]:
    """Whether a title, its season or its series is taken down."""
    return func.store.is_taken_down(title_id, type_=Boolean)


async def see_takedowns(session: AsyncSession) -> None:
    """Have the transaction see every takedown from its next statement on; one that begins now waits for its end."""
    await session.execute(select(text(SEE_TAKEDOWNS_SQL)))


async def note_takedown(
    session: AsyncSession, title: Title, *, reason: str, done_by: str | None, at: datetime, done_at: datetime
) -> bool:
    """Take a title down, after all that is coming into being by it; False if it is taken down already."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    noted = await session.execute(
        insert(Takedown)
        .values(title_id=title.id, reason=reason, done_by=done_by, at=at, done_at=done_at)
        .on_conflict_do_nothing()
        .returning(Takedown.id)
    )
    return noted.first() is not None


async def lift_takedown(session: AsyncSession, title: Title, *, real_now: datetime) -> bool:
    """Let a title be shown again; False if it is not taken down itself."""
    lifted = await session.execute(
        update(Takedown)
        .where(Takedown.title_id == title.id, Takedown.lifted_at.is_(None))
        .values(lifted_at=real_now)
        .returning(Takedown.id)
    )
    return lifted.first() is not None


async def list_parts(session: AsyncSession, title: Title) -> Sequence[Title]:
    """The title itself, and the seasons and episodes that belong to it."""
    parts = select(Title.id).where(Title.id == title.id).cte(recursive=True)
    parts = parts.union(select(Title.id).join(parts, Title.parent_id == parts.c.id))
    return (await session.scalars(select(Title).where(Title.id.in_(select(parts.c.id))))).all()


async def list_containers(session: AsyncSession, title: Title) -> Sequence[UUID]:
    """The season and the series that a title belongs to."""
    series = select(Title.parent_id).where(Title.id == title.parent_id)
    return [id_ for id_ in (title.parent_id, await session.scalar(series)) if id_ is not None]


def offers_that_stand(title_ids: Sequence[UUID], *, at: datetime) -> ColumnElement[bool]:
    """Whether an `Offer` of one of the titles is on sale at an instant or will be."""
    products = select(Product.id).join(Edition, Edition.id == Product.edition_id).where(Edition.title_id.in_(title_ids))
    return Offer.product_id.in_(products) & or_(Offer.ends_at.is_(None), Offer.ends_at > _end(at))


async def end_offers(session: AsyncSession, title_ids: Sequence[UUID], *, at: datetime) -> None:
    """Sell the titles no longer; what was sold stays sold."""
    await session.execute(update(Offer).where(offers_that_stand(title_ids, at=at)).values(ends_at=_end(at)))


def _end(at: datetime) -> ColumnElement[datetime]:
    """Now; of an offer that has not begun the first moment, as its span must not be empty."""
    return func.greatest(at, Offer.starts_at + timedelta(microseconds=1))


DDL: Final[tuple[str, ...]] = (
    """
    CREATE OR REPLACE FUNCTION store.is_taken_down(asked uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
    BEGIN
        RETURN EXISTS (
            SELECT FROM store.titles t
            LEFT JOIN store.titles season ON season.id = t.parent_id
            JOIN store.takedowns k ON k.title_id IN (t.id, t.parent_id, season.parent_id)
            WHERE t.id = asked AND k.lifted_at IS NULL
        );
    END $$
    """,
    f"REVOKE UPDATE, DELETE, TRUNCATE ON store.takedowns FROM {APP_ROLE}",
    f"GRANT UPDATE (lifted_at) ON store.takedowns TO {APP_ROLE}",
)
"""What metadata cannot say: whether a title may be shown, and that a takedown is lifted, never changed or removed."""
