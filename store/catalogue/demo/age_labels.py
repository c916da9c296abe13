"""Age labels that are made up and marked so: our sources know none of German-speaking countries."""

from collections.abc import Collection, Sequence
from typing import Final

from store.catalogue.demo.draws import draw

INVENTED: Final = "invented"
"""How such a label was found, in `store.ratings.method`."""

_UNLABELLED: Final = 4
"""Of a hundred titles so many have none: they count as 18."""

_MILD: Final = (0, 0, 0, 6, 6, 12)
_USUAL: Final = (0, 6, 6, 12, 12, 12, 16)
_HARD: Final = (12, 16, 16, 16, 18)


def invent_age_label(key: str, genres: Collection[str]) -> int | None:
    """Years, the same for the same key: for children's genres seldom many, for hard ones seldom few; None: none."""
    if draw(f"fsk/{key}", 100) < _UNLABELLED:
        return None
    steps = _steps(genres)
    return steps[draw(f"fsk/age/{key}", len(steps))]


def _steps(genres: Collection[str]) -> Sequence[int]:
    if {"horror", "war", "thriller", "crime"} & set(genres):
        return _HARD
    return _MILD if {"family", "animation"} & set(genres) else _USUAL
