"""Who works where, as what; and the groups that carry it."""

from uuid import UUID

from django.contrib.auth.models import Group, Permission

from accounts import roles
from accounts.live import rights_changed
from accounts.models import RefreshSession, RoleGroup, User
from accounts.roles import STAFF_ROLES, Role, codenames
from accounts.services.sessions import session_revoke
from accounts.services.users import user_get_or_invite
from clinics.models import Clinic, ClinicGroupPermission, Membership
from clinics.principal import Principal
from core import journal, versions
from core.errors import ErrorCode, KairosError, invalid


def role_group_sync(*, clinic: Clinic, role: Role) -> Group:
    """The clinic's group for `role`, holding exactly the permissions that the matrix says."""
    held = RoleGroup.objects.filter(clinic_id=clinic.id, role=role).select_related("group").first()
    if held is None:
        group = Group.objects.create(name=f"{clinic.id}:{role.value}")
        RoleGroup.objects.create(group=group, clinic_id=clinic.id, role=role)
    else:
        group = held.group
    wanted = set(
        Permission.objects.filter(
            content_type__app_label="clinics",
            content_type__model="clinic",
            codename__in=codenames(role),
        ).values_list("id", flat=True)
    )
    rows = ClinicGroupPermission.objects.filter(group=group, content_object=clinic)
    present = set(rows.values_list("permission_id", flat=True))
    rows.filter(permission_id__in=present - wanted).delete()
    ClinicGroupPermission.objects.bulk_create(
        ClinicGroupPermission(group=group, content_object=clinic, permission_id=permission)
        for permission in sorted(wanted - present)
    )
    return group


def role_groups_sync(*, clinic: Clinic) -> None:
    """All groups of a clinic, as after a change of the matrix."""
    for role in STAFF_ROLES:
        role_group_sync(clinic=clinic, role=role)


def membership_add(*, clinic: Clinic, user: User, role: str) -> Membership:
    """Give `user` the role in the clinic; a former membership is taken up again.

    Raises VALIDATION_ERROR for a role that memberships do not carry.
    """
    if role not in {staff.value for staff in STAFF_ROLES}:
        raise invalid("role", "not a role of a clinic's staff")
    membership, fresh = Membership.objects.select_for_update().get_or_create(
        clinic=clinic, user=user, role=role
    )
    if not fresh and not membership.is_active:
        membership.is_active = True
        versions.save(membership, ["is_active"])
    user.groups.add(role_group_sync(clinic=clinic, role=Role(role)))
    journal.record(
        journal.Act(
            "membership.added",
            "clinics.membership",
            membership.id,
            clinic.id,
            changes={"role": [None, role], "user": [None, user.id]},
            topic="membership.added",
            payload={"user": user.id, "role": role},
        )
    )
    return membership


def member_add(
    *,
    clinic: Clinic,
    role: str,
    email: str | None = None,
    phone: str | None = None,
    given_name: str = "",
    family_name: str = "",
) -> Membership:
    """Give the role to whoever has this email or phone, making them a user when they are none yet.

    A new user has no password and cannot sign in before setting one. Raises VALIDATION_ERROR.
    """
    user, _ = user_get_or_invite(
        email=email,
        phone=phone,
        region=clinic.country or None,
        given_name=given_name,
        family_name=family_name,
    )
    return membership_add(clinic=clinic, user=user, role=role)


def membership_end(
    *, clinic: Clinic, membership_id: UUID, expected_version: int | None = None
) -> Membership:
    """Take the role away, at once.

    Raises NOT_FOUND, PRECONDITION_FAILED; CONFLICT for the clinic's last admin.
    """
    members = Membership.objects.filter(clinic=clinic)
    # Locked in one order, so that two administrators cannot remove each other at once.
    admins = {
        admin.id: admin
        for admin in members.filter(role=Role.CLINIC_ADMIN, is_active=True)
        .select_for_update()
        .order_by("id")
    }
    membership = admins.get(membership_id) or (
        members.select_for_update().filter(id=membership_id).first()
    )
    if membership is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    versions.require(membership, expected_version)
    if len(admins) == 1 and membership.id in admins:
        raise KairosError(ErrorCode.CONFLICT, "A clinic keeps at least one administrator.")
    if membership.is_active:
        membership.is_active = False
        versions.save(membership, ["is_active"])
        membership.user.groups.remove(role_group_sync(clinic=clinic, role=Role(membership.role)))
        rights_changed(membership.user_id)
        journal.record(
            journal.Act(
                "membership.ended",
                "clinics.membership",
                membership.id,
                clinic.id,
                changes={"role": [membership.role, None], "user": [membership.user_id, None]},
                topic="membership.ended",
                payload={"user": membership.user_id, "role": membership.role},
            )
        )
    return membership


def member_session_revoke(*, by: Principal, session_id: UUID) -> None:
    """Sign out a device of somebody who works at a clinic whose staff `by` manages.

    An administrator of the installation may for anybody. Raises NOT_FOUND for every other session,
    as for one that never was.
    """
    clinic_id = None
    if not by.is_super_admin:
        clinic_id = (
            Membership.objects.filter(
                clinic_id__in=by.clinics_with(roles.Permission.STAFF_MANAGE),
                user_id__in=RefreshSession.objects.filter(id=session_id).values("user_id"),
                is_active=True,
            )
            .order_by("clinic_id")
            .values_list("clinic_id", flat=True)
            .first()
        )
        if clinic_id is None:
            raise KairosError(ErrorCode.NOT_FOUND)
    session_revoke(session_id=session_id, clinic_id=clinic_id)
