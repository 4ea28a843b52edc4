"""What becomes free, and is written down when somebody waits for it."""

from datetime import date, time, timedelta

import pytest

from appointments.services.leave import exception_create, exception_remove
from clinics.services.schedules import template_create, template_remove
from core import tenancy
from core.models import OutboxEvent, OutboxReceipt
from followups.models import OpeningCause, OpeningStatus, WaitlistOpening, WaitlistStatus
from followups.services.openings import opening_make
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import House
from tests.followups.waitlist_scene import (
    HALF_HOUR,
    TIME,
    at,
    cancelled,
    fresh,
    heard,
    offers,
    openings,
    send,
    waiting,
)


def exception(house: House, **fields):
    with tenancy.scope(()):
        made = exception_create(by=house.admin.principal(), clinic=house.clinic, **fields)
    heard()
    return made


def test_a_cancelled_visit_is_one_opening_of_its_own_time(own):
    waiting(own)
    cancelled(own)
    (found,) = openings(own)
    assert (found.starts_at, found.ends_at) == (TIME, TIME + HALF_HOUR)
    assert (found.doctor_id, found.location_id) == (own.doctor.id, own.location.id)
    assert (found.cause, found.status) == (OpeningCause.CANCELLED, OpeningStatus.OPEN)
    assert found.next_batch_at == NOW
    assert found.timezone == own.zone


def test_nobody_waits_so_nothing_is_written(own):
    cancelled(own)
    waiting(own, latest=date(2035, 6, 5))  # the day before
    cancelled(own, TIME + HALF_HOUR)
    assert openings(own) == []


def test_what_another_clinic_waits_for_is_not_offered_here(own, other):
    waiting(other)
    cancelled(own)
    assert openings(own) == openings(other) == []


def test_the_same_event_again_is_the_same_opening(own):
    """Delivered once more without its receipt, as after a restore."""
    waiting(own)
    cancelled(own)
    with tenancy.scope(tenancy.SYSTEM):
        OutboxReceipt.objects.all().delete()
        OutboxEvent.objects.filter(topic="appointment.cancelled").update(delivered_at=None)
    heard()
    assert len(openings(own)) == 1


def test_a_visit_that_was_moved_leaves_its_old_time(own):
    waiting(own)
    booked = own.book(TIME, patient=own.add_chart().id)
    own.reception.api.post(
        f"appointments/{booked['id']}/reschedule", {"starts_at": TIME + timedelta(days=1)}
    )
    heard()
    (found,) = openings(own)
    assert (found.starts_at, found.ends_at) == (TIME, TIME + HALF_HOUR)
    assert found.cause == OpeningCause.MOVED


def test_a_visit_that_was_moved_to_another_doctor_leaves_the_first(own):
    waiting(own)
    second = own.add_doctor()
    own.add_hours(second)
    booked = own.book(TIME, patient=own.add_chart().id)
    answer = own.reception.api.post(
        f"appointments/{booked['id']}/move-doctor", {"doctor": second.id}
    )
    assert answer.status_code == 200, answer.content
    heard()
    (found,) = openings(own)
    assert (found.doctor_id, found.starts_at) == (own.doctor.id, TIME)


def test_a_move_taken_back_leaves_the_later_time(own):
    waiting(own)
    booked = own.book(TIME, patient=own.add_chart().id)
    later = TIME + timedelta(days=1)
    path = f"appointments/{booked['id']}"
    own.reception.api.post(f"{path}/reschedule", {"starts_at": later})
    assert own.reception.api.post(f"{path}/undo", {"reason": "no"}).status_code == 200
    heard()
    free = [one.starts_at for one in openings(own, status=OpeningStatus.OPEN)]
    assert free == [later], "and the first time, taken again meanwhile, is not offered"


def test_a_cancellation_taken_back_meanwhile_offers_nothing(own):
    waiting(own)
    booked = own.book(TIME, patient=own.add_chart().id)
    path = f"appointments/{booked['id']}"
    own.reception.api.post(f"{path}/cancel", {"reason": "ill"})
    own.reception.api.post(f"{path}/undo", {"reason": "well again"})
    heard()
    assert openings(own) == []


def test_what_begins_inside_the_stop_is_not_offered(own):
    waiting(own)
    soon = berlin(0, 9)  # two hours from now
    with at(NOW + timedelta(minutes=1)):
        cancelled(own, soon)
        assert openings(own) == []
    with at(NOW - timedelta(minutes=1)):
        cancelled(own, soon)
        assert len(openings(own)) == 1


def test_a_no_show_keeps_its_time(own):
    waiting(own)
    booked = own.book(TIME, patient=own.add_chart().id)
    answer = own.reception.api.post(f"appointments/{booked['id']}/no-show", {"reason": "said so"})
    assert answer.status_code == 200, answer.content
    heard()
    assert openings(own) == []


def test_a_leave_taken_back_is_offered_start_by_start(own):
    """A morning of half hours, but for the one that is booked."""
    own.book(berlin(1, 9), patient=own.add_chart().id)
    leave = exception(
        own,
        kind="LEAVE",
        doctor=own.doctor,
        start_date=date(2035, 6, 5),
        end_date=date(2035, 6, 5),
        start_time=time(8),
        end_time=time(10),
    )
    waiting(own)
    with tenancy.scope(()):
        exception_remove(by=own.admin.principal(), exception_id=leave.id)
    heard()
    found = openings(own)
    assert [one.starts_at for one in found] == [berlin(1, 8), berlin(1, 8, 30), berlin(1, 9, 30)]
    assert {one.cause for one in found} == {OpeningCause.LEAVE}
    assert all(one.ends_at - one.starts_at == HALF_HOUR for one in found)


