"""Sets titles in a drawn alphabet of our own: strokes of one weight, so that posters need no font anywhere.

A glyph lives in a box 100 high and as wide as it says; its lines are the middle of the strokes. Scaling stretches the
lines and never the weight, so narrow and wide, light and bold letters all come from the same drawing.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_ROUND: Final = 0.60
"""How full a quarter of a curve is: 0.55 would be an ellipse."""

# M, L: move, line. h, v: a quarter curve that sets out horizontally or vertically. C: a cubic curve. D: a dot.
_GLYPHS: Final[dict[str, tuple[int, str]]] = {
    "A": (70, "M0,100 L35,0 L70,100 M11,69 L59,69"),
    "B": (58, "M30,48 L0,48 L0,0 L30,0 h54,24 v30,48 h58,74 v30,100 L0,100 L0,48"),
    "C": (62, "M62,28 v32,0 h0,36 L0,64 v32,100 h62,72"),
    "D": (62, "M0,0 L26,0 h62,38 L62,62 v26,100 L0,100 Z"),
    "E": (48, "M48,0 L0,0 L0,100 L48,100 M0,49 L42,49"),
    "F": (46, "M46,0 L0,0 L0,100 M0,50 L40,50"),
    "G": (64, "M63,27 v32,0 h0,36 L0,64 v32,100 h64,66 L64,54 L36,54"),
    "H": (62, "M0,0 L0,100 M62,0 L62,100 M0,49 L62,49"),
    "I": (0, "M0,0 L0,100"),
    "J": (42, "M42,0 L42,68 v21,100 h0,74"),
    "K": (60, "M0,0 L0,100 M56,0 L2,57 M23,36 L60,100"),
    "L": (45, "M0,0 L0,100 L45,100"),
    "M": (80, "M0,100 L0,0 L40,64 L80,0 L80,100"),
    "N": (64, "M0,100 L0,0 L64,100 L64,0"),
    "O": (68, "M34,0 h68,36 L68,64 v34,100 h0,64 L0,36 v34,0 Z"),
    "P": (56, "M0,100 L0,0 L30,0 h56,27 v30,54 L0,54"),
    "Q": (68, "M34,0 h68,36 L68,64 v34,100 h0,64 L0,36 v34,0 Z M42,74 L70,106"),
    "R": (58, "M0,100 L0,0 L30,0 h56,26 v30,52 L0,52 M30,52 L58,100"),
    "S": (58, "M56,25 v29,0 h2,25 v29,49 h58,74 v29,100 h0,75"),
    "T": (58, "M0,0 L58,0 M29,0 L29,100"),
    "U": (64, "M0,0 L0,66 v32,100 h64,66 L64,0"),
    "V": (68, "M0,0 L34,100 L68,0"),
    "W": (98, "M0,0 L24,100 L49,6 L74,100 L98,0"),
    "X": (62, "M0,0 L62,100 M62,0 L0,100"),
    "Y": (64, "M0,0 L32,53 L64,0 M32,53 L32,100"),
    "Z": (58, "M0,0 L58,0 L0,100 L58,100"),
    "0": (60, "M30,0 h60,36 L60,64 v30,100 h0,64 L0,36 v30,0 Z"),
    "1": (24, "M0,24 L24,2 L24,100"),
    "2": (58, "M2,28 v30,0 h58,29 C58,58 4,74 0,100 L58,100"),
    "3": (58, "M3,22 v29,0 h54,25 v28,48 L20,48 M28,48 h58,74 v29,100 h0,76"),
    "4": (64, "M48,100 L48,0 L0,70 L64,70"),
    "5": (58, "M52,0 L9,0 L5,45 C12,39 20,37 29,37 h58,68 v29,100 h0,76"),
    "6": (58, "M48,2 C20,12 0,42 0,68 v29,100 h58,69 v29,39 h0,68"),
    "7": (56, "M0,0 L56,0 L18,100"),
    "8": (60, "M30,0 h56,24 v30,48 h4,24 v30,0 Z M30,48 h60,74 v30,100 h0,74 v30,48 Z"),
    "9": (58, "M10,98 C38,88 58,58 58,32 v29,0 h0,31 v29,61 h58,32"),
    ".": (0, "D0,100"),
    ",": (4, "M4,94 L-3,118"),
    ":": (0, "D0,34 D0,100"),
    ";": (4, "D4,34 M4,94 L-3,118"),
    "!": (0, "M0,0 L0,68 D0,100"),
    "?": (52, "M0,26 v26,0 h52,25 C52,46 26,46 26,70 D26,100"),
    "'": (0, "M0,0 L0,24"),
    '"': (18, "M0,0 L0,24 M18,0 L18,24"),
    "-": (30, "M0,51 L30,51"),
    "–": (52, "M0,51 L52,51"),
    "&": (66, "M66,100 L13,30 C6,16 14,0 29,0 C46,0 50,20 36,32 L14,50 C-8,68 0,100 28,100 C48,100 62,84 64,58"),
    "/": (38, "M0,108 L38,-8"),
    "(": (18, "M18,-6 C-6,25 -6,79 18,110"),
    ")": (18, "M0,-6 C24,25 24,79 0,110"),
    "[": (16, "M16,-6 L0,-6 L0,108 L16,108"),
    "]": (16, "M0,-6 L16,-6 L16,108 L0,108"),
    "+": (46, "M0,52 L46,52 M23,29 L23,75"),
    "=": (46, "M0,38 L46,38 M0,64 L46,64"),
    "*": (36, "M18,0 L18,40 M0,10 L36,30 M36,10 L0,30"),
    "#": (60, "M16,0 L8,100 M50,0 L42,100 M0,33 L60,33 M-2,66 L58,66"),
    "%": (80, "M66,0 L14,100 M16,0 h30,18 v16,36 h2,18 v16,0 Z M64,64 h78,82 v64,100 h50,82 v64,64 Z"),
    "$": (58, "M56,25 v29,0 h2,25 v29,49 h58,74 v29,100 h0,75 M29,-12 L29,112"),
    "€": (62, "M62,28 v36,0 h8,36 L8,64 v36,100 h62,72 M-4,42 L44,42 M-4,58 L44,58"),
    "@": (90, "M62,34 L62,62 C62,80 90,78 90,50 v45,0 h0,50 v45,100 M62,50 h44,68 v28,50 h44,32 v62,50"),
}

_MARKS: Final[dict[str, str]] = {
    "\N{COMBINING DIAERESIS}": "D-15,-24 D15,-24",
    "\N{COMBINING ACUTE ACCENT}": "M-5,-14 L12,-34",
    "\N{COMBINING GRAVE ACCENT}": "M5,-14 L-12,-34",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "M-16,-14 L0,-32 L16,-14",
    "\N{COMBINING CARON}": "M-16,-34 L0,-16 L16,-34",
    "\N{COMBINING TILDE}": "M-18,-18 C-10,-36 8,-8 18,-28",
    "\N{COMBINING RING ABOVE}": "M0,-38 h11,-27 v0,-16 h-11,-27 v0,-38 Z",
    "\N{COMBINING MACRON}": "M-16,-22 L16,-22",
    "\N{COMBINING BREVE}": "M-15,-34 C-10,-14 10,-14 15,-34",
    "\N{COMBINING DOT ABOVE}": "D0,-24",
    "\N{COMBINING CEDILLA}": "M2,100 L-6,126",
    "\N{COMBINING OGONEK}": "M10,100 L18,126",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "M-14,-14 L-2,-34 M6,-14 L18,-34",
}

_REPLACED: Final = str.maketrans(
    {
        "ß": "SS",
        "ẞ": "SS",
        "Æ": "AE",
        "Œ": "OE",
        "Ø": "O",
        "Ł": "L",
        "Đ": "D",
        "Ð": "D",
        "Þ": "TH",
        "…": "...",
        "’": "'",
        "‘": "'",
        "´": "'",
        "`": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "—": "–",
        "−": "-",
        "‐": "-",
        "×": "X",
        "²": "2",
        "³": "3",
        "½": "1/2",
        "·": "-",
        "\N{NO-BREAK SPACE}": " ",
    }
)

SPACE: Final = 34
"""Width of a blank."""

_CLOSER: Final = {
    pair: closer
    for closer, pairs in {
        18: "AV VA AT TA AY YA LT LY LV PA FA TJ VJ YJ PJ",
        12: "AW WA LW LO TO OT YO OY FO TC TG LC AO OA AC KO RT RV RY OV VO",
    }.items()
    for pair in pairs.split()
}
"""Pairs of letters that stand closer than others, by how much of the width of a glyph's box."""

