"""Rules without a database: held against dateutil, month ends, and what is refused at once."""

import time as stopwatch
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from appointments.recurrence import LONGEST, instant, parse
from core.errors import ErrorCode, KairosError

MONDAY = date(2035, 6, 4)
#: dateutil is slow enough without it.
NO_SHRINKING = [phase for phase in Phase if phase != Phase.shrink]


def dates(text: str, start: date = MONDAY, **more) -> list[date]:
    return parse(text, start=start, **more).dates()


@st.composite
def rules(draw) -> str:
    """Rules in which dateutil and the RFC agree, and that have dates.

    They part over a position in a broken first week, and over weekdays with and without a number
    side by side; and dateutil takes seconds to find that a rule has no date.
    """
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 5))}"]
    weekdays = draw(st.sets(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])))
    numbers = draw(st.sets(st.integers(1, 31) | st.integers(-31, -1), max_size=4))
    if frequency == "MONTHLY":
        ordinal = draw(st.sampled_from(["", "1", "2", "4", "5", "-1", "-2"]))
        if weekdays:
            parts.append(f"BYDAY={','.join(ordinal + day for day in sorted(weekdays))}")
        elif numbers:
            parts.append(f"BYMONTHDAY={','.join(map(str, sorted(numbers)))}")
        if len(parts) > 2 and draw(st.booleans()):
            parts.append(f"BYSETPOS={draw(st.sampled_from([1, -1]))}")
    elif weekdays:
        parts.append(f"BYDAY={','.join(sorted(weekdays))}")
    if frequency == "DAILY" and numbers and len(weekdays) > 2:
        parts.append(f"BYMONTHDAY={','.join(map(str, sorted(numbers)))}")
    return ";".join(parts)


@settings(max_examples=200, deadline=None, phases=NO_SHRINKING)
@given(rules(), st.dates(date(2030, 1, 1), date(2040, 12, 31)), st.integers(0, 731))
def test_the_dates_are_those_of_dateutil(text: str, start: date, span: int):
    end = start + timedelta(days=span)
    midnight = datetime.combine(start, time(), tzinfo=UTC)
    found = rrulestr(f"{text};UNTIL={end:%Y%m%d}T000000Z", dtstart=midnight)
    expected = [moment.date() for moment in found]
    if not expected or len(expected) > 530:
        with pytest.raises(KairosError):
            parse(text, start=start, end=end)
        return
    rule = parse(text, start=start, end=end)
    assert rule.dates() == expected
    middle = expected[len(expected) // 2]
    assert rule.dates(after=middle) == [day for day in expected if day > middle]
    endless = parse(text, start=start, open_ended=True)
    assert endless.dates(after=middle, until=end) == [day for day in expected if day > middle]
    assert rule.ending(end).dates() == expected


@settings(max_examples=60, deadline=None, phases=NO_SHRINKING)
@given(rules(), st.dates(date(2030, 1, 1), date(2040, 12, 31)), st.integers(1, 40))
def test_a_count_takes_the_first_of_them(text: str, start: date, count: int):
    endless = parse(text, start=start, open_ended=True) if has_a_date(text, start) else None
    every = endless.dates() if endless else []
    if len(every) >= count:
        assert parse(f"{text};COUNT={count}", start=start).dates() == every[:count]
    else:
        with pytest.raises(KairosError):
            parse(f"{text};COUNT={count}", start=start)


def has_a_date(text: str, start: date) -> bool:
    try:
        parse(text, start=start, open_ended=True)
    except KairosError:
        return False
    return True


@settings(max_examples=60, deadline=None, phases=NO_SHRINKING)
@given(
    st.sampled_from(
        ["FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=MO,WE", "FREQ=DAILY;BYDAY=FR"]
    ),
    st.dates(date(2030, 1, 1), date(2040, 12, 31)),
    st.integers(-6, 6),
)
def test_a_shifted_rule_has_every_date_so_many_days_later(text: str, start: date, days: int):
    rule = parse(text, start=start, end=start + timedelta(days=200))
    shifted = rule.shifted(days)
    expected = [day + timedelta(days=days) for day in rule.dates()]
    assert shifted.dates() == expected
    again = parse(shifted.text, start=shifted.start, end=shifted.last)
    assert again.dates() == expected


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=MONTHLY;BYMONTHDAY=3",
        "FREQ=MONTHLY",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU",
        "FREQ=WEEKLY;BYDAY=MO,WE;BYSETPOS=1",
    ],
)
def test_what_cannot_be_shifted_says_so(text: str):
    rule = parse(text, start=MONDAY, end=MONDAY + timedelta(days=300))
    with pytest.raises(KairosError) as refusal:
        rule.shifted(1 if "BYSETPOS" not in text else 5)
    assert list(refusal.value.errors or ()) == ["shift_days"]


