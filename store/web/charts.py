"""Small honest charts: bars from zero over the days of a month, as numbers that a template draws as SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

WIDTH: Final = 960
HEIGHT: Final = 220
LEFT: Final = 84
"""Room for the labels of the amounts."""
TOP: Final = 12
BOTTOM: Final = 28
"""Room for the labels of the days."""
_STEPS: Final = (1, 2, 5)
_MOST_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: a rectangle from the line of zero, in units of the drawing."""

    day: date
    value: int
    x: float
    y: float
    width: float
    height: float
    label_x: float
    is_labelled: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid and the value that it stands for."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class DayChart:
    """A bar for each day of a span; days without a value have none."""

    bars: Sequence[Bar]
    lines: Sequence[Line]
    zero: float
    """Height of the line of zero."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def chart_days(values: Mapping[date, int], *, first: date, end: date) -> DayChart:
    """The chart of the days from `first` up to, but without, `end`; values may be negative, zero is always shown."""
    highest, lowest = max(0, *values.values(), 0), min(0, *values.values(), 0)
    step = _step(highest - lowest)
    top, bottom = -(-highest // step) * step, (lowest // step) * step
    if top == bottom:
        top = step
    scale = (HEIGHT - TOP - BOTTOM) / (top - bottom)

    def y_of(value: int) -> float:
        return round(TOP + (top - value) * scale, 2)

    days = [first + timedelta(days=number) for number in range((end - first).days)]
    slot = (WIDTH - LEFT) / len(days)
    bars = [
        Bar(
            day=day,
            value=value,
            x=round(LEFT + number * slot + slot * 0.16, 2),
            y=min(y_of(value), y_of(0)),
            width=round(slot * 0.68, 2),
            height=round(abs(y_of(value) - y_of(0)), 2),
            label_x=round(LEFT + (number + 0.5) * slot, 2),
            is_labelled=number == 0 or (number + 1) % 5 == 0,
        )
        for number, day in enumerate(days)
        for value in (values.get(day, 0),)
    ]
    lines = [Line(value, y_of(value)) for value in range(bottom, top + 1, step)]
    return DayChart(bars=bars, lines=lines, zero=y_of(0))


def _step(span: int) -> int:
    """A round distance (1, 2 or 5 times a power of ten, whole units of 100) that needs few lines for the span."""
    magnitude = 100
    while True:
        for factor in _STEPS:
            if span <= factor * magnitude * (_MOST_LINES - 1):
                return factor * magnitude
        magnitude *= 10
