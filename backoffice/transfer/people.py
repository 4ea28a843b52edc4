"""Finding a clinic's doctors by what a file calls them."""

from collections.abc import Iterable
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.roles import BOOKABLE_ROLES
from appointments.importing.refusals import Refusal
from backoffice.transfer.faults import BadCell
from clinics.models import Doctor, Membership


def doctors_of(clinic_id: UUID) -> list[Doctor]:
    """Whoever can be booked at the clinic, with their users."""
    members = Membership.objects.filter(
        clinic_id=clinic_id, is_active=True, role__in=[role.value for role in BOOKABLE_ROLES]
    ).values_list("user_id", flat=True)
    doctors = Doctor.objects.filter(user_id__in=list(members)).select_related("user")
    return list(doctors.order_by("id"))


class DoctorsByName:
    """The doctors by email address, phone number and name shown."""

    def __init__(self, doctors: Iterable[Doctor]) -> None:
        self._found: dict[str, Doctor | None] = {}
        for doctor in doctors:
            user = doctor.user
            for name in {doctor.display_name, user.email or "", user.phone or ""} - {""}:
                key = name.casefold()
                # None: two share it, so it names nobody.
                known = self._found.get(key, doctor)
                self._found[key] = doctor if known == doctor else None

    def find(self, name: str) -> Doctor:
        """The doctor of that name. Raises BadCell for nobody, and for two."""
        key = name.casefold()
        if key not in self._found:
            raise BadCell(
                _("no doctor %(name)s at the clinic") % {"name": name[:80]}, Refusal.UNKNOWN_DOCTOR
            )
        doctor = self._found[key]
        if doctor is None:
            raise BadCell(
                _("two doctors are called %(name)s; write the email address") % {"name": name[:80]},
                Refusal.UNKNOWN_DOCTOR,
            )
        return doctor
