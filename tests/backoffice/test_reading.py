"""Looking at patients is written down; clinical text is for who may read it, and nobody else."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from core import tenancy
from core.models import AuditEvent
from tests.appointments.moments import BERLIN
from tests.backoffice.world import (
    CHART_NOTES,
    NOTES,
    REASON,
    World,
    acts,
    at_the_desk,
    fresh,
    page,
    text,
)
from tests.backoffice.writing import opened, saved
from tests.casts import STAFF

#: They read charts and visits, but no clinical text.
CLERKS = ("finance", "support")
#: They read charts alone.
OTHERS = ("pharmacist", "lab")


def reads_of(user: Any) -> list[AuditEvent]:
    with tenancy.scope(tenancy.SYSTEM):
        found = AuditEvent.objects.filter(actor_id=user.pk, action__regex=r"\.(read|listed)$")
        return list(found.order_by("id"))


@pytest.mark.parametrize("role", STAFF)
def test_a_list_of_patients_is_written_down(role: str, home: World) -> None:
    at_the_desk(home.user(role)).get(page("clinics_patient_changelist"))
    (act,) = reads_of(home.user(role))
    assert (act.action, act.clinic_id) == ("patient.listed", home.clinic.pk)
    assert {home.patient.pk, home.neighbour.pk, home.spare.pk} <= set(act.subjects)


def test_only_what_was_shown_is_written_down(home: World) -> None:
    asked = {"q": "Anna"}
    answer = at_the_desk(home.nurse).get(page("clinics_patient_changelist"), asked)
    (act,) = reads_of(home.nurse)
    assert home.patient.pk in act.subjects
    assert home.neighbour.pk not in act.subjects
    assert set(act.subjects) == {row.pk for row in answer.context["cl"].result_list}


def test_a_chart_that_was_opened_is_written_down(home: World) -> None:
    at_the_desk(home.nurse).get(page("clinics_patient_change", home.patient.pk))
    (act,) = reads_of(home.nurse)
    assert (act.action, act.entity_id) == ("patient.read", home.patient.pk)
    assert act.subjects == [home.patient.pk]


def test_choices_among_patients_are_written_down(home: World) -> None:
    query = {"app_label": "appointments", "model_name": "appointment", "field_name": "patient"}
    answer = at_the_desk(home.nurse).get(page("autocomplete"), query | {"term": "Anna"})
    assert "Anna" in text(answer)
    (act,) = reads_of(home.nurse)
    assert (act.action, act.subjects) == ("patient.listed", [home.patient.pk])


@pytest.mark.parametrize("address", ["change", "reschedule", "edit", "undo"])
def test_a_visit_that_was_opened_is_written_down(address: str, home: World) -> None:
    at_the_desk(home.receptionist).get(page(f"appointments_appointment_{address}", home.visit.pk))
    found = [act for act in reads_of(home.receptionist) if act.action == "appointment.read"]
    (act,) = found
    assert (act.entity_id, act.subjects) == (home.visit.pk, [home.patient.pk])


def test_a_refused_look_is_not_taken_for_one(home: World, abroad: World) -> None:
    client = at_the_desk(home.nurse)
    assert client.get(page("clinics_patient_change", abroad.patient.pk)).status_code == 404
    assert reads_of(home.nurse) == []


def test_a_look_at_the_trail_by_patient_finds_who_looked(home: World) -> None:
    at_the_desk(home.nurse).get(page("clinics_patient_change", home.patient.pk))
    trail = at_the_desk(home.clinic_admin).get(
        page("core_auditevent_changelist"), {"patient": home.patient.mrn}
    )
    shown = trail.context["cl"].result_list
    assert any(row.action == "patient.read" and row.actor_id == home.nurse.pk for row in shown)
    assert all(home.patient.pk in row.subjects for row in shown)


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ({"actor": "receptionist@inland.test"}, True),
        ({"actor": "nurse@inland.test"}, False),
        ({"act": "appointment."}, True),
        ({"act": "nothing."}, False),
        ({"from": 0}, True),
        ({"from": 1}, False),
        ({"to": 0}, True),
        ({"to": -1}, False),
        ({"from": "soon", "to": "later"}, True),
    ],
)
def test_the_trail_is_filtered(query: dict[str, Any], finds: bool, home: World) -> None:
    """A number is a day, counted from the one on which the act's id was made."""
    made = datetime.fromtimestamp((home.audit.pk.int >> 80) / 1000, tz=BERLIN).date()
    asked = {
        name: str(made + timedelta(days=value)) if isinstance(value, int) else value
        for name, value in query.items()
    }
    answer = at_the_desk(home.clinic_admin).get(page("core_auditevent_changelist"), asked)
    assert (home.audit.pk in {row.pk for row in answer.context["cl"].result_list}) is finds


