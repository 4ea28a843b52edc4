"""Who works in the back office, and in which of their clinics at the moment.

Only what somebody may do as staff counts here: their own charts, where they are a patient, stay in
the patients' API. The chosen clinic narrows the rights and the row security of the whole request,
so a list, a form and an export can only ever show one clinic when one was chosen.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from accounts.models import User
from accounts.roles import Permission
from clinics.models import Clinic
from clinics.principal import Principal, principal_open
from core import tenancy

M = TypeVar("M", bound=Model)

#: Where the page session keeps the chosen clinic.
CHOICE = "back_office_clinic"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Access:
    """The principal as staff, narrowed to the clinic chosen.

    `clinic` is None while all of several clinics are in sight; `choosable` counts the clinics that
    could be chosen (an administrator of the installation always has a choice: two at least).
    """

    principal: Principal
    clinic: Clinic | None
    choosable: int

    @property
    def clinic_id(self) -> UUID | None:
        return self.clinic.id if self.clinic is not None else None

    def may(self, permission: Permission) -> bool:
        """Whether there is anything in sight that the permission reaches."""
        return self.principal.may_somewhere(permission)

    def may_whole(self, permission: Permission) -> bool:
        """Whether the permission reaches the whole of some clinic in sight."""
        return self.principal.is_super_admin or bool(self.principal.clinics_with(permission))

    def limited(
        self,
        rows: "QuerySet[M]",
        permission: Permission | None,
        *,
        clinic: str = "clinic_id",
        doctor: str | None = None,
    ) -> "QuerySet[M]":
        """The rows that `permission` reaches (None: of any clinic in sight).

        `clinic` and `doctor` are the columns that say whose a row is. Row security says the same of
        the clinics; one clinic is compared with `=`, so that its index keeps its order.
        """
        who = self.principal
        if who.is_super_admin:
            return rows if self.clinic is None else rows.filter(**{clinic: self.clinic.id})
        if permission is None:
            return rows.filter(_among(clinic, who.roles))
        seen = _among(clinic, who.clinics_with(permission))
        own = who.clinics_with_own(permission) - who.clinics_with(permission)
        if doctor is not None and who.doctor_id is not None and own:
            seen |= _among(clinic, own) & Q(**{doctor: who.doctor_id})
        return rows.filter(seen)


def _among(column: str, clinics: Iterable[UUID]) -> Q:
    ids = list(clinics)
    return Q(**{column: ids[0]}) if len(ids) == 1 else Q(**{f"{column}__in": ids})


def access_open(request: HttpRequest) -> Access | None:
    """Read who asks and enter their scope, in the transaction already open.

    None for whoever is not signed in, or holds no role in any clinic.
    """
    if not isinstance(request.user, User):
        return None
    found = principal_open(request.user.id, None, write=request.method not in SAFE)
    if found is None or not (found.roles or found.is_super_admin):
        return None
    staff = replace(found, charts={})
    clinic = _chosen(request, staff)
    if clinic is not None:
        staff = replace(
            staff,
            roles={clinic.id: staff.roles.get(clinic.id, frozenset())},
            held={clinic.id: staff.held.get(clinic.id, frozenset())},
        )
        if found.is_super_admin or found.clinics != {clinic.id}:
            tenancy.narrow([clinic.id])
    elif not staff.is_super_admin:
        tenancy.narrow(staff.roles)
    choosable = 2 if found.is_super_admin else len(found.roles)
    return Access(principal=staff, clinic=clinic, choosable=choosable)


def _chosen(request: HttpRequest, staff: Principal) -> Clinic | None:
    """The clinic kept in the session while it is still theirs; the only one of those with one."""
    raw = request.session.get(CHOICE)
    wanted = UUID(raw) if raw else None
    if not staff.is_super_admin:
        if len(staff.roles) == 1:
            (wanted,) = staff.roles
        elif wanted not in staff.roles:
            return None
    return Clinic.objects.filter(id=wanted).first() if wanted is not None else None


def clinics_choosable(principal: Principal) -> "QuerySet[Clinic]":
    """The clinics that the switch offers, by name. `principal` is the whole one, not narrowed."""
    if principal.is_super_admin:
        return Clinic.objects.order_by("name", "id")
    return Clinic.objects.filter(id__in=principal.roles).order_by("name", "id")


def access_of(request: HttpRequest) -> Access:
    """The access that `BackOffice.admin_view` has opened for this request."""
    access: Access = request.back_office  # type: ignore[attr-defined]
    return access
