"""The queue: who is next and why, and that a visit and its entry are never out of step."""

from datetime import timedelta

import pytest

from appointments.models import Appointment, Verb
from appointments.services.reschedule import appointment_edit
from appointments.services.status import appointment_move, appointment_undo
from checkin.models import CheckIn, QueueEntry
from checkin.selectors.queue import Ahead, place_of, queue_of
from checkin.services import queue
from clinics.models import Doctor
from core import tenancy
from core.errors import ErrorCode, KairosError
from tests.appointments.moments import NOW
from tests.checkin.arrivals import device, of_clinic, pass_of, scan, visit


def arrive(cast, minutes=0, **fields) -> QueueEntry:
    came = visit(cast.own, minutes, **fields)
    scan(device(cast.own), pass_of(came))
    (entry,) = of_clinic(cast.own, QueueEntry, appointment=came)
    return entry


def run(cast, act, who="reception", **fields):
    by = getattr(cast.own, who).principal()
    with tenancy.scope([cast.own.clinic.id]):
        return getattr(queue, act)(by=by, **fields)


def entry_of(cast, entry: QueueEntry) -> QueueEntry:
    (found,) = of_clinic(cast.own, QueueEntry, pk=entry.pk)
    return found


def tokens(cast, **fields) -> list[str]:
    with tenancy.scope([cast.own.clinic.id]):
        return [
            place.token
            for place in queue_of(cast.own.location.id, **fields)
            if place.position is not None
        ]


def walk_in(cast, **fields) -> QueueEntry:
    values = {"location": cast.own.location.id, "guest_name": "Somebody"} | fields
    return run(cast, "entry_add", **values)


# --- The order ------------------------------------------------------------------------------------


def test_early_does_not_jump_ahead_and_late_loses_its_place(cast, time_machine):
    later = arrive(cast, 25)
    time_machine.move_to(NOW + timedelta(minutes=5), tick=False)
    sooner = arrive(cast, 10)
    late = arrive(cast, -30)
    walking = walk_in(cast)
    assert tokens(cast) == [late.token, walking.token, sooner.token, later.token]
    assert entry_of(cast, late).due_at == late.arrived_at
    assert entry_of(cast, sooner).due_at > sooner.arrived_at


def test_within_the_grace_nobody_is_late(cast):
    assert arrive(cast, -10).due_at < arrive(cast, -10.1).due_at


def test_urgent_goes_first_and_the_place_says_so(cast):
    first = arrive(cast, 0)
    urgent = arrive(cast, 20, priority="URGENT")
    last = arrive(cast, 25)
    walk_in(cast)
    with tenancy.scope([cast.own.clinic.id]):
        places = {place.token: place for place in queue_of(cast.own.location.id)}
    assert [places[one.token].position for one in (urgent, first, last)] == [1, 2, 4]
    assert places[last.token].ahead == Ahead(urgent=1, earlier=1, waited=1)
    assert places[first.token].ahead == Ahead(urgent=1)


def test_only_who_waits_for_the_same_doctor_counts(cast):
    mine = arrive(cast, 0)
    theirs = arrive(cast, 5, doctor=cast.own.add_doctor())
    anyone = walk_in(cast)
    with tenancy.scope([cast.own.clinic.id]):
        place = place_of(theirs.id, location=cast.own.location.id)
    assert place is not None
    assert place.position == 2  # the walk-in waits for whoever is free
    assert tokens(cast, doctor=cast.own.doctor.id) == [mine.token, anyone.token]


# --- A visit and its entry ------------------------------------------------------------------------


def test_the_visit_moves_the_entry(cast):
    entry = arrive(cast)

    def move(verb: Verb) -> QueueEntry:
        with tenancy.scope([cast.own.clinic.id]):
            appointment_move(appointment_id=entry.appointment_id, verb=verb, by=None)
        return entry_of(cast, entry)

    assert move(Verb.START).state == "IN_SERVICE"
    done = move(Verb.COMPLETE)
    assert (done.state, done.done_at is None) == ("DONE", False)
    with tenancy.scope([cast.own.clinic.id]):
        appointment_undo(
            appointment_id=entry.appointment_id, by=cast.own.admin.principal(), reason="oops"
        )
        assert entry_of(cast, entry).state == "IN_SERVICE"


def test_the_entry_moves_the_visit(cast):
    entry = arrive(cast)
    run(cast, "entry_call", entry_id=entry.id)
    started = run(cast, "entry_start", "doctor_user", entry_id=entry.id)
    assert started.state == "IN_SERVICE"
    (seen,) = of_clinic(cast.own, Appointment, pk=entry.appointment_id)
    assert seen.status == "IN_PROGRESS"
    assert run(cast, "entry_done", "doctor_user", entry_id=entry.id).state == "DONE"
    (seen,) = of_clinic(cast.own, Appointment, pk=entry.appointment_id)
    assert seen.status == "COMPLETED"


