"""The list, the ways through the days, and what an address may ask for."""

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from appointments.models import Verb
from appointments.services.status import appointment_move
from clinics.models import Patient
from core import clock, tenancy
from core.errors import ErrorCode
from core.models import AuditEvent
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Scene
from tests.dashboard.calendars import (
    TODAY,
    at_desk,
    board_of,
    cards,
    column,
    day,
    opened,
    times,
    week,
)


def moved(house: House, visit: dict[str, Any], verb: Verb, reason: str = "") -> None:
    with tenancy.scope(()):
        by = house.admin.principal()
        appointment_move(appointment_id=visit["id"], verb=verb, by=by, reason=reason)


def at(hour: int, minute: int = 0, *, days: int = 0) -> datetime:
    return berlin(days, hour, minute)


# --- The list -------------------------------------------------------------------------------------


def test_what_was_cancelled_is_in_the_list_and_not_on_the_board(calendars: Scene) -> None:
    own = calendars.own
    visit = own.book(at(9))
    moved(own, visit, Verb.CANCEL, "feels better")
    answer = day(own)
    assert cards(answer, own.doctor) == []
    assert "09:00" in times(answer, own.doctor)
    rows = day(own, view="list").context["rows"]
    assert [(str(row.id), row.status, row.state) for row in rows] == [
        (visit["id"], "CANCELLED", "Cancelled")
    ]


def named(own: House, given: str, family: str) -> Any:
    chart = own.add_chart()
    with tenancy.scope(tenancy.SYSTEM):
        Patient.objects.filter(pk=chart.pk).update(given_name=given, family_name=family)
    return chart


def called(doctor: Any, name: str) -> Any:
    with tenancy.scope(tenancy.SYSTEM):
        type(doctor).objects.filter(pk=doctor.pk).update(display_name=name)
    return doctor


def test_the_list_is_sorted_by_each_of_its_headings_both_ways(calendars: Scene) -> None:
    own = calendars.own
    second = called(own.add_doctor(), "Dr Aa")
    own.add_hours(second)
    early = own.add_service(name="Aftercare")
    visits = {
        "zoe": own.book(at(9), patient=named(own, "Zoe", "A").id),
        "ann": own.book(at(10), patient=named(own, "ann", "B").id, service=early.id),
        "bob": own.book(at(8), patient=named(own, "Bob", "C").id, doctor=second.id),
    }
    moved(own, visits["bob"], Verb.CONFIRM)
    names = {visit["id"]: name for name, visit in visits.items()}
    expected = {
        "time": ["bob", "zoe", "ann"],
        "patient": ["ann", "bob", "zoe"],
        "doctor": ["bob", "zoe", "ann"],
        "service": ["ann", "bob", "zoe"],
        "status": ["zoe", "ann", "bob"],
    }
    for sort, order in expected.items():
        for asked, wanted in ((sort, order), (f"-{sort}", order[::-1])):
            answer = day(own, view="list", sort=asked)
            assert [names[str(row.id)] for row in answer.context["rows"]] == wanted, asked
            is_now = [head for head in answer.context["heads"] if head["is"]]
            assert len(is_now) == 1
            assert (is_now[0]["is"] == "descending") is asked.startswith("-")
            assert (is_now[0]["sort"] == f"-{sort}") is (asked == sort)
    for asked in ("", "-", "--time", "nothing", "rows", "time;"):
        answer = day(own, view="list", sort=asked)
        assert [names[str(row.id)] for row in answer.context["rows"]] == expected["time"], asked


def test_an_empty_list_says_what_to_do_next(calendars: Scene) -> None:
    body = day(calendars.own, view="list").content.decode()
    assert "No visits on this day." in body
    assert "Book one" in body
    reader = day(calendars.own, who=calendars.own.nurse, view="list").content.decode()
    assert "Book one" not in reader


# --- Ways through the days ------------------------------------------------------------------------


