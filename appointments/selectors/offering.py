"""Which doctors of a clinic do which of several services."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from appointments.selectors.slots import MAX_DOCTORS
from clinics.models import ExceptionKind, ScheduleException, ScheduleTemplate
from clinics.selectors.directory import doctors_of_clinic
from core import clock


@dataclass(frozen=True, slots=True)
class DoctorsFor:
    """The clinic's doctors that were named, or have hours for one of the services, by name.

    `capped` are those with a daily or weekly cap.
    """

    offering: dict[UUID, list[UUID]]
    known: set[UUID]
    capped: set[UUID]

    def who(self, service: UUID, doctor: UUID | None) -> list[UUID]:
        """Whom to ask: that doctor if they are the clinic's, or, for None, who does the service."""
        if doctor is not None:
            return [doctor] if doctor in self.known else []
        return self.offering[service][:MAX_DOCTORS]


def doctors_for(clinic: UUID, *, services: Sequence[UUID], named: Collection[UUID]) -> DoctorsFor:
    """Who has hours for which of some services, and who of `named` is there: one statement."""
    today = clock.now().date() - timedelta(days=1)
    hours = ScheduleTemplate.objects.filter(
        Q(valid_to=None) | Q(valid_to__gte=today), clinic=clinic, doctor=OuterRef("pk")
    )
    further = ScheduleException.objects.filter(
        clinic=clinic, doctor=OuterRef("pk"), kind=ExceptionKind.HOURS, end_date__gte=today
    )
    flags: dict[str, Any] = {
        f"offers_{number}": Exists(hours.filter(Q(services=None) | Q(services=service)))
        for number, service in enumerate(services)
    }
    wanted = Q(further=True) | Q(id__in=named)
    for name in flags:
        wanted |= Q(**{name: True})
    rows = (
        doctors_of_clinic(clinic)
        .annotate(further=Exists(further), **flags)
        .filter(wanted)
        .order_by("display_name", "id")
        .values_list("id", "max_daily_appointments", "max_weekly_appointments", "further", *flags)
    )
    offering: dict[UUID, list[UUID]] = {service: [] for service in services}
    known, capped = set(), set()
    for doctor, day_cap, week_cap, has_further, *offers in rows:
        known.add(doctor)
        if day_cap is not None or week_cap is not None:
            capped.add(doctor)
        for service, offered in zip(services, offers, strict=True):
            if offered or has_further:
                offering[service].append(doctor)
    return DoctorsFor(offering, known, capped)
