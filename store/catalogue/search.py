"""Turns what people type into a query, finds people by name, and corrects mistyped words."""

from typing import Final

import asyncpg

from store.catalogue.schemas import PersonHit

MOST_WORDS: Final = 10
"""Words of a search that count."""
SHORTEST_BEGINNING: Final = 2
"""Letters from which on the last word may be a beginning."""
_PEOPLE: Final = 6

_FIND_PEOPLE: Final = """
    SELECT slug, name, film_count FROM store.people
    WHERE search @@ to_tsquery('simple', $1)
    ORDER BY search_text = $2 DESC, film_count DESC, slug
    LIMIT $3
"""

_CORRECT: Final = """
    SELECT wanted.word AS typed,
           (SELECT known.word FROM store.search_words known
            WHERE known.word % wanted.word
            ORDER BY similarity(known.word, wanted.word) DESC, known.frequency DESC, known.word
            LIMIT 1) AS word
    FROM unnest($1::text[]) WITH ORDINALITY AS wanted (word, position)
    ORDER BY wanted.position
"""


def text_query(words: str) -> str:
    """Folded words as a tsquery of the configuration `simple`: all must be there, the last may be a beginning."""
    parts = words.split()[:MOST_WORDS]
    last = parts[-1] + (":*" if len(parts[-1]) >= SHORTEST_BEGINNING else "")
    return " & ".join([*parts[:-1], last])


async def find_people(connection: asyncpg.pool.PoolConnectionProxy, words: str) -> list[PersonHit]:
    """People whose name has these folded words, the whole name first, then who made most."""
    rows = await connection.fetch(_FIND_PEOPLE, text_query(words), words, _PEOPLE)
    return [PersonHit(row["slug"], row["name"], row["film_count"]) for row in rows]


async def correct_words(connection: asyncpg.pool.PoolConnectionProxy, words: str) -> str | None:
    """The nearest words that occur in titles and names; None where that changes nothing."""
    rows = await connection.fetch(_CORRECT, words.split()[:MOST_WORDS])
    corrected = " ".join(row["word"] or row["typed"] for row in rows)
    return corrected if corrected != words else None
