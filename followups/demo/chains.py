"""Visits of the demo clinics that followed one another, as chains."""

from appointments.models import Appointment, AppointmentStatus
from followups.demo.cast import DemoClinic

_WHY = ("Blood pressure", "Missed before", "Results of the tests", "Blood pressure again")
_LONGEST = 6


def chain_load(stage: DemoClinic) -> None:
    """Make one chain of the visits of one patient: whoever signs in, or who has most of them.

    Visits of one patient with one doctor, in order; a missed one leads nowhere, so that the next
    follows the one before it. They were booked in the past, which no service can do: links are
    written as a booking would have written them.
    """
    visits = _visits(stage)
    if len(visits) < 3:
        return
    root = came = visits[0]
    for visit, why in zip(visits[1:_LONGEST], (*_WHY, _WHY[-1]), strict=False):
        visit.parent_appointment, visit.original_appointment = came, root
        visit.is_follow_up, visit.follow_up_reason = True, why
        if visit.status not in {AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW}:
            came = visit
    Appointment.objects.bulk_update(
        visits[1:_LONGEST],
        ["parent_appointment", "original_appointment", "is_follow_up", "follow_up_reason"],
    )


def _visits(stage: DemoClinic) -> list[Appointment]:
    """In order; the first of them was completed."""
    seen = Appointment.objects.filter(clinic=stage.clinic, parent_appointment=None)
    own = list(
        seen.exclude(patient__user=None)
        .order_by("starts_at", "patient__mrn")
        .values_list("patient_id", "doctor_id")
    )
    pairs = own or [(visit.patient_id, visit.doctor_id) for visit in stage.done]
    often = max(pairs, key=pairs.count, default=None)
    if often is None:
        return []
    visits = list(seen.filter(patient=often[0], doctor=often[1]).order_by("starts_at"))
    while visits and visits[0].status != AppointmentStatus.COMPLETED:
        del visits[0]
    return visits
