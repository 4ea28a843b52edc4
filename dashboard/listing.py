"""The day as a list that can be sorted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from appointments.models import AppointmentStatus
from appointments.selectors.day import DayVisit
from clinics.models import Doctor, VisitMode
from dashboard.access import Desk

#: Stands for a visit in an address that is made once for all of them.
NOBODY = UUID(int=0)
_ORDER = {status.value: place for place, status in enumerate(AppointmentStatus)}


@dataclass(frozen=True, slots=True)
class Row:
    """One visit of the list, in words."""

    id: UUID
    starts: float
    time: str
    until: str
    name: str
    doctor: str
    service: str
    mode: str
    status: str
    state: str
    address: str


#: What a list can be sorted by: its heading and its key.
SORTS: dict[str, tuple[object, Callable[[Row], object]]] = {
    "time": (_("Time"), lambda row: (row.starts, row.doctor)),
    "patient": (_("Patient"), lambda row: (row.name.casefold(), row.starts)),
    "doctor": (_("Doctor"), lambda row: (row.doctor.casefold(), row.starts)),
    "service": (_("Service"), lambda row: (row.service.casefold(), row.starts)),
    "status": (_("Status"), lambda row: (_ORDER[row.status], row.starts)),
}


def listed(
    desk: Desk, visits: Sequence[DayVisit], doctors: Sequence[Doctor], zone: str
) -> list[Row]:
    """The visits as rows, cancelled ones too."""
    local = ZoneInfo(zone)
    names = {doctor.id: doctor.display_name for doctor in doctors}
    slug = desk.clinic.slug
    states = {status.value: str(status.label) for status in AppointmentStatus}
    modes = {mode.value: str(mode.label) for mode in VisitMode}
    head, tail = reverse("desk-visit", kwargs={"slug": slug, "visit_id": NOBODY}).split(str(NOBODY))
    return [
        Row(
            id=visit.id,
            starts=visit.starts_at.timestamp(),
            time=f"{visit.starts_at.astimezone(local):%H:%M}",
            until=f"{visit.ends_at.astimezone(local):%H:%M}",
            name=visit.patient_name,
            doctor=names.get(visit.doctor, ""),
            service=visit.service_name or "",
            mode=modes[visit.type],
            status=visit.status,
            state=states[visit.status],
            address=f"{head}{visit.id}{tail}",
        )
        for visit in visits
    ]


def ordered(rows: list[Row], sort: str) -> tuple[list[Row], str, bool]:
    """The rows by one of `SORTS`, a minus before it turning it round; what it was sorted by."""
    name, down = sort.removeprefix("-"), sort.startswith("-")
    if name not in SORTS:
        name, down = "time", False
    key = SORTS[name][1]
    return sorted(rows, key=key, reverse=down), name, down  # type: ignore[arg-type]  # keys compare
