"""The next free times: by day, across doctors and places."""

import re
from datetime import time

from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinics.models import Location, ScheduleTemplate, Service
from clinics.services.changes import create_row
from core import tenancy
from tests.appointments.moments import berlin
from tests.casts import Cast
from tests.dashboard.care import another_doctor, booked, leave_of, more_hours, text_of
from tests.dashboard.desk import Desk
from tests.dashboard.sheets import desk_in


def shown(desk: Desk, **query: object) -> str:
    answer = desk.get("desk-next", query)
    assert answer.status_code == 200
    return " ".join(text_of(answer).split())


def starts(page: str) -> list[str]:
    """Day and time of each link to a sheet."""
    return re.findall(r"starts_at=(\d{4}-\d\d-\d\dT\d\d)%3A", page)


def test_days_begin_with_who_is_free_first(house: Cast):
    early = another_doctor(house, "Dr Early")
    more_hours(house, early, [1, 2], time(8), time(12))
    booked(house, berlin(0, 9), house.patient)
    page = shown(desk_in(house)).partition('id="next-times"')[2]
    assert page.index("Monday, 4 Jun 2035") < page.index("Dr Early") < page.index("Dr House")
    assert starts(page)[0] == "2035-06-04T08"
    assert "Tuesday, 5 Jun 2035" in page
    assert "Monday, 11 Jun 2035" not in page
    assert "Later" in page


def test_each_question_narrows(house: Cast, outsider: Cast):
    late = another_doctor(house, "Dr Late")
    more_hours(house, late, [1, 4], time(10), time(18))
    desk = desk_in(house)
    only = shown(desk, doctor=late.id)
    assert all(str(late.id) in link for link in re.findall(r"book\?doctor=([^&]+)", only))
    afternoon = starts(shown(desk, part="afternoon"))
    assert afternoon
    assert all(int(one[-2:]) >= 12 for one in afternoon)
    thursday = starts(shown(desk, weekday="4"))
    assert thursday
    assert {one[:10] for one in thursday} == {"2035-06-07"}
    from_day = starts(shown(desk, day="2035-06-06"))
    assert from_day[0].startswith("2035-06-07")
    assert starts(shown(desk, mode="VIDEO_CALL")) == []
    for foreign in ("doctor", "location"):
        page = shown(desk, **{foreign: getattr(outsider, foreign).id})
        assert starts(page) == []
        assert "cannot be answered" in page
    assert starts(shown(desk, day="the day after")) == []


def test_a_place_has_its_own_clock(house: Cast):
    with tenancy.scope(tenancy.SYSTEM):
        far = create_row(
            Location,
            {"clinic": house.clinic, "name": "Far", "timezone": "Asia/Kolkata"},
            action="test.made",
        )
    doctor = another_doctor(house, "Dr Far")
    with tenancy.scope(tenancy.SYSTEM):
        fields = {"clinic": house.clinic, "doctor": doctor, "location": far, "weekday": 2}
        hours = {"start_time": time(9), "end_time": time(10)}
        create_row(ScheduleTemplate, fields | hours, action="test.made")
    page = shown(desk_in(house), location=far.id)
    assert "Dr Far</bdi> · Far" in page
    assert ">09:00</a>" in page
    assert "T09%3A00%3A00%2B05%3A30" in page


def test_the_patient_and_the_wishes_go_along(house: Cast, outsider: Cast):
    desk = desk_in(house)
    page = shown(desk, patient=house.patient.id, mode="IN_PERSON")
    assert "For <bdi>Anna Berger</bdi>" in page
    assert f"patient={house.patient.id}" in page
    assert "mode=IN_PERSON" in page
    assert desk.get("desk-next", {"patient": outsider.patient.id}).status_code == 404
    unknown = desk.get("desk-book", {"patient": house.patient.id})
    assert unknown.status_code == 302
    assert "next?patient=" in unknown.headers["Location"]


def test_nothing_free_and_nobody_there_say_what_to_do(house: Cast):
    desk = desk_in(house)
    leave_of(house, house.doctor, berlin(0).date(), berlin(200).date())
    assert "No free time fits" in shown(desk)
    with tenancy.scope(tenancy.SYSTEM):
        Service.objects.filter(clinic=house.clinic).update(is_active=False)
    assert "no services yet" in shown(desk)
    with tenancy.scope(tenancy.SYSTEM):
        type(house.doctor).objects.filter(pk=house.doctor.pk).update(is_active=False)
    assert "Nobody can be booked here yet" in shown(desk)


def test_later_goes_on_where_the_page_ended(house: Cast):
    more_hours(house, house.doctor, [2, 3, 4, 5, 6], time(9), time(10))
    desk = desk_in(house)
    first = shown(desk, part="morning")
    (later,) = re.findall(r'href="[^"]*next\?([^"]+)"[^>]*>Later', first)
    second = text_of(desk.client.get(f"{desk.address('desk-next')}?{later}"))
    assert "part=morning" in later
    assert min(starts(second)) > max(starts(first))


def statements(desk: Desk) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert desk.get("desk-next").status_code == 200
    return len([one for one in captured if "SAVEPOINT" not in one["sql"]])


def test_thirty_doctors_cost_as_many_statements_as_one(house: Cast):
    desk = desk_in(house)
    statements(desk)
    alone = statements(desk)
    for number in range(29):
        more_hours(house, another_doctor(house, f"Dr {number:02}"), [1], time(9), time(12))
    assert statements(desk) == alone
    assert alone <= 20
