"""Finds similar titles, and says why: by the same director, with the same actors, of the same genre and time.

Candidates come from three index walks for any number of titles at once; whether they are on sale is found out by
whoever loads their cards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from store.catalogue.cards import Connection

Reason = Literal["director", "actors", "genre"]

SHOWN: Final = 6
"""How many similar titles a page shows."""

_MOST: Final[dict[Reason, int]] = {"director": 3, "actors": 3, "genre": SHOWN}
"""How many of each kind at most, so that a long career does not push all others out."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A title that may be shown, and the people or the genre it shares."""

    title_id: UUID
    reason: Reason
    shared: tuple[str, ...]
    """Names of people, or the genre's code."""


_DIRECTORS: Final = """
    SELECT own.title_id AS subject, other.title_id AS id, array_agg(p.name ORDER BY own.position) AS shared
    FROM store.credits own
    JOIN store.credits other
        ON other.person_id = own.person_id AND other.role = 'director' AND other.title_id <> own.title_id
    JOIN store.titles t ON t.id = other.title_id
    JOIN store.people p ON p.id = own.person_id
    WHERE own.title_id = ANY ($1::uuid[]) AND own.role = 'director'
    GROUP BY own.title_id, other.title_id, t.popularity
    ORDER BY own.title_id, count(*) DESC, t.popularity DESC, other.title_id
"""

_ACTORS: Final = """
    SELECT own.title_id AS subject, other.title_id AS id,
           (array_agg(p.name ORDER BY p.film_count DESC, p.name))[1:2] AS shared
    FROM store.credits own
    JOIN store.credits other
        ON other.person_id = own.person_id AND other.role = 'actor' AND other.title_id <> own.title_id
    JOIN store.titles t ON t.id = other.title_id
    JOIN store.people p ON p.id = own.person_id
    WHERE own.title_id = ANY ($1::uuid[]) AND own.role = 'actor'
    GROUP BY own.title_id, other.title_id, t.popularity
    HAVING count(*) > 1 OR min(own.position) <= 2
    ORDER BY own.title_id, count(*) DESC, t.popularity DESC, other.title_id
"""

_GENRE: Final = """
    SELECT t.id AS subject, near.id, ARRAY[t.genres[1]] AS shared
    FROM store.titles t
    CROSS JOIN LATERAL (
        SELECT other.id FROM store.titles other
        WHERE other.kind IN ('film', 'series') AND other.genres[1] = t.genres[1] AND other.id <> t.id
            AND (other.kind = 'series') = (t.kind <> 'film') AND other.year BETWEEN t.year - 4 AND t.year + 4
        ORDER BY other.popularity DESC, other.id
        LIMIT 12
    ) near
    WHERE t.id = ANY ($1::uuid[]) AND t.kind IN ('film', 'series')
"""


async def find_candidates(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Candidate]]:
    """Candidates for each title, the best first; at most a few more of each kind than are shown."""
    found: dict[UUID, list[Candidate]] = {title_id: [] for title_id in ids}
    reasons: tuple[tuple[Reason, str], ...] = (("director", _DIRECTORS), ("actors", _ACTORS), ("genre", _GENRE))
    for reason, query in reasons:
        counts: dict[UUID, int] = {}
        for row in await connection.fetch(query, ids):
            subject = row["subject"]
            counts[subject] = counts.get(subject, 0) + 1
            if counts[subject] <= 2 * SHOWN:
                found[subject].append(Candidate(row["id"], reason, tuple(row["shared"])))
    return found


def choose(candidates: Sequence[Candidate], *, sold: set[UUID]) -> list[Candidate]:
    """Those that are shown: on sale, each title once, no kind too often, directors before actors before genres."""
    chosen: dict[UUID, Candidate] = {}
    left = dict(_MOST)
    for candidate in candidates:
        if candidate.title_id in sold and candidate.title_id not in chosen and left[candidate.reason] > 0:
            chosen[candidate.title_id] = candidate
            left[candidate.reason] -= 1
        if len(chosen) == SHOWN:
            break
    return list(chosen.values())
