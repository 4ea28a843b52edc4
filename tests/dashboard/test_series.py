"""Series at the desk: the rule in words, every date before it is booked, changes and ends."""

from datetime import date, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.roles import Role
from appointments.models import AppointmentSeries, AppointmentStatus
from core import tenancy
from dashboard.series import rule_said
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Scene
from tests.dashboard.calendars import at_desk, opened
from tests.dashboard.continuing import TODAY, colleague, local_of, repeated, visits_of
from tests.dashboard.test_columns import statements
from tests.support.forms import form_of

TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
def own(calendars: Scene) -> House:
    return calendars.own


def filled(house: House, **more: Any) -> dict[str, Any]:
    """The form of four Tuesdays at ten."""
    values = {
        "patient": house.chart.id,
        "who": "chosen",
        "doctor": house.doctor.id,
        "service": house.service.id,
        "location": house.location.id,
        "mode": "IN_PERSON",
        "freq": "WEEKLY",
        "interval": 1,
        "weekday": ["TU"],
        "month_by": "day",
        "start_date": TOMORROW.isoformat(),
        "local_time": "10:00",
        "ends": "count",
        "count": 4,
        "step": "preview",
    } | more
    return {name: value for name, value in values.items() if value is not ...}


def preview(house: House, status: int = 200, **more: Any) -> Any:
    answer = at_desk(house).post("desk-series-new", filled(house, **more))
    assert answer.status_code == status, answer.content.decode()[-2000:]
    return answer


def create(house: House, looked: Any, **more: Any) -> Any:
    """Send what the preview's page would send."""
    seen = {"seen": looked.context["seen"], "once": str(looked.context["once"]), "step": "create"}
    return at_desk(house).post("desk-series-new", filled(house, **(seen | more)))


def told(answer: Any) -> list[str]:
    """What the next page says first."""
    return [str(one) for one in answer.wsgi_request._messages]


def the_series() -> list[AppointmentSeries]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(AppointmentSeries.objects.order_by("id"))


# --- The rule -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY", "Every day"),
        ("FREQ=DAILY;INTERVAL=3;COUNT=5", "Every 3 days"),
        ("FREQ=WEEKLY;COUNT=2", "Every week"),
        ("FREQ=WEEKLY;BYDAY=TU,MO", "Every week: Monday, Tuesday"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "Every 2 weeks: Friday"),
        ("FREQ=MONTHLY;BYMONTHDAY=15", "Every month: day 15"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "Every month: the last day"),
        ("FREQ=MONTHLY;INTERVAL=2;BYDAY=2TU", "Every 2 months: second Tuesday"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "Every month: last Friday"),
        ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1", "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1"),
        ("FREQ=MONTHLY;BYMONTHDAY=-2", "FREQ=MONTHLY;BYMONTHDAY=-2"),
    ],
)
def test_a_rule_is_said_in_words(rule: str, words: str) -> None:
    assert rule_said(rule) == words


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({}, "FREQ=WEEKLY;BYDAY=TU;COUNT=4"),
        ({"weekday": ...}, "FREQ=WEEKLY;BYDAY=TU;COUNT=4"),
        ({"freq": "DAILY", "interval": 2}, "FREQ=DAILY;INTERVAL=2;COUNT=4"),
        ({"freq": "MONTHLY"}, "FREQ=MONTHLY;BYMONTHDAY=5;COUNT=4"),
        ({"freq": "MONTHLY", "month_day": 15}, "FREQ=MONTHLY;BYMONTHDAY=15;COUNT=4"),
        ({"freq": "MONTHLY", "month_by": "last"}, "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=4"),
        (
            {"freq": "MONTHLY", "month_by": "weekday", "nth": "2", "nth_weekday": "TU"},
            "FREQ=MONTHLY;BYDAY=2TU;COUNT=4",
        ),
        ({"ends": "until", "until": "2035-07-03"}, "FREQ=WEEKLY;BYDAY=TU"),
    ],
)
def test_the_builder_makes_the_rule_that_was_meant(
    own: House, more: dict[str, Any], rule: str
) -> None:
    looked = preview(own, **more)
    create(own, looked, policy="skip_conflicts", **more)
    made = the_series()
    assert len(made) == 1
    assert made[0].rrule.split(";UNTIL")[0] == rule


