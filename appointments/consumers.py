"""The live calendar of a clinic: `ws/appointments/{clinic}`."""

from typing import Any
from uuid import UUID

from accounts.live import user_group
from appointments.live import clinic_group, doctor_group
from appointments.selectors.appointments import calendars_read_by
from clinics.models import Clinic
from clinics.principal import Principal
from clinics.selectors.directory import doctors_of_clinic
from clinics.sockets import FORBIDDEN, NOT_FOUND, LiveSocket, Refused, Standing


class CalendarSocket(LiveSocket):
    """Whoever may read the clinic's calendar, or their own in it, hears that it changed.

    A clinic that one has nothing to do with is refused like one that does not exist.
    """

    def standing(self, principal: Principal) -> Standing:
        clinic: UUID = self.scope["url_route"]["kwargs"]["clinic"]
        if not principal.is_staff_in(clinic) or not Clinic.objects.filter(id=clinic).exists():
            raise Refused(NOT_FOUND)
        whole, own = calendars_read_by(principal)
        doctors: list[UUID] = []
        if principal.is_super_admin or clinic in whole:
            doctors += doctors_of_clinic(clinic).values_list("id", flat=True)
            only = None
        elif clinic in own and principal.doctor_id is not None:
            doctors.append(principal.doctor_id)
            only = str(principal.doctor_id)
        else:
            raise Refused(FORBIDDEN)
        here, ours = str(clinic), clinic_group(clinic)

        def filtered(group: str, change: dict[str, Any]) -> dict[str, Any] | None:
            echo = group != ours and change["clinic"] == here  # the clinic's own group told it
            if echo or only not in {None, change["doctor"]}:
                return None
            return {name: change[name] for name in ("doctor", "from", "to")}

        groups = frozenset({ours, *map(doctor_group, doctors)})
        return Standing(user_group(principal.user_id), groups, filtered)
