"""Charts that are one person's, merging and parting them, and looking at what became of it."""

from datetime import date
from typing import Any
from uuid import UUID

from appointments.models import Appointment, BusyTime
from clinics.models import Patient, PatientProxy
from core import tenancy
from tests.appointments.scene import House, Person

REASON = {"reason": "Entered twice"}


def double(house: House, user: Person | None = None, **fields: Any) -> Patient:
    """A second chart of the house's patient."""
    chart = house.add_chart(user)
    if fields:
        with tenancy.scope(tenancy.SYSTEM):
            Patient.objects.filter(pk=chart.pk).update(**fields)
    return chart


def merge(
    house: House, gone: Patient, kept: Patient | None = None, by: Person | None = None, **body: Any
) -> Any:
    keep = kept or house.chart
    return (by or house.reception).api.post(
        f"patients/{keep.id}/merge", REASON | {"duplicate": gone.id} | body
    )


def merged(house: House, gone: Patient, kept: Patient | None = None, **body: Any) -> dict[str, Any]:
    answer = merge(house, gone, kept, **body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def undo(house: House, made: dict[str, Any], by: Person | None = None) -> Any:
    return (by or house.reception).api.post(f"patient-merges/{made['id']}/undo", REASON)


def undone(house: House, made: dict[str, Any]) -> dict[str, Any]:
    answer = undo(house, made)
    assert answer.status_code == 200, answer.content
    return answer.json()


def preview(house: House, gone: Patient, by: Person | None = None) -> Any:
    path = f"patients/{house.chart.id}/merge-preview"
    return (by or house.reception).api.get(path, duplicate=gone.id)


def chart(patient: Patient) -> Patient:
    with tenancy.scope(tenancy.SYSTEM):
        return Patient.objects.get(pk=patient.pk)


def patient_of(visit: dict[str, Any]) -> tuple[UUID, set[UUID | None]]:
    """Whose the visit is, and whose its claims are."""
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.get(pk=visit["id"]).patient_id, set(
            BusyTime.objects.filter(appointment_id=visit["id"]).values_list("patient_id", flat=True)
        )


def let_act(house: House, patient: Patient, user: Person, until: date | None = None) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        PatientProxy.objects.create(
            clinic=house.clinic,
            patient=patient,
            user=user.user,
            relation="CARER",
            valid_until=until,
        )


def proxies(patient: Patient) -> dict[UUID, date | None]:
    with tenancy.scope(tenancy.SYSTEM):
        return dict(
            PatientProxy.objects.filter(patient=patient).values_list("user_id", "valid_until")
        )


def everything(*charts: Patient) -> list[dict[str, Any]]:
    """Every row of the charts, less what rises with each change."""
    which = [one.id for one in charts]
    with tenancy.scope(tenancy.SYSTEM):
        rows: list[dict[str, Any]] = [
            *Patient.objects.filter(id__in=which).order_by("id").values(),
            *PatientProxy.objects.filter(patient_id__in=which).order_by("id").values(),
            *Appointment.objects.filter(patient_id__in=which).order_by("id").values(),
            *BusyTime.objects.filter(patient_id__in=which).order_by("id").values(),
        ]
    for row in rows:
        row.pop("version", None)
        row.pop("updated_at", None)
    return rows
