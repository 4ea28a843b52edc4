"""What a booking refers to, read in one statement and checked to be of one clinic."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from appointments.services.calendar import Visit
from clinics.models import VisitMode
from core.errors import ErrorCode, KairosError, invalid

MIN_MINUTES, MAX_MINUTES = 5, 720

_CHART = """
SELECT id, clinic_id, is_active, merged_into_id FROM clinics_patient WHERE id = %(patient)s
"""
_SQL = """
WITH chart AS ({chart})
SELECT p.id, p.clinic_id, p.is_active AND p.merged_into_id IS NULL,
       l.id, l.clinic_id, l.timezone, l.is_active,
       s.id, s.clinic_id, s.duration_minutes, s.buffer_before_minutes, s.buffer_after_minutes,
       s.modes, s.is_active, s.is_public,
       r.id, r.clinic_id, r.location_id, r.is_active,
       d.id, d.is_active, d.max_daily_appointments IS NOT NULL
           OR d.max_weekly_appointments IS NOT NULL,
       c.id, c.timezone, c.requires_approval, c.cancel_cutoff_minutes, c.hold_minutes,
       c.max_holds_per_patient, c.reception_may_override, c.public_slots, c.guest_booking,
       EXISTS (SELECT FROM clinics_membership m WHERE m.user_id = d.user_id AND m.clinic_id = c.id
               AND m.is_active AND m.role IN ('DOCTOR', 'THERAPIST', 'COUNSELOR'))
FROM (SELECT) AS one
LEFT JOIN chart p ON true
LEFT JOIN clinics_location l ON l.id = %(location)s
LEFT JOIN clinics_service s ON s.id = %(service)s
LEFT JOIN clinics_room r ON r.id = %(room)s
LEFT JOIN clinics_doctor d ON d.id = %(doctor)s
LEFT JOIN clinics_clinic c ON c.is_active AND c.id = COALESCE(
    %(clinic)s, p.clinic_id, l.clinic_id, s.clinic_id)
"""
_READ = _SQL.format(chart=_CHART)
_READ_AND_KEEP = _SQL.format(chart=f"{_CHART} FOR SHARE")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the clinic has decided, as far as booking goes. Minutes where it says so."""

    requires_approval: bool
    cancel_cutoff_minutes: int
    hold_minutes: int
    max_holds_per_patient: int
    reception_may_override: bool
    public_slots: bool
    guest_booking: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A visit that refers to nothing foreign, with its clinic's policy and its time zone."""

    visit: Visit
    timezone: str
    policy: Policy
    public: bool


def plan(
    *,
    doctor: UUID,
    patient: UUID | None,
    location: UUID | None,
    service: UUID | None,
    mode: str,
    starts_at: datetime,
    ends_at: datetime | None,
    room: UUID | None = None,
    clinic: UUID | None = None,
    keep_chart: bool = False,
) -> Plan:
    """Read and check everything a visit refers to.

    With `keep_chart` the patient's chart cannot be merged into another before the transaction ends:
    for what is new. (Of a visit that is there, the lock on its own row says so.)

    Raises NOT_FOUND, the same for what does not exist and what belongs to another clinic (row
    security hides the latter), LOCATION_REQUIRED, INVALID_APPOINTMENT_TYPE, VALIDATION_ERROR.
    """
    if mode == VisitMode.IN_PERSON and location is None:
        raise KairosError(ErrorCode.LOCATION_REQUIRED, errors={"location": ["required"]})
    with connection.cursor() as cursor:
        cursor.execute(
            _READ_AND_KEEP if keep_chart else _READ,
            {
                "patient": patient,
                "location": location,
                "service": service,
                "room": room,
                "doctor": doctor,
                "clinic": clinic,
            },
        )
        row: Any = cursor.fetchone()
    (p_id, p_clinic, p_live, l_id, l_clinic, l_zone, l_live) = row[:7]
    (s_id, s_clinic, s_minutes, s_before, s_after, s_modes, s_live, s_public) = row[7:15]
    (r_id, r_clinic, r_location, r_live, d_id, d_live, d_capped) = row[15:22]
    c_id, c_zone, *policy = row[22:31]
    works_here = row[31]
    _must(patient is None or (p_id is not None and p_clinic == c_id and p_live), "patient")
    _must(location is None or (l_id is not None and l_clinic == c_id and l_live), "location")
    _must(service is None or (s_id is not None and s_clinic == c_id and s_live), "service")
    _must(c_id is not None, "clinic")
    _must(d_id is not None and d_live and works_here, "doctor")
    _must(
        room is None
        or (r_id is not None and r_clinic == c_id and r_live and r_location == location),
        "room",
    )
    if s_id is not None and mode not in s_modes:
        raise KairosError(
            ErrorCode.INVALID_APPOINTMENT_TYPE, errors={"type": ["not offered for this service"]}
        )
    if ends_at is None:
        if s_minutes is None:
            raise invalid("ends_at", "give a service or an end")
        ends_at = starts_at + timedelta(minutes=s_minutes)
    check_times(starts_at, ends_at)
    return Plan(
        visit=Visit(
            clinic=c_id,
            doctor=doctor,
            location=location,
            service=service,
            mode=mode,
            starts_at=starts_at,
            ends_at=ends_at,
            buffer_before=s_before or 0,
            buffer_after=s_after or 0,
            patient=patient,
            room=room,
            capped=d_capped,
        ),
        timezone=l_zone or c_zone,
        policy=Policy(*policy),
        public=s_public is True and ends_at - starts_at == timedelta(minutes=s_minutes or 0),
    )


def check_times(starts_at: datetime, ends_at: datetime) -> None:
    """Raises VALIDATION_ERROR unless the visit lasts whole minutes, 5 minutes to 12 hours."""
    for field, moment in (("starts_at", starts_at), ("ends_at", ends_at)):
        if moment.second or moment.microsecond:
            raise invalid(field, "whole minutes, please")
    minutes = (ends_at - starts_at).total_seconds() / 60
    if not MIN_MINUTES <= minutes <= MAX_MINUTES:
        raise invalid("ends_at", f"a visit lasts {MIN_MINUTES} to {MAX_MINUTES} minutes")


def _must(true: bool, field: str) -> None:
    if not true:
        raise KairosError(ErrorCode.NOT_FOUND, errors={field: ["not found"]})