# --- Looking first --------------------------------------------------------------------------------


def test_the_form_opens_like_the_visit_that_is_repeated(own: House) -> None:
    visit = own.book(berlin(2, 11, 30))
    answer = opened(at_desk(own).get("desk-series-new", {"visit": visit["id"]}))
    values = form_of(answer, form_id="series-form")
    assert values["start_date"] == [(TODAY + timedelta(days=9)).isoformat()]
    assert values["local_time"] == ["11:30"]
    assert values["weekday"] == ["WE"]
    assert values["patient"] == [str(own.chart.id)]
    card = opened(at_desk(own).get("desk-visit", visit_id=visit["id"])).content.decode()
    assert f"/series/new?visit={visit['id']}" in card


def test_every_date_is_listed_before_anything_is_booked(own: House) -> None:
    answer = preview(own)
    dates = answer.context["dates"]
    assert [row.local.date() for row in dates.rows] == [
        TOMORROW + timedelta(weeks=number) for number in range(4)
    ]
    assert all(row.local.time() == time(10) for row in dates.rows)
    assert "All 4 dates are free." in answer.content.decode()
    assert the_series() == []


def test_a_clash_says_why_and_what_is_free_near_it(own: House) -> None:
    own.book(berlin(8, 10), patient=own.add_chart().id)
    answer = preview(own)
    rows = answer.context["dates"].rows
    assert [bool(row.why) for row in rows] == [False, True, False, False]
    assert rows[1].others
    body = answer.content.decode()
    assert "1 of 4 dates cannot be had." in body
    assert "This time is taken" in body
    assert "Book all or nothing" in body


def test_days_that_a_month_lacks_are_said(own: House) -> None:
    answer = preview(own, freq="MONTHLY", month_day=31, start_date="2035-06-05", count=3)
    assert "June 2035: no 31" in answer.content.decode()


