"""Every step of a visit's life: what is allowed, what it writes, and how it is taken back."""

import itertools

import pytest
from django.db import IntegrityError, connection, transaction

from appointments import lifecycle
from appointments.models import Appointment, AppointmentStatus, BusyTime
from core import tenancy
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene
from tests.appointments.traces import nothing_left_behind, refused

#: How to bring a visit into each status, by the moves of those who may.
WAYS = {
    "SCHEDULED": [],
    "CONFIRMED": ["confirm"],
    "CHECKED_IN": ["check-in"],
    "IN_PROGRESS": ["check-in", "start"],
    "COMPLETED": ["check-in", "start", "complete"],
    "NO_SHOW": ["no-show"],
    "CANCELLED": ["cancel"],
}
VERBS = {
    "approve": "SCHEDULED",
    "confirm": "CONFIRMED",
    "check-in": "CHECKED_IN",
    "start": "IN_PROGRESS",
    "complete": "COMPLETED",
    "no-show": "NO_SHOW",
    "cancel": "CANCELLED",
}


def act(cast: Scene, visit: dict, verb: str, **fields):
    body = fields if verb == "complete" else {"reason": "because"} | fields
    return cast.own.admin.api.post(f"appointments/{visit['id']}/{verb}", body)


def in_status(cast: Scene, status: str, **fields) -> dict:
    if status == "PENDING":
        cast.own.policy(requires_approval=True)
        visit = cast.own.book(berlin(), by=cast.own.patient, patient=..., **fields)
    else:
        visit = cast.own.book(berlin(), **fields)
        for verb in WAYS[status]:
            visit = act(cast, visit, verb).json()
    assert visit["status"] == status
    return visit


def history(cast: Scene, visit: dict) -> list[dict]:
    return cast.own.reception.api.get(f"appointments/{visit['id']}/history").json()["results"]


def test_the_database_has_the_table_of_the_code(cast: Scene):
    with connection.cursor() as cursor:
        cursor.execute("SELECT from_status, to_status FROM appointments_transition WHERE NOT undo")
        forward = set(cursor.fetchall())
        cursor.execute("SELECT to_status, from_status FROM appointments_transition WHERE undo")
        backward = set(cursor.fetchall())
    assert forward == backward == lifecycle.pairs()


@pytest.mark.parametrize("before", AppointmentStatus.values)
def test_update_outside_the_table_is_refused_for_every_pair(cast: Scene, before: str):
    """`.update()` knows no service; the trigger does. Also for all other writers of SQL."""
    visit = in_status(cast, before)
    allowed = {after for source, after in lifecycle.pairs() if source == before}
    if visit["type"] == "IN_PERSON":
        allowed -= {"IN_PROGRESS"} if before in {"SCHEDULED", "CONFIRMED"} else set()
    passed, told = set(), []
    with tenancy.scope(tenancy.SYSTEM):
        for after in set(AppointmentStatus.values) - {before}:
            try:
                with transaction.atomic():
                    Appointment.objects.filter(pk=visit["id"]).update(
                        status=after, cancelled_at=berlin()
                    )
                    passed.add(after)
                    transaction.set_rollback(True)
            except IntegrityError as error:
                told.append(str(error))
    assert passed == allowed
    assert all("cannot go from" in text or "only a call" in text for text in told)


@pytest.mark.parametrize(
    ("before", "verb"), list(itertools.product(AppointmentStatus.values, VERBS))
)
def test_every_move_from_every_status(cast: Scene, before: str, verb: str):
    visit = in_status(cast, before)
    after = VERBS[verb]
    legal = (before, after) in lifecycle.pairs() and not (
        after == "IN_PROGRESS" and before != "CHECKED_IN"
    )
    if not legal:
        with nothing_left_behind():
            body = refused(act(cast, visit, verb), 409, "INVALID_TRANSITION")
        assert body["current_status"] == before
        return
    moved = act(cast, visit, verb).json()
    assert moved["status"] == after
    assert moved["version"] == visit["version"] + 1
    last = history(cast, visit)[-1]
    assert (last["from_status"], last["to_status"]) == (before, after)
    assert last["actor"] == str(cast.own.admin.id)
    with tenancy.scope(tenancy.SYSTEM):
        claims = BusyTime.objects.filter(appointment_id=visit["id"]).count()
    assert claims == (after != "CANCELLED")


