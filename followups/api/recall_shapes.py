"""Shapes of the recall list, of attempts to reach a patient, and of invitations."""

from typing import Any

from rest_framework import serializers

from appointments.api.serializers import AppointmentSerializer, SlotSerializer
from appointments.models import Priority
from appointments.services.calendar import slot_data
from clinics.models import VisitMode
from core.api.fields import InstantField
from core.errors import ErrorCode
from followups.models import (
    ContactAttempt,
    ContactChannel,
    ContactOutcome,
    FollowUpType,
    InvitationStatus,
    PlanStatus,
)
from followups.selectors.recall import RecallRow
from followups.services.invitations import MOST, InvitationOutcome, OpenedInvitation


class LastContactSerializer(serializers.Serializer[Any]):
    at = InstantField()
    channel = serializers.ChoiceField(choices=ContactChannel.choices)
    outcome = serializers.ChoiceField(choices=ContactOutcome.choices)
    note = serializers.CharField()


class OpenInvitationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    expires_at = InstantField()
    sent_at = InstantField(allow_null=True, help_text="null: the link has to be handed out.")


class RecallPatientSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    given_name = serializers.CharField()
    family_name = serializers.CharField()
    mrn = serializers.CharField()
    phone = serializers.CharField()
    may_text = serializers.BooleanField(help_text="Has a phone, and wants text messages.")


class RecallNameSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class RecallRowSerializer(serializers.Serializer[Any]):
    """A plan that waits for a visit, and how its patient was asked."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    clinic = serializers.UUIDField()
    patient = RecallPatientSerializer()
    doctor = RecallNameSerializer()
    service = RecallNameSerializer(allow_null=True)
    location = serializers.UUIDField(allow_null=True)
    appointment = serializers.UUIDField(allow_null=True, help_text="The visit that it follows.")
    follow_up_type = serializers.ChoiceField(choices=FollowUpType.choices)
    status = serializers.ChoiceField(choices=PlanStatus.choices)
    priority = serializers.ChoiceField(choices=Priority.choices)
    type = serializers.ChoiceField(choices=VisitMode.choices)
    scheduled_for = serializers.DateField()
    days_overdue = serializers.IntegerField(help_text="Negative: days still to come.")
    waiting_code = serializers.CharField(help_text="Why it was not booked at once; or empty.")
    attempts = serializers.IntegerField(help_text="Without an answer.")
    contacted_at = InstantField(allow_null=True)
    contact_on = serializers.DateField(allow_null=True)
    escalated_at = InstantField(allow_null=True)
    declined_at = InstantField(allow_null=True)
    last_contact = LastContactSerializer(allow_null=True)
    invitation = OpenInvitationSerializer(allow_null=True)


class RecallSerializer(serializers.Serializer[Any]):
    results = RecallRowSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()


class ContactCreateSerializer(serializers.Serializer[Any]):
    """An attempt to reach a patient. `CALL_LATER` needs `again_on`."""

    channel = serializers.ChoiceField(choices=ContactChannel.choices)
    outcome = serializers.ChoiceField(
        choices=ContactOutcome.choices, help_text="Not INVITED: an invitation writes that itself."
    )
    note = serializers.CharField(max_length=500, required=False, allow_blank=True)
    again_on = serializers.DateField(required=False, allow_null=True)


class ContactAttemptSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    plan = serializers.UUIDField()
    at = InstantField()
    by = serializers.UUIDField(allow_null=True, help_text="null: the patient, by a link.")
    channel = serializers.ChoiceField(choices=ContactChannel.choices)
    outcome = serializers.ChoiceField(choices=ContactOutcome.choices)
    note = serializers.CharField()
    again_on = serializers.DateField(allow_null=True)


class InvitePlansSerializer(serializers.Serializer[Any]):
    plans = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST)


class InvitationOutcomeSerializer(serializers.Serializer[Any]):
    """What became of inviting one patient."""

    plan = serializers.UUIDField()
    code = serializers.ChoiceField(
        choices=ErrorCode.choices,
        allow_null=True,
        help_text="null: invited. CONFLICT: there is an open invitation already, named here.",
    )
    invitation = serializers.UUIDField(allow_null=True)
    link = serializers.CharField(help_text="Follows `/follow-up/`; empty without an invitation.")
    by_sms = serializers.BooleanField(help_text="false: hand the link out, or print it.")
    expires_at = InstantField(allow_null=True)
    times = serializers.IntegerField(help_text="How many are offered.")


class InvitationOutcomesSerializer(serializers.Serializer[Any]):
    results = InvitationOutcomeSerializer(many=True)


class FollowUpInvitationSerializer(serializers.Serializer[Any]):
    """What whoever holds the link sees. `times` can be chosen now; none once it is answered."""

    status = serializers.ChoiceField(choices=InvitationStatus.choices)
    expires_at = InstantField()
    clinic = RecallNameSerializer()
    doctor = RecallNameSerializer()
    service = RecallNameSerializer(allow_null=True)
    follow_up_type = serializers.ChoiceField(choices=FollowUpType.choices)
    scheduled_for = serializers.DateField()
    times = SlotSerializer(many=True)


class InvitationAcceptSerializer(serializers.Serializer[Any]):
    """One of the `times`, as it was shown."""

    starts_at = InstantField()
    doctor = serializers.UUIDField(required=False)
    location = serializers.UUIDField(required=False, allow_null=True)


class InvitationAcceptedSerializer(serializers.Serializer[Any]):
    appointment = AppointmentSerializer()
    visit_link = serializers.CharField(help_text="Follows `/visit/`: the patient's own page of it.")


def row_data(row: RecallRow) -> dict[str, Any]:
    """One row of the recall list."""
    return {
        "id": row.id,
        "version": row.version,
        "clinic": row.clinic_id,
        "patient": {
            "id": row.patient_id,
            "given_name": row.given_name,
            "family_name": row.family_name,
            "mrn": row.mrn,
            "phone": row.phone,
            "may_text": row.may_text,
        },
        "doctor": {"id": row.doctor_id, "name": row.doctor},
        "service": {"id": row.service_id, "name": row.service} if row.service_id else None,
        "location": row.location_id,
        "appointment": row.appointment_id,
        "follow_up_type": row.follow_up_type,
        "status": row.status,
        "priority": row.priority,
        "type": row.mode,
        "scheduled_for": row.scheduled_for,
        "days_overdue": row.days_overdue,
        "waiting_code": row.waiting_code,
        "attempts": row.attempts,
        "contacted_at": row.contacted_at,
        "contact_on": row.contact_on,
        "escalated_at": row.escalated_at,
        "declined_at": row.declined_at,
        "last_contact": {
            "at": row.last_at,
            "channel": row.last_channel,
            "outcome": row.last_outcome,
            "note": row.last_note,
        }
        if row.last_at
        else None,
        "invitation": {
            "id": row.invitation,
            "expires_at": row.invitation_expires_at,
            "sent_at": row.invitation_sent_at,
        }
        if row.invitation
        else None,
    }


def attempt_data(attempt: ContactAttempt) -> dict[str, Any]:
    """One attempt."""
    return {
        "id": attempt.id,
        "plan": attempt.plan_id,
        "at": attempt.at,
        "by": attempt.by_id,
        "channel": attempt.channel,
        "outcome": attempt.outcome,
        "note": attempt.note,
        "again_on": attempt.again_on,
    }


def outcome_data(outcome: InvitationOutcome) -> dict[str, Any]:
    """What became of inviting one patient."""
    invitation = outcome.invitation
    return {
        "plan": outcome.plan,
        "code": outcome.code.value if outcome.code else None,
        "invitation": invitation.id if invitation else None,
        "link": outcome.link,
        "by_sms": outcome.by_sms,
        "expires_at": invitation.expires_at if invitation else None,
        "times": len(invitation.times) if invitation else 0,
    }


def invitation_data(opened: OpenedInvitation) -> dict[str, Any]:
    """An invitation as whoever holds its link sees it: nothing that says who the patient is."""
    invitation, plan = opened.invitation, opened.plan
    return {
        "status": invitation.status,
        "expires_at": invitation.expires_at,
        "clinic": {"id": plan.clinic_id, "name": plan.clinic.name},
        "doctor": {"id": plan.doctor_id, "name": plan.doctor.display_name},
        "service": {"id": plan.service.id, "name": plan.service.name} if plan.service else None,
        "follow_up_type": plan.follow_up_type,
        "scheduled_for": plan.scheduled_for,
        "times": [slot_data(slot) for slot in opened.times_free],
    }
