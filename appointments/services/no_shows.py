"""Who did not come: marked by a task where the clinic wants it."""

from datetime import timedelta

from appointments.models import Appointment, Verb
from appointments.services.status import appointment_move
from clinics.models import Clinic
from core import clock, tenancy
from core.errors import ErrorCode, KairosError


def no_shows_mark() -> int:
    """Mark who did not come once the check-in window has passed, where the clinic wants it.

    One transaction an appointment; returns how many. Runs in the system scope.
    """
    now = clock.now()
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        policies = dict(
            Clinic.objects.filter(is_active=True, auto_no_show=True).values_list(
                "id", "checkin_closes_minutes"
            )
        )
        due = [
            (found.id, found.clinic_id)
            for found in Appointment.objects.filter(
                status__in=["SCHEDULED", "CONFIRMED"],
                ends_at__lt=now,
                clinic_id__in=list(policies),
            ).only("id", "clinic_id", "starts_at")
            if found.starts_at + timedelta(minutes=policies[found.clinic_id]) <= now
        ]
    marked = 0
    for appointment_id, clinic_id in due:
        with tenancy.scope([clinic_id]):
            try:
                appointment_move(
                    appointment_id=appointment_id,
                    verb=Verb.NO_SHOW,
                    by=None,
                    reason="did not check in",
                )
                marked += 1
            except KairosError as refusal:
                if refusal.code != ErrorCode.INVALID_TRANSITION:
                    raise
    return marked