def test_a_closed_day_of_the_clinic_that_opens_again_is_offered_with_every_doctor(own):
    second = own.add_doctor()
    own.add_hours(second, time(8), time(9))
    closed = exception(own, kind="CLOSED", start_date=date(2035, 6, 5), end_date=date(2035, 6, 5))
    waiting(own, time_to=time(9))
    with tenancy.scope(()):
        exception_remove(by=own.admin.principal(), exception_id=closed.id)
    heard()
    found = {(one.doctor_id, one.starts_at) for one in openings(own)}
    assert found == {
        (doctor.id, start)
        for doctor in (own.doctor, second)
        for start in (berlin(1, 8), berlin(1, 8, 30))
    }


def test_other_hours_on_a_day_are_offered(own):
    waiting(own, time_from=time(18))
    exception(
        own,
        kind="HOURS",
        doctor=own.doctor,
        location=own.location,
        start_date=date(2035, 6, 6),
        end_date=date(2035, 6, 6),
        start_time=time(18),
        end_time=time(19),
    )
    assert [one.starts_at for one in openings(own)] == [berlin(2, 18), berlin(2, 18, 30)]
    assert openings(own)[0].cause == OpeningCause.OPENED


def test_new_weekly_hours_are_offered_some_weeks_ahead(own):
    waiting(own, time_from=time(18), latest=date(2035, 12, 31))
    with tenancy.scope([own.clinic.id]):
        template_create(
            location=own.location,
            doctor=own.doctor,
            fields={"weekday": 2, "start_time": time(18), "end_time": time(18, 30)},
        )
    heard()
    found = [one.starts_at for one in openings(own)]
    assert found == [berlin(1 + 7 * week, 18) for week in range(8)]


def test_hours_that_are_opened_make_so_many_openings_at_most(own, monkeypatch):
    monkeypatch.setattr("followups.services.openings.MOST_OPENINGS", 3)
    waiting(own, time_from=time(18))
    with tenancy.scope([own.clinic.id]):
        made = template_create(
            location=own.location,
            doctor=own.doctor,
            fields={"weekday": 2, "start_time": time(18), "end_time": time(23)},
        )
    heard()
    assert len(openings(own)) == 3
    with tenancy.scope([own.clinic.id]):
        template_remove(template_id=made.id, expected_version=None)
    heard()


def test_openings_of_two_services_do_not_overlap(own):
    """Of an hour's visit and a half hour's the longer is written down, for either to take."""
    waiting(own, time_from=time(18))
    waiting(own, service=own.add_service(duration_minutes=60).id, time_from=time(18))
    exception(
        own,
        kind="HOURS",
        doctor=own.doctor,
        location=own.location,
        start_date=date(2035, 6, 6),
        end_date=date(2035, 6, 6),
        start_time=time(18),
        end_time=time(20),
    )
    found = [(one.starts_at, one.ends_at) for one in openings(own)]
    assert found == [(berlin(2, 18), berlin(2, 19)), (berlin(2, 19), berlin(2, 20))]


def test_a_time_booked_otherwise_is_given_up(own):
    waiting(own)
    cancelled(own)
    assert send() == 1
    own.book(TIME, patient=own.add_chart().id)
    heard()
    (found,) = openings(own)
    assert found.status == OpeningStatus.GONE
    assert [one.status for one in offers(own)] == ["LOST"]
    assert fresh(offers(own)[0].entry).status == WaitlistStatus.WAITING


def test_a_time_that_two_may_have_is_not_given_up_for_one(own):
    own.add_hours(time_two := own.add_doctor(), capacity=2)
    waiting(own, doctors=[time_two.id])
    cancelled(own, doctor=time_two.id)
    assert send() == 1
    own.book(TIME, patient=own.add_chart().id, doctor=time_two.id)
    heard()
    assert [one.status for one in openings(own)] == [OpeningStatus.OPEN]


def test_a_visit_off_the_grid_leaves_a_time_off_the_grid(own):
    waiting(own)
    cancelled(own, TIME + timedelta(minutes=10))
    (found,) = openings(own)
    assert found.starts_at == TIME + timedelta(minutes=10)
    assert send() == 1


def test_an_opening_is_made_by_hand_of_a_demo(own):
    """The signature others rely on: no event, made each time."""
    waiting(own)
    with tenancy.scope([own.clinic.id]):
        made = opening_make(
            clinic=own.clinic.id,
            doctor=own.doctor.id,
            location=own.location.id,
            starts_at=TIME,
            ends_at=TIME + HALF_HOUR,
            cause=OpeningCause.OPENED,
        )
    assert isinstance(made, WaitlistOpening)
    assert fresh(made).status == OpeningStatus.OPEN


@pytest.mark.parametrize("buffers", [(0, 0), (0, 30), (30, 0)])
def test_buffers_have_to_fit_too(own, buffers):
    """The visits around it leave no room for a buffer; without one it is offered."""
    before, after = buffers
    service = own.add_service(buffer_before_minutes=before, buffer_after_minutes=after)
    waiting(own, service=service.id)
    for minutes in (-30, 30):
        own.book(TIME + timedelta(minutes=minutes), patient=own.add_chart().id)
    cancelled(own)
    assert len(openings(own)) == (1 if buffers == (0, 0) else 0)


def test_whose_time_is_too_short_is_not_asked(own):
    waiting(own, service=own.add_service(duration_minutes=45).id)
    cancelled(own)
    assert openings(own) == []


def test_who_gave_this_very_time_up_is_not_offered_it(own):
    chart = own.add_chart()
    booked = own.book(TIME, patient=chart.id)
    waiting(own, chart, appointment=booked["id"])
    own.reception.api.post(f"appointments/{booked['id']}/cancel", {"reason": "moved away"})
    heard()
    assert openings(own) == []
