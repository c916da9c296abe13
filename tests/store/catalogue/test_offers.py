"""An offer is one price in one window: it never overlaps another, and it never changes once it was made."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from auth.ids import new_id
from store.catalogue.errors import OfferNotOnSale
from store.catalogue.offer_records import Offer
from store.catalogue.offers import find_sellable_offer, list_offers
from store.database import Database
from tests.store.catalogue.shelves import NOON, make_title
from tests.store.purchase.shops import make_offer

DAY = timedelta(days=1)
COLUMNS = [column.name for column in Offer.__table__.columns]


async def copy_of(owner: asyncpg.Connection, offer_id: UUID, **changes: Any) -> UUID:
    """Put an offer of the same product beside another one, with changes."""
    row = dict(await owner.fetchrow("SELECT * FROM store.offers WHERE id = $1", offer_id))
    row |= {"id": new_id(), **changes}
    places = ", ".join(f"${place}" for place in range(1, len(COLUMNS) + 1))
    names = ", ".join(COLUMNS)
    await owner.execute(f"INSERT INTO store.offers ({names}) VALUES ({places})", *(row[name] for name in COLUMNS))
    return row["id"]


async def window(database: Database, **changes: Any) -> UUID:
    """An offer that is sold on the first of June 2026, from noon to noon."""
    return await make_offer(database, visible_from=NOON, starts_at=NOON, ends_at=NOON + DAY, **changes)


async def test_an_offer_is_on_sale_from_its_start_to_just_before_its_end(database: Database) -> None:
    film = await make_title(database, "Her", offered=False)
    offer_id = await window(database, title_id=film.id)
    instant = timedelta(microseconds=1)
    moments = {NOON - instant: False, NOON: True, NOON + DAY - instant: True, NOON + DAY: False}
    for at, is_sold in moments.items():
        async with database.sessions.begin() as session:
            listed = await list_offers(session, title_id=film.id, market="DE", at=at)
            assert [offer.id for offer in listed] == [offer_id] * is_sold, at
            if is_sold:
                sold = await find_sellable_offer(session, offer_id=offer_id, market="DE", at=at)
                assert (sold.title_id, sold.names) == (film.id, {"de": "Her", "en": "Her"})
            else:
                with pytest.raises(OfferNotOnSale):
                    await find_sellable_offer(session, offer_id=offer_id, market="DE", at=at)


async def test_an_offer_of_another_market_cannot_be_bought(database: Database) -> None:
    offer_id = await make_offer(database, market="AT")
    async with database.sessions.begin() as session:
        with pytest.raises(OfferNotOnSale):
            await find_sellable_offer(session, offer_id=offer_id, market="DE", at=NOON)


@pytest.mark.parametrize(
    "changes",
    [
        {"starts_at": NOON + DAY / 2, "ends_at": NOON + 2 * DAY},
        {"starts_at": NOON - DAY, "visible_from": NOON - DAY, "ends_at": None},
        {"starts_at": NOON + DAY - timedelta(microseconds=1), "ends_at": None},
        {},
    ],
)
async def test_two_prices_at_the_same_time_are_impossible(
    database: Database, owner: asyncpg.Connection, changes: dict[str, Any]
) -> None:
    offer_id = await window(database)
    with pytest.raises(asyncpg.ExclusionViolationError):
        await copy_of(owner, offer_id, gross=499, **changes)
    assert await owner.fetchval("SELECT count(*) FROM store.offers") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"starts_at": NOON + DAY, "ends_at": None},
        {"starts_at": NOON - DAY, "visible_from": NOON - DAY, "ends_at": NOON},
        {"market": "AT"},
        {"quality": "UHD"},
        {"kind": "buy", "start_days": None, "watch_hours": None},
    ],
)
async def test_a_price_may_follow_at_the_very_instant_or_stand_beside_in_another_way(
    database: Database, owner: asyncpg.Connection, changes: dict[str, Any]
) -> None:
    await copy_of(owner, await window(database), **changes)
    assert await owner.fetchval("SELECT count(*) FROM store.offers") == 2


async def test_nothing_is_sold_that_may_not_be_watched_yet(database: Database, owner: asyncpg.Connection) -> None:
    offer_id = await window(database)
    starts_at = await owner.fetchval("SELECT starts_at FROM store.offers WHERE id = $1", offer_id)
    with pytest.raises(asyncpg.CheckViolationError, match="playable_from"):
        await copy_of(owner, offer_id, kind="buy", start_days=None, watch_hours=None, playable_from=starts_at + DAY)


@pytest.mark.parametrize(
    "change",
    [
        "gross = 1",
        "market = 'AT'",
        "starts_at = starts_at - interval '1 day'",
        "watch_hours = 1",
        "playable_from = now()",
        "ends_at = ends_at + interval '1 second'",
        "ends_at = NULL",
        "ends_at = ends_at - interval '1 hour', gross = 1",
    ],
)
async def test_an_offer_is_never_changed_not_even_by_the_owner_of_the_tables(
    database: Database, owner: asyncpg.Connection, change: str
) -> None:
    offer_id = await window(database)
    before = await owner.fetchrow("SELECT * FROM store.offers WHERE id = $1", offer_id)
    for connection in (owner, database.reads):
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute(f"UPDATE store.offers SET {change} WHERE id = $1", offer_id)
    assert await owner.fetchrow("SELECT * FROM store.offers WHERE id = $1", offer_id) == before


async def test_an_offer_can_be_ended_earlier_and_is_never_removed(
    database: Database, owner: asyncpg.Connection
) -> None:
    offer_id = await window(database)
    await database.reads.execute("UPDATE store.offers SET ends_at = $2 WHERE id = $1", offer_id, NOON + DAY / 2)
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute("DELETE FROM store.offers WHERE id = $1", offer_id)
    with pytest.raises(asyncpg.PostgresError):
        await owner.execute("TRUNCATE store.offers CASCADE")
    assert await owner.fetchval("SELECT ends_at FROM store.offers WHERE id = $1", offer_id) == NOON + DAY / 2


@pytest.mark.parametrize(
    "changes",
    [
        {"gross": 0},
        {"minimum_price": 500},
        {"cost": -1},
        {"ends_at": NOON},
        {"visible_from": NOON + DAY},
        {"watch_hours": None},
        {"start_days": 0},
        {"kind": "buy"},
        {"quality": "4K"},
    ],
)
async def test_an_offer_that_makes_no_sense_cannot_be_made(
    database: Database, owner: asyncpg.Connection, changes: dict[str, Any]
) -> None:
    offer_id = await window(database)
    with pytest.raises(asyncpg.CheckViolationError):
        await copy_of(owner, offer_id, **{"market": "AT", **changes})


async def test_an_offer_can_be_superseded_by_one_version_only(database: Database, owner: asyncpg.Connection) -> None:
    first = await window(database)
    await copy_of(owner, first, supersedes_id=first, starts_at=NOON + DAY, ends_at=NOON + 2 * DAY)
    with pytest.raises(asyncpg.UniqueViolationError):
        await copy_of(owner, first, supersedes_id=first, starts_at=NOON + 2 * DAY, ends_at=None)
