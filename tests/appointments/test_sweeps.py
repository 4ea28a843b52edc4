"""What runs by itself: expired holds, old claims, no-shows; and whose rows it touches."""

from datetime import timedelta

import time_machine
from django.db import connection

from appointments import tasks
from appointments.models import Appointment, AppointmentEvent, BusyTime
from core import context, tenancy
from core.models import AuditEvent
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import Scene


def claims() -> set[str]:
    with tenancy.scope(tenancy.SYSTEM):
        return {str(claim.appointment_id or claim.kind) for claim in BusyTime.objects.all()}


def test_expired_holds_go_and_nothing_else(cast: Scene):
    made = cast.own.book(berlin())
    for house in (cast.own, cast.other):
        at = berlin(hour=12)
        answer = house.reception.api.post("slots/holds", house.request(at, patient=...))
        assert answer.status_code == 201
    with time_machine.travel(NOW + timedelta(minutes=4), tick=False):
        assert tasks.holds_sweep() == 0
    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        assert tasks.holds_sweep() == 2
    assert claims() == {made["id"]}


def test_claims_stay_a_week_after_their_end(cast: Scene):
    made = cast.own.book(berlin())
    over = berlin(minute=30)
    connection.check_constraints()  # as its commit would, before the days pass
    with time_machine.travel(over + timedelta(days=7) - timedelta(seconds=1), tick=False):
        assert tasks.busy_time_prune() == 0
    with time_machine.travel(over + timedelta(days=7), tick=False):
        assert tasks.busy_time_prune() == 1
    assert claims() == set()
    assert cast.own.reception.api.get(f"appointments/{made['id']}").json()["status"] == "SCHEDULED"


def statuses() -> dict[str, str]:
    with tenancy.scope(tenancy.SYSTEM):
        return {str(row.id): row.status for row in Appointment.objects.all()}


def test_no_shows_where_the_clinic_wants_it_and_the_window_has_passed(cast: Scene):
    cast.own.policy(auto_no_show=True, checkin_closes_minutes=120)
    cast.other.policy(auto_no_show=False)
    missed = cast.own.book(berlin())
    came = cast.own.book(berlin(hour=10), patient=cast.own.add_chart().id)
    later = cast.own.book(berlin(hour=15), patient=cast.own.add_chart().id)
    theirs = cast.other.book(berlin())
    early = {"reason": "came the day before"}
    answer = cast.own.reception.api.post(f"appointments/{came['id']}/check-in", early)
    assert answer.status_code == 200
    with time_machine.travel(berlin(hour=11) - timedelta(seconds=1), tick=False):
        assert tasks.no_shows_mark() == 0
    context.begin("a-worker")  # as in a process that serves no requests
    with time_machine.travel(berlin(hour=13), tick=False):
        assert tasks.no_shows_mark() == 1
        assert tasks.no_shows_mark() == 0
    assert statuses() == {
        missed["id"]: "NO_SHOW",
        came["id"]: "CHECKED_IN",
        later["id"]: "SCHEDULED",
        theirs["id"]: "SCHEDULED",
    }
    with tenancy.scope(tenancy.SYSTEM):
        event = AppointmentEvent.objects.filter(appointment_id=missed["id"]).last()
        audited = AuditEvent.objects.get(action="appointment.no_show")
    assert (event.actor_id, audited.actor_id) == (None, None)
    assert audited.clinic_id == cast.own.clinic.id


def test_a_late_arrival_after_the_task(cast: Scene):
    made = cast.own.book(berlin())
    with time_machine.travel(berlin(hour=13), tick=False):
        assert tasks.no_shows_mark() == 1
        late = {"reason": "the train stood still"}
        answer = cast.own.nurse.api.post(f"appointments/{made['id']}/check-in", late)
    assert answer.json()["status"] == "CHECKED_IN"


def test_no_task_leaves_a_scope_behind(cast: Scene):
    cast.own.book(berlin())
    for task in (tasks.holds_sweep, tasks.busy_time_prune, tasks.no_shows_mark):
        task()
        assert not tenancy.is_active()
        assert Appointment.objects.count() == 0
