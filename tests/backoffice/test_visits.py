"""A visit moves by its steps alone: no form changes status, time or doctor past the services."""

from typing import Any
from uuid import UUID

import pytest

from accounts.models import User
from appointments.lifecycle import MOVES
from appointments.models import Appointment, AppointmentEvent, AppointmentStatus, BusyTime, Verb
from clinics.models import Clinic
from core import tenancy
from tests.appointments.moments import berlin
from tests.backoffice.filled import visit_form
from tests.backoffice.world import (
    NOTES,
    REASON,
    World,
    acts,
    announced,
    at_the_desk,
    complaints,
    doctor_elsewhere,
    fresh,
    page,
    text,
    visit_in,
)
from tests.casts import build_super_admin

NAME = "appointments_appointment"
STATUSES = list(AppointmentStatus)


def as_stored(visit: Appointment) -> dict[str, Any]:
    """Every column of the visit, and the time that it claims."""
    with tenancy.scope(tenancy.SYSTEM):
        claim = BusyTime.objects.filter(appointment_id=visit.pk).values().first()
        events = AppointmentEvent.objects.filter(appointment_id=visit.pk).count()
        return {
            **Appointment.objects.filter(pk=visit.pk).values().get(),
            "claim": claim,
            "events": events,
        }


def step(user: User, visit: Appointment, verb: str, **form: Any) -> Any:
    """Press a step's button."""
    return at_the_desk(user).post(page(f"{NAME}_move", visit.pk, verb), form)


# --- Past the services --------------------------------------------------------------------------

FORGED = {
    "status": "COMPLETED",
    "day": "2035-06-05",
    "time": "11:00",
    "starts_at": "2035-06-05T09:00:00Z",
    "starts_at_0": "2035-06-05",
    "starts_at_1": "09:00",
    "ends_at_0": "2035-06-05",
    "ends_at_1": "09:30",
    "notes": "forged",
    "version_read": "1",
    "_save": "Save",
}


@pytest.mark.parametrize("role", ["super_admin", "clinic_admin", "receptionist", "doctor_user"])
def test_a_raw_post_to_the_change_page_changes_nothing(
    role: str, home: World, abroad: World
) -> None:
    user = build_super_admin() if role == "super_admin" else home.user(role)
    before = as_stored(home.visit)
    forged = FORGED | {"doctor": doctor_elsewhere(home).pk, "clinic": abroad.clinic.pk}
    answer = at_the_desk(user).post(page(f"{NAME}_change", home.visit.pk), forged)
    assert answer.status_code == 403
    assert as_stored(home.visit) == before


@pytest.mark.parametrize(
    "posted",
    [
        {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-status": "COMPLETED"},
        {"action": "delete_selected", "post": "yes", "select_across": 1},
    ],
    ids=["list editing", "an action"],
)
def test_a_raw_post_to_the_list_changes_nothing(posted: dict[str, Any], home: World) -> None:
    before = as_stored(home.visit)
    marked = posted | {"form-0-id": home.visit.pk, "_selected_action": home.visit.pk, "_save": 1}
    answer = at_the_desk(home.clinic_admin).post(page(f"{NAME}_changelist"), marked)
    assert answer.status_code in {200, 302, 403}
    assert as_stored(home.visit) == before


def test_a_raw_delete_leaves_the_visit(home: World) -> None:
    answer = at_the_desk(build_super_admin()).post(
        page(f"{NAME}_delete", home.visit.pk), {"post": "yes"}
    )
    assert answer.status_code == 403
    assert fresh(home.visit) is not None


def test_a_step_does_not_take_fields_that_it_does_not_have(home: World) -> None:
    visit = visit_in(home, "SCHEDULED")
    before = as_stored(visit)
    forged = FORGED | {"version": 1, "doctor": doctor_elsewhere(home).pk}
    assert step(home.clinic_admin, visit, "confirm", **forged).status_code == 302
    after = as_stored(visit)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"status", "confirmed_at", "version", "events"}
    assert after["status"] == "CONFIRMED"


# --- The transition table ------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("verb", MOVES)
def test_steps_obey_the_transition_table(verb: Verb, status: str, home: World) -> None:
    visit = visit_in(home, status)
    allowed = status in MOVES[verb].allowed_from("IN_PERSON")
    before = as_stored(visit)
    answer = step(home.clinic_admin, visit, verb.value, version=1, reason="because")
    if allowed:
        assert answer.status_code == 302
        assert fresh(visit).status == MOVES[verb].target
        assert fresh(visit).version == 2
    else:
        assert answer.status_code in {302, 400}
        assert as_stored(visit) == before


