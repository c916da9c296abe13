"""What the tests of the catalogue are made of: titles with names, people and offers, and walks through lists."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from auth.ids import new_id
from store.catalogue import folding
from store.catalogue.models import Credit, Person, SearchWord, Title, TitleText
from store.database import Database
from tests.store.purchase.shops import make_offer

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


async def make_title(
    database: Database,
    name: str,
    *,
    german: str | None = None,
    kind: str = "film",
    parent: UUID | None = None,
    number: int | None = None,
    offered: bool = True,
    **facts: Any,
) -> Title:
    """A title, on sale in Germany unless said otherwise; its slug is made of its name."""
    title = Title(
        **{
            "id": new_id(),
            "slug": folding.slug(name) or f"film-{new_id().hex[-12:]}",
            "kind": kind,
            "parent_id": parent,
            "number": number,
            "original_title": name,
            "year": 2013,
            "countries": ["US"],
            "languages": ["en"],
            "genres": ["drama"],
            "popularity": 500,
            "sort_key": folding.sort_key(german or name),
            "search_text": "" if kind == "season" else folding.fold_for_search(name, *([german] if german else [])),
            "added_at": NOON,
            "changed_at": NOON,
            **facts,
        }
    )
    async with database.sessions.begin() as session:
        session.add(title)
        await session.flush()
        if german:
            session.add(TitleText(title_id=title.id, locale="de", title=german, synopsis=None))
    if offered and kind in ("film", "episode"):
        await make_offer(database, title_id=title.id)
    return title


async def make_person(database: Database, name: str, **roles: list[Title]) -> Person:
    """Someone with credits: `actor=[...]`, `director=[...]`, `writer=[...]`."""
    rows = await database.reads.fetch("SELECT role, max(position) AS last FROM store.credits GROUP BY role")
    last = {row["role"]: row["last"] for row in rows}
    count = len({title.id for titles in roles.values() for title in titles})
    person = Person(id=new_id(), slug=folding.slug(name), name=name, search_text=folding.fold(name), film_count=count)
    async with database.sessions.begin() as session:
        session.add(person)
        await session.flush()
        session.add_all(
            Credit(title_id=title.id, role=role, position=last.get(role, 0) + place, person_id=person.id)
            for role, titles in roles.items()
            for place, title in enumerate(titles, start=1)
        )
    return person


async def learn_words(database: Database, *words: str) -> None:
    """Put words into the vocabulary that mistyped ones are corrected to."""
    async with database.sessions.begin() as session:
        session.add_all(SearchWord(word=word, frequency=1) for word in words)


async def walk(client: httpx.AsyncClient, path: str, *, limit: int) -> list[str]:
    """The slugs of a whole list, page by page."""
    slugs: list[str] = []
    cursor = ""
    while True:
        page = await client.get(httpx.URL(path).copy_merge_params({"limit": limit, "cursor": cursor}))
        assert page.status_code == 200, page.text
        slugs += [title["slug"] for title in page.json()["titles"]]
        cursor = page.json()["next_cursor"]
        if not cursor:
            return slugs


async def found(client: httpx.AsyncClient, words: str, **more: str) -> list[str]:
    """The slugs that a search finds, in their order."""
    answer = await client.get("/v1/titles", params={"q": words, **more})
    assert answer.status_code == 200, answer.text
    return [title["slug"] for title in answer.json()["titles"]]
