"""Out of a clinic, page by page: constant memory, each page written into the trail as it leaves.

django-import-export's own formats are whole files in memory, so here only its columns are used.
"""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Model, QuerySet
from openpyxl import Workbook

from accounts.roles import BOOKABLE_ROLES
from appointments.models import Appointment
from backoffice.models import FileFormat, TransferKind
from backoffice.transfer import limits
from backoffice.transfer.kinds import kind_of
from backoffice.transfer.values import Number
from clinics.models import Clinic, Doctor, Membership, Patient, ScheduleTemplate, Service
from core import context, journal, tenancy
from core.formulas import guarded

#: The request's id, the client's address, the user.
Who = tuple[str, str | None, UUID | None]
PAGE = 1000
_TIMEOUT_MS = 30_000
_BOM = "\ufeff"  # spreadsheet programs take a file without one for their own encoding


@dataclass(frozen=True, slots=True)
class Filters:
    """What of a kind is wanted. Days are local days; `doctor` is a doctor's id."""

    only_active: bool = False
    since: date | None = None
    until: date | None = None
    status: str = ""
    doctor: UUID | None = None

    def said(self) -> dict[str, Any]:
        """Those that were chosen, for the trail."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export. Without `clinical` the columns with clinical text are left out."""

    kind: str
    clinic: Clinic
    file_format: str
    clinical: bool
    filters: Filters = field(default_factory=Filters)

    @property
    def columns(self) -> list[str]:
        found = kind_of(self.kind).columns.fields
        return [name for name, column in found.items() if self.clinical or not column.is_clinical]


def export_stream(export: Export) -> Iterator[bytes]:
    """The file. Runs after the request's own transaction: each page has one of its own.

    The right to it is the caller's to look at.
    """
    here = context.current()
    # Now: a stream may be drawn in another context than the one that it was asked for in.
    pages = _pages(export, (here.request_id, here.address, here.actor_id))
    if export.file_format == FileFormat.XLSX:
        return _workbook(export, pages)
    return _text(export, pages)


def _text(export: Export, pages: Iterator[list[list[Any]]]) -> Iterator[bytes]:
    out = io.StringIO()
    writer = csv.writer(out)
    out.write(_BOM)
    writer.writerow(export.columns)
    for rows in pages:
        writer.writerows(rows)
        yield out.getvalue().encode()
        out.seek(0)
        out.truncate()
    yield out.getvalue().encode()


def _workbook(export: Export, pages: Iterator[list[list[Any]]]) -> Iterator[bytes]:
    book = Workbook(write_only=True)
    sheet = book.create_sheet(export.kind)
    sheet.append(export.columns)
    for rows in pages:
        for row in rows:
            sheet.append(row)
    with tempfile.TemporaryFile() as stream:
        book.save(stream)
        stream.seek(0)
        while block := stream.read(limits.BLOCK):
            yield block


def _pages(export: Export, who: Who) -> Iterator[list[list[Any]]]:
    """The rows, a page at a time, in the order of their ids."""
    columns = kind_of(export.kind).columns
    cells = [_cell(columns.fields[name]) for name in export.columns]
    wanted, prepare = _SOURCES[export.kind]
    last: UUID | None = None
    number = 0
    while True:
        number += 1
        with tenancy.scope([export.clinic.id], statement_timeout_ms=_TIMEOUT_MS):
            rows = wanted(export)
            if last is not None:
                rows = rows.filter(id__gt=last)
            page = list(rows.order_by("id")[:PAGE])
            prepare(export.clinic, page)
            shown = [[cell(row) for cell in cells] for row in page]
            if page or number == 1:
                _record(export, page, number, who)
        yield shown
        if len(page) < PAGE:
            return
        last = page[-1].pk


def _record(export: Export, page: Sequence[Any], number: int, who: Who) -> None:
    request_id, address, actor_id = who
    context.begin(request_id, address).actor_id = actor_id
    subjects: set[UUID] = set()
    if export.kind == TransferKind.PATIENTS:
        subjects = {row.id for row in page}
    elif export.kind == TransferKind.APPOINTMENTS:
        subjects = {row.patient_id for row in page}
    journal.record(
        journal.Act(
            f"{export.kind}.exported",
            _MODELS[export.kind]._meta.label_lower,
            clinic_id=export.clinic.id,
            subjects=sorted(subjects),
            changes={
                "count": [None, len(page)],
                "page": [None, number],
                "format": [None, export.file_format],
                "filters": [None, export.filters.said()],
            },
        )
    )


