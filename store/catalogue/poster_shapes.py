"""Sheet, inks and simple shapes: what the compositions of the posters are made with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from store.catalogue.poster_colours import Palette


@dataclass(frozen=True, slots=True)
class Sheet:
    """Where a composition is drawn: a rectangle from (0, top), its inks, and the title's chance."""

    top: float
    width: float
    height: float
    palette: Palette
    chance: Random

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.height

    @property
    def inks(self) -> tuple[str, str, str]:
        """The three inks in an order of the title's own."""
        inks = [self.palette.first, self.palette.second, self.palette.third]
        return self.chance.choice(_ORDERS)(inks)

    @property
    def overprint(self) -> str:
        """Style of a shape that is printed over others."""
        return f'style="mix-blend-mode:{"screen" if self.palette.is_dark else "multiply"}"'

    def between(self, low: float, high: float) -> float:
        """A number of the title's own."""
        return low + (high - low) * self.chance.random()

    def number(self, low: int, high: int) -> int:
        """A whole number of the title's own, both ends included."""
        return low + int(self.chance.random() * (high - low + 1))

    def either(self) -> bool:
        """One way or the other."""
        return self.chance.random() < 0.5


_ORDERS: Final[tuple[Callable[[list[str]], tuple[str, str, str]], ...]] = (
    lambda inks: (inks[0], inks[1], inks[2]),
    lambda inks: (inks[0], inks[2], inks[1]),
    lambda inks: (inks[1], inks[0], inks[2]),
)

Composition = Callable[[Sheet], str]


def n(value: float) -> str:
    """A coordinate, short."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def disc(x: float, y: float, radius: float, fill: str, more: str = "") -> str:
    """A disc."""
    return f'<circle cx="{n(x)}" cy="{n(y)}" r="{n(radius)}" fill="{fill}" {more}/>'


def ring(x: float, y: float, radius: float, stroke: str, weight: float) -> str:
    """A circle's line."""
    return f'<circle cx="{n(x)}" cy="{n(y)}" r="{n(radius)}" fill="none" stroke="{stroke}" stroke-width="{n(weight)}"/>'


def box(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    """A rectangle."""
    return f'<rect x="{n(x)}" y="{n(y)}" width="{n(width)}" height="{n(height)}" fill="{fill}" {more}/>'


def shape(points: Sequence[tuple[float, float]], fill: str, more: str = "") -> str:
    """A polygon."""
    return f'<polygon points="{" ".join(f"{n(x)},{n(y)}" for x, y in points)}" fill="{fill}" {more}/>'


def path(data: str, fill: str, more: str = "") -> str:
    """A path."""
    return f'<path d="{data}" fill="{fill}" {more}/>'