def test_a_check_in_taken_back_leaves_the_queue_and_comes_again_with_its_token(cast):
    entry = arrive(cast)
    by = cast.own.reception.principal()
    with tenancy.scope([cast.own.clinic.id]):
        appointment_undo(appointment_id=entry.appointment_id, by=by, reason="wrong person")
    assert entry_of(cast, entry).state == "LEFT"
    (row,) = of_clinic(cast.own, CheckIn)
    assert row.undone_at is not None
    with tenancy.scope([cast.own.clinic.id]):
        appointment_move(appointment_id=entry.appointment_id, verb=Verb.CHECK_IN, by=by)
    again = entry_of(cast, entry)
    assert (again.state, again.token) == ("WAITING", entry.token)
    (row,) = of_clinic(cast.own, CheckIn)
    assert (row.undone_at, row.method) == (None, "MANUAL")


def test_who_leaves_unseen_has_their_visit_cancelled(cast):
    entry = arrive(cast)
    left = run(cast, "entry_left", "nurse", entry_id=entry.id, reason="too long")
    assert (left.state, left.left_reason) == ("LEFT", "left without being seen: too long")
    (visit_,) = of_clinic(cast.own, Appointment, pk=entry.appointment_id)
    assert (visit_.status, visit_.cancel_reason) == ("CANCELLED", left.left_reason)


def test_a_visit_of_greater_urgency_moves_ahead(cast):
    first, second = arrive(cast, 0), arrive(cast, 5)
    with tenancy.scope([cast.own.clinic.id]):
        appointment_edit(
            appointment_id=second.appointment_id,
            by=cast.own.reception.principal(),
            priority="URGENT",
        )
    assert tokens(cast) == [second.token, first.token]


# --- Running it -----------------------------------------------------------------------------------


def test_call_next_calls_in_order_and_then_nobody(cast):
    first, second = arrive(cast, 0), arrive(cast, 10)
    where = {"location": cast.own.location.id}
    called = [run(cast, "call_next", **where, room=cast.own.room.id) for _ in range(3)]
    assert [one and one.id for one in called] == [first.id, second.id, None]
    assert (called[0].state, called[0].calls, called[0].room_id) == ("CALLED", 1, cast.own.room.id)


def test_a_doctor_calls_their_own_and_whoever_waits_for_any(cast):
    theirs = arrive(cast, 0, doctor=cast.own.add_doctor())
    anyone = walk_in(cast)
    called = run(cast, "call_next", "doctor_user", location=cast.own.location.id)
    assert (called.id, called.doctor_id) == (anyone.id, cast.own.doctor.id)
    assert run(cast, "call_next", "doctor_user", location=cast.own.location.id) is None
    with pytest.raises(KairosError) as refused:
        run(cast, "entry_call", "doctor_user", entry_id=theirs.id)
    assert refused.value.code == ErrorCode.NOT_FOUND


def test_recall_counts(cast):
    entry = arrive(cast)
    for calls in (1, 2):
        assert run(cast, "entry_call", entry_id=entry.id).calls == calls


def test_who_was_passed_over_comes_back_behind_the_next_two(cast):
    first, second, third, fourth = (arrive(cast, minutes) for minutes in (0, 5, 10, 15))
    run(cast, "entry_call", entry_id=first.id)
    assert run(cast, "entry_skip", entry_id=first.id).skips == 1
    assert tokens(cast) == [second.token, third.token, fourth.token]
    run(cast, "entry_requeue", entry_id=first.id)
    assert tokens(cast) == [second.token, third.token, first.token, fourth.token]


def test_who_was_called_by_mistake_keeps_their_place(cast):
    first, second = arrive(cast, 0), arrive(cast, 5)
    run(cast, "entry_call", entry_id=first.id)
    run(cast, "entry_requeue", entry_id=first.id)
    assert tokens(cast) == [first.token, second.token]


def test_a_transfer_to_another_doctor_and_location(cast):
    entry = arrive(cast)
    other, there = cast.own.add_doctor(), cast.own.add_location()
    moved = run(cast, "entry_transfer", entry_id=entry.id, doctor=other.id, location=there.id)
    assert (moved.doctor_id, moved.location_id, moved.token) == (other.id, there.id, "A001")
    assert tokens(cast) == []


