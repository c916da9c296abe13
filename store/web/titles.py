"""Titles on pages that know only their ids: the library, orders, the checkout."""

from collections.abc import Sequence
from uuid import UUID

from store.catalogue.cards import load_cards
from store.catalogue.schemas import TitleCard
from store.database import Database
from store.web.pages import Frame


async def cards_by_id(frame: Frame, database: Database, ids: Sequence[UUID]) -> dict[UUID, TitleCard]:
    """The cards of titles by their id, in the given order; without unknown ids, and what the viewer may not see."""
    unique = list(dict.fromkeys(ids))
    cards = await load_cards(
        database.reads,
        unique,
        market=frame.market,
        locale=frame.locale,
        at=frame.at,
        age_limit=frame.age_limit,
    )
    return {card.id: card for card in cards}
