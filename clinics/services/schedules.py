"""Weekly working hours."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from clinics.models import Doctor, Location, ScheduleTemplate, Service
from clinics.selectors.directory import doctor_works_at
from clinics.services.changes import (
    apply_changes,
    create_row,
    locked,
    record,
    remove_row,
    require_same_clinic,
)
from core import versions
from core.errors import ErrorCode, KairosError


def template_create(
    *, location: Location, doctor: Doctor, fields: Mapping[str, Any]
) -> ScheduleTemplate:
    """New working hours at a location.

    Raises NOT_FOUND for a doctor who does not work at its clinic or a service of another clinic,
    CONFLICT when the hours overlap others of the same doctor, VALIDATION_ERROR.
    """
    clinic_id = location.clinic_id
    if not doctor_works_at(doctor.id, clinic_id):
        raise KairosError(ErrorCode.NOT_FOUND)
    values = dict(fields)
    services = _services(clinic_id, values.pop("services", []))
    template = create_row(
        ScheduleTemplate,
        {"clinic_id": clinic_id, "location": location, "doctor": doctor, **values},
        action="schedule_template.created",
    )
    if services:
        template.services.set(services)
        record(
            template,
            "schedule_template.services",
            {"services": [[], [service.id for service in services]]},
        )
    return template


def template_update(
    *, template: ScheduleTemplate, fields: Mapping[str, Any], expected_version: int | None
) -> ScheduleTemplate:
    """Change working hours; the doctor stays. Raises as `template_create`, PRECONDITION_FAILED."""
    clinic_id = template.clinic_id
    values = dict(fields)
    wanted = values.pop("services", None)
    require_same_clinic(clinic_id, location=values.get("location"))
    services = None if wanted is None else _services(clinic_id, wanted)
    changed = apply_changes(
        ScheduleTemplate,
        template.id,
        values,
        expected_version=expected_version,
        action="schedule_template.changed",
    )
    if services is not None:
        changed = _set_services(changed, services)
    return changed


def template_remove(*, template_id: UUID, expected_version: int | None) -> None:
    """Take working hours away; visits already booked in them stay. Raises NOT_FOUND."""
    remove_row(
        ScheduleTemplate,
        template_id,
        expected_version=expected_version,
        action="schedule_template.removed",
    )


def _services(clinic_id: UUID, ids: Sequence[UUID]) -> list[Service]:
    found = list(Service.objects.filter(clinic_id=clinic_id, id__in=ids))
    if len(found) != len(set(ids)):
        raise KairosError(ErrorCode.NOT_FOUND)
    return found


def _set_services(template: ScheduleTemplate, services: list[Service]) -> ScheduleTemplate:
    row = locked(ScheduleTemplate, template.id, expected_version=template.version)
    before = sorted(row.services.values_list("id", flat=True))
    after = sorted(service.id for service in services)
    if before == after:
        return template
    row.services.set(services)
    versions.save(row, [])
    record(row, "schedule_template.services", {"services": [before, after]})
    return row
