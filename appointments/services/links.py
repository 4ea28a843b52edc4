"""Personal links: a visit opened by whoever holds its link, without an account.

A link is signed, so it cannot be guessed or made up, and names one visit of one clinic. It carries
no date of its own: it is good until 30 days after the visit's present end, so that a link handed
out at the booking still opens the visit when it has been moved, and dies with it.
"""

from datetime import timedelta
from typing import Final

from appointments.models import Appointment
from clinics.principal import Principal, guest
from core import clock, ids, tenancy
from core.errors import ErrorCode, KairosError
from core.signed import read, sign

GOOD_FOR: Final = timedelta(days=30)
_SALT: Final = "appointments.visit-link"


def visit_link(appointment: Appointment) -> str:
    """The part of an address that opens this visit (`/visit/<it>`). The same each time.

    Whoever is given it may see, confirm, move and cancel the visit as its patient, and nothing
    else: hand it to the patient only.
    """
    return sign(_SALT, appointment.clinic_id, appointment.id)


def visit_by_link(token: str) -> tuple[Principal, Appointment]:
    """Who the holder of the link is, and the visit, with all that is shown of it.

    Leaves the visit's clinic alone in scope, for the rest of the surrounding scope. Raises
    NOT_FOUND, the same for a link that is forged, over, or of a visit or clinic that is gone.
    """
    clinic_id, visit_id = read(_SALT, token)
    tenancy.narrow([clinic_id])
    appointment = (
        Appointment.objects.select_related("clinic", "location", "doctor", "service", "patient")
        .filter(
            pk=visit_id,
            clinic_id=clinic_id,
            clinic__is_active=True,
            ends_at__gt=clock.now() - GOOD_FOR,
        )
        .first()
    )
    if appointment is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return guest(ids.uuid7(), visit=appointment.id), appointment