@pytest.mark.parametrize("status", STATUSES)
def test_a_visits_page_offers_just_the_steps_that_are_possible(status: str, home: World) -> None:
    visit = visit_in(home, status)
    shown = text(at_the_desk(home.clinic_admin).get(page(f"{NAME}_change", visit.pk)))
    offered = {verb for verb in MOVES if f"/move/{verb.value}/" in shown}
    assert offered == {verb for verb in MOVES if status in MOVES[verb].allowed_from("IN_PERSON")}


@pytest.mark.parametrize("verb", [Verb.CANCEL, Verb.NO_SHOW])
@pytest.mark.parametrize("reason", [None, "", "   "])
def test_a_step_that_needs_a_reason_is_refused_without_one(
    verb: Verb, reason: str | None, home: World
) -> None:
    visit = visit_in(home, "SCHEDULED")
    before = as_stored(visit)
    form = {"version": 1} | ({"reason": reason} if reason is not None else {})
    answer = step(home.clinic_admin, visit, verb.value, **form)
    assert answer.status_code == 400
    assert "required" in text(answer)
    assert as_stored(visit) == before


@pytest.mark.parametrize("version", ["0", "7", "", "x", None])
def test_a_step_needs_the_version_that_was_seen(version: str | None, home: World) -> None:
    visit = visit_in(home, "SCHEDULED")
    before = as_stored(visit)
    form = {"reason": "because"} | ({"version": version} if version is not None else {})
    answer = step(home.clinic_admin, visit, "cancel", **form)
    assert answer.status_code == 400
    assert as_stored(visit) == before


def test_a_step_that_does_not_exist_is_not_there(home: World) -> None:
    for verb in ("delete", "book", "undo", "status"):
        assert step(home.clinic_admin, home.visit, verb, version=1).status_code == 404


def test_a_step_is_written_down_as_its_makers(home: World) -> None:
    """The act in the trail, the event for listeners, the entry of the history."""
    step(home.receptionist, home.visit, "cancel", version=home.visit.version, reason="Called off")
    (act,) = acts("appointment.cancelled", home.visit.pk)
    assert act.actor_id == home.receptionist.pk
    assert act.subjects == [home.patient.pk]
    assert [event.payload["appointment"] for event in announced("appointment.cancelled")] == [
        str(home.visit.pk)
    ]
    with tenancy.scope(tenancy.SYSTEM):
        last = AppointmentEvent.objects.filter(appointment_id=home.visit.pk).latest("id")
        assert not BusyTime.objects.filter(appointment_id=home.visit.pk).exists()
    assert (last.verb, last.actor_id, last.reason) == (
        "cancel",
        home.receptionist.pk,
        "Called off",
    )


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "status"), [("start", "CHECKED_IN"), ("complete", "IN_PROGRESS")])
@pytest.mark.parametrize("role", ["receptionist", "nurse"])
def test_only_who_treats_starts_and_completes(
    role: str, verb: str, status: str, home: World
) -> None:
    visit = visit_in(home, status)
    before = as_stored(visit)
    assert step(home.user(role), visit, verb, version=1).status_code == 403
    assert as_stored(visit) == before
    assert step(home.doctor_user, visit, verb, version=1).status_code == 302


@pytest.mark.parametrize("verb", [verb for verb in MOVES if verb != Verb.CHECK_IN])
def test_a_nurse_checks_in_and_nothing_else(verb: Verb, home: World) -> None:
    status = min(MOVES[verb].sources)
    visit = visit_in(home, status)
    answer = step(home.nurse, visit, verb.value, version=1, reason="because")
    assert answer.status_code == 403
    assert fresh(visit).status == status
    arriving = visit_in(
        home, "SCHEDULED", hour=8, patient=home.neighbour, doctor=doctor_elsewhere(home)
    )
    assert step(home.nurse, arriving, "check_in", version=1).status_code == 302


