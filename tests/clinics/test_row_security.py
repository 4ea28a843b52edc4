"""The net: with every filter of the application switched off, the outsider still sees nothing."""

from typing import Any

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection, transaction

from clinics.models import (
    Location,
    Membership,
    Patient,
    Room,
    ScheduleTemplate,
    Service,
)
from clinics.selectors import directory, patients
from core import tenancy
from core.models import AuditEvent, OutboxEvent
from tests.casts import Cast, signed_in

TABLES = [Location, Room, Service, ScheduleTemplate, Membership, Patient]


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_all_shows_only_the_scope(model: Any, cast: Cast, outsider: Cast) -> None:
    with tenancy.scope([cast.clinic.id]):
        assert set(model.objects.values_list("clinic_id", flat=True)) == {cast.clinic.id}
        assert not model.objects.filter(clinic_id=outsider.clinic.id).exists()
        assert model.objects.filter(clinic_id=outsider.clinic.id).update(version=9) == 0
    with tenancy.scope(()):
        assert not model.objects.exists()
    with tenancy.scope([cast.clinic.id, outsider.clinic.id]):
        assert model.objects.values("clinic_id").distinct().count() == 2


def test_the_trail_and_the_outbox_too(cast: Cast, outsider: Cast) -> None:
    with tenancy.scope([cast.clinic.id]):
        assert AuditEvent.objects.exists()
        for model in (AuditEvent, OutboxEvent):
            assert set(model.objects.values_list("clinic_id", flat=True)) == {cast.clinic.id}


def test_a_row_cannot_be_written_into_a_foreign_clinic(cast: Cast, outsider: Cast) -> None:
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        tenancy.scope([cast.clinic.id]),
        transaction.atomic(),
    ):
        Location.objects.create(clinic=outsider.clinic, name="Mine", timezone="UTC")


def test_every_table_with_a_clinic_is_known_here() -> None:
    """A new table of the floor has to be added to the net's test."""
    of_a_clinic = {
        model
        for model in apps.get_app_config("clinics").get_models()
        if any(field.name == "clinic" for field in model._meta.fields)
    }
    untested = {model.__name__ for model in of_a_clinic - set(TABLES)}
    assert untested == {"PatientProxy", "ScheduleException"}, "these two start empty in a cast"


ROUTES = ["patients", "rooms", "services", "clinic-locations", "schedule-templates"]


@pytest.fixture
def _without_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Selectors that forget their filters."""
    monkeypatch.setattr("clinics.api.views.base.of_clinics", lambda model, _: model.objects.all())
    monkeypatch.setattr("clinics.api.views.places.services_of", lambda _: Service.objects.all())
    monkeypatch.setattr(
        "clinics.api.views.doctors.templates_visible_to", lambda _: ScheduleTemplate.objects.all()
    )
    monkeypatch.setattr(
        "clinics.api.views.patients.patients_visible_to", lambda _: Patient.objects.all()
    )


@pytest.mark.usefixtures("_without_filters")
@pytest.mark.parametrize("route", ROUTES)
def test_the_api_shows_nothing_foreign_without_its_filters(
    route: str, cast: Cast, outsider: Cast
) -> None:
    names = {
        "patients": "patient",
        "rooms": "room",
        "services": "service",
        "clinic-locations": "location",
        "schedule-templates": "template",
    }
    client = signed_in(outsider.clinic_admin)
    foreign = getattr(cast, names[route])
    rows = client.get(f"/api/v1/{route}").json()["results"]
    assert rows
    assert {row["clinic"] for row in rows} == {str(outsider.clinic.id)}
    assert client.get(f"/api/v1/{route}/{foreign.id}").status_code == 404
    changed = client.patch(
        f"/api/v1/{route}/{foreign.id}", {"name": "Taken"}, content_type="application/json"
    )
    assert changed.status_code == 404


def test_the_search_function_returns_ids_that_row_security_then_hides(
    cast: Cast, outsider: Cast
) -> None:
    """Given the wrong clinics, the definer's search finds ids; reading them finds nothing."""
    with tenancy.scope([outsider.clinic.id]):
        assert patients.patients_search([cast.clinic.id], "Berger") == []


def test_the_runtime_role_is_bound(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == ("kairos_app", False, False)


def test_doctors_of_a_clinic_do_not_widen_the_scope(cast: Cast, outsider: Cast) -> None:
    """The public directory looks into one clinic, and gives the caller's scope back."""
    with tenancy.scope([outsider.clinic.id]):
        list(directory.doctors_of_clinic(cast.clinic.id))
        assert set(Patient.objects.values_list("clinic_id", flat=True)) == {outsider.clinic.id}
