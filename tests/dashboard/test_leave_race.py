"""Two people at the same list of visits at once: each visit is moved once, and none is lost."""

import threading
from collections import Counter
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from appointments.models import Appointment, AppointmentEvent, BusyTime, Claim, Verb
from core import clock, context, tenancy
from tests.casts import Cast, build_cast, build_patient
from tests.dashboard.care import AtDesk, another_doctor, booked, leave_of, more_hours
from tests.support.forms import form_of

EVERY_DAY = range(1, 8)


def _house() -> tuple[Cast, datetime]:
    """Two doctors with hours from one to four every day, and tomorrow at one."""
    context.begin("a-race")
    house = build_cast("race")
    more_hours(house, house.doctor, EVERY_DAY, time(13), time(16))
    more_hours(house, another_doctor(house, "Dr Other"), EVERY_DAY, time(13), time(16))
    day = clock.now().astimezone(ZoneInfo("Europe/Berlin")) + timedelta(days=2)
    return house, day.replace(hour=13, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("round_", range(3))
def test_two_people_rebook_the_same_list_at_once(transactional_db, round_: int):
    house, at = _house()
    visits = [
        booked(
            house,
            at + timedelta(minutes=30 * number),
            build_patient(house.clinic, f"P{number}", "X"),
        )
        for number in range(6)
    ]
    ids = [visit.id for visit in visits]
    leave = leave_of(house, house.doctor, at.date(), at.date())
    # One takes the doctor's later times, the other another doctor: they disagree on every visit.
    desks = [AtDesk(user, house) for user in (house.receptionist, house.clinic_admin)]
    forms = []
    for desk, prefer in zip(desks, ("same", "other"), strict=True):
        page = desk.get("desk-leave-affected", {"prefer": prefer}, exception_id=leave.id)
        forms.append(form_of(page, form_id="rebook-form"))
    start = threading.Barrier(2)
    answers: list[Any] = []

    def send(desk: AtDesk, form: dict[str, Any]) -> None:
        try:
            start.wait(10)
            answers.append(desk.post("desk-leave-affected", form, exception_id=leave.id))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=pair) for pair in zip(desks, forms, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [answer.status_code for answer in answers] == [302, 302]
    with tenancy.scope(tenancy.SYSTEM):
        moves = Counter(
            AppointmentEvent.objects.filter(
                appointment_id__in=ids, verb=Verb.RESCHEDULE
            ).values_list("appointment_id", flat=True)
        )
        now = Appointment.objects.filter(pk__in=ids)
        claims = BusyTime.objects.filter(appointment_id__in=ids, kind=Claim.BOOKED)
        assert moves == {visit.id: 1 for visit in visits}
        assert {visit.status for visit in now} == {"SCHEDULED"}
        assert claims.count() == 6
        # One of the two was the first with all of them: the locks are taken as one.
        assert len({visit.doctor_id for visit in now}) == 1
    told = [
        desk.client.get(answer.headers["Location"])
        for answer in answers
        for desk in desks
        if answer.wsgi_request.user.pk in {house.receptionist.pk, house.clinic_admin.pk}
        and desk.client.session.get("_auth_user_id") == str(answer.wsgi_request.user.pk)
    ]
    assert sorted((len(one.context["changed"]), one.context["refused"]) for one in told) == [
        (0, 6),
        (6, 0),
    ]
    assert all(one.context["left"] == 0 for one in told)