@pytest.mark.parametrize("name", ["core_auditevent", "accounts_refreshsession"])
def test_the_trail_and_devices_cannot_be_written(name: str, home: World) -> None:
    attribute = {"core_auditevent": "audit", "accounts_refreshsession": "session"}[name]
    row, client = getattr(home, attribute), at_the_desk(home.clinic_admin)
    forged = {"action": "forged", "actor_id": str(home.nurse.pk), "device_name": "forged"}
    for what in ("change", "delete"):
        assert client.post(page(f"{name}_{what}", row.pk), forged).status_code == 403
    assert client.post(page(f"{name}_add"), forged).status_code == 403
    assert fresh(row) is not None


# --- Clinical text --------------------------------------------------------------------------------


def pages_about(home: World, client: Any) -> str:
    """Everything that a reader can open about the patient and the visit."""
    visit, chart = home.visit.pk, home.patient.pk
    addresses = [
        page("index"),
        page("appointments_appointment_changelist") + "?day=all",
        page("appointments_appointment_changelist") + f"?q={home.patient.mrn}",
        page("clinics_patient_changelist"),
        page("appointments_busytime_changelist"),
        *(
            page(f"appointments_appointment_{what}", visit)
            for what in ("change", "history", "edit", "reschedule", "undo")
        ),
        *(
            page("appointments_appointment_move", visit, verb)
            for verb in ("cancel", "confirm", "no_show")
        ),
        page("clinics_patient_change", chart),
        page("clinics_patient_history", chart),
        page("clinics_patient_merge", chart) + f"?duplicate={home.neighbour.pk}",
        page("core_auditevent_changelist"),
    ]
    return "".join(text(client.get(address)) for address in addresses)


@pytest.mark.parametrize("role", [*CLERKS, *OTHERS])
def test_clinical_text_is_nowhere_for_who_may_not_read_it(role: str, home: World) -> None:
    shown = pages_about(home, at_the_desk(home.user(role)))
    for secret in (REASON, NOTES, CHART_NOTES):
        assert secret not in shown, secret


@pytest.mark.parametrize("role", ["clinic_admin", "receptionist", "nurse", "doctor_user"])
def test_clinical_text_is_there_for_who_may(role: str, home: World) -> None:
    """So that the test above would see it."""
    shown = pages_about(home, at_the_desk(home.user(role)))
    for word in (REASON, NOTES, CHART_NOTES):
        assert word in shown, word


@pytest.mark.parametrize("role", ["therapist", "counselor"])
def test_a_shared_calendar_shows_the_visit_without_its_text(role: str, home: World) -> None:
    shown = text(
        at_the_desk(home.user(role)).get(page("appointments_appointment_change", home.visit.pk))
    )
    assert home.patient.full_name in shown
    assert REASON not in shown
    assert NOTES not in shown


@pytest.mark.parametrize("role", CLERKS)
def test_why_a_visit_was_cancelled_in_its_history_is_clinical_too(role: str, home: World) -> None:
    at_the_desk(home.receptionist).post(
        page("appointments_appointment_undo", home.confirmed.pk),
        {"version": home.confirmed.version, "reason": "clinicalundoreason"},
    )
    address = page("appointments_appointment_change", home.confirmed.pk)
    assert "clinicalundoreason" in text(at_the_desk(home.nurse).get(address))
    assert "clinicalundoreason" not in text(at_the_desk(home.user(role)).get(address))


def test_a_save_by_who_does_not_see_the_notes_keeps_them(home: World) -> None:
    """A form without the field must not empty it."""
    values = opened(at_the_desk(home.receptionist), "clinics_patient", home.patient)
    values.pop("notes")
    answer = at_the_desk(home.receptionist).post(
        page("clinics_patient_change", home.patient.pk), values | {"region": "Elsewhere"}
    )
    assert answer.status_code in {200, 302}
    saved(at_the_desk(home.nurse), "clinics_patient", home.patient, region="Here")
    assert fresh(home.patient).region == "Here"


def test_a_forged_note_is_not_written_by_who_may_not(home: World) -> None:
    before = fresh(home.patient).notes
    answer = at_the_desk(home.finance).post(
        page("clinics_patient_change", home.patient.pk),
        {"given_name": "A", "mrn": "1", "sex": "unknown", "notes": "forged"},
    )
    assert answer.status_code == 403
    assert fresh(home.patient).notes == before


def test_signing_in_to_the_back_office_is_the_installations_trail(home: World) -> None:
    """Sign-ins belong to no clinic: a clinic's administrator does not see them."""
    assert acts("patient.listed") == []
    shown = at_the_desk(home.clinic_admin).get(page("core_auditevent_changelist"))
    assert all(row.clinic_id == home.clinic.pk for row in shown.context["cl"].result_list)
