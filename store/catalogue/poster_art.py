"""Which compositions suit which genre; a title's own chance picks one of them."""

from typing import Final

from store.catalogue.poster_patterns import (
    bars,
    blinds,
    crossing_discs,
    domes,
    grooves,
    halftone,
    lanes,
    orbits,
    petals,
    sliced_disc,
    threads,
    tiles,
    turning_squares,
)
from store.catalogue.poster_scenes import arches, balance, beam, drips, eye, mesas, mountains, stairs, strata, sunburst
from store.catalogue.poster_shapes import Composition

BY_GENRE: Final[dict[str, tuple[Composition, ...]]] = {
    "action": (sunburst, turning_squares, sliced_disc),
    "adventure": (mountains, sunburst, strata),
    "animation": (tiles, petals, balance),
    "biography": (arches, crossing_discs, threads),
    "comedy": (tiles, balance, domes, balance),
    "crime": (beam, blinds, stairs, sliced_disc),
    "documentary": (halftone, strata, threads, domes),
    "drama": (strata, crossing_discs, threads, arches, stairs),
    "family": (petals, tiles, balance),
    "fantasy": (petals, orbits, mountains),
    "history": (arches, sunburst, mountains),
    "horror": (drips, eye, blinds),
    "music": (grooves, bars),
    "musical": (bars, grooves, tiles),
    "mystery": (eye, beam, blinds),
    "romance": (crossing_discs, crossing_discs, petals, strata),
    "sci-fi": (orbits, turning_squares, halftone),
    "sport": (lanes, sunburst),
    "thriller": (sliced_disc, turning_squares, beam, stairs),
    "war": (sunburst, mountains, beam),
    "western": (mesas, sunburst),
}

DEFAULT: Final = (strata, crossing_discs, halftone)