def test_the_day_picker_leads_to_the_day_and_keeps_the_filters(calendars: Scene) -> None:
    own = calendars.own
    desk = at_desk(own)
    base = f"/desk/{own.clinic.slug}"
    cases = {
        "day=2035-06-09": f"{base}/day/2035-06-09",
        "day=2035-06-09&doctor=&location=&service=": f"{base}/day/2035-06-09",
        f"day=2035-06-09&doctor={own.doctor.id}": f"{base}/day/2035-06-09?doctor={own.doctor.id}",
        "day=2035-06-09&view=list": f"{base}/day/2035-06-09?view=list",
        "day=2035-06-09&view=week": f"{base}/week/2035-06-09",
    }
    for query, target in cases.items():
        answer = desk.client.get(f"{base}/day?{query}")
        assert (answer.status_code, answer.headers["Location"]) == (302, target)
    for bad in ("x", "2035-13-01", "0001-01-01", "9999-12-31", "2035-06-09T10", "١٢", "\0"):
        answer = desk.client.get(f"{base}/day", {"day": bad})
        assert answer.status_code == 400, bad
        assert str(ErrorCode.VALIDATION_ERROR.label) in answer.content.decode()


@pytest.mark.parametrize("on", [date(2000, 1, 1), date(2099, 12, 31)])
def test_the_first_and_the_last_day_open(calendars: Scene, on: date) -> None:
    own = calendars.own
    day(own, on)
    day(own, on, view="list")
    week(own, on)
    beyond = on + timedelta(days=1 if on.year == 2099 else -1)
    assert at_desk(own).get("desk-day", day=beyond).status_code == 404


@pytest.mark.parametrize("path", ["2035-13-01", "2035-02-30", "1999-12-31", "2100-01-01", "x", "٢"])
def test_what_is_no_day_is_no_page(calendars: Scene, path: str) -> None:
    desk = at_desk(calendars.own)
    for kind in ("day", "week", "print"):
        answer = desk.client.get(f"/desk/{calendars.own.clinic.slug}/{kind}/{path}")
        assert answer.status_code == 404, kind


def test_a_week_has_seven_days_over_the_same_hours(calendars: Scene) -> None:
    own = calendars.own
    own.add_hours(own.doctor, time(19), time(21), weekdays=[3])
    own.book(at(9, days=2))
    answer = week(own, TODAY + timedelta(days=4), doctor=str(own.doctor.id))
    assert "Week of 4 Jun" in answer.content.decode()
    board = board_of(answer)
    assert [one.key for one in board.columns] == [f"w2035-06-{4 + n:02d}" for n in range(7)]
    assert board.scale.range_class == "from-8 to-21"
    assert [one.visits for one in board.columns] == [0, 0, 1, 0, 0, 0, 0]
    assert board.columns[2].items[-1].time == "20:30"
    assert len({one.start for one in board.columns}) == 7


def test_the_week_is_ones_own_or_the_one_asked_for(calendars: Scene) -> None:
    own = calendars.own
    first = called(own.add_doctor(), "Dr Aa")
    assert board_of(week(own, who=own.doctor_user)).columns[0].doctor == own.doctor.id
    assert board_of(week(own)).columns[0].doctor == first.id
    asked = week(own, doctor=str(own.doctor.id))
    assert board_of(asked).columns[0].doctor == own.doctor.id
    assert f"doctor={own.doctor.id}" in asked.context["columns_url"]


def test_a_page_that_is_refreshed_keeps_its_filters(calendars: Scene) -> None:
    """What the open page asks for again has the stamps of what it was opened with."""
    own = calendars.own
    own.add_location()
    query = {"location": str(own.location.id), "service": str(own.add_service().id)}
    for name in ("desk-day", "desk-week"):
        desk = at_desk(own)
        page = opened(desk.get(name, {"doctor": str(own.doctor.id)} | query, day=TODAY))
        have = ",".join(f"{one.key}:{one.stamp}" for one in board_of(page).columns)
        address = page.context["columns_url"]
        again = desk.client.get(f"{address}{'&' if '?' in address else '?'}have={have}")
        assert again.status_code == 204, (name, address)


def test_a_location_has_its_own_clock(calendars: Scene) -> None:
    own = calendars.own
    place = own.add_location("Asia/Kolkata")
    doctor = own.add_doctor()
    own.add_hours(doctor, time(10), time(12), location=place)
    there = day(own, location=str(place.id))
    assert times(there, doctor) == ["10:30", "11:00", "11:30"], "it is 10:30 there"
    assert column(there, own.doctor).is_absent, "the other place's hours are not shown"
    everywhere = day(own)
    assert times(everywhere, doctor) == ["07:00", "07:30", "08:00"], "by the clinic's clock"


