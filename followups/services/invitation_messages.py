"""An invitation's link on its way to the patient's phone.

The event of the invitation makes a task, which sends the message under the invitation's id: the
gateway knows a message that it gets again, so a worker that dies after sending sends nothing twice.
"""

from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import F
from django.utils import translation
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounts.language import is_known
from clinics.models import Channel, Patient
from core import clock, sms
from core.sms import Message
from followups.links import invitation_link, page_address
from followups.models import FollowUpInvitation, InvitationStatus

INVITED: Final = "followup.invited"
#: What `sent_by` says. REFUSED: the number takes no messages, so the desk hands the link out.
BY_SMS: Final = "SMS"
REFUSED: Final = "REFUSED"


def goes_by_sms(patient: Patient) -> bool:
    """Whether a link can be sent to the patient: they have a phone and have agreed to text
    messages, and the installation can send them and knows its own address."""
    return bool(
        patient.phone
        and patient.contact_preferences.get(Channel.SMS) is True
        and sms.is_configured()
        and page_address("/")
    )


def invitation_message(*, invitation_id: UUID) -> Message | None:
    """What is to be sent, read in the clinic's scope; None when there is nothing to send any more.

    That is an invitation that was sent, answered, taken back or is over, and a patient who has
    changed their mind about messages.
    """
    invitation = (
        FollowUpInvitation.objects.select_related("clinic", "plan__patient")
        .filter(
            pk=invitation_id,
            status=InvitationStatus.OPEN,
            sent_at=None,
            sent_by="",
            expires_at__gt=clock.now(),
        )
        .first()
    )
    if invitation is None or not goes_by_sms(invitation.plan.patient):
        return None
    patient, clinic = invitation.plan.patient, invitation.clinic
    language = patient.language if is_known(patient.language) else translation.get_language()
    with translation.override(language):
        until = localtime(invitation.expires_at, ZoneInfo(clinic.timezone))
        text = _(
            "%(clinic)s: it is time for your next visit. Choose a time until %(day)s: %(link)s"
        ) % {
            "clinic": clinic.name,
            "day": date_format(until, "SHORT_DATE_FORMAT"),
            "link": page_address(f"/follow-up/{invitation_link(invitation)}"),
        }
    return Message(patient.phone, text, str(invitation.id))


def invitation_sent(*, invitation_id: UUID, by: str = BY_SMS) -> bool:
    """Write down that the message was taken (`BY_SMS`) or never will be (`REFUSED`).

    Compare-and-set: whether this call was the one that wrote it.
    """
    now = clock.now()
    return bool(
        FollowUpInvitation.objects.filter(pk=invitation_id, sent_at=None, sent_by="").update(
            sent_at=now if by == BY_SMS else None,
            sent_by=by,
            version=F("version") + 1,
            updated_at=now,
        )
    )