def test_the_dates_alone_are_shown_while_the_form_is_filled_in(own: House) -> None:
    desk = at_desk(own)
    answer = desk.post("desk-series-preview", filled(own), htmx=True)
    assert answer.status_code == 200
    assert "All 4 dates are free." in answer.content.decode()
    assert "<html" not in answer.content.decode()
    poor = desk.post("desk-series-preview", filled(own, local_time=""), htmx=True)
    assert "Something is missing" in poor.content.decode()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"start_date": "2035-02-30"}, "Enter a valid date"),
        ({"start_date": "2020-01-01"}, "Today, or a day to come."),
        ({"start_date": "2099-01-01"}, "A series begins within a year."),
        ({"local_time": "25:00"}, "Enter a valid time"),
        ({"count": 1_000_000}, "less than or equal to"),
        ({"count": ""}, "Say how many visits."),
        ({"ends": "until"}, "Say the last day."),
        ({"ends": "until", "until": "2035-06-01"}, "The last day comes after the first."),
        ({"interval": 0}, "greater than or equal to"),
        ({"patient": ..., "who": "find"}, "Choose the patient."),
        ({"doctor": str(uuid4())}, "Choose one of these."),
        ({"weekday": ["XX"]}, "Select a valid choice"),
        ({"freq": "YEARLY"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(own: House, more: dict[str, Any], words: str) -> None:
    assert words in preview(own, 400, **more).content.decode()
    assert the_series() == []


# --- Booking it -----------------------------------------------------------------------------------


def test_it_is_booked_and_its_page_shows_every_visit(own: House) -> None:
    answer = create(own, preview(own))
    assert answer.status_code == 302
    made = the_series()[0]
    assert answer.headers["Location"].endswith(f"/series/{made.id}")
    page = opened(at_desk(own).client.get(answer.headers["Location"]))
    body = page.content.decode()
    assert told(answer) == ["4 visits are booked."]
    assert "Every week: Tuesday" in body
    assert len(page.context["visits"]) == 4
    card = at_desk(own).get("desk-visit", visit_id=visits_of(made)[0].id).content.decode()
    assert f"/series/{made.id}" in card
    chart = at_desk(own).get("desk-patient", patient_id=own.chart.id).content.decode()
    assert f"/series/{made.id}" in chart


def test_sent_twice_it_is_booked_once(own: House) -> None:
    looked = preview(own)
    first, second = create(own, looked), create(own, looked)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(the_series()) == 1


def test_what_was_changed_since_the_preview_is_shown_again_first(own: House) -> None:
    looked = preview(own)
    answer = create(own, looked, count=5)
    assert answer.status_code == 200
    assert len(answer.context["dates"].rows) == 5
    assert the_series() == []


def test_all_or_nothing_books_nothing_and_says_so(own: House) -> None:
    looked = preview(own)
    own.book(berlin(8, 10), patient=own.add_chart().id)
    answer = create(own, looked)
    assert answer.status_code == 409
    body = answer.content.decode()
    assert "Nothing was booked: some dates cannot be had." in body
    assert "This time is taken" in body
    assert the_series() == []


def test_taken_and_unwanted_dates_are_left_out_and_listed(own: House) -> None:
    own.book(berlin(8, 10), patient=own.add_chart().id)
    looked = preview(own)
    answer = create(own, looked, policy="skip_conflicts", skip=["3"])
    assert answer.status_code == 302
    made = the_series()[0]
    assert [visit.series_sequence for visit in visits_of(made)] == [1, 4]
    body = opened(at_desk(own).client.get(answer.headers["Location"])).content.decode()
    assert told(answer) == ["2 visits are booked. 2 dates are left out."]
    assert "This time is taken" in body
    assert "Left out by hand" in body
    assert "Book another time" in body


# --- Changing and ending it -----------------------------------------------------------------------


def change(house: House, series: AppointmentSeries, visit: Any = None, **data: Any) -> Any:
    desk = at_desk(house)
    address = desk.address("desk-series-change", series_id=series.id)
    if visit is not None:
        address += f"?visit={visit.id}"
        data = {"visit": visit.id} | data
    values = {"version": series.version, "scope": "all", "step": "preview"} | data
    looked = desk.client.post(address, values)
    if values["step"] != "preview" or looked.status_code != 200:
        return looked
    return looked, lambda **more: desk.client.post(
        address, values | {"step": "change", "seen": looked.context["seen"]} | more
    )


def test_following_visits_go_to_another_time_after_a_look(own: House) -> None:
    series = repeated(own)
    visits = visits_of(series)
    looked, go = change(own, series, visits[2], scope="following", local_time="14:30")
    assert [row.local.time() for row in looked.context["dates"].rows] == [time(14, 30)] * 2
    assert "was" in looked.content.decode()
    assert [local_of(one).time() for one in visits_of(series)] == [time(10)] * 4
    assert go().status_code == 302
    now = [local_of(one).time() for one in visits_of(series)]
    assert now == [time(10), time(10), time(14, 30), time(14, 30)]


def test_one_visit_alone_is_changed(own: House) -> None:
    series = repeated(own)
    visit = visits_of(series)[1]
    _looked, go = change(own, series, visit, scope="this", local_time="15:00")
    assert go().status_code == 302
    assert [local_of(one).hour for one in visits_of(series)] == [10, 15, 10, 10]


def test_a_change_that_clashes_is_refused_as_a_whole(own: House) -> None:
    series = repeated(own)
    own.book(berlin(8, 14), patient=own.add_chart().id)
    looked, go = change(own, series, local_time="14:00")
    assert looked.context["dates"].taken == 1
    answer = go()
    assert answer.status_code == 409
    assert [local_of(one).hour for one in visits_of(series)] == [10] * 4
    assert go(policy="skip_conflicts").status_code == 302
    assert [local_of(one).hour for one in visits_of(series)] == [14, 10, 14, 14]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Say what is to change."),
        ({"scope": "x", "local_time": "11:00"}, "Select a valid choice"),
        ({"local_time": "99"}, "Enter a valid time"),
        ({"scope": "this", "local_time": "11:00"}, "Select a valid choice"),
    ],
)
def test_a_change_that_says_nothing_or_nonsense(
    own: House, data: dict[str, Any], words: str
) -> None:
    answer = change(own, repeated(own), **data)
    assert answer.status_code == 400
    assert words in answer.content.decode()