@pytest.mark.parametrize(
    ("before", "verb"),
    [
        ("PENDING", "approve"),
        ("PENDING", "cancel"),
        ("SCHEDULED", "confirm"),
        ("SCHEDULED", "check-in"),
        ("SCHEDULED", "no-show"),
        ("SCHEDULED", "cancel"),
        ("CONFIRMED", "check-in"),
        ("CONFIRMED", "no-show"),
        ("CONFIRMED", "cancel"),
        ("CHECKED_IN", "start"),
        ("CHECKED_IN", "cancel"),
        ("IN_PROGRESS", "complete"),
        ("NO_SHOW", "check-in"),
    ],
)
def test_every_move_can_be_taken_back_once(cast: Scene, before: str, verb: str):
    visit = in_status(cast, before)
    moved = act(cast, visit, verb).json()
    undone = act(cast, visit, "undo").json()
    assert undone["status"] == before
    stamps = [name for name in undone if name.endswith("_at") and name != "updated_at"]
    assert {name: undone[name] for name in stamps} == {name: visit[name] for name in stamps}
    entries = history(cast, visit)
    assert entries[-1]["undoes"] == entries[-2]["id"]
    assert (entries[-1]["from_status"], entries[-1]["to_status"]) == (moved["status"], before)
    with tenancy.scope(tenancy.SYSTEM):
        assert BusyTime.objects.filter(appointment_id=visit["id"]).count() == 1


def test_undo_twice_takes_back_the_step_before(cast: Scene):
    visit = in_status(cast, "CHECKED_IN")  # booked, checked in
    visit = act(cast, visit, "start").json()
    assert act(cast, visit, "undo").json()["status"] == "CHECKED_IN"
    assert act(cast, visit, "undo").json()["status"] == "SCHEDULED"
    with nothing_left_behind():
        refused(act(cast, visit, "undo"), 409, "INVALID_TRANSITION")


def test_a_step_made_again_after_its_undo_can_be_taken_back_again(cast: Scene):
    visit = cast.own.book(berlin())
    for _ in range(2):
        assert act(cast, visit, "confirm").json()["status"] == "CONFIRMED"
        assert act(cast, visit, "undo").json()["status"] == "SCHEDULED"


def test_undoing_a_cancellation_needs_the_time_to_be_free(cast: Scene):
    visit = in_status(cast, "CANCELLED")
    other = cast.own.book(berlin(), patient=cast.own.add_chart().id)
    with nothing_left_behind():
        body = refused(act(cast, visit, "undo"), 409, "SCHEDULING_CONFLICT")
    assert body["alternatives"]
    act(cast, other, "cancel")
    back = act(cast, visit, "undo").json()
    assert (back["status"], back["cancel_reason"], back["cancelled_at"]) == ("SCHEDULED", "", None)


def test_a_move_is_taken_back_to_where_it_was(cast: Scene):
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    visit = cast.own.book(berlin(), room=cast.own.room.id)
    moved = act(cast, visit, "reschedule", starts_at=berlin(hour=11), doctor=second.id).json()
    assert (moved["starts_at"], moved["doctor"]) == ("2035-06-05T09:00:00Z", str(second.id))
    assert moved["room"] == visit["room"]
    back = act(cast, visit, "undo").json()
    for name in ("starts_at", "ends_at", "doctor", "room", "location", "status"):
        assert back[name] == visit[name]
    assert back["version"] == 3


