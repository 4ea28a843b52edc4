"""The appointment under its lock: where every change begins."""

from uuid import UUID

from appointments.models import Appointment
from appointments.selectors.appointments import appointments_visible_to
from clinics.principal import Principal
from core import versions
from core.errors import ErrorCode, KairosError


def appointment_lock(
    appointment_id: UUID, *, by: Principal | None, expected_version: int | None = None
) -> Appointment:
    """The appointment under its row lock. Raises APPOINTMENT_NOT_FOUND, PRECONDITION_FAILED.

    `by` None is the system itself, in the scope it has opened.
    """
    seen = Appointment.objects.all() if by is None else appointments_visible_to(by)
    appointment = (
        seen.filter(pk=appointment_id).select_for_update(of=("self",), no_key=True).first()
    )
    if appointment is None:
        raise KairosError(ErrorCode.APPOINTMENT_NOT_FOUND)
    versions.require(appointment, expected_version)
    return appointment
