"""A poster is drawn from its title, always the same, safe to open, and kept for ever under its version."""

from uuid import UUID
from xml.etree import ElementTree

import httpx
import pytest

from auth.ids import new_id
from store.catalogue.models import GENRES
from store.catalogue.poster_colours import contrast, palettes_of
from store.catalogue.posters import Subject, draw_poster
from store.database import Database
from tests.store.catalogue.shelves import make_title

HER = UUID("01890000-0000-7000-8000-000000000001")
TITLES = (
    "Her",
    "M",
    "千と千尋の神隠し",
    "Москва слезам не верит",
    "<script>alert(1)</script>",
    '"><image href="https://evil.example/x">&amp;',
    "Bell\x07 and escape\x1b \ufffe",
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen",
    "Wort " * 400,
    "...",
    "",
)


def subject(title: str, *, genre: str = "drama", year: int | None = 2013, id: UUID = HER) -> Subject:
    return Subject(id, title, year, ("US",), (genre,), "film")


@pytest.mark.parametrize("title", TITLES)
def test_any_title_gives_a_well_formed_drawing_that_loads_and_runs_nothing(title: str) -> None:
    drawing = ElementTree.fromstring(draw_poster(subject(title)))  # noqa: S314 - drawn by ourselves
    tags = {element.tag.rpartition("}")[2] for element in drawing.iter()}
    names = {name for element in drawing.iter() for name in element.attrib}
    assert tags <= {"svg", "title", "clipPath", "rect", "g", "path", "circle", "polygon", "ellipse", "line", "polyline"}
    assert not {name for name in names if name.startswith("on") or "href" in name}


@pytest.mark.parametrize("title", TITLES)
def test_a_title_of_any_length_stays_on_its_sheet(title: str) -> None:
    for _ in range(5):
        drawing = draw_poster(subject(title, id=new_id()))
        lettering = drawing.rpartition('<g fill="none"')[2]
        starts = [
            float(place.split()[0])
            for place in lettering.replace("V", " ").split("M")[1:]
            if place[0] in "-0123456789."
        ]
        assert all(0 <= x <= 600 for x in starts)


def test_the_same_title_is_always_drawn_alike_and_another_one_otherwise() -> None:
    assert draw_poster(subject("Her")) == draw_poster(subject("Her"))
    assert draw_poster(subject("Her")) != draw_poster(subject("Her", id=new_id()))


@pytest.mark.parametrize("genre", [code for code, _, _ in GENRES] + ["no-genre-of-ours"])
def test_every_genre_and_decade_has_a_drawing(genre: str) -> None:
    for year in (None, 1895, 1945, 1985, 2026, 2999):
        assert draw_poster(subject("Her", genre=genre, year=year, id=new_id())).endswith("</svg>")


def test_the_lettering_can_be_read_on_every_paper() -> None:
    for decade in range(1940, 2030, 10):
        for palette in palettes_of(decade):
            assert contrast(palette.ground, palette.ink) >= 4.5, palette


async def test_a_poster_is_kept_for_ever_under_the_hash_of_what_it_is_drawn_from(
    client: httpx.AsyncClient, database: Database
) -> None:
    film = await make_title(database, "Her")
    address = (await client.get("/v1/titles/her")).json()["poster"]["url"]
    poster = await client.get(address)
    assert poster.headers["content-type"].startswith("image/svg+xml")
    assert poster.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "default-src 'none'" in poster.headers["content-security-policy"]
    again = await client.get(address, headers={"If-None-Match": poster.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await database.reads.execute("UPDATE store.titles SET original_title = 'Sie' WHERE id = $1", film.id)
    moved = await client.get(address)
    assert moved.status_code == 302
    assert moved.headers["location"] != address
    assert "immutable" not in moved.headers.get("cache-control", "")
    assert "<title>Sie (2013)</title>" in (await client.get(moved.headers["location"])).text


async def test_a_poster_of_nothing_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/posters/{new_id()}/x.svg")
    assert (answer.status_code, answer.json()["code"]) == (404, "poster_not_found")
    assert (await client.get("/posters/no-id/x.svg")).status_code in (400, 404)
