"""Reads of clinics and of what belongs to them."""

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.roles import BOOKABLE_ROLES, Permission
from clinics.models import (
    Clinic,
    Doctor,
    Location,
    Membership,
    Room,
    ScheduleException,
    ScheduleTemplate,
    Service,
)
from clinics.principal import Principal
from core import tenancy

Row = TypeVar("Row", Location, Room, Service, ScheduleTemplate, ScheduleException, Membership)


def clinics_public() -> QuerySet[Clinic]:
    """The directory: every active clinic."""
    return Clinic.objects.filter(is_active=True)


def clinics_of(principal: Principal) -> QuerySet[Clinic]:
    """The clinics the principal works at or is a patient of (a super admin: all)."""
    if principal.is_super_admin:
        return Clinic.objects.all()
    return Clinic.objects.filter(id__in=principal.clinics)


def of_clinics(model: type[Row], principal: Principal | None) -> QuerySet[Row]:
    """Rows of the principal's clinics. Row security says the same; this is said on top."""
    if principal is None:
        return model._default_manager.none()
    if principal.is_super_admin:
        return model._default_manager.all()
    return model._default_manager.filter(clinic_id__in=principal.clinics)


def services_of(principal: Principal) -> QuerySet[Service]:
    """Services of the principal's clinics; as a patient only what patients may book."""
    if principal.is_super_admin:
        return Service.objects.all()
    return Service.objects.filter(
        Q(clinic_id__in=principal.roles)
        | Q(clinic_id__in=principal.clinics, is_public=True, is_active=True)
    )


def templates_visible_to(principal: Principal) -> QuerySet[ScheduleTemplate]:
    """Working hours the principal may read: of whole clinics, and their own."""
    found = ScheduleTemplate.objects.prefetch_related("services")
    if principal.is_super_admin:
        return found
    visible = Q(clinic_id__in=principal.clinics_with(Permission.SCHEDULE_READ))
    if principal.doctor_id is not None:
        visible |= Q(
            clinic_id__in=principal.clinics_with_own(Permission.SCHEDULE_READ),
            doctor_id=principal.doctor_id,
        )
    return found.filter(visible)


def members_of(clinic_id: UUID) -> QuerySet[Membership]:
    """Who works, or worked, at the clinic."""
    return Membership.objects.filter(clinic_id=clinic_id).select_related("user")


def doctors_visible_to(principal: Principal | None) -> QuerySet[Doctor]:
    """The directory, and for who manages a clinic's staff also its inactive doctors."""
    if principal is None:
        return doctors_public()
    if principal.is_super_admin:
        return Doctor.objects.all()
    clinics = principal.clinics_with(Permission.STAFF_MANAGE)
    if not clinics:
        return doctors_public()
    return Doctor.objects.filter(Q(is_active=True) | Q(user_id__in=_bookable_users(clinics)))


def doctors_open_to(principal: Principal | None, doctors: list[Doctor]) -> set[UUID]:
    """Which of these the principal may see in full: themselves, and whose clinic they manage."""
    if principal is None:
        return set()
    if principal.is_super_admin:
        return {doctor.id for doctor in doctors}
    own = {doctor.id for doctor in doctors if doctor.user_id == principal.user_id}
    return own | doctors_managed_by(principal, doctors)


def doctors_managed_by(principal: Principal, doctors: list[Doctor]) -> set[UUID]:
    """Which of these work at a clinic whose staff the principal manages."""
    if principal.is_super_admin:
        return {doctor.id for doctor in doctors}
    clinics = principal.clinics_with(Permission.STAFF_MANAGE)
    if not clinics or not doctors:
        return set()
    users = set(_bookable_users(clinics).filter(user_id__in=[doctor.user_id for doctor in doctors]))
    return {doctor.id for doctor in doctors if doctor.user_id in users}


def _bookable_users(clinics: Iterable[UUID]) -> "QuerySet[Membership, UUID]":
    return Membership.objects.filter(
        clinic_id__in=clinics, is_active=True, role__in=BOOKABLE_ROLES
    ).values_list("user_id", flat=True)


def doctors_public() -> QuerySet[Doctor]:
    """The directory: every active doctor."""
    return Doctor.objects.filter(is_active=True)


def doctors_of_clinic(clinic_id: UUID) -> QuerySet[Doctor]:
    """Active doctors with an active, bookable membership in the clinic; for whoever may ask."""
    with tenancy.scope([clinic_id]):
        users = list(
            Membership.objects.filter(
                clinic_id=clinic_id,
                is_active=True,
                role__in=BOOKABLE_ROLES,
            ).values_list("user_id", flat=True)
        )
    return Doctor.objects.filter(is_active=True, user_id__in=users)


def clinics_of_doctors(doctors: list[UUID]) -> dict[UUID, set[UUID]]:
    """For each doctor the clinics they can be booked at."""
    found: dict[UUID, set[UUID]] = {doctor: set() for doctor in doctors}
    with connection.cursor() as cursor:
        cursor.execute("SELECT doctor_id, clinic_id FROM clinics_of_doctors(%s::uuid[])", [doctors])
        for doctor, clinic in cursor.fetchall():
            found[doctor].add(clinic)
    return found


def doctor_works_at(doctor_id: UUID, clinic_id: UUID) -> bool:
    """Whether the doctor can be booked at the clinic."""
    return clinic_id in clinics_of_doctors([doctor_id])[doctor_id]


def doctors_working_at(clinic_id: UUID) -> list[Doctor]:
    """Active doctors with an active, bookable membership in a clinic that is in scope, by name."""
    return list(
        Doctor.objects.filter(
            is_active=True,
            user_id__in=Membership.objects.filter(
                clinic_id=clinic_id, is_active=True, role__in=BOOKABLE_ROLES
            ).values("user_id"),
        ).order_by("display_name", "id")
    )


def doctors_besides(known: Iterable[Doctor], wanted: Iterable[UUID]) -> list[Doctor]:
    """Doctors of `wanted` who are not among `known`, by name: they may work here no more.

    Most often there is none, which costs no query.
    """
    missing = set(wanted) - {doctor.id for doctor in known}
    if not missing:
        return []
    return list(Doctor.objects.filter(id__in=missing).order_by("display_name", "id"))
