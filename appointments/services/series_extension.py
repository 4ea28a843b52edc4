"""Series until further notice go on: each night up to the clinic's horizon."""

from datetime import date, timedelta
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from django.db import connection

from appointments.models import AppointmentSeries, SeriesStatus
from appointments.recurrence import instant
from appointments.services.context import plan
from appointments.services.series_dates import (
    again_if_taken,
    dates_write,
    draw,
    horizon_days,
    judged,
    series_record,
    up_to,
)
from appointments.services.series_plan import current_rule
from appointments.services.series_scope import next_number
from clinics.models import Patient
from core import clock, tenancy, versions
from core.errors import KairosError

log = structlog.get_logger(__name__)

_DUE = """
SELECT s.id, s.clinic_id
FROM appointments_appointmentseries s
JOIN clinics_clinic c ON c.id = s.clinic_id AND c.is_active
LEFT JOIN clinics_service v ON v.id = s.service_id
WHERE s.open_ended AND s.status = 'ACTIVE'
  AND s.booked_until < (%s AT TIME ZONE s.timezone)::date
                       + COALESCE(v.horizon_days, c.horizon_days)::integer
ORDER BY s.booked_until, s.id
"""


def series_extend() -> int:
    """Book what has come within the horizon of every open-ended series; how many visits.

    A date that cannot be had is written down as left out. One transaction a series, whose row says
    how far it is booked: run twice at once, or killed and run again, the result is that of one run.
    A series that cannot go on at all (its doctor has left) is passed over, and logged.
    """
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000), connection.cursor() as cursor:
        cursor.execute(_DUE, [clock.now()])
        due: list[tuple[UUID, UUID]] = cursor.fetchall()
    booked = 0
    for series_id, clinic_id in due:
        try:
            with tenancy.scope([clinic_id]):
                booked += again_if_taken(partial(_extend, series_id))
        except KairosError as refusal:
            log.warning(
                "series cannot go on",
                series=str(series_id),
                code=refusal.code.value,
                errors=refusal.errors,
            )
    return booked


def _extend(series_id: UUID) -> int:
    series = (
        AppointmentSeries.objects.filter(pk=series_id, open_ended=True, status=SeriesStatus.ACTIVE)
        .select_for_update(of=("self",), no_key=True, skip_locked=True)
        .first()
    )
    if series is None:
        return 0
    today = clock.now().astimezone(ZoneInfo(series.timezone)).date()
    horizon = today + timedelta(days=horizon_days(series.clinic_id, series.service_id))
    if series.booked_until >= horizon:
        return 0
    # Days that went by while nobody ran this are not made up for.
    after = max(series.booked_until, today - timedelta(days=1))
    dates, until = up_to(current_rule(series), after=after, until=horizon)
    booked = _book(series, dates, until) if dates else 0
    series.booked_until = until
    if dates:
        versions.save(series, ["booked_until", "patient"])
        series_record("series.extended", series, {"visits": [0, booked]})
    else:
        series.save(update_fields=["booked_until"])
    return booked


def _book(series: AppointmentSeries, dates: list[date], until: date) -> int:
    series.patient_id = _present_chart(series.patient_id)
    starts_at = instant(dates[0], series.local_time, series.timezone)
    wanted = plan(
        doctor=series.doctor_id,
        patient=series.patient_id,
        location=series.location_id,
        service=series.service_id,
        mode=series.type,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=series.duration_minutes),
        room=series.room_id,
        clinic=series.clinic_id,
        keep_chart=True,
    )
    drawn = draw(
        wanted,
        current_rule(series),
        dates,
        series.local_time,
        booked_until=until,
        first=next_number(series),
    )
    visits, _skips = dates_write(series, drawn, judged(drawn, admit=True))
    return len(visits)


def _present_chart(patient: UUID) -> UUID:
    """The chart into which this one was merged, if it was."""
    while True:
        into = Patient.objects.filter(pk=patient).values_list("merged_into_id", flat=True).first()
        if into is None:
            return patient
        patient = into