def test_nobody_waits_twice_for_a_doctor(cast):
    chart, other = cast.own.add_chart(), cast.own.add_doctor()
    arrive(cast, chart=chart)
    entry = walk_in(cast, patient=chart.id, doctor=other.id)
    with pytest.raises(KairosError) as refused:
        run(cast, "entry_transfer", entry_id=entry.id, doctor=cast.own.doctor.id)
    assert refused.value.code == ErrorCode.CONFLICT
    with pytest.raises(KairosError) as refused:
        walk_in(cast, patient=chart.id, doctor=other.id)
    assert refused.value.code == ErrorCode.CONFLICT


def test_who_waits_for_a_visit_is_no_walk_in_for_the_same_doctor(cast):
    chart = cast.own.add_chart()
    arrive(cast, chart=chart)
    with pytest.raises(KairosError) as refused:
        walk_in(cast, patient=chart.id, doctor=cast.own.doctor.id)
    assert refused.value.code == ErrorCode.CONFLICT
    assert walk_in(cast, patient=chart.id, doctor=cast.own.add_doctor().id).token == "W001"


def test_checked_in_again_after_a_transfer_is_another_version_at_the_visits_place(cast):
    entry, by = arrive(cast), cast.own.reception.principal()
    moved = run(cast, "entry_transfer", entry_id=entry.id, location=cast.own.add_location().id)
    with tenancy.scope([cast.own.clinic.id]):
        appointment_undo(appointment_id=entry.appointment_id, by=by, reason="wrong person")
        appointment_move(appointment_id=entry.appointment_id, verb=Verb.CHECK_IN, by=by)
    again = entry_of(cast, entry)
    assert (again.location_id, again.token, again.state) == (
        cast.own.location.id,
        "A002",
        "WAITING",
    )
    assert again.version > moved.version + 1


def test_walk_ins_have_tokens_of_their_own_without_gaps(cast):
    assert arrive(cast).token == "A001"
    assert [walk_in(cast).token for _ in range(3)] == ["W001", "W002", "W003"]
    with pytest.raises(KairosError):
        walk_in(cast, guest_name=" ")
    assert walk_in(cast).token == "W004"


def test_a_new_day_starts_again_at_one(cast, time_machine):
    assert walk_in(cast).token == "W001"
    time_machine.move_to(NOW + timedelta(days=1), tick=False)
    assert walk_in(cast).token == "W001"


@pytest.mark.parametrize(
    ("act", "state"),
    [("entry_done", "WAITING"), ("entry_requeue", "WAITING"), ("entry_start", "IN_SERVICE")],
)
def test_an_impossible_step_is_refused(cast, act, state):
    entry = walk_in(cast)
    if state == "IN_SERVICE":
        run(cast, "entry_start", entry_id=entry.id)
    with pytest.raises(KairosError) as refused:
        run(cast, act, entry_id=entry.id)
    assert refused.value.code == ErrorCode.INVALID_TRANSITION


def test_a_stale_version_is_refused(cast):
    entry = walk_in(cast)
    run(cast, "entry_call", entry_id=entry.id, expected_version=entry.version)
    with pytest.raises(KairosError) as refused:
        run(cast, "entry_call", entry_id=entry.id, expected_version=entry.version)
    assert refused.value.code == ErrorCode.PRECONDITION_FAILED


def test_the_receptionist_starts_no_visit(cast):
    entry = arrive(cast)
    with pytest.raises(KairosError) as refused:
        run(cast, "entry_start", entry_id=entry.id)
    assert refused.value.code == ErrorCode.PERMISSION_DENIED


def test_the_outsider_finds_no_queue(cast):
    entry = arrive(cast)
    by = cast.other.reception.principal()
    for act, fields in (
        ("entry_call", {"entry_id": entry.id}),
        ("call_next", {"location": cast.own.location.id}),
        ("entry_add", {"location": cast.own.location.id, "guest_name": "x"}),
        ("entry_transfer", {"entry_id": entry.id}),
    ):
        with tenancy.scope([cast.other.clinic.id]), pytest.raises(KairosError) as refused:
            getattr(queue, act)(by=by, **fields)
        assert refused.value.code == ErrorCode.NOT_FOUND
    with pytest.raises(KairosError):
        walk_in(cast, patient=cast.other.chart.id)
    assert isinstance(cast.other.doctor, Doctor)
    with pytest.raises(KairosError):
        walk_in(cast, doctor=cast.other.doctor.id)


@pytest.mark.parametrize("count", [1, 3, 30])
def test_the_queue_is_read_in_as_many_statements_whatever_its_length(
    cast, count, django_assert_num_queries
):
    for _ in range(count):
        walk_in(cast, doctor=cast.own.doctor.id)
    with tenancy.scope([cast.own.clinic.id]):
        for statements in (9, 1):  # the first time how the doctors work is asked too
            with django_assert_num_queries(statements):
                assert len(queue_of(cast.own.location.id)) == count
