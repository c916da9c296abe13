"""Where a title stands in its series: an episode between its neighbours, a season's list, a series' seasons."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from store.catalogue.age_labels import may_be_seen_sql
from store.catalogue.cards import Connection, lowest
from store.catalogue.schemas import Episode, EpisodePlace, Prices, Season, TitleRef
from store.catalogue.wording import say


@dataclass(frozen=True, slots=True)
class Family:
    """What a page says of a title's series; empty for films."""

    place: EpisodePlace | None = None
    seasons: list[Season] = field(default_factory=list)
    prices: Prices = field(default_factory=lambda: Prices(None, None))
    """The lowest prices of the episodes of a series or season."""
    moments: list[datetime] = field(default_factory=list)
    """When these prices may change by themselves."""


_EPISODES: Final = """
    SELECT season.parent_id AS series_id, season.id AS season_id, season.slug AS season_slug,
           season.number AS season_number, season.year AS season_year,
           episode.id, episode.slug, episode.number, episode.runtime_minutes, episode.year,
           coalesce(x.title, episode.original_title) AS title,
           price.rent, price.buy, price.currency, price.moments
    FROM store.titles season
    JOIN store.titles episode ON episode.parent_id = season.id
    LEFT JOIN store.title_texts x ON x.title_id = episode.id AND x.locale = $2
    LEFT JOIN LATERAL (
        SELECT min(o.gross) FILTER (WHERE o.kind = 'rent' AND span.holds) AS rent,
               min(o.gross) FILTER (WHERE o.kind = 'buy' AND span.holds) AS buy,
               min(o.currency) AS currency,
               array_remove(array_agg(o.starts_at) || array_agg(o.ends_at), NULL) AS moments
        FROM store.editions e
        JOIN store.products p ON p.edition_id = e.id
        JOIN store.offers o ON o.product_id = p.id AND o.market = $3
        CROSS JOIN LATERAL (SELECT o.starts_at <= $4 AND (o.ends_at IS NULL OR o.ends_at > $4) AS holds) span
        WHERE e.title_id = episode.id
    ) price ON true
    WHERE season.parent_id = ANY ($1::uuid[]) AND {may_be_seen}
    ORDER BY season.parent_id, season.number, episode.number
"""

_SERIES: Final = """
    SELECT t.id, t.slug, t.year, coalesce(x.title, t.original_title) AS title
    FROM store.titles t LEFT JOIN store.title_texts x ON x.title_id = t.id AND x.locale = $2
    WHERE t.id = ANY ($1::uuid[])
"""


async def load_families(
    connection: Connection,
    titles: Sequence[asyncpg.Record],
    *,
    market: str,
    locale: str,
    at: datetime,
    age_limit: int,
) -> dict[UUID, Family]:
    """The families of those titles that belong to a series, by the title's id; of episodes, those that may be seen."""
    serial = [row["id"] for row in titles if row["kind"] != "film"]
    if not serial:
        return {}
    above = await connection.fetch(
        """
        SELECT t.id, t.kind, CASE t.kind WHEN 'series' THEN t.id WHEN 'season' THEN t.parent_id
            ELSE (SELECT season.parent_id FROM store.titles season WHERE season.id = t.parent_id) END AS series_id
        FROM store.titles t WHERE t.id = ANY ($1::uuid[])
        """,
        serial,
    )
    series_ids = list({row["series_id"] for row in above})
    series = {
        row["id"]: TitleRef(row["slug"], row["title"], row["year"])
        for row in await connection.fetch(_SERIES, series_ids, locale)
    }
    episodes: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    query = _EPISODES.format(may_be_seen=may_be_seen_sql(age_limit, title="episode.id", market="$3"))
    for row in await connection.fetch(query, series_ids, locale, market, at):
        episodes[row["series_id"]].append(row)
    families: dict[UUID, Family] = {}
    for row in above:
        rows, of = episodes[row["series_id"]], series[row["series_id"]]
        match row["kind"]:
            case "series":
                families[row["id"]] = _shelf(rows, None, locale)
            case "season":
                own = [episode for episode in rows if episode["season_id"] == row["id"]]
                families[row["id"]] = _shelf(own, _season_place(rows, row["id"], of, locale), locale)
            case _:
                families[row["id"]] = Family(place=_episode_place(rows, row["id"], of, locale))
    return families


def _shelf(rows: Sequence[asyncpg.Record], place: EpisodePlace | None, locale: str) -> Family:
    """Seasons with their episodes, and what the cheapest costs."""
    seasons: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        seasons[row["season_id"]].append(row)
    currency = next((row["currency"] for row in rows if row["currency"]), None)
    cheapest: dict[str, Any] = {
        kind: min((row[kind] for row in rows if row[kind] is not None), default=None) for kind in ("rent", "buy")
    }
    return Family(
        place=place,
        seasons=[
            Season(
                slug=episodes[0]["season_slug"],
                number=episodes[0]["season_number"],
                title=say("season", locale, number=episodes[0]["season_number"]),
                year=episodes[0]["season_year"],
                episodes=[
                    Episode(
                        slug=row["slug"],
                        number=row["number"],
                        title=row["title"],
                        minutes=row["runtime_minutes"],
                        prices=Prices(lowest(row["rent"], row["currency"]), lowest(row["buy"], row["currency"])),
                    )
                    for row in episodes
                ],
            )
            for episodes in seasons.values()
        ],
        prices=Prices(lowest(cheapest["rent"], currency), lowest(cheapest["buy"], currency)),
        moments=[moment for row in rows for moment in row["moments"] or ()],
    )


def _season_place(
    rows: Sequence[asyncpg.Record], season_id: UUID, series: TitleRef, locale: str
) -> EpisodePlace | None:
    """A season between the ones before and after it; None for a season without episodes."""
    seasons = list({row["season_id"]: row for row in rows}.values())
    position = next((index for index, row in enumerate(seasons) if row["season_id"] == season_id), None)
    if position is None:
        return None

    def season(index: int) -> TitleRef | None:
        if not 0 <= index < len(seasons):
            return None
        row = seasons[index]
        return TitleRef(row["season_slug"], say("season", locale, number=row["season_number"]), row["season_year"])

    own = seasons[position]
    return EpisodePlace(
        series=series,
        season=TitleRef(own["season_slug"], say("season", locale, number=own["season_number"]), own["season_year"]),
        season_number=own["season_number"],
        episode_number=None,
        previous=season(position - 1),
        next=season(position + 1),
    )


def _episode_place(rows: Sequence[asyncpg.Record], episode_id: UUID, series: TitleRef, locale: str) -> EpisodePlace:
    """An episode between its neighbours, across the seasons' borders."""
    position = next(index for index, row in enumerate(rows) if row["id"] == episode_id)

    def episode(index: int) -> TitleRef | None:
        if not 0 <= index < len(rows):
            return None
        return TitleRef(rows[index]["slug"], rows[index]["title"], rows[index]["year"])

    own = rows[position]
    return EpisodePlace(
        series=series,
        season=TitleRef(own["season_slug"], say("season", locale, number=own["season_number"]), own["season_year"]),
        season_number=own["season_number"],
        episode_number=own["number"],
        previous=episode(position - 1),
        next=episode(position + 1),
    )
