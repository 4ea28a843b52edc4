"""What an entry of the waitlist refers to, who may make it, and whether it can ever come true."""

from collections.abc import Container, Sequence
from datetime import date, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.lifecycle import MOVABLE
from appointments.models import Appointment, Priority
from appointments.selectors.appointments import appointments_visible_to
from clinics.models import Clinic, Location, Patient, Service
from clinics.principal import Principal
from clinics.selectors.directory import doctors_of_clinic
from core import clock
from core.errors import ErrorCode, KairosError, invalid
from followups.models import WaitlistEntry

MAX_DOCTORS: Final = 20


def chart_locked(by: Principal, patient: UUID | None) -> Patient:
    """Raises NOT_FOUND for a chart out of sight, and for a stranger's when a patient asks."""
    if patient is None:
        own = by.own_patients()
        if len(own) != 1:
            raise invalid("patient", _("Say for whom."))
        patient = next(iter(own))
    # Not to be merged away before the entry is there.
    chart = (
        Patient.objects.select_for_update(of=("self",), no_key=True)
        .filter(pk=patient, is_active=True, merged_into=None)
        .first()
    )
    if chart is None or not (
        chart.id in by.charts.get(chart.clinic_id, ()) or by.is_staff_in(chart.clinic_id)
    ):
        raise KairosError(ErrorCode.NOT_FOUND, errors={"patient": ["not found"]})
    return chart


def visit_to_move(by: Principal, appointment: UUID, patient: UUID | None) -> Appointment:
    """The patient's visit that would be moved. Raises NOT_FOUND, INVALID_TRANSITION."""
    visit = appointments_visible_to(by).filter(pk=appointment).first()
    if visit is None or (patient is not None and visit.patient_id != patient):
        raise KairosError(ErrorCode.NOT_FOUND, errors={"appointment": ["not found"]})
    if visit.status not in MOVABLE or visit.starts_at <= clock.now():
        raise KairosError(
            ErrorCode.INVALID_TRANSITION,
            _("This visit cannot be moved any more."),
            extra={"current_status": visit.status},
        )
    return visit


def service_named(clinic: Clinic, service: UUID | None) -> Service:
    """Raises NOT_FOUND, VALIDATION_ERROR without one."""
    if service is None:
        raise invalid("service", _("Say what for."))
    found = Service.objects.filter(pk=service, clinic=clinic, is_active=True).first()
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND, errors={"service": ["not found"]})
    return found


def location_named(clinic: Clinic, location: UUID | None) -> Location | None:
    """Raises NOT_FOUND; None stays None."""
    if location is None:
        return None
    found = Location.objects.filter(pk=location, clinic=clinic, is_active=True).first()
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND, errors={"location": ["not found"]})
    return found


def require_right(by: Principal, entry: WaitlistEntry) -> bool:
    """Raises PERMISSION_DENIED; True when the caller acts as the patient.

    A clinician who books their own calendar alone puts people on the list for themselves alone.
    """
    clinic = entry.clinic_id
    if by.may(Permission.APPOINTMENT_BOOK, clinic):
        return False
    if by.may_own(Permission.APPOINTMENT_BOOK, clinic) and entry.doctors == [by.doctor_id]:
        return False
    if entry.patient_id in by.charts.get(clinic, ()):
        return True
    raise KairosError(ErrorCode.PERMISSION_DENIED)


def require_sound(
    entry: WaitlistEntry,
    clinic: Clinic,
    *,
    today: date,
    as_patient: bool,
    changed: Container[str],
) -> None:
    """Raises for a wish that can never come true, or that a patient may not have."""
    service = entry.service
    if as_patient and not service.is_public:
        raise KairosError(ErrorCode.PERMISSION_DENIED, _("This is booked by the clinic."))
    if as_patient and "urgency" in changed and entry.urgency != Priority.NORMAL:
        raise KairosError(ErrorCode.PERMISSION_DENIED, _("How urgent it is, the clinic says."))
    if entry.mode not in service.modes:
        raise KairosError(
            ErrorCode.INVALID_APPOINTMENT_TYPE, errors={"type": ["not offered for this service"]}
        )
    visit = entry.appointment
    if visit is not None and (visit.service_id, visit.type) != (service.id, entry.mode):
        raise invalid("appointment", _("This visit is of another kind."))
    if "doctors" in changed:
        _require_doctors(clinic, entry.doctors)
    _require_days(entry, clinic, today=today, changed=changed)
    if any(not 1 <= day <= 7 for day in entry.weekdays):
        raise invalid("weekdays", _("A weekday is 1 (Monday) to 7 (Sunday)."))
    if entry.time_from is not None and entry.time_to is not None:
        if entry.time_to <= entry.time_from:
            raise invalid("time_to", _("The time of day ends after it begins."))
        if _minutes(entry.time_to) - _minutes(entry.time_from) < service.duration_minutes:
            raise invalid("time_to", _("The visit is longer than that."))


def _require_doctors(clinic: Clinic, doctors: Sequence[UUID]) -> None:
    if len(doctors) > MAX_DOCTORS:
        raise invalid("doctors", _("At most %(count)d.") % {"count": MAX_DOCTORS})
    if doctors:
        known = set(
            doctors_of_clinic(clinic.id).filter(id__in=doctors).values_list("id", flat=True)
        )
        if known != set(doctors):
            raise KairosError(ErrorCode.NOT_FOUND, errors={"doctors": ["not found"]})


def _require_days(
    entry: WaitlistEntry, clinic: Clinic, *, today: date, changed: Container[str]
) -> None:
    if entry.latest < entry.earliest:
        raise invalid("latest", _("The last day is not before the first."))
    if "latest" in changed or "service" in changed:
        if entry.latest < today:
            raise invalid("latest", _("That day is over."))
        if entry.latest > _horizon(clinic, entry.service, today):
            raise invalid("latest", _("That is further ahead than is booked here."))
    if not entry.weekdays:
        return
    days = (entry.latest - entry.earliest).days
    if days < 6 and not any(
        (entry.earliest + timedelta(days=number)).isoweekday() in entry.weekdays
        for number in range(days + 1)
    ):
        raise invalid("weekdays", _("None of these weekdays lies between the days."))


def default_latest(entry: WaitlistEntry, today: date) -> date:
    """The day of the visit that would be moved, else as far ahead as is booked."""
    visit = entry.appointment
    if visit is not None:
        return visit.starts_at.astimezone(ZoneInfo(visit.timezone)).date()
    return _horizon(entry.clinic, entry.service, today)


def _horizon(clinic: Clinic, service: Service, today: date) -> date:
    days = clinic.horizon_days if service.horizon_days is None else service.horizon_days
    return today + timedelta(days=days)


def local_today(clinic: Clinic) -> date:
    """The clinic's local day."""
    return clock.now().astimezone(ZoneInfo(clinic.timezone)).date()


def _minutes(moment: time) -> int:
    return moment.hour * 60 + moment.minute


def unique(doctors: Sequence[UUID]) -> list[UUID]:
    """Each once, in their order."""
    return list(dict.fromkeys(doctors))
