"""Personal links of continuing care, opened without an account (`core.signed`)."""

from typing import Final
from uuid import UUID

from django.conf import settings

from core.signed import read, sign
from followups.models import FollowUpInvitation

_INVITATION: Final = "followups.invitation-link"


def invitation_link(invitation: FollowUpInvitation) -> str:
    """The part of an address that opens this invitation (`/follow-up/<it>`).

    Whoever has it may choose a time for the plan, or decline: hand it to the patient only.
    """
    return sign(_INVITATION, invitation.clinic_id, invitation.id)


def invitation_ids(token: str) -> tuple[UUID, UUID]:
    """The clinic and the invitation of a link. Raises NOT_FOUND for what we have not signed."""
    return read(_INVITATION, token)


def page_address(path: str) -> str:
    """The whole address of one of our pages, for a message that leaves the installation.

    Empty where the installation has not said at which address people reach it (`PUBLIC_URL`): a
    worker has no request to take it from.
    """
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}" if settings.PUBLIC_URL else ""
