"""What a change or cancellation of a series is about: its visits in scope, under their locks, and
the statements that write many of them at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from django.db import connection
from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.lifecycle import MOVABLE, MOVES
from appointments.models import (
    Appointment,
    AppointmentSeries,
    AppointmentStatus,
    SeriesStatus,
    Verb,
)
from appointments.selectors.series import series_visible_to
from appointments.services.record import Happened
from appointments.services.series_dates import Act, SeriesDate
from clinics.models import Clinic
from clinics.principal import Principal
from core import clock, versions
from core.errors import ErrorCode, KairosError, invalid


class Scope(StrEnum):
    """Which visits: this one, this one and all later ones, or all. The values are the API's."""

    THIS = "this"
    FOLLOWING = "following"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class InScope:
    """A series with the visits concerned: those that may be moved or cancelled, soonest first, and
    those that stay as they are. `anchor` is the visit that "this" means."""

    series: AppointmentSeries
    scope: Scope
    anchor: Appointment | None
    movable: list[Appointment]
    staying: list[Appointment]

    @property
    def kept(self) -> list[SeriesDate]:
        """The visits that stay, and why: they have begun, or are past that."""
        return [kept_date(visit) for visit in self.staying]


def visit_day(visit: Appointment) -> date:
    """The local day of a visit."""
    return visit.starts_at.astimezone(ZoneInfo(visit.timezone)).date()


def kept_date(visit: Appointment, code: ErrorCode | None = None) -> SeriesDate:
    """A visit that stays as it is."""
    if code is None:
        past = visit.status in MOVABLE
        code = ErrorCode.TOO_SOON if past else ErrorCode.INVALID_TRANSITION
    return SeriesDate(
        visit.series_sequence or 0,
        visit.starts_at,
        visit.ends_at,
        code,
        appointment=visit.id,
        was=visit.starts_at,
        act=Act.KEEP,
    )


def in_scope(
    *,
    by: Principal,
    series_id: UUID,
    scope: str,
    appointment_id: UUID | None,
    expected_version: int | None = None,
    lock: bool,
) -> InScope:
    """Read the series and its visits in scope; with `lock` the series' row is locked, then theirs.

    Raises NOT_FOUND for a series that is not the caller's to see and for an appointment that is not
    of it, PERMISSION_DENIED for who may not book at the clinic, PRECONDITION_FAILED,
    VALIDATION_ERROR, INVALID_TRANSITION for the one visit of scope "this".
    """
    if scope not in set(Scope):
        raise invalid("scope", _("this, following or all"))
    chosen = Scope(scope)
    seen = series_visible_to(by).filter(pk=series_id)
    if lock:
        seen = seen.select_for_update(of=("self",), no_key=True)
    series = seen.first()
    if series is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    if not by.is_staff_in(series.clinic_id):
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    versions.require(series, expected_version)
    if chosen != Scope.ALL and appointment_id is None:
        raise invalid("appointment", _("Say which visit."))
    rows = Appointment.objects.filter(series_id=series.id)
    if chosen == Scope.THIS and appointment_id is not None:
        rows = rows.filter(pk=appointment_id)
    else:
        rows = rows.exclude(status=AppointmentStatus.CANCELLED)
    rows = rows.order_by("pk")
    if lock:
        rows = rows.select_for_update(of=("self",), no_key=True)
    visits = sorted(rows, key=lambda visit: (visit.starts_at, visit.id))
    anchor = None
    if chosen != Scope.ALL:
        anchor = next((visit for visit in visits if visit.id == appointment_id), None)
        if anchor is None:
            raise KairosError(ErrorCode.NOT_FOUND, errors={"appointment": ["not found"]})
        visits = [visit for visit in visits if visit.starts_at >= anchor.starts_at]
    now = clock.now()
    movable = [visit for visit in visits if visit.status in MOVABLE and visit.starts_at > now]
    left = {visit.id for visit in movable}
    staying = [visit for visit in visits if visit.id not in left]
    if chosen == Scope.THIS and staying:
        raise KairosError(ErrorCode.INVALID_TRANSITION, extra={"current_status": staying[0].status})
    return InScope(series, chosen, anchor, movable, staying)


