"""Roles, permissions, and which role holds which: the matrix, once, as data.

Permissions are codenames on `Clinic`, held through one group per clinic and role (django-guardian).
`ALL` reaches the whole clinic; `OWN` only what concerns the member: as the doctor of an appointment
or schedule, or as the patient of a chart. After a change run `manage.py sync_roles`.
"""

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    SUPER_ADMIN = "SUPER_ADMIN", _("Administrator of the installation")
    CLINIC_ADMIN = "CLINIC_ADMIN", _("Clinic administrator")
    DOCTOR = "DOCTOR", _("Doctor")
    RECEPTIONIST = "RECEPTIONIST", _("Receptionist")
    NURSE = "NURSE", _("Nurse")
    THERAPIST = "THERAPIST", _("Therapist")
    COUNSELOR = "COUNSELOR", _("Counselor")
    PHARMACIST = "PHARMACIST", _("Pharmacist")
    LAB_TECHNICIAN = "LAB_TECHNICIAN", _("Laboratory technician")
    FINANCE_BILLING = "FINANCE_BILLING", _("Finance and billing")
    SUPPORT_STAFF = "SUPPORT_STAFF", _("Support staff")
    PATIENT = "PATIENT", _("Patient")


#: Roles that a membership may carry. SUPER_ADMIN is a flag on the user; PATIENT follows from a
#: chart.
STAFF_ROLES: Final = tuple(role for role in Role if role not in {Role.SUPER_ADMIN, Role.PATIENT})
#: Roles whose members can be booked.
BOOKABLE_ROLES: Final = (Role.DOCTOR, Role.THERAPIST, Role.COUNSELOR)


class Permission(models.TextChoices):
    """Codenames. The guardian codename of the OWN form ends in `_own`."""

    APPOINTMENT_READ = "appointment_read", _("read appointments")
    APPOINTMENT_CLINICAL = "appointment_clinical", _("read the clinical text of appointments")
    APPOINTMENT_BOOK = "appointment_book", _("book, reschedule and cancel appointments")
    APPOINTMENT_MANAGE = "appointment_manage", _("approve, confirm, no-show and undo")
    APPOINTMENT_TREAT = "appointment_treat", _("start and complete appointments")
    APPOINTMENT_OVERRIDE = "appointment_override", _("overbook, and book outside hours")
    CHECKIN_RUN = "checkin_run", _("check patients in")
    CHECKIN_FORCE = "checkin_force", _("check patients in past the rules")
    CHECKIN_PLACES_READ = "checkin_places_read", _("read check-in locations and devices")
    CHECKIN_PLACES_WRITE = "checkin_places_write", _("change check-in locations and devices")
    FOLLOWUP_READ = "followup_read", _("read follow-up plans")
    FOLLOWUP_SCHEDULE = "followup_schedule", _("book and chase follow-ups")
    FOLLOWUP_WRITE = "followup_write", _("write follow-up plans")
    QUEUE_READ = "queue_read", _("read the queue")
    QUEUE_RUN = "queue_run", _("call patients and run the queue")
    ANALYTICS_OPERATIONS = "analytics_operations", _("read figures of the daily work")
    ANALYTICS_BUSINESS = "analytics_business", _("read figures of use and attendance")
    SCHEDULE_READ = "schedule_read", _("read working hours and leave")
    SCHEDULE_WRITE = "schedule_write", _("change working hours and leave")
    PATIENT_READ = "patient_read", _("read patients' charts")
    PATIENT_WRITE = "patient_write", _("write patients' charts")
    CLINIC_MANAGE = "clinic_manage", _("change the clinic's settings")
    STAFF_MANAGE = "staff_manage", _("manage staff and roles")
    AUDIT_READ = "audit_read", _("read the audit trail")


class Reach(models.TextChoices):
    ALL = "all", _("the whole clinic")
    OWN = "own", _("their own")


_ALL, _OWN = Reach.ALL, Reach.OWN
_BOOKED_PEOPLE: Final = (Role.DOCTOR, Role.THERAPIST, Role.COUNSELOR)


def _own(*roles: Role) -> dict[Role, Reach]:
    return dict.fromkeys(roles, _OWN)


def _all(*roles: Role) -> dict[Role, Reach]:
    return dict.fromkeys(roles, _ALL)


