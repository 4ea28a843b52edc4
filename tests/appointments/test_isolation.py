"""Row security alone: with every filter of the application off, the outsider sees nothing."""

import pytest
from django.db import connection

from appointments.api import exceptions as exceptions_api
from appointments.api import views
from appointments.models import Appointment, AppointmentEvent, BusyTime
from appointments.services import row as row_service
from clinics.models import Location, Patient, Room, ScheduleTemplate, Service
from core import tenancy
from core.models import AuditEvent, OutboxEvent
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene

#: Tables with a clinic's rows, each with how a row of a clinic is recognised.
TABLES = (
    Appointment,
    AppointmentEvent,
    AuditEvent,
    BusyTime,
    Location,
    OutboxEvent,
    Patient,
    Room,
    ScheduleTemplate,
    Service,
)


@pytest.fixture
def no_filters(monkeypatch: pytest.MonkeyPatch):
    """Selectors that forget who is asking."""
    for module in (views, row_service):
        monkeypatch.setattr(module, "appointments_visible_to", lambda _: Appointment.objects.all())
    monkeypatch.setattr(views, "history", lambda pk: AppointmentEvent.objects.all())
    monkeypatch.setattr(
        exceptions_api,
        "exceptions_visible_to",
        lambda _: exceptions_api.ScheduleException.objects.all(),
    )


def rows_of(clinic) -> dict[str, int]:
    """How many rows of the clinic the present scope shows."""
    return {model.__name__: model.objects.filter(clinic_id=clinic.id).count() for model in TABLES}


@pytest.mark.parametrize("by", ["admin", "reception", "nurse", "doctor_user", "patient"])
def test_the_outsider_without_any_filter(cast: Scene, no_filters, by: str):
    made = cast.own.book(berlin())
    api = getattr(cast.other, by).api
    assert api.get("appointments").json()["results"] == []
    assert api.get(f"appointments/{made['id']}").status_code == 404
    assert api.get(f"appointments/{made['id']}/history").status_code == 404
    assert api.get(f"appointments/user/{cast.own.patient.id}/upcoming").json()["results"] == []
    for verb in ("confirm", "cancel", "reschedule"):
        body = {"starts_at": berlin(hour=10)} if verb == "reschedule" else {"reason": "x"}
        assert api.post(f"appointments/{made['id']}/{verb}", body).status_code in {403, 404}


def test_the_filters_are_off_in_these_tests(cast: Scene, no_filters):
    """The control: a patient of the clinic now sees the neighbour's visit, which filters forbid."""
    made = cast.own.book(berlin(), patient=cast.own.add_chart().id)
    seen = cast.own.patient.api.get("appointments").json()["results"]
    assert [row["id"] for row in seen] == [made["id"]]


def test_a_command_in_the_other_clinics_scope(cast: Scene):
    cast.own.book(berlin())
    with tenancy.scope([cast.own.clinic.id]):
        assert all(rows_of(cast.own.clinic).values())
    with tenancy.scope([cast.other.clinic.id]):
        assert not any(rows_of(cast.own.clinic).values())
        assert Location.objects.count() == 1


def test_nothing_in_scope_shows_nothing(cast: Scene):
    cast.own.book(berlin())
    assert not any(rows_of(cast.own.clinic).values())
    with tenancy.scope(()):
        assert not any(rows_of(cast.own.clinic).values())
    assert not tenancy.is_active()


@pytest.mark.parametrize("model", [Location, Service, OutboxEvent])
def test_the_outsider_changes_nothing(cast: Scene, model):
    with tenancy.scope([cast.other.clinic.id]):
        rows = model.objects.filter(clinic_id=cast.own.clinic.id)
        assert rows.update(clinic_id=cast.other.clinic.id) == 0


def test_writing_into_another_clinic_is_refused(cast: Scene):
    with (
        pytest.raises(Exception, match="row-level security"),
        tenancy.scope([cast.other.clinic.id]),
    ):
        Location.objects.create(clinic=cast.own.clinic, name="Smuggled", timezone="UTC")


def test_moving_a_row_into_another_clinic_is_refused(cast: Scene):
    with (
        pytest.raises(Exception, match="row-level security"),
        tenancy.scope([cast.own.clinic.id]),
    ):
        Service.objects.filter(pk=cast.own.service.pk).update(clinic_id=cast.other.clinic.id)


def test_a_nested_scope_restores_the_outer_one(cast: Scene):
    own, other = cast.own.clinic, cast.other.clinic

    def seen() -> set:
        return set(Location.objects.values_list("clinic_id", flat=True))

    with tenancy.scope([own.id]):
        with tenancy.scope([other.id]):
            assert seen() == {other.id}
            with tenancy.scope(()):
                assert seen() == set()
            assert seen() == {other.id}
        assert seen() == {own.id}
        with pytest.raises(ValueError, match="inner"), tenancy.scope([other.id]):
            raise ValueError("inner")
        assert seen() == {own.id}
    assert seen() == set()


def test_a_scope_is_a_list_of_ids_or_the_system():
    for wrong in ("all", "", "* "):
        with pytest.raises(ValueError, match="scope"), tenancy.scope(wrong):
            pass
    with pytest.raises(ValueError, match="badly formed"), tenancy.scope(["x'; DROP TABLE"]):
        pass


def test_the_slot_function_gives_no_patients_and_no_reasons(cast: Scene):
    """The definer functions read across clinics; what they return is times only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT proargnames::text FROM pg_proc WHERE proname = 'appointments_slots'")
        names = cursor.fetchone()[0]
    assert "patient_id" not in names
    assert "appointment_id" not in names
