"""Handing a new member of the staff the link to their first password."""

from uuid import UUID

from django.utils.translation import gettext as _

from accounts.roles import Permission
from accounts.selectors import roles_of
from accounts.services.invitations import invitation_make
from clinics.models import Membership
from clinics.principal import Principal
from core.errors import ErrorCode, KairosError


def member_invitation_make(*, by: Principal, membership_id: UUID) -> str:
    """The secret of the link, for whoever manages every clinic in which the new member works.

    An administrator of one clinic must not be able to open another clinic's door. Raises NOT_FOUND
    for a membership out of sight, CONFLICT for a member of other clinics too, or with a password.
    """
    membership = Membership.objects.filter(pk=membership_id, is_active=True).first()
    if membership is None or not by.may(Permission.STAFF_MANAGE, membership.clinic_id):
        raise KairosError(ErrorCode.NOT_FOUND)
    elsewhere = [
        held
        for held in roles_of(membership.user_id)
        if not by.may(Permission.STAFF_MANAGE, held.clinic)
    ]
    if elsewhere:
        raise KairosError(
            ErrorCode.CONFLICT,
            _("This person works for others too; only the installation's administrator can help."),
        )
    return invitation_make(user_id=membership.user_id, clinic_id=membership.clinic_id)