def test_months_without_a_31st_are_left_out_and_told():
    rule = parse("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=5", start=date(2035, 1, 31))
    assert [day.month for day in rule.dates()] == [1, 3, 5, 7, 8]
    assert rule.left_out == ["2035-02-31", "2035-04-31", "2035-06-31"]


def test_the_30th_of_february_is_left_out_and_told():
    rule = parse("FREQ=MONTHLY", start=date(2036, 1, 30), end=date(2036, 3, 31))
    assert rule.dates() == [date(2036, 1, 30), date(2036, 3, 30)]
    assert rule.left_out == ["2036-02-30"]


def test_the_last_day_of_a_month_is_there_in_every_month():
    rule = parse("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=14", start=date(2035, 12, 1))
    assert [day.day for day in rule.dates()][:4] == [31, 31, 29, 31]
    assert rule.left_out == []


def test_the_29th_of_february_each_twelfth_month():
    leap = date(2036, 2, 29)
    assert dates("FREQ=MONTHLY;INTERVAL=12;COUNT=1", leap) == [leap]
    assert parse("FREQ=MONTHLY;INTERVAL=12", start=leap, end=leap + LONGEST).left_out == [
        "2037-02-29",
        "2038-02-29",
    ]
    with pytest.raises(KairosError, match="VALIDATION"):
        parse("FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=29", start=date(2037, 2, 1), end=leap + LONGEST)


REFUSED = {
    "": "not a rule",
    "every monday": "not a rule",
    "FREQ": "not a rule",
    "FREQ=WEEKLY;FREQ=DAILY;COUNT=2": "not a rule",
    "FREQ=WEEKLY;COUNT=٣": "not a rule",
    "\x00FREQ=DAILY;COUNT=2": "not a rule",
    "DTSTART:20350604\nRRULE:FREQ=DAILY;COUNT=2": "not a rule",
    "COUNT=2": "FREQ is",
    "FREQ=FORTNIGHTLY;COUNT=2": "FREQ is",
    "FREQ=YEARLY;COUNT=2": "Yearly",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=2": "Yearly",
    "FREQ=HOURLY;COUNT=2": "one visit a day",
    "FREQ=MINUTELY;COUNT=2": "one visit a day",
    "FREQ=SECONDLY;COUNT=2": "one visit a day",
    "FREQ=DAILY;BYHOUR=9;COUNT=2": "time of day",
    "FREQ=DAILY;BYMINUTE=5;COUNT=2": "time of day",
    "FREQ=DAILY;BYEASTER=0;COUNT=2": "BYEASTER",
    "FREQ=WEEKLY;WKST=SU;COUNT=2": "WKST",
    "FREQ=DAILY;BYWEEKNO=2;COUNT=2": "BYWEEKNO",
    "FREQ=DAILY;BYMONTH=13;COUNT=2": "BYMONTH",
    "FREQ=DAILY;INTERVAL=0;COUNT=2": "INTERVAL",
    "FREQ=DAILY;INTERVAL=-1;COUNT=2": "INTERVAL",
    "FREQ=DAILY;COUNT=0": "COUNT",
    "FREQ=DAILY;COUNT=-3": "COUNT",
    "FREQ=DAILY;COUNT=1000000": "530 visits at most",
    "FREQ=DAILY;COUNT=531": "530 visits at most",
    "FREQ=DAILY;UNTIL=20370530": "530 visits at most",
    "FREQ=DAILY;COUNT=99999999999999999999999": "530 visits at most",
    "FREQ=WEEKLY;COUNT=2;UNTIL=20351231": "not by both",
    "FREQ=WEEKLY;UNTIL=20350230": "UNTIL",
    "FREQ=WEEKLY;UNTIL=20351231T120000Z": "UNTIL",
    "FREQ=WEEKLY;UNTIL=20350101": "before",
    "FREQ=WEEKLY;UNTIL=20390101": "two years",
    "FREQ=WEEKLY;COUNT=200": "two years",
    "FREQ=MONTHLY;COUNT=26": "two years",
    "FREQ=WEEKLY": "never ends",
    "FREQ=WEEKLY;BYDAY=2MO;COUNT=2": "counts weekdays",
    "FREQ=WEEKLY;BYDAY=MONDAY;COUNT=2": "BYDAY",
    "FREQ=MONTHLY;BYDAY=6MO;COUNT=2": "BYDAY",
    "FREQ=MONTHLY;BYDAY=0MO;COUNT=2": "BYDAY",
    "FREQ=WEEKLY;BYMONTHDAY=3;COUNT=2": "days of the month",
    "FREQ=MONTHLY;BYMONTHDAY=0;COUNT=2": "BYMONTHDAY",
    "FREQ=MONTHLY;BYMONTHDAY=32;COUNT=2": "BYMONTHDAY",
    "FREQ=MONTHLY;BYSETPOS=1;COUNT=2": "BYSETPOS",
    "FREQ=DAILY;BYDAY=MO;BYSETPOS=1;COUNT=2": "BYSETPOS",
    "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=31;COUNT=2": "no date",
    "FREQ=DAILY;INTERVAL=7;BYDAY=TU;COUNT=2": "no date",
    "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31;COUNT=2": "no date",
    "FREQ=WEEKLY;BYDAY=MO;COUNT=2;" + "X" * 10_000: "too long",
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.items(), ids=[key[:40] for key in REFUSED])
def test_what_is_refused_is_refused_on_the_rule_and_at_once(text: str, sentence: str):
    began = stopwatch.perf_counter()
    with pytest.raises(KairosError) as refusal:
        parse(text, start=MONDAY)
    assert stopwatch.perf_counter() - began < 0.5  # dateutil takes seconds over some of them
    assert refusal.value.code == ErrorCode.VALIDATION_ERROR
    assert refusal.value.errors is not None
    assert sentence in refusal.value.errors["rrule"][0]