def require_right(by: Principal, found: InScope, *others: UUID) -> None:
    """Raises PERMISSION_DENIED unless `by` books for every doctor concerned, `others` included."""
    clinic = found.series.clinic_id
    doctors = {visit.doctor_id for visit in found.movable} | set(others)
    if found.scope != Scope.THIS or not doctors:
        doctors.add(found.series.doctor_id)
    for doctor in doctors:
        by.require(Permission.APPOINTMENT_BOOK, clinic, doctor_id=doctor)


def next_number(series: AppointmentSeries) -> int:
    """The number after every one that the series has used."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 + GREATEST("
            "(SELECT max(a.series_sequence) FROM appointments_appointment a WHERE a.series = %s),"
            " (SELECT max(s.sequence) FROM appointments_seriesskip s WHERE s.series_id = %s), 0)",
            [series.id, series.id],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 1


def claims_release(visits: Sequence[UUID]) -> None:
    """Give the time of several visits back (inside a leave: to the leave)."""
    if visits:
        with connection.cursor() as cursor:
            cursor.execute("SELECT appointments_release_all(%s::uuid[])", [list(visits)])


# The ids once more by themselves, so that only the partitions that hold them are looked into.
_REWRITE = """
UPDATE appointments_appointment a
SET starts_at = r.starts_at, ends_at = r.ends_at, doctor_id = r.doctor_id,
    location_id = r.location_id, room_id = r.room_id, timezone = r.timezone, reason = r.reason,
    notes = r.notes, priority = r.priority, version = r.version, updated_at = r.updated_at
FROM json_to_recordset(%s::json) AS r (id uuid, starts_at timestamptz, ends_at timestamptz,
    doctor_id uuid, location_id uuid, room_id uuid, timezone text, reason text, notes text,
    priority text, version integer, updated_at timestamptz)
WHERE a.id = ANY(%s::uuid[]) AND a.id = r.id
"""
_REWRITTEN = (
    "id",
    "starts_at",
    "ends_at",
    "doctor_id",
    "location_id",
    "room_id",
    "timezone",
    "reason",
    "notes",
    "priority",
    "version",
    "updated_at",
)


def visits_rewrite(visits: Sequence[Appointment]) -> None:
    """Write where, when and what is noted about visits as they now stand, in one statement."""
    if not visits:
        return
    rows = [{name: getattr(visit, name) for name in _REWRITTEN} for visit in visits]
    with connection.cursor() as cursor:
        cursor.execute(_REWRITE, [orjson.dumps(rows).decode(), [visit.id for visit in visits]])


_CANCEL = """
UPDATE appointments_appointment
SET status = 'CANCELLED', cancelled_at = %(now)s, cancel_reason = %(reason)s,
    cancelled_by_id = %(by)s, late_cancellation = starts_at - %(now)s < %(cutoff)s,
    version = version + 1, updated_at = %(now)s
WHERE id = ANY(%(ids)s::uuid[])
"""


def visits_cancel(visits: Sequence[Appointment], *, by: Principal, reason: str) -> list[Happened]:
    """Cancel visits that are locked, in one statement; what is to be written down about it.

    Inside the clinic's cut-off it counts as late, as with one visit. Their claims are the caller's
    to release.
    """
    if not visits:
        return []
    now = clock.now()
    cutoff = timedelta(
        minutes=Clinic.objects.values_list("cancel_cutoff_minutes", flat=True).get(
            pk=visits[0].clinic_id
        )
    )
    params: Mapping[str, Any] = {
        "now": now,
        "reason": reason,
        "by": by.account,
        "cutoff": cutoff,
        "ids": [visit.id for visit in visits],
    }
    with connection.cursor() as cursor:
        cursor.execute(_CANCEL, params)
    steps = []
    for visit in visits:
        before = visit.status
        visit.status = AppointmentStatus.CANCELLED
        visit.cancelled_at = visit.updated_at = now
        visit.cancel_reason = reason
        visit.cancelled_by_id = by.account
        visit.late_cancellation = visit.starts_at - now < cutoff
        visit.version += 1
        steps.append(
            Happened(
                appointment=visit,
                verb=Verb.CANCEL,
                from_status=before,
                topic=MOVES[Verb.CANCEL].topic,
                reason=reason,
            )
        )
    return steps


def require_active(series: AppointmentSeries) -> None:
    """Raises INVALID_TRANSITION for a series that has ended or was cancelled."""
    if series.status != SeriesStatus.ACTIVE:
        raise KairosError(ErrorCode.INVALID_TRANSITION, extra={"current_status": series.status})