@pytest.mark.parametrize(("shared", "expected"), [(True, 403), (False, 404)])
def test_a_doctor_moves_only_their_own_visits(shared: bool, expected: int, home: World) -> None:
    """A colleague's visit is seen where calendars are shared, and touched nowhere."""
    with tenancy.scope(tenancy.SYSTEM):
        Clinic.objects.filter(pk=home.clinic.pk).update(shared_calendars=shared)
    visit = visit_in(home, "SCHEDULED", doctor=doctor_elsewhere(home))
    before = as_stored(visit)
    client = at_the_desk(home.doctor_user)
    for what in ("reschedule", "edit", "undo"):
        assert client.get(page(f"{NAME}_{what}", visit.pk)).status_code == expected, what
        assert client.post(page(f"{NAME}_{what}", visit.pk), {"version": 1}).status_code == (
            expected
        ), what
    answer = step(home.doctor_user, visit, "cancel", version=1, reason="because")
    assert answer.status_code == expected
    assert as_stored(visit) == before
    assert step(home.therapist, visit, "cancel", version=1, reason="x").status_code == 302


# --- Moving, editing, undoing ---------------------------------------------------------------------


def moved(user: User, visit: Appointment, **form: Any) -> Any:
    values = {
        "version": visit.version,
        "day": "2035-06-04",
        "time": "11:30",
        "minutes": 30,
        "doctor": visit.doctor_id,
        "location": visit.location_id,
    }
    return at_the_desk(user).post(page(f"{NAME}_reschedule", visit.pk), values | form)


def test_a_visit_is_moved_through_the_service(home: World) -> None:
    before = home.visit.version
    answer = moved(home.receptionist, home.visit, reason="Train was late")
    assert answer.headers["Location"] == page(f"{NAME}_change", home.visit.pk)
    after = fresh(home.visit)
    assert (after.starts_at, after.version) == (berlin(0, 11, 30), before + 1)
    (act,) = acts("appointment.rescheduled", home.visit.pk)
    assert act.actor_id == home.receptionist.pk
    assert announced("appointment.rescheduled")


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"time": "09:00"}, "taken"),
        ({"time": "15:00"}, "Outside working hours"),
        ({"day": "2035-06-03"}, "soon"),
        ({"version": 9}, "Somebody else changed this"),
        ({"minutes": 1}, "greater than or equal to 5"),
        ({"day": "tomorrow"}, "valid date"),
        ({"doctor": ""}, "required"),
    ],
)
def test_a_move_that_is_refused_says_why_and_moves_nothing(
    form: dict[str, Any], sentence: str, home: World
) -> None:
    before = as_stored(home.visit)
    answer = moved(home.clinic_admin, home.visit, **form)
    assert answer.status_code == 400
    assert sentence in complaints(answer)
    assert as_stored(home.visit) == before


RELATIONS = ["patient", "doctor", "service", "location", "room"]


@pytest.mark.parametrize("field", ["doctor", "location", "room"])
def test_a_visit_cannot_be_moved_to_what_is_foreign(field: str, home: World, abroad: World) -> None:
    before = as_stored(home.visit)
    answer = moved(home.clinic_admin, home.visit, **{field: getattr(abroad, field).pk})
    assert answer.status_code == 400
    assert "Select a valid choice" in complaints(answer)
    assert as_stored(home.visit) == before


def test_the_texts_are_edited_through_the_service(home: World) -> None:
    form = {
        "version": home.visit.version,
        "reason": "Other reason",
        "notes": "Other notes",
        "priority": "HIGH",
    }
    answer = at_the_desk(home.nurse).post(page(f"{NAME}_edit", home.visit.pk), form)
    assert answer.status_code == 403
    answer = at_the_desk(home.receptionist).post(page(f"{NAME}_edit", home.visit.pk), form)
    assert answer.status_code == 302
    after = fresh(home.visit)
    assert (after.reason, after.notes, after.priority) == ("Other reason", "Other notes", "HIGH")
    (act,) = acts("appointment.changed", home.visit.pk)
    assert "Other" not in str(act.changes)  # clinical text stays in the visit


@pytest.mark.parametrize("role", ["finance", "support", "therapist"])
def test_texts_are_not_edited_by_who_may_not_read_them(role: str, home: World) -> None:
    before = as_stored(home.visit)
    client = at_the_desk(home.user(role))
    shown = client.get(page(f"{NAME}_edit", home.visit.pk))
    assert shown.status_code == 403
    assert NOTES not in text(shown)
    form = {"version": 1, "reason": "x", "notes": "", "priority": "LOW"}
    assert client.post(page(f"{NAME}_edit", home.visit.pk), form).status_code == 403
    assert as_stored(home.visit) == before