def test_an_end_before_the_start():
    with pytest.raises(KairosError) as refusal:
        parse("FREQ=WEEKLY", start=MONDAY, end=MONDAY - timedelta(days=1))
    assert "end_date" in (refusal.value.errors or {})


def test_until_further_notice_has_no_end():
    for text, end in (("FREQ=WEEKLY;COUNT=2", None), ("FREQ=WEEKLY", MONDAY + LONGEST)):
        with pytest.raises(KairosError) as refusal:
            parse(text, start=MONDAY, end=end, open_ended=True)
        assert "open_ended" in (refusal.value.errors or {})


def test_how_it_is_written_does_not_matter():
    assert dates("rrule:freq=weekly;byday=mo;count=2;") == [MONDAY, MONDAY + timedelta(days=7)]


NIGHTS = [
    ("Europe/Berlin", date(2035, 3, 25), time(2, 30), "03:30+02:00"),
    ("Europe/Berlin", date(2035, 10, 28), time(2, 30), "02:30+02:00"),
    ("America/New_York", date(2035, 3, 11), time(2, 15), "03:15-04:00"),
    ("America/New_York", date(2035, 11, 4), time(1, 30), "01:30-04:00"),
    ("Australia/Lord_Howe", date(2035, 10, 7), time(2, 10), "02:40+11:00"),
    ("Australia/Lord_Howe", date(2035, 4, 1), time(1, 45), "01:45+11:00"),
    ("Pacific/Kiritimati", date(2035, 6, 4), time(0, 30), "00:30+14:00"),
    ("Pacific/Niue", date(2035, 6, 4), time(23, 30), "23:30-11:00"),
    ("Etc/GMT+12", date(2035, 6, 4), time(23, 30), "23:30-12:00"),
]


@pytest.mark.parametrize(("zone", "day", "wall", "shown"), NIGHTS)
def test_local_times_that_are_skipped_or_come_twice(zone, day, wall, shown):
    moment = instant(day, wall, zone)
    assert moment.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")[11:] == shown


@pytest.mark.django_db
@pytest.mark.parametrize("zone", sorted({zone for zone, *_ in NIGHTS}))
def test_the_database_reads_local_times_alike(zone: str):
    from django.db import connection  # noqa: PLC0415 - the others need none

    walls = [
        datetime.combine(date(2035, month, day), time(hour, minute))
        for month, day in ((3, 11), (3, 25), (4, 1), (10, 7), (10, 28), (11, 4), (6, 4))
        for hour in range(4)
        for minute in (0, 10, 30, 45)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT core_instant(w, %s) FROM unnest(%s::timestamp[]) WITH ORDINALITY AS a(w, n)"
            " ORDER BY n",
            [zone, walls],
        )
        found = [row[0] for row in cursor.fetchall()]
    assert found == [instant(wall.date(), wall.time(), zone) for wall in walls]