_OPEN_LEFT: Final = dict(zip("AVWYTJCGOQX", (8, 8, 7, 8, 6, 5, 3, 3, 3, 3, 4), strict=True))
_OPEN_RIGHT: Final = dict(zip("AVWYTLFPCGOQKRX", (8, 8, 7, 8, 6, 7, 6, 5, 2, 2, 3, 3, 3, 2, 4), strict=True))
"""What letters with an open side are moved towards their neighbour."""


def _closer(before: str, char: str) -> float:
    """How much closer two letters stand than their boxes would, of a glyph's units."""
    return _CLOSER.get(before + char) or _OPEN_RIGHT.get(before, 0) + _OPEN_LEFT.get(char, 0)


MITRE_LIMIT: Final = 1.5
"""Right angles stay sharp, pointed ones (A, V, W) are cut off at the height of the line."""


@dataclass(frozen=True, slots=True)
class Face:
    """How letters are drawn: their stretch in width; their weight and the room between them, of the height."""

    stretch: float = 1.0
    weight: float = 0.14
    tracking: float = 0.16


@dataclass(frozen=True, slots=True)
class Line:
    """A line of lettering where it stands: `path` is drawn with strokes of `weight`."""

    path: str
    weight: float


def readable(text: str) -> str:
    """The text in the letters that the alphabet has; others are left out."""
    composed = unicodedata.normalize("NFD", text.upper().translate(_REPLACED))
    kept = "".join(char for char in composed if char in _GLYPHS or char in _MARKS or char == " ")
    return " ".join(kept.split())