def test_the_last_step_is_undone_with_a_reason(home: World) -> None:
    client = at_the_desk(home.receptionist)
    address = page(f"{NAME}_undo", home.confirmed.pk)
    refused = client.post(address, {"version": home.confirmed.version, "reason": ""})
    assert refused.status_code == 400
    assert fresh(home.confirmed).status == "CONFIRMED"
    done = client.post(address, {"version": home.confirmed.version, "reason": "Wrong person"})
    assert done.status_code == 302
    assert fresh(home.confirmed).status == "SCHEDULED"
    again = client.post(address, {"version": fresh(home.confirmed).version, "reason": "Once more"})
    assert again.status_code == 400
    assert "nothing to take back" in text(again)


# --- Booking --------------------------------------------------------------------------------------


def visits_of(clinic_id: UUID) -> int:
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.filter(clinic_id=clinic_id).count()


def booked(user: User, world: World, **form: Any) -> Any:
    return at_the_desk(user).post(page(f"{NAME}_add"), visit_form(world) | form)


def test_a_visit_is_booked_through_the_service(home: World) -> None:
    answer = booked(home.receptionist, home, reason=REASON, notes=NOTES)
    made = UUID(answer.headers["Location"].split("/")[-3])
    with tenancy.scope(tenancy.SYSTEM):
        visit = Appointment.objects.get(pk=made)
        assert BusyTime.objects.filter(appointment_id=made, kind="BOOKED").exists()
    assert (visit.starts_at, visit.status, visit.source) == (
        berlin(0, 11, 30),
        "SCHEDULED",
        "STAFF",
    )
    assert (visit.booked_by_id, visit.reason, visit.notes) == (
        home.receptionist.pk,
        REASON,
        NOTES,
    )
    (act,) = acts("appointment.booked", made)
    assert act.actor_id == home.receptionist.pk


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"time": "10:00"}, "taken"),
        ({"time": "11:00"}, "taken"),
        ({"time": "18:00"}, "Outside working hours"),
        ({"day": "2035-06-01"}, "soon"),
        ({"location": ""}, "required"),
        ({"type": "VIDEO_CALL"}, "not offered for this service"),
        ({"type": "TELEPATHY"}, "Select a valid choice"),
        ({"time": "25:00"}, "valid time"),
        ({"notes": "n" * 4001}, "4000"),
    ],
)
def test_a_booking_that_is_refused_says_why_and_leaves_nothing(
    form: dict[str, Any], sentence: str, home: World
) -> None:
    before = visits_of(home.clinic.pk)
    answer = booked(home.clinic_admin, home, **form)
    assert answer.status_code == 400
    assert sentence in complaints(answer)
    assert visits_of(home.clinic.pk) == before


def test_a_taken_time_is_refused_with_free_ones(home: World) -> None:
    assert "Free nearby" in text(booked(home.clinic_admin, home, time="11:00"))


@pytest.mark.parametrize("field", RELATIONS)
@pytest.mark.parametrize("role", ["clinic_admin", "doctor_user"])
def test_nothing_foreign_can_be_booked(role: str, field: str, home: World, abroad: World) -> None:
    before = visits_of(home.clinic.pk), visits_of(abroad.clinic.pk)
    answer = booked(home.user(role), home, **{field: getattr(abroad, field).pk})
    assert answer.status_code == 400
    assert "Select a valid choice" in complaints(answer)
    assert (visits_of(home.clinic.pk), visits_of(abroad.clinic.pk)) == before


def test_a_doctor_books_only_with_themselves(home: World) -> None:
    other = doctor_elsewhere(home)
    assert booked(home.doctor_user, home, doctor=other.pk).status_code == 403
    assert booked(home.doctor_user, home).status_code == 302


def test_reception_overbooks_only_where_the_clinic_lets_it(home: World) -> None:
    late = {"time": "18:00", "override_reason": "An emergency"}
    with tenancy.scope(tenancy.SYSTEM):
        Clinic.objects.filter(pk=home.clinic.pk).update(reception_may_override=False)
    assert booked(home.receptionist, home, **late).status_code == 403
    with tenancy.scope(tenancy.SYSTEM):
        Clinic.objects.filter(pk=home.clinic.pk).update(reception_may_override=True)
    assert booked(home.receptionist, home, **late).status_code == 302
