"""Plans: what patients may do with their own, and who of the staff may do what."""

import pytest

from core import ids
from tests.appointments.moments import berlin
from tests.appointments.scene import Api, House, Scene
from tests.appointments.traces import nothing_left_behind, refused, without_request
from tests.followups.care_acts import (
    SECRETS,
    act,
    alone,
    at,
    booked,
    colleague,
    row,
    schedule,
    waiting,
)

# --- Patients -------------------------------------------------------------------------------------


def test_patients_book_their_own_by_the_rules_for_patients(own: House):
    plan = waiting(own, **SECRETS)
    seen = own.patient.api.get(f"follow-up-plans/{plan['id']}").json()
    assert seen["instructions"] == SECRETS["instructions"]
    assert (seen["created_by"], seen["attempts"]) == (None, None)
    service = own.add_service()
    with nothing_left_behind():
        refused(schedule(own, plan, own.patient, starts_at=berlin(1)), 400, "INVALID_FOLLOWUP_DATE")
        early = {"starts_at": berlin(1), "early_reason": "Please"}
        refused(schedule(own, plan, own.patient, **early), 400, "INVALID_FOLLOWUP_DATE")
        off = {"starts_at": at(hour=11, minute=10)}
        refused(schedule(own, plan, own.patient, **off), 400, "VALIDATION_ERROR")
        other = {"starts_at": at(hour=11), "service": service.id}
        refused(schedule(own, plan, own.patient, **other), 403, "PERMISSION_DENIED")
    body = schedule(own, plan, own.patient, starts_at=at(hour=11)).json()
    assert body["status"] == "completed"
    assert body["booked_appointment"]["status"] == "SCHEDULED"
    refused(schedule(own, plan, own.patient), 409, "FOLLOWUP_PLAN_ALREADY_CONVERTED")


def test_where_the_clinic_approves_first_the_booked_visit_is_pending(own: House):
    own.policy(requires_approval=True)
    plan = waiting(own)
    body = schedule(own, plan, own.patient, starts_at=at(hour=11)).json()
    assert body["booked_appointment"]["status"] == "PENDING"
    act(own, body["follow_up_appointment"], "cancel")
    assert row(plan).status == "scheduled"


def test_patients_keep_the_clinics_notice(own: House):
    own.policy(min_notice_minutes=60 * 24 * 60)
    plan = waiting(own)
    refused(schedule(own, plan, own.patient, starts_at=at(hour=11)), 409, "TOO_SOON")


def test_what_is_not_for_patients_to_book_stays_the_clinics(own: House):
    plan = waiting(own, service=own.add_service(is_public=False).id)
    answer = schedule(own, plan, own.patient, starts_at=at(hour=11))
    refused(answer, 403, "PERMISSION_DENIED")


def test_patients_write_no_plans_and_see_no_others(cast: Scene):
    own = cast.own
    plan = waiting(own)
    neighbour = waiting(own, patient=own.add_chart().id)
    with nothing_left_behind():
        refused(alone(own, own.patient), 403, "PERMISSION_DENIED")
        path = f"follow-up-plans/{plan['id']}"
        refused(own.patient.api.patch(path, {"priority": "URGENT"}), 403, "PERMISSION_DENIED")
        refused(own.patient.api.delete(path, {"reason": "no"}), 403, "PERMISSION_DENIED")
        for who in (own.patient, cast.other.patient):
            refused(schedule(own, neighbour, who), 404, "FOLLOWUP_PLAN_NOT_FOUND")


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "reads", "books", "writes", "clinical"),
    [
        ("CLINIC_ADMIN", True, True, True, True),
        ("RECEPTIONIST", True, True, False, True),
        ("DOCTOR", True, True, True, False),
        ("NURSE", True, False, False, True),
        ("THERAPIST", False, False, False, False),
        ("COUNSELOR", False, False, False, False),
        ("PHARMACIST", False, False, False, False),
        ("LAB_TECHNICIAN", False, False, False, False),
        ("FINANCE_BILLING", False, False, False, False),
        ("SUPPORT_STAFF", True, False, False, False),
    ],
)
def test_the_matrix_of_somebody_elses_plan(
    own: House, role: str, reads: bool, books: bool, writes: bool, clinical: bool
):
    plan = waiting(own, **SECRETS)
    who = colleague(own, role)
    path = f"follow-up-plans/{plan['id']}"
    seen = who.api.get(path)
    assert (seen.status_code == 200) == reads
    if reads:
        assert (seen.json()["instructions"] is not None) == clinical
        assert (seen.json()["medications"] is not None) == clinical
    changed = who.api.patch(path, {"priority": "HIGH"})
    assert (changed.status_code == 200) == writes
    made = alone(own, who)
    assert (made.status_code == 201) == writes, made.content
    assert (schedule(own, plan, who).status_code == 200) == books


def test_a_foreign_plan_is_an_unknown_one(cast: Scene):
    plan = waiting(cast.own)
    for who in (cast.other.admin, cast.other.doctor_user, cast.other.patient):
        for method, path, body in (
            ("get", "", None),
            ("put", "", {"priority": "HIGH"}),
            ("patch", "", {"priority": "HIGH"}),
            ("delete", "", {"reason": "x"}),
            ("post", "/schedule", {}),
        ):
            found = []
            for value in (plan["id"], ids.uuid7()):
                send = getattr(who.api, method)
                where = f"follow-up-plans/{value}{path}"
                with nothing_left_behind():
                    answer = send(where) if method == "get" else send(where, body)
                found.append((answer.status_code, without_request(answer.json())))
            assert found[0] == found[1]
            assert found[0][1]["code"] in {"FOLLOWUP_PLAN_NOT_FOUND", "PERMISSION_DENIED"}


def test_nobody_is_asked_to_sign_in(own: House):
    plan = booked(own)
    for path in (f"follow-up-plans/{plan['id']}", f"patients/{own.chart.id}/follow-up-plans"):
        refused(Api(None).get(path), 401, "NOT_AUTHENTICATED")
