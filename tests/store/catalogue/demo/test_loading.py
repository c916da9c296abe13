"""The demonstration's catalogue is as large as promised, says what is invented, and loads wholly or not at all."""

from datetime import UTC, datetime

from store.catalogue.demo.rows import COLUMNS, CatalogueRows
from store.catalogue.lists import list_titles
from tests.store.catalogue.demo.conftest import LoadedCatalogue, load


async def test_there_are_more_than_sixty_thousand_videos(demo: LoadedCatalogue) -> None:
    videos = await demo.database.reads.fetchval("SELECT count(*) FROM store.titles WHERE kind IN ('film', 'episode')")

    assert videos > 60_000


async def test_all_real_films_are_there_once(demo: LoadedCatalogue) -> None:
    films = await demo.database.reads.fetch(
        "SELECT source, count(*) FROM store.titles WHERE kind = 'film' GROUP BY source"
    )

    # Ten of the twelve records are among Wikidata's 15,651 films and stand in for them.
    assert {row["source"]: row["count"] for row in films} == {"wikidata": 15_641, "editors": 12}


async def test_what_is_invented_says_so_and_nothing_else_does(demo: LoadedCatalogue) -> None:
    marked = await demo.database.reads.fetch("SELECT DISTINCT kind, source, invented FROM store.titles")

    assert {tuple(row) for row in marked} == {
        ("film", "wikidata", False),
        ("film", "editors", False),
        ("series", "invented", True),
        ("season", "invented", True),
        ("episode", "invented", True),
    }
    assert await demo.database.reads.fetchval("SELECT bool_and(invented) FROM store.licensors")


async def test_the_cast_of_wikidatas_films_is_said_to_be_alphabetical(demo: LoadedCatalogue) -> None:
    orders = await demo.database.reads.fetch(
        """
        SELECT DISTINCT source, cast_order,
            EXISTS (SELECT FROM store.credits c WHERE c.title_id = t.id AND c.role = 'actor') AS has_cast
        FROM store.titles t
        """
    )

    assert {tuple(row) for row in orders} == {
        ("wikidata", "alphabetical", True),
        ("wikidata", "unknown", False),
        ("editors", "billing", True),
        ("invented", "unknown", False),
    }


async def test_only_the_records_have_texts_and_opinions(demo: LoadedCatalogue) -> None:
    strangers = await demo.database.reads.fetchval(
        """
        SELECT count(*) FROM store.titles t WHERE source <> 'editors' AND (
            EXISTS (SELECT FROM store.title_texts x WHERE x.title_id = t.id AND x.synopsis IS NOT NULL)
            OR EXISTS (SELECT FROM store.opinions o WHERE o.title_id = t.id))
        """
    )

    assert strangers == 0


async def test_every_age_label_but_the_records_own_is_said_to_be_invented(demo: LoadedCatalogue) -> None:
    labels = await demo.database.reads.fetch(
        """
        SELECT t.source, r.method, count(*), array_agg(DISTINCT r.minimum_age ORDER BY r.minimum_age) AS ages
          FROM store.ratings r JOIN store.titles t ON t.id = r.title_id GROUP BY 1, 2
        """
    )
    by_source = {(row["source"], row["method"]): row for row in labels}

    assert by_source.keys() == {("editors", None), ("wikidata", "invented"), ("invented", "invented")}
    assert by_source["wikidata", "invented"]["ages"] == [0, 6, 12, 16, 18]
    assert 0.94 < by_source["wikidata", "invented"]["count"] / 15_641 < 0.98, "some have none, and count as 18"


async def test_a_profile_of_six_finds_enough_to_watch_and_nothing_for_grown_ups(demo: LoadedCatalogue) -> None:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    found = await list_titles(demo.database, market="DE", locale="de", at=at, age_limit=6, limit=100)
    ages = "SELECT minimum_age FROM store.ratings WHERE title_id = ANY ($1)"

    assert len(found.titles) == 100
    assert max(row[0] for row in await demo.database.reads.fetch(ages, [card.id for card in found.titles])) == 6


async def test_a_crash_in_the_middle_leaves_nothing_and_the_next_start_loads_all(demo: LoadedCatalogue) -> None:
    rows = 0
    for table in COLUMNS:
        rows += await demo.database.reads.fetchval(f"SELECT count(*) FROM store.{table}")

    assert demo.reported_before_the_crash > 0
    assert demo.titles_after_the_crash == 0
    assert demo.reports[-1] == (rows, rows)


async def test_loading_again_changes_nothing(demo: LoadedCatalogue) -> None:
    counted = "SELECT count(*), max(xmin::text::bigint) FROM store.titles"
    before = await demo.database.reads.fetchrow(counted)

    assert await load(demo.url, CatalogueRows()) == []

    assert await demo.database.reads.fetchrow(counted) == before
