"""What patients may ask for, and when."""

from datetime import timedelta

import pytest

from appointments.models import BusyTime
from clinics.models import PatientProxy
from core import tenancy
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import Scene, person
from tests.appointments.traces import nothing_left_behind, refused


def ask(cast: Scene, starts_at, /, **fields):
    with nothing_left_behind():
        return cast.own.patient.api.post(
            "appointments", cast.own.request(starts_at, patient=..., **fields)
        )


def test_a_patient_books_for_themselves_without_saying_so(cast: Scene):
    made = cast.own.book(berlin(), by=cast.own.patient, patient=..., reason="Cough")
    assert made["patient"] == str(cast.own.chart.id)
    assert (made["status"], made["source"]) == ("SCHEDULED", "PATIENT")
    assert made["reason"] == "Cough"
    assert made["notes"] is None


def test_a_patient_with_two_charts_says_for_whom(cast: Scene):
    cast.own.add_chart(cast.own.patient)
    refused(ask(cast, berlin()), 400, "VALIDATION_ERROR", patient="whom")


def test_a_parent_books_for_a_child_until_the_day_it_ends(cast: Scene):
    parent, child = person("parent"), cast.own.add_chart()
    with tenancy.scope(tenancy.SYSTEM):
        proxy = PatientProxy.objects.create(
            clinic=cast.own.clinic,
            patient=child,
            user=parent.user,
            relation="PARENT",
            valid_until=NOW.date(),
        )
    made = cast.own.book(berlin(), by=parent, patient=child.id)
    assert made["patient"] == str(child.id)
    with tenancy.scope(tenancy.SYSTEM):
        proxy.valid_until = NOW.date() - timedelta(days=1)
        proxy.save(update_fields=["valid_until"])
    answer = parent.api.post("appointments", cast.own.request(berlin(hour=11), patient=child.id))
    assert answer.json()["code"] in {"NOT_FOUND", "PERMISSION_DENIED"}


@pytest.mark.parametrize("minute", [5, 15, 29])
def test_patients_book_the_times_on_offer(cast: Scene, minute: int):
    refused(ask(cast, berlin(minute=minute)), 400, "VALIDATION_ERROR", starts_at="offered")
    cast.own.book(berlin(minute=minute))  # staff may


def test_patients_book_services_for_patients(cast: Scene):
    internal = cast.own.add_service(is_public=False)
    refused(ask(cast, berlin(), service=internal.id), 403, "PERMISSION_DENIED")
    refused(ask(cast, berlin(), service=...), 400, "VALIDATION_ERROR")
    end = {"ends_at": berlin(hour=11).isoformat()}
    refused(ask(cast, berlin(), **end), 403, "PERMISSION_DENIED")


@pytest.mark.parametrize("fields", [{"notes": "n"}, {"override": {"reason": "please"}}])
def test_patients_write_no_notes_and_override_nothing(cast: Scene, fields: dict):
    refused(ask(cast, berlin(), **fields), 403, "PERMISSION_DENIED")


def test_approval(cast: Scene):
    """Asked for by a patient it waits, holding its time; booked by staff it does not."""
    cast.own.policy(requires_approval=True)
    asked = cast.own.book(berlin(), by=cast.own.patient, patient=...)
    assert asked["status"] == "PENDING"
    refused(
        cast.own.reception.api.post(
            "appointments", cast.own.request(berlin(), patient=cast.own.add_chart().id)
        ),
        409,
        "SCHEDULING_CONFLICT",
    )
    path = f"appointments/{asked['id']}/approve"
    for nobody in (cast.own.patient, cast.own.nurse):
        refused(nobody.api.post(path), 403, "PERMISSION_DENIED")
    answer = cast.own.reception.api.post(path)
    assert answer.json()["status"] == "SCHEDULED"
    assert cast.own.book(berlin(hour=11))["status"] == "SCHEDULED"


def test_patients_confirm_and_cancel_their_own(cast: Scene):
    made = cast.own.book(berlin(days=3))
    api = cast.own.patient.api
    assert api.post(f"appointments/{made['id']}/confirm").json()["status"] == "CONFIRMED"
    answer = api.delete(f"appointments/{made['id']}", {"reason": "ill"})
    assert answer.json()["status"] == "CANCELLED"
    with tenancy.scope(tenancy.SYSTEM):
        assert not BusyTime.objects.filter(appointment_id=made["id"]).exists()


def test_after_the_cut_off_patients_change_nothing_online(cast: Scene):
    cast.own.policy(cancel_cutoff_minutes=24 * 60 * 2)
    made = cast.own.book(berlin(), by=cast.own.patient, patient=...)
    api, path = cast.own.patient.api, f"appointments/{made['id']}"
    with nothing_left_behind():
        refused(api.delete(path, {"reason": "ill"}), 403, "CANCEL_CUTOFF_PASSED")
        answer = api.post(f"{path}/reschedule", {"starts_at": berlin(days=5)})
        refused(answer, 403, "CANCEL_CUTOFF_PASSED")
    late = cast.own.reception.api.delete(path, {"reason": "phoned"}).json()
    assert (late["status"], late["late_cancellation"]) == ("CANCELLED", True)


def test_patients_move_their_own_to_a_time_on_offer(cast: Scene):
    made = cast.own.book(berlin(days=3), by=cast.own.patient, patient=...)
    api, path = cast.own.patient.api, f"appointments/{made['id']}/reschedule"
    refused(api.post(path, {"starts_at": berlin(days=3, minute=10)}), 400, "VALIDATION_ERROR")
    moved = api.post(path, {"starts_at": berlin(days=4)}).json()
    assert moved["starts_at"] == "2035-06-08T07:00:00Z"
    assert moved["version"] == 2


def test_patients_hold_as_many_times_as_the_clinic_allows(cast: Scene):
    cast.own.policy(max_holds_per_patient=2)
    api = cast.own.patient.api
    for hour in (9, 10):
        held = api.post("slots/holds", cast.own.request(berlin(hour=hour), patient=...)).json()
        assert held["seconds_left"] == 300
    with nothing_left_behind():
        answer = api.post("slots/holds", cast.own.request(berlin(hour=11), patient=...))
    refused(answer, 409, "CONFLICT")
    assert api.delete(f"slots/holds/{held['id']}").status_code == 204
    again = api.post("slots/holds", cast.own.request(berlin(hour=11), patient=...))
    assert again.status_code == 201


def test_a_hold_becomes_the_visit(cast: Scene):
    api = cast.own.patient.api
    held = api.post("slots/holds", cast.own.request(berlin(), patient=...)).json()
    made = cast.own.book(berlin(), by=cast.own.patient, patient=..., hold=held["id"])
    with tenancy.scope(tenancy.SYSTEM):
        claim = BusyTime.objects.get(id=held["id"])
    assert (str(claim.appointment_id), claim.kind, claim.expires_at) == (made["id"], "BOOKED", None)


@pytest.mark.parametrize("verb", ["check-in", "start", "complete", "no-show", "undo", "approve"])
def test_what_only_staff_do(cast: Scene, verb: str):
    made = cast.own.book(berlin(), by=cast.own.patient, patient=...)
    body = {} if verb == "complete" else {"reason": "x"}
    with nothing_left_behind():
        answer = cast.own.patient.api.post(f"appointments/{made['id']}/{verb}", body)
    refused(answer, 403, "PERMISSION_DENIED")
