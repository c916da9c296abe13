"""Searching finds what people mean, however they type it, and is never brought down by what they type."""

import httpx
import pytest

from store.catalogue.folding import LONGEST_SORT_KEY, fold, fold_for_search, slug, sort_key
from store.database import Database
from tests.store.catalogue.shelves import found, learn_words, make_person, make_title, walk


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Männer", "manner"),
        ("Maenner", "manner"),
        ("Manner", "manner"),
        ("Die Büchse der Pandora", "die buchse der pandora"),
        ("Straße", "strasse"),
        ("Amélie", "amelie"),
        ("Don't", "dont"),
        ("M*A*S*H", "m a s h"),
        ("Łódź", "lodz"),
        ("  _!?  ", ""),
        ("千と千尋", "千と千尋"),
    ],
)
def test_words_are_folded_so_that_spellings_meet(typed: str, folded: str) -> None:
    assert fold(typed) == folded


def test_a_name_with_an_apostrophe_is_found_by_its_parts_too() -> None:
    assert fold_for_search("L'Avventura") == "lavventura | l avventura"


def test_a_sort_key_stays_short_enough_for_a_cursor() -> None:
    assert len(sort_key("한" * 500)) == LONGEST_SORT_KEY


def test_an_address_spells_umlauts_out() -> None:
    assert slug("Manche mögen's heiß") == "manche-moegens-heiss"


@pytest.mark.parametrize(
    "typed", ["Männer", "maenner", "MANNER", "männ", "men", "die Manner!", "Men Männer", "männer die"]
)
async def test_a_film_is_found_by_both_its_titles_in_any_spelling(
    client: httpx.AsyncClient, database: Database, typed: str
) -> None:
    await make_title(database, "Men", german="Die Männer")
    await make_title(database, "Something Else")
    assert await found(client, typed) == ["men"]


async def test_the_whole_title_comes_before_its_beginning_before_a_word_in_it(
    client: httpx.AsyncClient, database: Database
) -> None:
    await make_title(database, "All Her Days", popularity=1000)
    await make_title(database, "Her Story", popularity=900)
    await make_title(database, "Her", popularity=0)
    assert await found(client, "her") == ["her", "her-story", "all-her-days"]
    assert await found(client, "her", limit="1") == ["her"]


async def test_a_search_leads_on_page_by_page(client: httpx.AsyncClient, database: Database) -> None:
    for place in range(5):
        await make_title(database, f"Nacht {place}", popularity=place)
    slugs, cursor = [], None
    while cursor is not None or not slugs:
        query = {"q": "nacht", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/titles", params=query)).json()
        slugs += [title["slug"] for title in page["titles"]]
        cursor = page["next_cursor"]
    assert slugs == [f"nacht-{place}" for place in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_a_search_shows_every_fit_once_whatever_the_size_of_its_pages(
    client: httpx.AsyncClient, database: Database, limit: int
) -> None:
    for name, popularity in (
        ("The Night", 900),
        ("Night", 10),
        ("Nightfall", 700),
        ("Night Train", 700),
        ("One Night", 300),
        ("Day", 1000),
    ):
        await make_title(database, name, popularity=popularity)
    await make_title(database, "Nuit", german="Night", popularity=5)
    slugs = await walk(client, "/v1/titles?q=night", limit=limit)
    assert slugs == ["night", "nuit", "nightfall", "night-train", "the-night", "one-night"]


async def test_a_mistyped_word_is_corrected_and_the_next_page_goes_on_with_the_right_one(
    client: httpx.AsyncClient, database: Database
) -> None:
    for place in range(3):
        await make_title(database, f"Casablanca {place}", popularity=place)
    await learn_words(database, "casablanca", "casino")
    first = (await client.get("/v1/titles", params={"q": "casablnca", "limit": 2})).json()
    assert first["corrected"] == "casablanca"
    query = {"q": first["corrected"], "limit": 2, "cursor": first["next_cursor"]}
    second = (await client.get("/v1/titles", params=query)).json()
    slugs = [title["slug"] for title in first["titles"] + second["titles"]]
    assert slugs == ["casablanca-2", "casablanca-1", "casablanca-0"]


async def test_people_are_found_by_the_same_words(client: httpx.AsyncClient, database: Database) -> None:
    film = await make_title(database, "Metropolis")
    await make_person(database, "Brigitte Helm", actor=[film])
    answer = (await client.get("/v1/titles", params={"q": "helm brig"})).json()
    assert [(person["name"], person["film_count"]) for person in answer["people"]] == [("Brigitte Helm", 1)]
    assert answer["corrected"] is None


@pytest.mark.parametrize(
    "typed", ["a", "!", "...", "\0", "a\0b", "😀", "' | !a:*", "a & b <-> c", "ﷺ" * 200, "㌖" * 200, "a " * 100, "\\"]
)
async def test_nothing_that_is_typed_is_an_error(client: httpx.AsyncClient, database: Database, typed: str) -> None:
    await make_title(database, "Her")
    for path in ("/v1/titles", "/v1/suggestions", "/de/search"):
        assert (await client.get(path, params={"q": typed})).status_code == 200, path


async def test_more_than_a_title_can_have_is_refused_with_its_place(client: httpx.AsyncClient) -> None:
    for path in ("/v1/titles", "/v1/suggestions"):
        answer = await client.get(path, params={"q": "a" * 500})
        assert (answer.status_code, answer.json()["place"]) == (400, "query.q")


async def test_suggestions_are_few_with_titles_first_and_room_for_people(
    client: httpx.AsyncClient, database: Database
) -> None:
    films = [await make_title(database, f"Anna {place}") for place in range(9)]
    await make_person(database, "Anna Magnani", actor=films[:1])
    lines = (await client.get("/v1/suggestions", params={"q": "ann"})).json()["suggestions"]
    assert len(lines) == 8
    assert [line["kind"] for line in lines] == ["film"] * 7 + ["person"]
    assert lines[-1] == {"kind": "person", "slug": "anna-magnani", "text": "Anna Magnani", "year": None}
