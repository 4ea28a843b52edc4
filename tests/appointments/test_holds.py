"""Who may give a hold back, and what of it stands in the trail."""

from typing import Any

import pytest

from appointments.models import BusyTime
from core import tenancy
from core.models import AuditEvent
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene


def held(cast: Scene, by: Any, **fields: Any) -> str:
    answer = by.api.post("slots/holds", cast.own.request(berlin(), **fields))
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def release(by: Any, hold: str) -> int:
    return by.api.delete(f"slots/holds/{hold}").status_code


@pytest.mark.parametrize("who", ["patient", "reception", "admin", "doctor_user"])
def test_the_holder_and_who_manages_the_visits_may(cast: Scene, who: str):
    hold = held(cast, cast.own.patient)
    by = getattr(cast.own, who)
    assert release(by, hold) == 204
    assert release(by, hold) == 404
    with tenancy.scope(tenancy.SYSTEM):
        assert not BusyTime.objects.filter(id=hold).exists()
        act = AuditEvent.objects.get(action="hold.released")
        assert act.actor_id == by.id
        assert act.clinic_id == cast.own.clinic.id
        assert act.subjects == [cast.own.chart.id]
        assert act.changes == {"holder": [str(cast.own.patient.id), None]}


def test_a_hold_for_nobody_has_no_subject(cast: Scene):
    hold = held(cast, cast.own.reception, patient=...)
    assert release(cast.own.reception, hold) == 204
    with tenancy.scope(tenancy.SYSTEM):
        assert AuditEvent.objects.get(action="hold.released").subjects == []


def test_a_doctor_may_for_their_own_calendar_only(cast: Scene):
    other = cast.own.add_doctor()
    cast.own.add_hours(other)
    hold = held(cast, cast.own.reception, doctor=other.id)
    assert release(cast.own.doctor_user, hold) == 404


def test_a_visit_is_not_released_as_a_hold(cast: Scene):
    made = cast.own.book(berlin())
    with tenancy.scope(tenancy.SYSTEM):
        claim = BusyTime.objects.get(appointment_id=made["id"])
    assert release(cast.own.reception, str(claim.id)) == 404
    with tenancy.scope(tenancy.SYSTEM):
        assert BusyTime.objects.filter(id=claim.id).exists()
