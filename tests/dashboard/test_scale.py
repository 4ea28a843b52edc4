"""Where times stand: days of 23, 24 and 25 hours, nights, and the classes that say it."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from appointments.selectors.day import local_day
from dashboard.scale import MAX_HOURS, MAX_LANES, Scale, lanes, scale_of

#: Zone, day, hours it lasts, the local time at which it begins.
DAYS = [
    ("Europe/Berlin", date(2035, 6, 4), 24, "00:00"),
    ("Europe/Berlin", date(2035, 3, 25), 23, "00:00"),
    ("Europe/Berlin", date(2035, 10, 28), 25, "00:00"),
    ("America/New_York", date(2035, 3, 11), 23, "00:00"),
    ("America/New_York", date(2035, 11, 4), 25, "00:00"),
    ("America/Sao_Paulo", date(2018, 11, 4), 23, "01:00"),  # no midnight that day
    ("Africa/Cairo", date(2024, 4, 26), 23, "01:00"),
    ("Asia/Kolkata", date(2035, 6, 4), 24, "00:00"),
    ("Pacific/Kiritimati", date(2035, 6, 4), 24, "00:00"),
]


def day_of(zone: str, day: date) -> Scale:
    start, end = local_day(day, zone)
    return scale_of(start, end, [(start, end)])


@pytest.mark.parametrize(("zone", "day", "hours", "begins"), DAYS)
def test_a_day_is_as_long_as_it_is(zone: str, day: date, hours: int, begins: str) -> None:
    scale = day_of(zone, day)
    assert (scale.first, scale.last) == (0, hours)
    assert scale.minutes(scale.start) == 0
    assert scale.minutes(scale.end) == hours * 60
    marks = scale.marks()
    assert [place for place, _ in marks] == [f"h{hour} m0" for hour in range(hours)]
    assert marks[0][1] == begins
    assert marks[-1][1] == "23:00"
    tz = ZoneInfo(zone)
    assert scale.start.astimezone(tz).date() == day
    assert (scale.start.astimezone(UTC) - timedelta(seconds=1)).astimezone(tz).date() < day
    assert scale.end.astimezone(tz).date() == day + timedelta(days=1)


def test_the_hour_that_does_not_exist_and_the_one_that_is_there_twice_are_on_the_axis() -> None:
    spring = [text for _, text in day_of("Europe/Berlin", date(2035, 3, 25)).marks()]
    autumn = [text for _, text in day_of("Europe/Berlin", date(2035, 10, 28)).marks()]
    assert spring[:4] == ["00:00", "01:00", "03:00", "04:00"]
    assert autumn[:5] == ["00:00", "01:00", "02:00", "02:00", "03:00"]


@pytest.mark.parametrize(("zone", "day", "hours", "begins"), DAYS)
def test_days_follow_one_another_without_a_gap(
    zone: str, day: date, hours: int, begins: str
) -> None:
    del hours, begins
    days = [local_day(day + timedelta(days=n), zone) for n in range(-3, 4)]
    assert all(one[1] == other[0] for one, other in pairwise(days))
    assert local_day(day - timedelta(days=3), zone, days=7) == (days[0][0], days[-1][1])


def test_what_lasts_over_midnight_is_cut_at_the_days_ends() -> None:
    scale = day_of("Europe/Berlin", date(2035, 6, 4))
    zone = ZoneInfo("Europe/Berlin")
    before = datetime(2035, 6, 3, 23, 30, tzinfo=zone)
    after = datetime(2035, 6, 5, 0, 30, tzinfo=zone)
    assert scale.place(before, scale.start + timedelta(minutes=20)) == "h0 m0 lh0 lm20"
    assert scale.place(after - timedelta(hours=1, minutes=15), after) == "h23 m15 lh0 lm45"
    assert scale.place(before, after) == "h0 m0 lh24 lm0"
    short = scale.start + timedelta(hours=9, seconds=10)
    assert scale.place(short, short) == "h9 m0 lh0 lm1", "nothing is too short to be seen"


def test_after_the_clocks_went_a_time_stands_where_it_has_passed() -> None:
    zone = ZoneInfo("Europe/Berlin")
    for day, hour in ((date(2035, 3, 25), 8), (date(2035, 10, 28), 10)):
        nine = datetime(day.year, day.month, day.day, 9, tzinfo=zone)
        scale = day_of("Europe/Berlin", day)
        assert scale.place(nine, nine + timedelta(minutes=45)) == f"h{hour} m0 lh0 lm45"
        assert scale.place(nine.astimezone(UTC), scale.end).startswith(f"h{hour} m0 lh15 lm0")


def test_the_scale_shows_whole_hours_around_everything() -> None:
    start, end = local_day(date(2035, 6, 4), "Europe/Berlin")

    def at(hour: float) -> datetime:
        return start + timedelta(hours=hour)

    def shown(*spans: tuple[float, float]) -> tuple[int, int]:
        scale = scale_of(start, end, [(at(one), at(other)) for one, other in spans])
        return scale.first, scale.last

    assert shown() == (8, 18), "nothing: the usual hours"
    assert shown((9, 12), (13.25, 16.5)) == (9, 17)
    assert shown((-5, -1), (25, 30)) == (8, 18), "another day's"
    assert shown((-1, 1)) == (0, 1)
    assert shown((23.5, 26)) == (23, 24)


# --- Lanes ----------------------------------------------------------------------------------------

SPANS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 90)).map(lambda one: (one[0], one[0] + one[1])),
    max_size=14,
).map(sorted)


@given(SPANS)
def test_visits_at_the_same_time_stand_beside_one_another(
    spans: list[tuple[int, int]],
) -> None:
    start = datetime(2035, 6, 4, tzinfo=UTC)
    found = lanes([tuple(start + timedelta(minutes=m) for m in span) for span in spans])  # type: ignore[misc]
    assert len(found) == len(spans)
    for lane, of in found:
        assert 0 <= lane < of <= MAX_LANES
    for number, (one, (lane, of)) in enumerate(zip(spans, found, strict=True)):
        for other, (there, shared) in list(zip(spans, found, strict=True))[number + 1 :]:
            if one[0] < other[1] and other[0] < one[1]:
                assert of == shared, "who overlap have the same width"
                assert lane != there or lane == MAX_LANES - 1, "and do not hide one another"


def test_lanes_are_given_back() -> None:
    start = datetime(2035, 6, 4, tzinfo=UTC)

    def of(*spans: tuple[int, int]) -> list[tuple[int, int]]:
        return lanes(
            [(start + timedelta(minutes=a), start + timedelta(minutes=b)) for a, b in spans]
        )

    assert of() == []
    assert of((0, 30), (30, 60)) == [(0, 1), (0, 1)], "one after the other is not at once"
    assert of((0, 60), (0, 30), (30, 60)) == [(0, 2), (1, 2), (1, 2)]
    assert of((0, 30), (10, 40), (60, 90)) == [(0, 2), (1, 2), (0, 1)]
    assert of(*[(0, 30)] * 9) == [(min(n, 5), 6) for n in range(9)]


# --- The style sheet ------------------------------------------------------------------------------


def test_every_class_that_a_scale_can_say_has_its_rule() -> None:
    css = (settings.BASE_DIR / "static/dashboard/scale.css").read_text()
    rules = dict(re.findall(r"\.([a-z-]+\d+)\{--([a-z]+:\d+)\}", css))
    sayable = {
        "h": range(MAX_HOURS + 1),
        "m": range(60),
        "lh": range(MAX_HOURS + 1),
        "lm": range(60),
        "from-": range(MAX_HOURS),
        "to-": range(1, MAX_HOURS + 1),
        "lane-": range(MAX_LANES),
        "of-": range(1, MAX_LANES + 1),
    }
    wanted = {
        f"{name}{number}": f"{name.removesuffix('-')}:{number}"
        for name, numbers in sayable.items()
        for number in numbers
    }
    assert rules == wanted


@given(st.integers(0, 25 * 60), st.integers(0, 25 * 60))
def test_a_place_says_only_what_has_a_rule(top: int, length: int) -> None:
    scale = day_of("Europe/Berlin", date(2035, 10, 28))
    starts = scale.start.astimezone(UTC) + timedelta(minutes=top)
    numbers = re.fullmatch(
        r"h(\d+) m(\d+) lh(\d+) lm(\d+)", scale.place(starts, starts + timedelta(minutes=length))
    )
    assert numbers is not None
    hour, minute, hours, minutes = map(int, numbers.groups())
    assert max(hour, hours) <= MAX_HOURS
    assert max(minute, minutes) < 60
    assert hour * 60 + minute + hours * 60 + minutes <= 25 * 60 + 1
