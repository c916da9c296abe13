"""A visitor looks around: browses, searches, opens the page of a film, in both languages and by a program."""

from dataclasses import dataclass

import asyncpg
import pytest

from tests.journeys.browser import Page
from tests.journeys.street import Street

NUMBER_ON_SALE = """
    SELECT count(DISTINCT editions.title_id) FROM store.editions
    JOIN store.products ON products.edition_id = editions.id JOIN store.offers ON offers.product_id = products.id
    WHERE market = 'DE' AND tstzrange(starts_at, ends_at) @> now()
"""
CAST = [
    "Joaquin Phoenix",
    "Amy Adams",
    "Rooney Mara",
    "Olivia Wilde",
    "Scarlett Johansson",
    "Chris Pratt",
    "Matt Letscher",
    "Portia Doubleday",
]
"""In billing order."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the page of "Her" says in one language."""

    languages: str
    facts: tuple[str, ...]
    genres: dict[str, str]
    search: str
    cast: str
    synopsis: str
    synopsis_headings: tuple[str, ...]
    opinion: str
    opinion_words: tuple[str, ...]
    similar: str
    similar_words: tuple[str, ...]
    rights: str
    buy_box: str
    prices: tuple[str, ...]
    poster: str
    sign_in: str
    email: str
    password: str
    promise: str
    register: str
    new_password: str
    sorry: tuple[str, ...]
    other_language: str


GERMAN = Words(
    languages="de-DE,de;q=0.9",
    facts=("USA", "2013", "125 Minuten", "FSK 12", "Deutsch, Englisch"),
    genres={"Liebe": "romance", "Science-Fiction": "sci-fi", "Drama": "drama"},
    search="Suche",
    cast="Mitwirkende",
    synopsis="Inhalt",
    synopsis_headings=("Ein Mann schreibt Briefe", "Eine Stimme im Ohr", "Wohin sie geht"),
    opinion="Unsere Meinung",
    opinion_words=("Der zärtlichste Film über die Einsamkeit", "Redaktion, 20. November 2026"),
    similar="Ähnliche Videos",
    similar_words=("Auch von Spike Jonze", "ab 3,99 €"),
    rights="Rechte: Annapurna Pictures (2013)",
    buy_box="Leihen oder kaufen",
    prices=("4,99 €", "11,99 €", "inkl. MwSt.", "48 Stunden"),
    poster="Plakat zu Her",
    sign_in="Anmelden",
    email="E-Mail-Adresse",
    password="Passwort",
    promise="Kein Abo, kein Vertrag: {} Videos, einzeln geliehen oder gekauft. Für Fernseher, Telefon, Tablet, PC",
    register="Konto anlegen",
    new_password="Neues Passwort anfordern",
    sorry=("Das ging leider nicht", "Schließen"),
    other_language="English",
)
ENGLISH = Words(
    languages="en-GB,en;q=0.9",
    facts=("USA", "2013", "125 minutes", "FSK 12", "German, English"),
    genres={"Romance": "romance", "Science fiction": "sci-fi", "Drama": "drama"},
    search="Search",
    cast="Cast and crew",
    synopsis="Synopsis",
    synopsis_headings=("A man who writes letters", "A voice in his ear", "Where she is going"),
    opinion="Our opinion",
    opinion_words=("The tenderest film about being alone", "The editors, 20 November 2026"),
    similar="Similar videos",
    similar_words=("Also by Spike Jonze", "from €3.99"),
    rights="Rights: Annapurna Pictures (2013)",
    buy_box="Rent or buy",
    prices=("€4.99", "€11.99", "incl. VAT", "48 hours"),
    poster="Poster of Her",
    sign_in="Sign in",
    email="E-mail address",
    password="Password",
    promise="No subscription, no contract: {} videos, rented or bought singly. For TV, phone, tablet, PC",
    register="Create an account",
    new_password="Request a new password",
    sorry=("Sorry, that did not work", "Close"),
    other_language="Deutsch",
)


@pytest.mark.parametrize("words", [GERMAN, ENGLISH], ids=["German", "English"])
async def test_a_visitor_finds_her_and_the_page_has_every_element(
    street: Street, books: asyncpg.Connection, words: Words
) -> None:
    visitor = street.browser(words.languages)
    await visitor.open("/")
    await visitor.enter({words.search: "her"})
    page = await visitor.follow("Her")
    assert page.status == 200
    the_facts_are_there(page, words)
    the_texts_are_there(page, words)
    assert all(price in page.part(words.buy_box).words for price in words.prices)
    similar = page.part(words.similar)
    assert len(similar.links) >= 4
    assert all(words_of in similar.words for words_of in words.similar_words)
    number = await books.fetchval(NUMBER_ON_SALE)
    page.form(words.sign_in, {words.email: "anna@beispiel.example", words.password: "geheim"})
    assert words.promise.format(number) in page.panel
    assert page.link(words.register).endswith("/register")
    assert page.link(words.new_password).endswith("/password/forgot")
    assert all(word in page.dialog for word in words.sorry)


