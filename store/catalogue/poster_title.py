"""Lays out a title large: in how many lines, in which face, so that it fills its measure and fits."""

from dataclasses import dataclass
from random import Random
from typing import Final

from store.catalogue.poster_lettering import Face, break_lines, has_marks_above, readable, widest, width_of

_BLOCK: Final = (Face(0.62, 0.17, 0.1), Face(0.8, 0.18, 0.11), Face(1.0, 0.19, 0.12), Face(1.25, 0.2, 0.13))
"""Faces of a block: every line fills the measure, in the stretch that suits its length."""
_EVEN: Final = (Face(0.72, 0.15, 0.12), Face(0.95, 0.17, 0.13), Face(1.1, 0.13, 0.16))
"""Faces of even lines, flush left."""
_FINE: Final = (Face(0.95, 0.06, 0.3), Face(1.1, 0.05, 0.36))
"""Faces of fine, wide lines."""

_GAP: Final = 0.2
"""Room between lines, of the height of the letters."""
_MARKS: Final = 0.26
"""Further room above a line with dots or accents."""
_MOST_LINES: Final = 8
_LONGEST: Final = 120
"""Letters that are set; the cost of breaking lines grows with the cube of the words."""


@dataclass(frozen=True, slots=True)
class SetLine:
    """A line in its place, measured from the title's top left corner."""

    text: str
    face: Face
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class SetTitle:
    """A title's lines and the height of them all."""

    lines: tuple[SetLine, ...]
    height: float


def set_title(title: str, *, measure: float, tallest: float, chance: Random) -> SetTitle:
    """The title in one of three manners, in a measure and not higher than `tallest`."""
    text = _shortened(readable(title)) or "?"
    manner = chance.random()
    if manner < 0.5 or len(text) < 6:
        return _block(text, measure, tallest, chance)
    if manner < 0.8:
        return _even(text, measure, tallest, chance.choice(_EVEN), largest=118, share=0.62)
    return _even(text, measure, tallest, chance.choice(_FINE), largest=84, share=0.5)


def _shortened(text: str) -> str:
    """A text that can be set large: what is longer than any film is called ends after a word, with dots."""
    if len(text) <= _LONGEST:
        return text
    return text[:_LONGEST].rpartition(" ")[0].rstrip(" ,.:;-") + "..." if " " in text[:_LONGEST] else text[:_LONGEST]


def _block(text: str, measure: float, tallest: float, chance: Random) -> SetTitle:
    """Every line as wide as the measure; the breaking whose height comes nearest to what is wanted."""
    wanted = tallest * (0.55 + 0.35 * chance.random())
    best: tuple[float, SetTitle] | None = None
    for count in range(1, _MOST_LINES + 1):
        for face in _BLOCK:
            broken = break_lines(text, count, face)
            if broken is None:
                continue
            heights = [min(measure / width_of(line, face), tallest * 0.62) for line in broken]
            placed = _stack(broken, [face] * count, heights)
            if placed.height > tallest:
                continue
            # Short words that would be much larger than the others make a restless block.
            uneven = max(heights) / min(heights) - 1
            shouts = 0.6 if _is_article(broken[0]) and heights[0] > 0.9 * max(heights) and count > 1 else 0
            fault = abs(placed.height - wanted) / wanted + 0.25 * uneven + 0.05 * count + shouts
            if best is None or fault < best[0]:
                best = (fault, placed)
    return best[1] if best else _even(text, measure, tallest, _BLOCK[0], largest=60, share=1.0)


def _is_article(line: str) -> bool:
    """Whether a line is an article alone, which must not be the largest word."""
    return line in {"THE", "A", "AN", "DER", "DIE", "DAS", "EIN", "EINE", "LE", "LA", "LES", "EL", "IL"}


def _even(text: str, measure: float, tallest: float, face: Face, *, largest: float, share: float) -> SetTitle:
    """All lines of one size: the largest that fits, in not more than a share of the height if that can be."""
    best: tuple[float, SetTitle] | None = None
    for count in range(1, _MOST_LINES + 1):
        broken = break_lines(text, count, face)
        if broken is None:
            break
        height = min(measure / widest(broken, face), largest)
        placed = _stack(broken, [face] * count, [height] * count)
        while placed.height > tallest * share:
            height *= 0.94
            placed = _stack(broken, [face] * count, [height] * count)
        if best is None or height > best[0] * 1.04:
            best = (height, placed)
    if best is None:
        raise ValueError("a title has at least one word")
    return best[1]


def _stack(texts: list[str], faces: list[Face], heights: list[float]) -> SetTitle:
    lines = []
    y = 0.0
    for place, (text, face, height) in enumerate(zip(texts, faces, heights, strict=True)):
        if place:
            y += _GAP * (height + heights[place - 1]) / 2
        if has_marks_above(text):
            y += _MARKS * height
        lines.append(SetLine(text, face, y, height))
        y += height
    return SetTitle(tuple(lines), y)
