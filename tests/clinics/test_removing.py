"""Removing a row: only one that nothing refers to, and a refusal leaves nothing half done."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from appointments.models import Appointment
from clinics.models import Doctor, Patient, Room, Service
from clinics.services.changes import remove_row
from core import clock, tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent, Entity
from tests.casts import Cast


def _visit(cast: Cast, **fields: Any) -> Appointment:
    start = clock.now() - timedelta(days=30)
    values = {
        "clinic": cast.clinic,
        "location": cast.location,
        "doctor": cast.doctor,
        "patient": cast.patient,
        "type": "IN_PERSON",
        "status": "COMPLETED",
        "starts_at": start,
        "ends_at": start + timedelta(minutes=30),
        "timezone": "UTC",
        "source": "STAFF",
    }
    return Appointment.objects.create(**(values | fields))


def _refused(model: type[Entity], row: Entity) -> str:
    """What the refusal says; the row and the trail are as they were."""
    before = AuditEvent.objects.count()
    with pytest.raises(KairosError) as refusal:
        remove_row(model, row.pk, expected_version=None, action="test.removed")
    assert refusal.value.code == ErrorCode.CONFLICT
    # The surrounding transaction is whole, and says so.
    assert AuditEvent.objects.count() == before
    assert model._default_manager.filter(pk=row.pk).exists()
    return refusal.value.detail


@pytest.mark.parametrize(
    ("model", "field"),
    [(Room, "room"), (Service, "service"), (Patient, "patient")],
)
def test_what_a_visit_refers_to_stays(cast: Cast, model: type[Entity], field: str) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        row = getattr(cast, field)
        _visit(cast, **{field: row})
        assert _refused(model, row) == "It is used by appointments; make it inactive instead."


def test_the_chart_that_another_was_merged_into_stays(cast: Cast) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        Patient.objects.filter(pk=cast.neighbour.pk).update(merged_into=cast.patient)
        assert "used by patients" in _refused(Patient, cast.patient)


def test_what_nothing_refers_to_goes(cast: Cast) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        remove_row(Room, cast.room.pk, expected_version=1, action="room.removed")
        assert not Room.objects.filter(pk=cast.room.pk).exists()
        event = AuditEvent.objects.get(action="room.removed")
        assert event.changes["name"] == [cast.room.name, None]


def test_a_row_of_another_clinic_that_cannot_be_seen_protects_too(
    cast: Cast, outsider: Cast
) -> None:
    """Row security hides the other clinic's visit; its foreign key does not."""
    with tenancy.scope(tenancy.SYSTEM):
        shared = outsider.doctor
        cast.template.delete()
        outsider.template.delete()
        _visit(outsider)
    with tenancy.scope([cast.clinic.id]):
        assert _refused(Doctor, shared) == (
            "It is used by other entries; make it inactive instead."
        )
    with tenancy.scope([outsider.clinic.id]):
        assert "used by appointments" in _refused(Doctor, shared)


def _deletion(model: type[Entity], row: Entity) -> None:
    with tenancy.scope(tenancy.SYSTEM), pytest.raises(KairosError):
        remove_row(model, row.pk, expected_version=None, action="test.removed")


def test_the_refusal_loads_none_of_what_refers(cast: Cast) -> None:
    """However many visits use the room, the database is asked whether there is one."""

    def rows_read(ask: Callable[[], None]) -> int:
        with CaptureQueriesContext(connection) as captured:
            ask()
        return sum(
            "appointments_appointment" in query["sql"] and "LIMIT 1" not in query["sql"]
            for query in captured.captured_queries
        )

    with tenancy.scope(tenancy.SYSTEM):
        for _ in range(3):
            _visit(cast, room=cast.room)
    assert rows_read(lambda: _deletion(Room, cast.room)) == 0

    def by_django() -> None:
        with tenancy.scope(tenancy.SYSTEM), transaction.atomic(), pytest.raises(Exception):  # noqa: B017, PT011 - any: the control
            cast.room.delete()

    assert rows_read(by_django) > 0
