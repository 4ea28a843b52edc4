"""Who is asking, and what they may do: read once a request, in one statement, with their scope."""

from dataclasses import dataclass, field, replace
from uuid import UUID

import orjson
from django.db import connection

from accounts.roles import PATIENT_CODENAMES, Permission, Reach, codename
from core import clock, tenancy
from core.errors import ErrorCode, KairosError

_NOTHING: frozenset[str] = frozenset()
_NOBODY: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in user's rights.

    `held` maps a clinic to the codenames held there; `charts` a clinic to the patients the user is
    or acts for. A super admin may do everything; it is audited like anything else.

    A guest has no account: `user_id` is then a random id that names no user, and everything else is
    empty but for what the guest came for. `guest_in` is the clinic in which somebody without a
    chart may ask for a visit; `visit_id` the one visit that a personal link opens. `holder_id` is
    under whose name times are held, when it is not the user's own.
    """

    user_id: UUID
    session_id: UUID | None
    is_super_admin: bool
    locale: str
    timezone: str
    doctor_id: UUID | None
    roles: dict[UUID, frozenset[str]] = field(default_factory=dict)
    held: dict[UUID, frozenset[str]] = field(default_factory=dict)
    charts: dict[UUID, frozenset[UUID]] = field(default_factory=dict)
    is_guest: bool = False
    guest_in: UUID | None = None
    visit_id: UUID | None = None
    holder_id: UUID | None = None

    # DRF and Django ask a "user" these two questions.
    is_authenticated = True
    is_anonymous = False

    @property
    def clinics(self) -> frozenset[UUID]:
        """Every clinic in which the user is staff or patient."""
        return frozenset(self.roles) | frozenset(self.charts)

    @property
    def account(self) -> UUID | None:
        """The user to write down as who did something; None for a guest."""
        return None if self.is_guest else self.user_id

    @property
    def holder(self) -> UUID:
        """Under whose name times are held."""
        return self.holder_id or self.user_id

    def may(self, permission: Permission, clinic_id: UUID) -> bool:
        """Whether the user holds `permission` over the whole clinic."""
        return self.is_super_admin or codename(permission, Reach.ALL) in self.held.get(
            clinic_id, _NOTHING
        )

    def may_own(self, permission: Permission, clinic_id: UUID) -> bool:
        """Whether the user, as staff, holds `permission` over what is theirs there."""
        return codename(permission, Reach.OWN) in self.held.get(clinic_id, _NOTHING)

    def may_for(
        self,
        permission: Permission,
        clinic_id: UUID,
        *,
        doctor_id: UUID | None = None,
        patient_id: UUID | None = None,
    ) -> bool:
        """Whether the user may do this to something of that doctor and that patient."""
        if self.may(permission, clinic_id):
            return True
        if (
            doctor_id is not None
            and doctor_id == self.doctor_id
            and self.may_own(permission, clinic_id)
        ):
            return True
        return (
            patient_id is not None
            and patient_id in self.charts.get(clinic_id, _NOBODY)
            and codename(permission, Reach.OWN) in PATIENT_CODENAMES
        )

    def require(
        self,
        permission: Permission,
        clinic_id: UUID,
        *,
        doctor_id: UUID | None = None,
        patient_id: UUID | None = None,
    ) -> None:
        """Raises PERMISSION_DENIED unless `may_for`."""
        if not self.may_for(permission, clinic_id, doctor_id=doctor_id, patient_id=patient_id):
            raise KairosError(ErrorCode.PERMISSION_DENIED)

    def may_somewhere(self, permission: str) -> bool:
        """Whether there is any clinic in which the user holds it, at whatever reach."""
        if self.is_super_admin:
            return True
        whole, own = permission, f"{permission}_own"
        if any(whole in names or own in names for names in self.held.values()):
            return True
        return bool(self.charts) and own in PATIENT_CODENAMES

    def clinics_with(self, permission: Permission) -> frozenset[UUID]:
        """The clinics over the whole of which the user holds it (not for a super admin: all)."""
        name = codename(permission, Reach.ALL)
        return frozenset(clinic for clinic, names in self.held.items() if name in names)

    def clinics_with_own(self, permission: Permission) -> frozenset[UUID]:
        """The clinics in which the user holds it over their own."""
        name = codename(permission, Reach.OWN)
        return frozenset(clinic for clinic, names in self.held.items() if name in names)

    def is_staff_in(self, clinic_id: UUID) -> bool:
        """Whether the user works there."""
        return self.is_super_admin or clinic_id in self.roles

    def own_patients(self) -> frozenset[UUID]:
        """Every patient the user is or acts for."""
        return frozenset().union(*self.charts.values()) if self.charts else frozenset()

    def is_patient_of(self, visit_id: UUID, *, clinic_id: UUID, patient_id: UUID) -> bool:
        """Whether a visit is the user's own: by its chart, or by the personal link they hold."""
        return visit_id == self.visit_id or patient_id in self.charts.get(clinic_id, _NOBODY)

    def as_patient(
        self, *, guest_in: UUID | None = None, holder: UUID | None = None
    ) -> "Principal":
        """The same user with nothing but their charts: who works here may be a patient too."""
        return replace(
            self,
            is_super_admin=False,
            doctor_id=None,
            roles={},
            held={},
            guest_in=guest_in,
            holder_id=holder,
        )

    def search_scope(self, permission: Permission) -> list[UUID]:
        """The clinics to hand to a definer function. A super admin's: every clinic."""
        if not self.is_super_admin:
            return sorted(self.clinics_with(permission))
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM clinics_clinic")
            return [row[0] for row in cursor.fetchall()]


def guest(guest_id: UUID, *, clinic: UUID | None = None, visit: UUID | None = None) -> Principal:
    """Somebody without an account, who asks for a visit in `clinic` or holds the link of `visit`.

    `guest_id` is random and names nobody. The scope is the caller's to open.
    """
    return Principal(
        user_id=guest_id,
        session_id=None,
        is_super_admin=False,
        locale="",
        timezone="UTC",
        doctor_id=None,
        is_guest=True,
        guest_in=clinic,
        visit_id=visit,
    )


def principal_open(user_id: UUID, session_id: UUID | None, *, write: bool) -> Principal | None:
    """Read the principal and enter their scope, in the transaction already open.

    None when there is no such active user, or the device's session has ended. `session_id` is None
    for page sessions, which Django keeps.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT is_superuser, locale, timezone, doctor_id, grants::text, charts::text"
            " FROM clinics_open_scope(%s, %s, %s, %s)",
            [user_id, session_id, clock.now(), write],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    roles: dict[UUID, frozenset[str]] = {}
    held: dict[UUID, frozenset[str]] = {}
    charts: dict[UUID, frozenset[UUID]] = {}
    for clinic, role, codenames in orjson.loads(row[4] or "[]"):
        at = UUID(clinic)
        roles[at] = roles.get(at, _NOTHING) | {role}
        held[at] = held.get(at, _NOTHING).union(codenames or ())
    for clinic, patient in orjson.loads(row[5] or "[]"):
        at = UUID(clinic)
        charts[at] = charts.get(at, _NOBODY) | {UUID(patient)}
    principal = Principal(
        user_id=user_id,
        session_id=session_id,
        is_super_admin=row[0],
        locale=row[1],
        timezone=row[2],
        doctor_id=row[3],
        roles=roles,
        held=held,
        charts=charts,
    )
    tenancy.assume(tenancy.SYSTEM if principal.is_super_admin else principal.clinics)
    return principal
