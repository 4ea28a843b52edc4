"""Doctors from a file: users, their memberships and their entries."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import BOOKABLE_ROLES, Role
from accounts.selectors import user_by_login
from backoffice.transfer.columns import DoctorColumns
from backoffice.transfer.faults import BadCell, Outcome
from backoffice.transfer.importer import ColumnsImporter, differing
from backoffice.transfer.lines import Draft
from clinics.models import Doctor, Membership
from clinics.services.doctors import doctor_create, doctor_update
from clinics.services.memberships import member_add

#: Columns that are the user's, and only those of a user who is new: people change their own names.
_OF_THE_USER = frozenset({"email", "phone", "given_name", "family_name", "role"})


class DoctorImporter(ColumnsImporter):
    """A doctor is known by email address, or where a line has none by phone number.

    Whoever is no user yet becomes one who cannot sign in before they set a password. Someone who
    is a doctor in another clinic becomes one here too: one person has one entry.
    """

    resource = DoctorColumns()
    chunk_lines = 100

    def keys(self, draft: Draft) -> list[tuple[str, object]]:
        if "email" in draft.values:
            return [("email", draft.values["email"].casefold())]
        return [("phone", draft.values["phone"])] if "phone" in draft.values else []

    def save_drafts(self, drafts: Sequence[Draft], outcome: Outcome) -> None:
        for draft in drafts:
            login = draft.values.get("email") or draft.values.get("phone")
            if not login:
                self.reader.missing(draft, ["email"], outcome)
                continue

            def act(draft: Draft = draft, login: str = login) -> str:
                return self._one(draft, user_by_login(login))

            self.attempt(draft, outcome, act)

    def _one(self, draft: Draft, user: User | None) -> str:
        """Make the line's person a doctor here. Returns the count that the line belongs to."""
        role = draft.values.get("role")
        if role is not None and role not in BOOKABLE_ROLES:
            raise BadCell(
                _("%(role)s cannot be booked; one of %(roles)s")
                % {"role": role, "roles": ", ".join(BOOKABLE_ROLES)}
            )
        is_new, joined = False, False
        roles = self._roles(user)
        if user is None or not roles or (role is not None and role not in roles):
            user, is_new = self._joined(draft, role or Role.DOCTOR.value), not roles
            joined = True
        doctor = Doctor.objects.filter(user=user).first()
        fields = self._entry(draft, user)
        if doctor is None:
            doctor_create(clinic=self.job.clinic, user=user, fields=fields)
            return "fresh"
        wanted = differing(doctor, _said(draft))
        if wanted:
            doctor_update(doctor_id=doctor.id, fields=wanted, expected_version=None)
        if is_new:
            return "fresh"
        return "changed" if wanted or joined else "unchanged"

    def _roles(self, user: User | None) -> set[str]:
        """The bookable roles that the user has here."""
        if user is None:
            return set()
        held = Membership.objects.filter(
            clinic=self.job.clinic, user=user, is_active=True, role__in=BOOKABLE_ROLES
        )
        return set(held.values_list("role", flat=True))

    def _joined(self, draft: Draft, role: str) -> User:
        values = draft.values
        membership = member_add(
            clinic=self.job.clinic,
            role=role,
            email=values.get("email"),
            phone=values.get("phone"),
            given_name=values.get("given_name", ""),
            family_name=values.get("family_name", ""),
        )
        return membership.user

    def _entry(self, draft: Draft, user: User) -> dict[str, Any]:
        """The fields of a new entry; its name is the user's where the file gives none."""
        fields = _said(draft)
        if not fields.get("display_name"):
            names = (draft.values.get("given_name"), draft.values.get("family_name"))
            fields["display_name"] = " ".join(filter(None, names)) or user.full_name
        return fields


def _said(draft: Draft) -> dict[str, Any]:
    """What the line says of the doctor's entry."""
    return {name: value for name, value in draft.values.items() if name not in _OF_THE_USER}