MATRIX: Final[dict[Permission, dict[Role, Reach]]] = {
    Permission.APPOINTMENT_READ: _all(
        Role.CLINIC_ADMIN,
        Role.RECEPTIONIST,
        Role.NURSE,
        Role.FINANCE_BILLING,
        Role.SUPPORT_STAFF,
    )
    | _own(*_BOOKED_PEOPLE, Role.PATIENT),
    Permission.APPOINTMENT_CLINICAL: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST, Role.NURSE)
    | _own(*_BOOKED_PEOPLE, Role.PATIENT),
    Permission.APPOINTMENT_BOOK: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST)
    | _own(*_BOOKED_PEOPLE, Role.PATIENT),
    Permission.APPOINTMENT_MANAGE: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST)
    | _own(*_BOOKED_PEOPLE),
    Permission.APPOINTMENT_TREAT: _all(Role.CLINIC_ADMIN) | _own(*_BOOKED_PEOPLE),
    # A receptionist's is given or taken by the clinic's policy `reception_may_override`.
    Permission.APPOINTMENT_OVERRIDE: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST)
    | _own(*_BOOKED_PEOPLE),
    Permission.CHECKIN_RUN: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST, Role.NURSE),
    Permission.CHECKIN_FORCE: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST, Role.NURSE),
    Permission.CHECKIN_PLACES_READ: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST),
    Permission.CHECKIN_PLACES_WRITE: _all(Role.CLINIC_ADMIN),
    Permission.FOLLOWUP_READ: _all(
        Role.CLINIC_ADMIN, Role.RECEPTIONIST, Role.DOCTOR, Role.NURSE, Role.SUPPORT_STAFF
    )
    | _own(Role.THERAPIST, Role.COUNSELOR, Role.PATIENT),
    Permission.FOLLOWUP_SCHEDULE: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST, Role.DOCTOR)
    | _own(Role.THERAPIST, Role.COUNSELOR, Role.PATIENT),
    Permission.FOLLOWUP_WRITE: _all(Role.CLINIC_ADMIN, Role.DOCTOR)
    | _own(Role.THERAPIST, Role.COUNSELOR),
    Permission.QUEUE_READ: _all(
        Role.CLINIC_ADMIN, Role.RECEPTIONIST, Role.NURSE, Role.SUPPORT_STAFF
    )
    | _own(*_BOOKED_PEOPLE),
    Permission.QUEUE_RUN: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST, Role.NURSE)
    | _own(*_BOOKED_PEOPLE),
    Permission.ANALYTICS_OPERATIONS: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST, Role.NURSE)
    | _own(*_BOOKED_PEOPLE),
    Permission.ANALYTICS_BUSINESS: _all(Role.CLINIC_ADMIN, Role.FINANCE_BILLING)
    | _own(*_BOOKED_PEOPLE),
    Permission.SCHEDULE_READ: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST) | _own(*_BOOKED_PEOPLE),
    Permission.SCHEDULE_WRITE: _all(Role.CLINIC_ADMIN) | _own(*_BOOKED_PEOPLE),
    Permission.PATIENT_READ: _all(*STAFF_ROLES) | _own(Role.PATIENT),
    Permission.PATIENT_WRITE: _all(Role.CLINIC_ADMIN, Role.RECEPTIONIST, Role.DOCTOR, Role.NURSE)
    | _own(Role.PATIENT),
    Permission.CLINIC_MANAGE: _all(Role.CLINIC_ADMIN),
    Permission.STAFF_MANAGE: _all(Role.CLINIC_ADMIN),
    Permission.AUDIT_READ: _all(Role.CLINIC_ADMIN),
}


def codename(permission: Permission, reach: Reach) -> str:
    """The guardian codename: `appointment_read`, `appointment_read_own`."""
    return permission.value if reach == Reach.ALL else f"{permission.value}_own"


def codenames(role: Role) -> frozenset[str]:
    """Every codename that `role` holds in its clinic."""
    return frozenset(
        codename(permission, reaches[role])
        for permission, reaches in MATRIX.items()
        if role in reaches
    )


#: For `Meta.permissions` of the clinic.
ALL_CODENAMES: Final = tuple(
    (codename(permission, reach), f"{permission.label} ({reach.label})")
    for permission in Permission
    for reach in Reach
)

#: What being the patient of a chart allows, in that chart's clinic.
PATIENT_CODENAMES: Final = codenames(Role.PATIENT)
