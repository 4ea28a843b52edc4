"""The first page: what is here, and who you are; and where somebody goes who has signed in."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.roles import Permission, Role
from clinics.models import Clinic
from clinics.pages import PageRequest, page, who
from clinics.principal import Principal, principal_open
from clinics.selectors.directory import clinics_of, clinics_public
from core import context, tenancy


@dataclass(frozen=True, slots=True)
class SignIn:
    """One of the sign-ins that come with the demo data, in development only."""

    email: str
    role: str
    clinic: str = ""


DEMO_PASSWORD = "kairos-demo"  # noqa: S105 - documented, and made only with DEBUG
DEMO_SIGN_INS = (
    SignIn("admin@demo.kairos", Role.SUPER_ADMIN),
    SignIn("clinic-admin@demo.kairos", Role.CLINIC_ADMIN, "first"),
    SignIn("reception@demo.kairos", Role.RECEPTIONIST, "first"),
    SignIn("doctor@demo.kairos", Role.DOCTOR, "first"),
    SignIn("nurse@demo.kairos", Role.NURSE, "first"),
    SignIn("patient@demo.kairos", Role.PATIENT, "first"),
    SignIn("reception@other.kairos", Role.RECEPTIONIST, "second"),
    SignIn("doctor@other.kairos", Role.DOCTOR, "second"),
    SignIn("patient@other.kairos", Role.PATIENT, "second"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A clinic of the signed-in user with the names of the roles held there.

    `desk`: whether its day is theirs to see.
    """

    clinic: Clinic
    roles: list[str]
    desk: bool


#: The clinics that the first page names; the others are found by their own link.
_MOST_CLINICS = 12


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Where a newcomer starts."""
    found: dict[str, object] = {}
    if isinstance(request.user, User):
        context.current().actor_id = request.user.id
        with tenancy.scope(()):
            principal = principal_open(request.user.id, None, write=False)
            if principal is not None:
                found = {
                    "principal": principal,
                    "places": _places(principal),
                    "works_here": bool(principal.roles) or principal.is_super_admin,
                }
    else:
        bookable = clinics_public().filter(public_slots=True).order_by("name")
        found = {"bookable": list(bookable[:_MOST_CLINICS])}
    if settings.DEBUG:
        found |= {
            "demo_sign_ins": [(entry, Role(entry.role).label) for entry in DEMO_SIGN_INS],
            "demo_password": DEMO_PASSWORD,
        }
    return render(request, "home.html", found)


def _places(principal: Principal) -> list[Place]:
    places = []
    for clinic in clinics_of(principal).filter(id__in=principal.clinics).order_by("name"):
        roles = [str(Role(role).label) for role in sorted(principal.roles.get(clinic.id, ()))]
        if clinic.id in principal.charts:
            roles.append(str(Role.PATIENT.label))
        places.append(Place(clinic, roles, _has_desk(principal, clinic.id)))
    return places


def _has_desk(principal: Principal, clinic: UUID) -> bool:
    return principal.may(Permission.APPOINTMENT_READ, clinic) or principal.may_own(
        Permission.APPOINTMENT_READ, clinic
    )


@page()
def start(request: PageRequest) -> HttpResponse:
    """After signing in: the desk for who works at one, their visits for patients."""
    principal = who(request)
    if any(_has_desk(principal, clinic) for clinic in principal.roles):
        return redirect("desk")
    if principal.charts and not principal.roles:
        return redirect("portal-my")
    return redirect("home")