def test_a_move_cannot_be_taken_back_into_time_that_is_taken(cast: Scene):
    visit = cast.own.book(berlin())
    act(cast, visit, "reschedule", starts_at=berlin(hour=11))
    cast.own.book(berlin(), patient=cast.own.add_chart().id)
    with nothing_left_behind():
        refused(act(cast, visit, "undo"), 409, "SCHEDULING_CONFLICT")
    seen = cast.own.reception.api.get(f"appointments/{visit['id']}").json()
    assert seen["starts_at"] == "2035-06-05T09:00:00Z"


def test_a_move_that_fails_keeps_the_old_time(cast: Scene):
    visit = cast.own.book(berlin())
    cast.own.book(berlin(hour=11), patient=cast.own.add_chart().id)
    with nothing_left_behind():
        body = refused(
            act(cast, visit, "reschedule", starts_at=berlin(hour=11)), 409, "SCHEDULING_CONFLICT"
        )
    assert body["alternatives"]
    with tenancy.scope(tenancy.SYSTEM):
        claim = BusyTime.objects.get(appointment_id=visit["id"])
    assert claim.visit.lower == berlin()


def test_a_visit_may_move_into_its_own_time(cast: Scene):
    visit = cast.own.book(berlin())
    moved = act(cast, visit, "reschedule", starts_at=berlin(minute=15))
    assert moved.json()["starts_at"] == "2035-06-05T07:15:00Z"


@pytest.mark.parametrize(
    "status", ["CHECKED_IN", "IN_PROGRESS", "COMPLETED", "NO_SHOW", "CANCELLED"]
)
def test_what_is_under_way_or_over_does_not_move(cast: Scene, status: str):
    visit = in_status(cast, status)
    with nothing_left_behind():
        answer = act(cast, visit, "reschedule", starts_at=berlin(hour=11))
    refused(answer, 409, "INVALID_TRANSITION")


def test_moving_to_another_doctor(cast: Scene):
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    visit = cast.own.book(berlin())
    moved = act(cast, visit, "move-doctor", doctor=second.id).json()
    assert (moved["doctor"], moved["starts_at"]) == (str(second.id), visit["starts_at"])
    cast.own.book(berlin(), patient=cast.own.add_chart().id)


@pytest.mark.parametrize(
    ("mode", "status"), [("VIDEO_CALL", 200), ("PHONE", 200), ("HOME_VISIT", 409)]
)
def test_calls_start_without_checking_in(cast: Scene, mode: str, status: int):
    service = cast.own.add_service(modes=[mode])
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, modes=[mode])
    visit = cast.own.book(berlin(), type=mode, service=service.id, doctor=doctor.id, location=...)
    answer = act(cast, visit, "check-in")
    if status == 200:
        refused(answer, 409, "VIDEO_APPOINTMENT")
        visit = act(cast, visit, "start").json()
        assert visit["status"] == "IN_PROGRESS"
        assert act(cast, visit, "undo").json()["status"] == "SCHEDULED"
    else:
        assert answer.status_code == 200


def test_completing_adds_its_notes_to_the_visits(cast: Scene):
    visit = in_status(cast, "IN_PROGRESS", notes="before")
    answer = act(cast, visit, "complete", notes="after")
    assert answer.json()["notes"] == "before\nafter"
    assert answer.json()["follow_up_plan"] is None


def test_editing_text_is_in_the_history_without_the_text(cast: Scene):
    visit = cast.own.book(berlin(), reason="Cough")
    path = f"appointments/{visit['id']}"
    edited = cast.own.reception.api.patch(path, {"reason": "Bad cough", "priority": "HIGH"}).json()
    assert (edited["reason"], edited["priority"], edited["version"]) == ("Bad cough", "HIGH", 2)
    last = history(cast, visit)[-1]
    assert last["verb"] == "edit"
    assert set(last["changes"]) == {"reason", "priority"}
    assert "cough" not in str(last).lower()
    same = cast.own.reception.api.patch(path, {"reason": "Bad cough"}).json()
    assert same["version"] == 2
