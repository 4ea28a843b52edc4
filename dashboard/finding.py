"""What a search from anywhere finds: patients, visits, days, doctors and commands."""

import unicodedata
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, time_format
from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentStatus
from appointments.selectors.appointments import appointments_visible_to
from appointments.selectors.of_patient import Around, visits_around
from appointments.services.context import MAX_MINUTES
from clinics.models import Doctor, Patient
from clinics.selectors.directory import doctors_working_at
from clinics.selectors.patients import patients_search
from clinics.services.patients import patients_read
from core import clock
from dashboard.access import Desk
from dashboard.ages import age_said
from dashboard.commands import Command, commands_of
from dashboard.typed import Moment, moment_in

MAX_LENGTH = 100
_PATIENTS = 8
_VISITS = 8
_DOCTORS = 6
_SHORTEST = 2


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found. `opens` is `page`, `panel`, or `post` for a form to be sent."""

    label: str
    href: str
    detail: str = ""
    key: str = ""
    opens: str = "page"


@dataclass(frozen=True, slots=True)
class Group:
    """Things of one kind, best first."""

    name: str
    title: str
    hits: list[Hit] = field(default_factory=list)


def asked(request: HttpRequest) -> str:
    """What was typed into `q`, without what cannot be searched for; at most 100 characters."""
    return searchable(request.GET.get("q", ""))


def searchable(typed: str) -> str:
    """As `asked`, of a text from elsewhere."""
    kept = (one for one in typed[:MAX_LENGTH] if unicodedata.category(one) not in {"Cc", "Cs"})
    return "".join(kept).strip()


def found(desk: Desk, text: str) -> list[Group]:
    """Groups that hold something. Patients shown are written into the audit trail."""
    if not text:
        return [Group("commands", _("Commands"), [_command(one) for one in commands_of(desk)])]
    zone = ZoneInfo(desk.clinic.timezone)
    today = timezone.localdate(clock.now(), timezone=zone)
    moment = moment_in(text, today)
    patients = _patients(desk, text)
    around = visits_around(desk.principal, [patient.id for patient in patients])
    doctors = _doctors(desk, text)
    groups = [
        Group("days", _("Days"), _days(desk, moment)),
        Group("patients", _("Patients"), [_patient(desk, one, today) for one in patients]),
        Group(
            "visits",
            _("Visits"),
            _visits_at(desk, moment, today, zone) + _visits_of(desk, patients, around),
        ),
        Group("doctors", _("Doctors"), [_doctor(desk, one) for one in doctors]),
        Group("commands", _("Commands"), [_command(one) for one in _commands(desk, text)]),
    ]
    return [group for group in groups if group.hits]


def _patients(desk: Desk, text: str) -> list[Patient]:
    if len(text) < _SHORTEST or not desk.may(Permission.PATIENT_READ):
        return []
    patients = patients_search([desk.clinic.id], text, limit=_PATIENTS)
    patients_read(patients, action="patient.searched")
    return patients


def _patient(desk: Desk, patient: Patient, today: date) -> Hit:
    known = [patient.mrn]
    if patient.birth_date is not None:
        known.insert(0, date_format(patient.birth_date, "DATE_FORMAT"))
        known.insert(1, age_said(patient.birth_date, today))
    if patient.phone:
        known.append(patient.phone)
    return Hit(
        patient.full_name,
        _at(desk, "desk-patient", patient_id=patient.id),
        " · ".join(known),
        opens="panel",
    )


def _visits_of(desk: Desk, patients: list[Patient], around: dict[UUID, Around]) -> list[Hit]:
    """For each patient found the next visit, or else the last."""
    hits = []
    for patient in patients:
        near = around[patient.id]
        visit = near.next or near.last
        if visit is not None:
            hits.append(_visit(desk, visit, patient.full_name))
    return hits


def _visits_at(desk: Desk, moment: Moment | None, today: date, zone: ZoneInfo) -> list[Hit]:
    """Visits that are on at a time typed."""
    if moment is None or moment.at is None:
        return []
    at = datetime.combine(moment.day or today, moment.at, tzinfo=zone)
    visits = list(
        appointments_visible_to(desk.principal)
        .filter(clinic=desk.clinic, starts_at__lte=at, ends_at__gt=at)
        # So that an index on the start knows where to begin.
        .filter(starts_at__gt=at - timedelta(minutes=MAX_MINUTES))
        .exclude(status=AppointmentStatus.CANCELLED)
        .select_related("patient", "doctor")
        .order_by("starts_at", "id")[:_VISITS]
    )
    patients_read([visit.patient for visit in visits], action="patient.searched")
    return [_visit(desk, visit, visit.patient.full_name) for visit in visits]


def _visit(desk: Desk, visit: Appointment, name: str) -> Hit:
    starts = visit.starts_at.astimezone(ZoneInfo(visit.timezone))
    when = f"{date_format(starts, 'D')} {date_format(starts, 'DATE_FORMAT')}"
    said = (
        when,
        time_format(starts.time(), "TIME_FORMAT"),
        visit.doctor,
        visit.get_status_display(),
    )
    return Hit(
        name,
        _at(desk, "desk-visit", visit_id=visit.id),
        " · ".join(str(one) for one in said),
        opens="panel",
    )


def _days(desk: Desk, moment: Moment | None) -> list[Hit]:
    if moment is None or moment.day is None:
        return []
    day = moment.day
    said = _("%(weekday)s, %(day)s") % {
        "weekday": date_format(day, "l"),
        "day": date_format(day, "DATE_FORMAT"),
    }
    return [
        Hit(said, _at(desk, "desk-day", day=day), _("The day")),
        Hit(said, _at(desk, "desk-week", day=day), _("The week")),
    ]


def _doctors(desk: Desk, text: str) -> list[Doctor]:
    """Doctors of the clinic with a word of their name that begins as each word typed does."""
    if len(text) < _SHORTEST:
        return []
    typed = _folded(text).split()
    return [
        doctor
        for doctor in doctors_working_at(desk.clinic.id)
        if _begins(typed, _folded(doctor.display_name).split())
    ][:_DOCTORS]


def _doctor(desk: Desk, doctor: Doctor) -> Hit:
    return Hit(
        doctor.display_name,
        f"{_at(desk, 'desk-today')}?doctor={doctor.id}",
        doctor.get_profession_display(),
    )


def _commands(desk: Desk, text: str) -> list[Command]:
    typed = _folded(text).split()
    return [one for one in commands_of(desk) if _begins(typed, _folded(one.label).split())]


def _command(command: Command) -> Hit:
    return Hit(command.label, command.href, key=command.key, opens=command.opens)


def _begins(typed: list[str], words: list[str]) -> bool:
    return all(any(word.startswith(part) for word in words) for part in typed)


def _folded(text: str) -> str:
    """Without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


def _at(desk: Desk, name: str, **parts: object) -> str:
    return reverse(name, kwargs={"slug": desk.clinic.slug, **parts})