def the_facts_are_there(page: Page, words: Words) -> None:
    assert page.heading == "Her"
    assert all(fact in page.words for fact in words.facts)
    assert (page.link("Spike Jonze").split("/")[-2:]) == ["people", "spike-jonze"]
    assert {name: page.link(name).rpartition("/")[2] for name in words.genres} == words.genres
    crew = page.part(words.cast)
    assert [name for name in crew.links if name in CAST] == CAST
    _joaquin, _, others = crew.words.partition("Amy Adams")[0].partition("Joaquin Phoenix")
    assert others.count("(") == others.count(")") == 1, "other films of his stand after his name, in brackets"
    assert page.picture(words.poster).startswith("/posters/")


def the_texts_are_there(page: Page, words: Words) -> None:
    synopsis, opinion = page.part(words.synopsis).words, page.part(words.opinion).words
    assert [synopsis.index(heading) for heading in words.synopsis_headings] == sorted(
        synopsis.index(heading) for heading in words.synopsis_headings
    )
    assert len(synopsis) > 900
    assert all(word in opinion for word in words.opinion_words)
    assert len(opinion) > 600
    assert words.rights in page.words


async def test_every_name_and_genre_on_the_page_leads_to_a_list_of_its_films(street: Street) -> None:
    visitor = street.browser()
    film = await visitor.open("/de/films/her-2013")
    crew = film.part("Mitwirkende")
    for name in ("Spike Jonze", *CAST[:2]):
        people = await visitor.open(crew.links[name])
        assert people.heading == name
        assert people.link("Her") == "/de/films/her-2013"
    for name, code in GERMAN.genres.items():
        shelf = await visitor.open(f"/de/genres/{code}")
        assert shelf.heading == name
    similar = next(iter(film.part("Ähnliche Videos").links.values()))
    assert (await visitor.open(similar)).status == 200


async def test_a_visitor_changes_the_language_and_the_country_and_stays_on_the_page(street: Street) -> None:
    visitor = street.browser()
    await visitor.open("/de/films/her-2013")
    page = await visitor.follow("English")
    assert (page.address.path, page.heading) == ("/en/films/her-2013", "Her")
    assert "Our opinion" in page.words
    page = await visitor.press("Austria")
    assert page.address.path == "/en/films/her-2013"
    assert "FSK" not in page.words, "the age label is Germany's"


async def test_a_search_finds_people_and_forgives_a_slip(street: Street) -> None:
    visitor = street.browser()
    await visitor.open("/de")
    assert (await visitor.enter({"Suche": "scarlett johansson"})).link("Scarlett Johansson")
    page = await visitor.enter({"Suche": "scarlet johanson"})
    assert page.link("Scarlett Johansson") or "fanden wir nichts" in page.words
    page = await visitor.enter({"Suche": "qqqqqqqq"})
    assert "Nichts gefunden" in page.words
    assert "Zu „qqqqqqqq“ gibt es hier nichts." in page.words


async def test_what_is_not_there_is_told_with_a_way_on(street: Street) -> None:
    visitor = street.browser()
    page = await visitor.open("/de/films/gibt-es-nicht")
    assert (page.status, page.heading) == (404, "Hier ist nichts")
    assert (await visitor.follow("Zur Startseite")).status == 200


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_a_program_reads_the_same_page(street: Street, locale: str) -> None:
    program, words = street.program(locale), GERMAN if locale == "de" else ENGLISH
    found = await program.get("/v1/titles", q="her")
    assert found["titles"][0]["slug"] == "her-2013"
    film = await program.get("/v1/titles/her-2013")
    assert (film["title"], film["original_title"], film["minutes"], film["year"]) == ("Her", None, 125, 2013)
    assert [country["code"] for country in film["countries"]] == ["US"]
    assert ", ".join(language["name"] for language in film["languages"]) == words.facts[-1]
    assert [person["name"] for person in film["cast"]["people"]] == CAST
    assert film["cast"]["order"] == "billing"
    assert {genre["name"]: genre["code"] for genre in film["genres"]} == words.genres
    assert tuple(section["heading"] for section in film["synopsis"]) == words.synopsis_headings
    assert film["opinion"]["heading"] == words.opinion_words[0]
    assert film["opinion"]["published_on"] == "2026-11-20"
    assert "Annapurna Pictures (2013)" in film["rights_line"]
    assert {offer["kind"] for offer in film["offers"]} == {"rent", "buy"}
    assert film["similar"][0]["sentence"] == words.similar_words[0]
    fresh = await program.client.get("/v1/titles/her-2013")
    unchanged = await program.client.get("/v1/titles/her-2013", headers={"If-None-Match": fresh.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
