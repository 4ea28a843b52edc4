"""The geometry of charts: everything in percent, so that a drawing fits any width as it is.

Right to left, time runs from the right as the words do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import get_language_bidi

#: On a phone no more words than these stand below a chart.
_WORDS = 6
#: How much of its place a bar fills.
_FILL = 0.72


@dataclass(frozen=True, slots=True)
class Point:
    """One place of a chart: its word, its value, and a smaller one that is part of it or None."""

    word: str
    value: float | None
    part: float | None = None


@dataclass(frozen=True, slots=True)
class Rect:
    """One bar, in percent of the drawing."""

    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Word:
    """What stands below a bar; `is_minor`: only where there is room."""

    x: str
    text: str
    is_minor: bool


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars side by side. `marks` are the words of the scale, from the top down."""

    bars: tuple[Rect, ...]
    parts: tuple[Rect, ...]
    words: tuple[Word, ...]
    marks: tuple[str, ...]


def columns(points: Sequence[Point]) -> Columns:
    """Bars from left to right, or from right to left."""
    top = round_up(max((point.value or 0 for point in points), default=0))
    wide = 100 / max(len(points), 1)
    every = math.ceil(len(points) / _WORDS)
    some = max(1, math.ceil(len(points) / (2 * _WORDS)))
    some = every // 2 if every % 2 == 0 and every // 2 >= some else (every if some > 1 else some)
    bars: list[Rect] = []
    parts: list[Rect] = []
    words: list[Word] = []
    for place, point in enumerate(points):
        start = 100 - (place + 1) * wide if get_language_bidi() else place * wide
        x, width = start + wide * (1 - _FILL) / 2, wide * _FILL
        for value, drawn in ((point.value, bars), (point.part, parts)):
            if value:
                high = 100 * value / top
                drawn.append(Rect(_said(x), _said(100 - high), _said(width), _said(high)))
        if place % some == 0:
            words.append(Word(_said(start + wide / 2), point.word, place % every != 0))
    marks = tuple(
        number_format(value, use_l10n=True, force_grouping=True)
        for value in (_whole(top), _whole(top / 2), 0)
    )
    return Columns(tuple(bars), tuple(parts), tuple(words), marks)


def bar(share: float | None) -> Rect | None:
    """One lying bar; `share` is from 0 to 1."""
    if not share:
        return None
    wide = 100 * min(share, 1)
    return Rect(_said(100 - wide if get_language_bidi() else 0), "0", _said(wide), "100%")


def round_up(value: float) -> float:
    """The end of a scale that holds `value`, whose half is whole too. At least 4."""
    if value <= 4:
        return 4
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)


def _said(percent: float) -> str:
    return f"{percent:.2f}%"


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value
