"""The dozen records of our own: complete in both languages, one with Wikidata's films and people, easy to find."""

from datetime import UTC, datetime

import msgspec
import pytest

from auth.identity import ALL_AGES
from store.catalogue.demo.records import LOCALES, OwnRecord, own_records
from store.catalogue.film_page import load_film_page
from store.catalogue.lists import list_titles
from store.catalogue.people import load_person
from store.catalogue.schemas import FilmPage
from tests.store.catalogue.demo.conftest import LoadedCatalogue

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
EVERY_RECORD = pytest.mark.parametrize("record", own_records(), ids=lambda record: record.slug)


async def film_page(demo: LoadedCatalogue, slug: str, locale: str) -> FilmPage:
    page = await load_film_page(demo.database, slug=slug, market="DE", locale=locale, at=AT, age_limit=ALL_AGES)
    return msgspec.json.decode(page.document, type=FilmPage)


def test_there_are_a_dozen_and_her_is_among_them() -> None:
    assert len(own_records()) == 12
    assert "her-2013" in {record.slug for record in own_records()}


@EVERY_RECORD
@pytest.mark.parametrize("locale", LOCALES)
async def test_the_page_shows_facts_synopsis_and_opinion(demo: LoadedCatalogue, record: OwnRecord, locale: str) -> None:
    page = await film_page(demo, record.slug, locale)

    assert page.title == record.titles[locale]
    assert page.cast.order == "billing"
    assert [(person.name, person.character or "") for person in page.cast.people] == record.cast
    assert page.synopsis is not None
    assert len(page.synopsis) == 3
    assert all(part.heading and len(part.text) > 200 for part in page.synopsis)
    assert page.opinion is not None
    assert len(page.opinion.text) > 500
    assert page.prices.rent is not None
    assert page.prices.buy is not None
    assert len(page.similar) == 6


@EVERY_RECORD
def test_both_languages_are_texts_of_their_own(record: OwnRecord) -> None:
    german = [part.text for part in record.synopsis["de"]] + [record.opinion["de"].text]
    english = [part.text for part in record.synopsis["en"]] + [record.opinion["en"].text]

    assert len({*german, *english}) == 8


@EVERY_RECORD
async def test_it_is_found_first_by_each_of_its_titles(demo: LoadedCatalogue, record: OwnRecord) -> None:
    for title in {record.original_title, *record.titles.values()}:
        found = await list_titles(demo.database, q=title, market="DE", locale="de", at=AT, age_limit=ALL_AGES, limit=3)

        assert found.titles[0].slug == record.slug


@EVERY_RECORD
async def test_it_stands_in_for_wikidatas_film_of_that_name_and_year(demo: LoadedCatalogue, record: OwnRecord) -> None:
    doubles = await demo.database.reads.fetchval(
        "SELECT count(*) FROM store.titles WHERE kind = 'film' AND year = $1 AND lower(original_title) = ANY ($2)",
        record.year,
        [title.lower() for title in (record.original_title, *record.titles.values())],
    )

    assert doubles == 1


async def test_people_are_one_with_those_of_wikidatas_films(demo: LoadedCatalogue) -> None:
    person = await load_person(
        demo.database, slug="sigourney-weaver", market="DE", locale="de", at=AT, age_limit=ALL_AGES
    )

    played = next(role.titles for role in person.films if role.role == "actor")
    assert {"alien-1979", "wall-e-2008", "gorillas-in-the-mist-1988"} <= {film.slug for film in played}


async def test_records_lead_to_each_other_by_who_plays_in_them(demo: LoadedCatalogue) -> None:
    page = await film_page(demo, "das-leben-der-anderen-2006", "de")

    reasons = {similar.card.slug: similar.reason for similar in page.similar}
    assert reasons["funny-games-1997"] == "actors"


async def test_a_film_without_a_text_says_so(demo: LoadedCatalogue) -> None:
    found = await list_titles(demo.database, q="Casablanca", market="DE", locale="de", at=AT, age_limit=ALL_AGES)
    page = await film_page(demo, found.titles[0].slug, "de")

    assert page.synopsis is None
    assert page.opinion is None
    assert page.notes.synopsis