@pytest.mark.parametrize(
    ("on", "hours"), [(date(2036, 3, 30), 23), (date(2035, 10, 28), 25), (TODAY, None)]
)
def test_a_day_on_which_the_clocks_change_says_so(
    calendars: Scene, on: date, hours: int | None
) -> None:
    body = day(calendars.own, on).content.decode()
    assert (f"a day of {hours} hours" in body) is (hours is not None)
    assert body.count('class="chip"') == (hours is not None)


# --- Bad input ------------------------------------------------------------------------------------

GARBAGE = (
    "x",
    "0",
    "1 OR 1=1",
    "\0",
    "é",
    "[]",
    "00000000-0000-0000-0000-000000000000",
    "a" * 9000,
)


@pytest.mark.parametrize("name", ["doctor", "location", "service"])
def test_unknown_and_foreign_filters_are_not_found(calendars: Scene, name: str) -> None:
    own, other = calendars.own, calendars.other
    foreign = str(getattr(other, name).id)
    for page in ("desk-day", "desk-columns", "desk-week", "desk-week-columns"):
        said = {}
        for value in (*GARBAGE, foreign):
            answer = at_desk(own).get(page, {name: value}, day=TODAY)
            assert answer.status_code == 404, (page, value[:40])
            said[value] = answer.status_code
        assert at_desk(own).get(page, {name: ""}, day=TODAY).status_code in {200, 204}
    today = at_desk(own).get("desk-today", {name: foreign})
    assert today.status_code == 404


@pytest.mark.parametrize("value", [*GARBAGE, ",", ":", ",,:,", "d:1,d:2", "d" * 5000 + ":x"])
def test_whatever_a_browser_says_it_has_it_gets_what_there_is(calendars: Scene, value: str) -> None:
    own = calendars.own
    for name in ("desk-columns", "desk-week-columns"):
        answer = opened(at_desk(own).get(name, {"have": value}, day=TODAY))
        assert f'data-doctor="{own.doctor.id}"' in answer.content.decode()
    only = at_desk(own).get("desk-columns", {"only": value}, day=TODAY)
    assert only.status_code == (200 if not value.strip(",") else 204)
    foreign = at_desk(own).get("desk-columns", {"only": calendars.other.doctor.id}, day=TODAY)
    assert (foreign.status_code, foreign.content) == (204, b"")


@pytest.mark.parametrize("view", ["", "x", "week", "List", "\0"])
def test_an_unknown_view_is_the_board(calendars: Scene, view: str) -> None:
    assert board_of(day(calendars.own, view=view)).columns


NAMES = [
    ("ع" * 100, "م" * 100),
    ("Ngozi 🧑‍🦽", "O'Neil"),
    ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'),
    ("", "Only-Family"),
]


@pytest.mark.parametrize(("given", "family"), NAMES)
def test_names_are_shown_as_they_are(calendars: Scene, given: str, family: str) -> None:
    own = calendars.own
    own.book(at(9), patient=named(own, given, family).id)
    answer = day(own)
    (card,) = cards(answer, own.doctor)
    assert card.name == f"{given} {family}".strip()
    body = answer.content.decode() + day(own, view="list").content.decode()
    assert "<script>alert" not in body
    assert "<img" not in body.replace('<img src="/static/', "")
    if given.isalpha():
        assert given in body


def test_a_clinic_without_doctors_says_what_to_do(calendars: Scene) -> None:
    own = calendars.own
    with tenancy.scope(tenancy.SYSTEM):
        type(own.doctor).objects.filter(pk=own.doctor.pk).update(is_active=False)
    for answer in (day(own), week(own), day(own, view="list")):
        assert "Nobody can be booked here yet" in answer.content.decode()
    assert at_desk(own).get("desk-columns", {"have": ""}, day=TODAY).status_code in {200, 204}
    assert at_desk(own).get("desk-week-columns", day=TODAY).status_code == 204


def test_opening_a_day_is_written_down_once_and_its_refreshing_is_not(calendars: Scene) -> None:
    from_now = clock.now()
    own = calendars.own
    day(own)
    at_desk(own).get("desk-columns", day=TODAY)
    with tenancy.scope(tenancy.SYSTEM):
        found = AuditEvent.objects.filter(
            action="day.read", clinic_id=own.clinic.id, at__gte=from_now
        )
        assert [event.actor_id for event in found] == [own.reception.id]
