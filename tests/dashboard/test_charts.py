"""The geometry of charts."""

import pytest
from django.utils import translation

from dashboard.charts import Point, bar, columns, round_up


def percent(said: str) -> float:
    return float(said.removesuffix("%"))


@pytest.mark.parametrize(
    ("value", "end"),
    [(0, 4), (0.3, 4), (4, 4), (4.1, 6), (9, 10), (10, 10), (11, 20), (41, 60), (999, 1000)],
)
def test_the_scale_ends_just_above(value: float, end: float) -> None:
    assert round_up(value) == end


@pytest.mark.parametrize("count", [1, 5, 7, 12, 24, 31, 53, 100])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_bars_stand_in_their_places(count: int, language: str) -> None:
    with translation.override(language):
        chart = columns([Point(str(n), n + 1, (n + 1) / 2) for n in range(count)])
    places = [percent(one.x) for one in chart.bars]
    assert places == sorted(places, reverse=language == "ar")
    wide = 100 / count
    for rect, part in zip(chart.bars, chart.parts, strict=True):
        assert 0 <= percent(rect.x) <= percent(rect.x) + percent(rect.width) <= 100
        assert percent(rect.width) < wide
        assert percent(rect.y) + percent(rect.height) == pytest.approx(100, abs=0.02)
        assert percent(part.height) == pytest.approx(percent(rect.height) / 2, abs=0.02)
        assert part.x == rect.x
    top = round_up(count)
    assert percent(chart.bars[-1].height) == pytest.approx(100 * count / top, abs=0.02)
    assert 1 <= sum(not word.is_minor for word in chart.words) <= 6
    assert len(chart.words) <= 12
    assert chart.words[0].text == "0"
    assert not chart.words[0].is_minor


def test_nothing_draws_nothing() -> None:
    empty = columns([])
    assert (empty.bars, empty.words) == ((), ())
    assert columns([Point("a", None), Point("b", 0)]).bars == ()
    assert bar(None) is None
    assert bar(0) is None
    with translation.override("en"):
        assert columns([Point("a", 1800)]).marks == ("2,000", "1,000", "0")


def test_lying_bars_begin_where_words_do() -> None:
    with translation.override("en"):
        assert (drawn := bar(0.25)) is not None
        assert (drawn.x, drawn.width) == ("0.00%", "25.00%")
    with translation.override("ar"):
        assert (drawn := bar(0.25)) is not None
        assert (drawn.x, drawn.width) == ("75.00%", "25.00%")
    assert (over := bar(1.7)) is not None
    assert over.width == "100.00%"
