"""A doctor's leave and other exceptions: they close the calendar, and say whom that affects."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.roles import Permission
from appointments.live import calendar_changed, calendar_replaced
from appointments.models import Appointment
from appointments.selectors.leave import exception_affected, exception_spans
from appointments.services import calendar
from clinics.models import Clinic, Doctor, ExceptionKind, Location, ScheduleException
from clinics.principal import Principal
from clinics.selectors.directory import doctor_works_at
from clinics.services.changes import create_row, require_same_clinic
from core import journal, locks, versions
from core.errors import ErrorCode, KairosError, invalid

MAX_DAYS = 366


def exception_create(*, by: Principal, clinic: Clinic, **fields: Any) -> ScheduleException:
    """Close a doctor's, a location's or the clinic's days, give other hours, or enter leave.

    Leave claims the doctor's free time at once, in every clinic; visits already booked stay until
    they are moved (`exception_affected` lists them). Raises NOT_FOUND, PERMISSION_DENIED,
    VALIDATION_ERROR.
    """
    doctor: Doctor | None = fields.get("doctor")
    location: Location | None = fields.get("location")
    _require_right(by, clinic.id, doctor.id if doctor else None)
    require_same_clinic(clinic.id, location=location)
    if doctor is not None and not doctor_works_at(doctor.id, clinic.id):
        raise KairosError(ErrorCode.NOT_FOUND, errors={"doctor": ["not found"]})
    if fields["end_date"] < fields["start_date"]:
        raise invalid("end_date", "the last day comes after the first")
    if (fields["end_date"] - fields["start_date"]).days > MAX_DAYS:
        raise invalid("end_date", f"at most {MAX_DAYS} days at once")
    exception = create_row(
        ScheduleException, {"clinic": clinic, **fields}, action="schedule.exception_created"
    )
    if exception.kind == ExceptionKind.LEAVE:
        _block(exception.doctor_id, exception_spans(exception))
    _announce(exception)
    return exception


def exception_preview(
    *, by: Principal, clinic: Clinic, limit: int, **fields: Any
) -> list[Appointment]:
    """Whom the exception would affect, soonest first and at most `limit`; nothing is kept.

    Raises as `exception_create`: it is made, looked at, and rolled back.
    """
    found: list[Appointment] = []
    with transaction.atomic():
        exception = exception_create(by=by, clinic=clinic, **fields)
        found = list(exception_affected(exception).select_related("patient", "doctor")[:limit])
        transaction.set_rollback(True)
    return found


def exception_remove(
    *, by: Principal, exception_id: UUID, expected_version: int | None = None
) -> None:
    """Take an exception back; a leave gives its time back. Raises NOT_FOUND, PERMISSION_DENIED."""
    exception = ScheduleException.objects.select_for_update().filter(pk=exception_id).first()
    if exception is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    _require_right(by, exception.clinic_id, exception.doctor_id)
    versions.require(exception, expected_version)
    spans = exception_spans(exception)
    with connection.cursor() as cursor:
        cursor.execute("SELECT appointments_unblock(%s)", [exception.id])
    journal.record(
        journal.Act(
            "schedule.exception_removed",
            "clinics.scheduleexception",
            exception.id,
            exception.clinic_id,
            changes={
                "kind": [exception.kind, None],
                "start_date": [exception.start_date, None],
                "end_date": [exception.end_date, None],
                "doctor": [exception.doctor_id, None],
            },
            topic="schedule.exception_removed",
            payload={
                "id": exception.id,
                "doctor": exception.doctor_id,
                "location": exception.location_id,
                "kind": exception.kind,
                "spans": spans,
            },
        )
    )
    _announce(exception)
    leave = exception.kind == ExceptionKind.LEAVE
    exception.delete()
    if leave:  # another leave may cover the same time
        _block(exception.doctor_id, spans)


def _require_right(by: Principal, clinic_id: UUID, doctor_id: UUID | None) -> None:
    by.require(Permission.SCHEDULE_WRITE, clinic_id, doctor_id=doctor_id)


def _announce(exception: ScheduleException) -> None:
    """The days with a day around them: they are local ones, in a zone that is not looked up."""
    if exception.doctor_id is None:
        calendar_replaced(clinic=exception.clinic_id)
        return
    first = datetime.combine(exception.start_date, time(), tzinfo=UTC) - timedelta(days=1)
    last = datetime.combine(exception.end_date, time(), tzinfo=UTC) + timedelta(days=2)
    calendar_changed(clinic=exception.clinic_id, doctor=exception.doctor_id, spans=[(first, last)])


def _block(doctor: UUID | None, spans: list[tuple[datetime, datetime]]) -> None:
    """Claim for the doctor's leaves what nobody has booked, under the doctor's locks."""
    if doctor is None:
        raise AssertionError("leave has a doctor, by a constraint")
    locks.advisory(
        key
        for start, end in spans
        for capped in (False, True)
        for key in calendar.lock_keys(doctor, start, end, capped=capped)
    )
    with connection.cursor() as cursor:
        for start, end in spans:
            cursor.execute("SELECT appointments_block(%s, tstzrange(%s, %s))", [doctor, start, end])