def _cell(column: Any) -> Callable[[Any], Any]:
    """How a row gives its cell in this column."""
    if isinstance(column.widget, Number):
        return column.get_value
    return lambda row: guarded(str(column.export(row)))


# --- Where the rows of each kind come from ------------------------------------------------------


def _patients(export: Export) -> QuerySet[Any]:
    rows = Patient.objects.filter(clinic=export.clinic, merged_into=None)
    return rows.filter(is_active=True) if export.filters.only_active else rows


def _doctors(export: Export) -> QuerySet[Any]:
    members = Membership.objects.filter(
        clinic=export.clinic, is_active=True, role__in=[role.value for role in BOOKABLE_ROLES]
    )
    rows = Doctor.objects.filter(user_id__in=list(members.values_list("user_id", flat=True)))
    rows = rows.select_related("user")
    return rows.filter(is_active=True) if export.filters.only_active else rows


def _hours(export: Export) -> QuerySet[Any]:
    rows = ScheduleTemplate.objects.filter(clinic=export.clinic)
    if export.filters.doctor:
        rows = rows.filter(doctor_id=export.filters.doctor)
    return rows.select_related("doctor__user", "location").prefetch_related("services")


def _services(export: Export) -> QuerySet[Any]:
    rows = Service.objects.filter(clinic=export.clinic)
    return rows.filter(is_active=True) if export.filters.only_active else rows


def _appointments(export: Export) -> QuerySet[Any]:
    filters = export.filters
    rows = Appointment.objects.filter(clinic=export.clinic)
    if filters.since:
        rows = rows.filter(local_day__gte=filters.since)
    if filters.until:
        rows = rows.filter(local_day__lte=filters.until)
    if filters.status:
        rows = rows.filter(status=filters.status)
    if filters.doctor:
        rows = rows.filter(doctor_id=filters.doctor)
    return rows.select_related("patient", "doctor__user", "location", "service")


def _as_they_are(clinic: Clinic, page: Sequence[Any]) -> None:
    """Nothing has to be added to these rows."""


def _with_roles(clinic: Clinic, page: Sequence[Any]) -> None:
    held = Membership.objects.filter(
        clinic=clinic,
        is_active=True,
        user_id__in=[row.user_id for row in page],
        role__in=[role.value for role in BOOKABLE_ROLES],
    ).order_by("-id")
    roles = dict(held.values_list("user_id", "role"))
    for row in page:
        row.role = roles.get(row.user_id, "")


def _with_names(clinic: Clinic, page: Sequence[Any]) -> None:
    for row in page:
        row.doctor_name = row.doctor.user.email or row.doctor.display_name
        row.service_names = [service.name for service in row.services.all()]


def _with_times(clinic: Clinic, page: Sequence[Any]) -> None:
    """Moments on the clock of the place, and what an import would not take left out."""
    for row in page:
        zone = ZoneInfo(row.timezone)
        row.doctor_name = row.doctor.user.email or row.doctor.display_name
        row.minutes = int((row.ends_at - row.starts_at).total_seconds() // 60)
        # A visit that was imported without its booking was written after it took place.
        row.booked_at = row.created_at if row.created_at <= row.starts_at else None
        for name in ("starts_at", "ends_at", "booked_at", "cancelled_at"):
            moment = getattr(row, name)
            setattr(row, name, moment.astimezone(zone) if moment is not None else None)


_SOURCES: dict[str, tuple[Callable[[Export], QuerySet[Any]], Callable[[Clinic, Any], None]]] = {
    TransferKind.PATIENTS: (_patients, _as_they_are),
    TransferKind.DOCTORS: (_doctors, _with_roles),
    TransferKind.HOURS: (_hours, _with_names),
    TransferKind.SERVICES: (_services, _as_they_are),
    TransferKind.APPOINTMENTS: (_appointments, _with_times),
}
_MODELS: dict[str, type[Model]] = {
    TransferKind.PATIENTS: Patient,
    TransferKind.DOCTORS: Doctor,
    TransferKind.HOURS: ScheduleTemplate,
    TransferKind.SERVICES: Service,
    TransferKind.APPOINTMENTS: Appointment,
}
