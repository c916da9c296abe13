"""Small honest charts: bars from zero over days or months, as numbers that a template draws as SVG."""

from collections.abc import Callable, Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class GroupBar:
    """One bar of a month."""

    value: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Group:
    """A month with its bars."""

    month: date
    bars: Sequence[GroupBar]
    label_x: float


@dataclass(frozen=True, slots=True)
class MonthChart:
    """Groups of bars, a group for each month."""

    groups: Sequence[Group]
    lines: Sequence[Line]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def chart_days(values: Mapping[date, int], *, first: date, end: date) -> DayChart:
    """The chart of the days from `first` up to, but without, `end`; values may be negative, zero is always shown."""
    y_of, lines = _scale(values.values())
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
    return DayChart(bars=bars, lines=lines, zero=y_of(0))


def chart_months(values: Mapping[date, Sequence[int]]) -> MonthChart:
    """The chart of months, each with the same number of bars beside each other; values may be negative."""
    y_of, lines = _scale(value for group in values.values() for value in group)
    slot = (WIDTH - LEFT) / len(values)
    groups = []
    for number, (month, group) in enumerate(values.items()):
        left, width = LEFT + number * slot + slot * 0.14, slot * 0.72 / len(group)
        bars = [
            GroupBar(
                value=value,
                x=round(left + place * width, 2),
                y=min(y_of(value), y_of(0)),
                width=round(width * 0.84, 2),
                height=round(abs(y_of(value) - y_of(0)), 2),
            )
            for place, value in enumerate(group)
        ]
        groups.append(Group(month=month, bars=bars, label_x=round(LEFT + (number + 0.5) * slot, 2)))
    return MonthChart(groups=groups, lines=lines)


def _scale(values: Iterable[int]) -> tuple[Callable[[int], float], Sequence[Line]]:
    """Where a value lies in the drawing, and the lines of the grid; zero is always among them."""
    present = [0, *values]
    highest, lowest = max(present), min(present)
    step = _step(highest - lowest)
    top, bottom = -(-highest // step) * step, (lowest // step) * step
    if top == bottom:
        top = step
    scale = (HEIGHT - TOP - BOTTOM) / (top - bottom)

    def y_of(value: int) -> float:
        return round(TOP + (top - value) * scale, 2)

    return y_of, [Line(value, y_of(value)) for value in range(bottom, top + 1, step)]


def _step(span: int) -> int:
    """A round distance (1, 2 or 5 times a power of ten, whole units of 100) that needs few lines for the span."""
    magnitude = 100
    while True:
        for factor in _STEPS:
            if span <= factor * magnitude * (_MOST_LINES - 1):
                return factor * magnitude
        magnitude *= 10
