"""The pass of a visit: the code that its patient shows to a scanner of the clinic."""

from appointments.models import Appointment, AppointmentStatus
from checkin.codes import Kind, code_of
from checkin.rules import window_of
from clinics.models import VisitMode
from core import clock
from core.errors import ErrorCode, KairosError

_GIVEN = frozenset({AppointmentStatus.SCHEDULED.value, AppointmentStatus.CONFIRMED.value})


def pass_is_given(visit: Appointment) -> bool:
    """Whether the visit has a pass: one in person, booked, whose check-in has not closed.

    Needs `clinic` at hand.
    """
    return (
        visit.type == VisitMode.IN_PERSON
        and visit.status in _GIVEN
        and clock.now() <= window_of(visit).closes_at
    )


def pass_code(visit: Appointment) -> str:
    """What the pass says. The same each time; it checks in and does nothing else. Raises NOT_FOUND
    for a visit without a pass."""
    if not pass_is_given(visit):
        raise KairosError(ErrorCode.NOT_FOUND)
    return code_of(Kind.PASS, clinic=visit.clinic_id, subject=visit.id)
