"""How patients were asked about their plans: attempts, and invitations to choose a time."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.admin import register
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from accounts.roles import Permission
from backoffice.access import access_of
from backoffice.base import Tool
from backoffice.forms import version_sent
from backoffice.records import Records
from backoffice.site import site
from followups.models import ContactAttempt, FollowUpInvitation, InvitationStatus
from followups.services.withdrawal import invitation_withdraw

OUTCOMES = {
    "BOOKED": "success",
    "INVITED": "info",
    "LEFT_MESSAGE": "default",
    "NO_ANSWER": "warning",
    "WRONG_NUMBER": "danger",
}
#: How links and offers reach people.
SENT_BY = {
    "SMS": _("Text message"),
    "DESK": _("Told by the desk"),
    "REFUSED": _("The number takes no messages"),
}
INVITATIONS = {
    "OPEN": "info",
    "ACCEPTED": "success",
    "DECLINED": "danger",
    "EXPIRED": "warning",
    "WITHDRAWN": "default",
}


class _AboutAPlan(Records):
    """Rows that hang on a plan: who may read the plan may read them."""

    reads = Permission.FOLLOWUP_READ
    doctor_field = "plan__doctor_id"
    patient_path = "plan__patient_id"
    search_help_text = _("The patient's name, record number, birth date or phone")
    ordering = ("-id",)

    def _doctor_of(self, row: Any) -> UUID | None:
        doctor: UUID = row.plan.doctor_id
        return doctor

    @display(description=_("patient"))
    def person(self, row: Any) -> str:
        return str(row.plan.patient.full_name)


@register(ContactAttempt, site=site)
class ContactAttemptPanel(_AboutAPlan):
    """Who was asked, how, and what they said. Written at the desk, and never changed."""

    named = ("plan__patient", "by")
    shown_as = ("contact_attempt.read", "followups.contactattempt")
    list_display = ("at", "person", "plan", "how", "result", "again_on", "who")
    list_display_links = ("at",)
    list_filter: ClassVar[tuple[Any, ...]] = ("outcome", "channel")
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("at", "who"),
                    ("person", "plan"),
                    ("how", "result_word"),
                    "note",
                    "again_on",
                ]
            },
        ),
    )
    readonly_fields = ("person", "who", "how", "result_word")

    @display(description=_("who"))
    def who(self, row: ContactAttempt) -> str:
        return str(row.by or "")

    @display(description=_("how"))
    def how(self, row: ContactAttempt) -> str:
        return str(row.get_channel_display())

    @display(description=_("outcome"), label=OUTCOMES)
    def result(self, row: ContactAttempt) -> tuple[str, str]:
        return row.outcome, str(row.get_outcome_display())

    @display(description=_("outcome"))
    def result_word(self, row: ContactAttempt) -> str:
        return self.result(row)[1]


@register(FollowUpInvitation, site=site)
class FollowUpInvitationPanel(_AboutAPlan):
    """Links with which patients choose a time: sent from the recall list, answered by them."""

    named = ("plan__patient", "created_by")
    shown_as = ("follow_up_invitation.read", "followups.followupinvitation")
    list_display = ("created_at", "person", "plan", "state", "sent", "expires_at", "answered_at")
    list_display_links = ("created_at",)
    list_filter: ClassVar[tuple[Any, ...]] = ("status",)
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("person", "plan"),
                    ("state_word", "expires_at"),
                    ("created_at", "created_by"),
                    ("sent", "sent_at"),
                    "answered_at",
                    "offered",
                ]
            },
        ),
    )
    readonly_fields = ("person", "state_word", "sent", "created_at", "offered")

    @display(description=_("status"), label=INVITATIONS)
    def state(self, row: FollowUpInvitation) -> tuple[str, str]:
        return row.status, str(row.get_status_display())

    @display(description=_("status"))
    def state_word(self, row: FollowUpInvitation) -> str:
        return self.state(row)[1]

    @display(description=_("sent by"))
    def sent(self, row: FollowUpInvitation) -> str:
        return str(SENT_BY.get(row.sent_by, _("Not sent: the desk hands it out")))

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<uuid:invitation_id>/withdraw/",
                self.admin_site.admin_view(require_POST(self.withdraw)),
                name="followups_followupinvitation_withdraw",
            ),
            *super().get_urls(),
        ]

    def tools(self, request: HttpRequest, row: FollowUpInvitation) -> list[Tool]:
        who = access_of(request).principal
        if row.status != InvitationStatus.OPEN or not who.may_for(
            Permission.FOLLOWUP_SCHEDULE, row.clinic_id, doctor_id=row.plan.doctor_id
        ):
            return []
        withdraw = self.link("withdraw", row.pk)
        return [Tool(_("Withdraw"), withdraw, "undo", version=row.version, is_danger=True)]

    def withdraw(self, request: HttpRequest, invitation_id: UUID) -> HttpResponse:
        """Nobody can choose a time with its link any more."""
        self.require_view(request)
        invitation_withdraw(
            by=access_of(request).principal,
            invitation_id=invitation_id,
            expected_version=version_sent(request),
        )
        messages.success(request, _("The invitation is withdrawn."))
        return redirect(self.link("change", invitation_id))

    @display(description=_("times offered"))
    def offered(self, row: FollowUpInvitation) -> str:
        return " · ".join(_moment(one) for one in row.times)


def _moment(offered: dict[str, Any]) -> str:
    """A time on the clocks where it would be."""
    starts_at = datetime.fromisoformat(str(offered["starts_at"]))
    return date_format(starts_at.astimezone(ZoneInfo(offered["timezone"])), "D j M, H:i")