def has_marks_above(text: str) -> bool:
    """Whether a readable text needs room above its letters."""
    return any(char in _MARKS and char not in "\N{COMBINING CEDILLA}\N{COMBINING OGONEK}" for char in text)


def width_of(text: str, face: Face, height: float = 1.0) -> float:
    """Width of a readable text in capitals of a height."""
    width = 0.0
    letters = 0
    before = ""
    for char in text:
        if char in _MARKS:
            continue
        width -= _closer(before, char) / 100 * face.stretch
        before = char
        glyph = SPACE if char == " " else _GLYPHS[char][0]
        # Each letter's lines end half a weight inside its outer edge.
        width += glyph / 100 * face.stretch + (0 if char == " " else face.weight)
        letters += 1
    return (width + max(letters - 1, 0) * face.tracking) * height


def draw_line(text: str, face: Face, *, x: float, y: float, height: float) -> Line:
    """A readable text with its top left corner at (x, y)."""
    weight = face.weight * height
    across, down = face.stretch * height / 100, (height - weight) / 100
    parts: list[str] = []
    place, centre = x, x
    before = ""
    # Marks keep clear of heavy letters, and the two dots of each other.
    raised, apart = y + weight / 2 - max(weight - 0.1 * height, 0), max(across, weight * 0.07)
    for char in text:
        if char in _MARKS:
            parts.append(_trace(_MARKS[char], centre, raised, apart, down, weight))
            continue
        place -= _closer(before, char) * across
        before = char
        if char == " ":
            place += SPACE * across + face.tracking * height
            continue
        glyph, drawing = _GLYPHS[char]
        left = place + weight / 2
        parts.append(_trace(drawing, left, y + weight / 2, across, down, weight))
        centre = left + glyph * across / 2
        place += glyph * across + weight + face.tracking * height
    return Line("".join(parts), round(weight, 1))


def break_lines(text: str, count: int, face: Face) -> list[str] | None:
    """The words in so many lines, the widest as narrow as it can be; None where there are fewer words."""
    words = text.split()
    if count > len(words):
        return None
    return [" ".join(line) for line in _balance(tuple(words), count, face)[1]]


@lru_cache(maxsize=4096)
def _balance(words: tuple[str, ...], count: int, face: Face) -> tuple[float, tuple[tuple[str, ...], ...]]:
    if count == 1:
        return width_of(" ".join(words), face), (words,)
    best: tuple[float, tuple[tuple[str, ...], ...]] = (float("inf"), ())
    for cut in range(1, len(words) - count + 2):
        head = width_of(" ".join(words[:cut]), face)
        rest, lines = _balance(words[cut:], count - 1, face)
        if max(head, rest) < best[0]:
            best = (max(head, rest), (words[:cut], *lines))
    return best


def _trace(drawing: str, x: float, y: float, across: float, down: float, weight: float) -> str:
    """A glyph's drawing as path data in its place."""
    made: list[str] = []
    at_x = at_y = 0.0

    def point(px: float, py: float) -> str:
        return f"{_short(x + px * across)} {_short(y + py * down)}"

    for step in _steps(drawing):
        command, values = step
        if command == "Z":
            made.append("Z")
            continue
        if command == "D":
            px, py = x + values[0] * across, y + values[1] * down
            made.append(f"M{_short(px)} {_short(py - weight / 2)}V{_short(py + weight / 2)}")
            continue
        if command == "C":
            made.append("C" + " ".join(point(values[i], values[i + 1]) for i in (0, 2, 4)))
            at_x, at_y = values[4], values[5]
            continue
        to_x, to_y = values
        if command == "h":
            first, second = (at_x + _ROUND * (to_x - at_x), at_y), (to_x, to_y - _ROUND * (to_y - at_y))
            made.append(f"C{point(*first)} {point(*second)} {point(to_x, to_y)}")
        elif command == "v":
            first, second = (at_x, at_y + _ROUND * (to_y - at_y)), (to_x - _ROUND * (to_x - at_x), to_y)
            made.append(f"C{point(*first)} {point(*second)} {point(to_x, to_y)}")
        else:
            made.append(f"{command}{point(to_x, to_y)}")
        at_x, at_y = to_x, to_y
    return "".join(made)


@lru_cache(maxsize=256)
def _steps(drawing: str) -> tuple[tuple[str, tuple[float, ...]], ...]:
    steps: list[tuple[str, tuple[float, ...]]] = []
    for token in drawing.split():
        if token[0].isalpha():
            steps.append((token[0], _numbers(token[1:])))
        else:
            steps[-1] = (steps[-1][0], steps[-1][1] + _numbers(token))
    return tuple(steps)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in text.split(",")) if text else ()


def _short(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def widest(lines: Sequence[str], face: Face) -> float:
    """Width of the widest line in capitals of height 1."""
    return max(width_of(line, face) for line in lines)