def cancel(house: House, series: AppointmentSeries, visit: Any = None, **data: Any) -> Any:
    desk = at_desk(house)
    address = desk.address("desk-series-cancel", series_id=series.id)
    if visit is not None:
        address += f"?visit={visit.id}"
        data = {"visit": visit.id} | data
    values = {"version": series.version, "scope": "all", "reason": "Moved away"} | data
    return desk.client.post(address, values)


@pytest.mark.parametrize(("scope", "left"), [("this", [1, 3, 4]), ("following", [1]), ("all", [])])
def test_this_one_those_that_follow_or_all_are_cancelled(
    own: House, scope: str, left: list[int]
) -> None:
    series = repeated(own)
    answer = cancel(own, series, visits_of(series)[1], scope=scope)
    assert answer.status_code == 302
    now = visits_of(series)
    open_ones = [one for one in now if one.status != AppointmentStatus.CANCELLED]
    assert [one.series_sequence for one in open_ones] == left
    assert told(answer)[0].startswith(f"{4 - len(left)} visit")


def test_a_cancellation_without_a_reason_or_from_an_old_page_is_refused(own: House) -> None:
    series = repeated(own)
    assert "Say why." in cancel(own, series, reason="").content.decode()
    stale = cancel(own, series, version=99)
    assert stale.status_code == 412
    assert "Somebody else changed this" in stale.content.decode()
    assert all(one.status == AppointmentStatus.SCHEDULED for one in visits_of(series))


# --- Who may --------------------------------------------------------------------------------------


def test_who_may_not_book_sees_the_series_and_no_acts(own: House) -> None:
    series = repeated(own)
    for who in (
        own.nurse,
        colleague(own, Role.FINANCE_BILLING),
        colleague(own, Role.SUPPORT_STAFF),
    ):
        desk = at_desk(own, who)
        body = opened(desk.get("desk-series", series_id=series.id)).content.decode()
        assert "/change" not in body
        assert "/cancel" not in body
        for name in ("desk-series-change", "desk-series-cancel"):
            assert desk.get(name, series_id=series.id).status_code == 403
            assert desk.post(name, {}, series_id=series.id).status_code == 403
        assert desk.get("desk-series-new").status_code == 403
        assert desk.post("desk-series-preview", filled(own)).status_code == 403


def test_the_reason_is_for_those_who_may_read_it(own: House) -> None:
    series = repeated(own, reason="sorekneereason")
    assert "sorekneereason" in at_desk(own).get("desk-series", series_id=series.id).content.decode()
    finance = at_desk(own, colleague(own, Role.FINANCE_BILLING))
    seen = opened(finance.get("desk-series", series_id=series.id)).content.decode()
    assert "sorekneereason" not in seen


def test_the_outsider_finds_nothing(own: House, calendars: Scene) -> None:
    series, visit = repeated(own), own.book(berlin(3, 11))
    desk = at_desk(calendars.other)
    for name in ("desk-series", "desk-series-change", "desk-series-cancel"):
        assert desk.get(name, series_id=series.id).status_code == 404
    assert desk.get("desk-series-new", {"visit": visit["id"]}).status_code == 404
    assert desk.get("desk-series-new", {"patient": str(own.chart.id)}).status_code == 404
    other = calendars.other
    foreign = desk.post("desk-series-new", filled(other, patient=own.chart.id))
    assert "cannot be booked for any more" in foreign.content.decode()
    assert at_desk(own).get("desk-series", series_id=UUID(int=1)).status_code == 404


def test_a_series_asks_as_much_at_1_3_and_30_visits(own: House) -> None:
    desk, taken = at_desk(own), set()
    for number, hour in ((1, 9), (3, 11), (30, 13)):
        series = repeated(own, number, first=date(2035, 6, 6), at=time(hour))
        taken.add(len(statements(lambda one=series: desk.get("desk-series", series_id=one.id))))
        taken.add(
            len(
                statements(
                    lambda n=number: desk.post(
                        "desk-series-preview", filled(own, count=n, local_time="15:00"), htmx=True
                    )
                )
            )
            - 100
        )
    assert len(taken) == 2, taken
