"""Chains of visits, long and broad, written as rows."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from appointments.models import Appointment
from appointments.services.booking import appointment_new
from appointments.services.calendar import Visit
from appointments.services.writing import rows_insert
from clinics.models import Doctor
from core import tenancy
from tests.appointments.moments import NOW
from tests.appointments.scene import House


def chain(
    house: House,
    size: int,
    parent_of: Callable[[int], int] = lambda number: number - 1,
    *,
    doctor_of: Callable[[int], Doctor] | None = None,
) -> list[UUID]:
    """`size` visits of the house's patient, all over, each following `parent_of` its number."""
    rows: list[Appointment] = []
    for number in range(size):
        starts_at = NOW - timedelta(days=2000) + timedelta(hours=12 * number)
        visit = Visit(
            clinic=house.clinic.id,
            doctor=(doctor_of(number) if doctor_of else house.doctor).id,
            location=house.location.id,
            service=house.service.id,
            mode="IN_PERSON",
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=30),
            patient=house.chart.id,
        )
        above = rows[parent_of(number)] if number else None
        rows.append(
            appointment_new(
                visit,
                timezone=house.zone,
                status="COMPLETED",
                source="STAFF",
                reason="Knee",
                parent_appointment_id=above.id if above else None,
                original_appointment_id=rows[0].id if above else None,
                is_follow_up=above is not None,
            )
        )
    with tenancy.scope(tenancy.SYSTEM):
        rows_insert(Appointment, rows)
    return [one.id for one in rows]
