"""Shapes of follow-up plans, completions and chains. Rules live in the services."""

from typing import Any

from rest_framework import serializers

from appointments.api.serializers import AppointmentSerializer, SlotSerializer
from appointments.models import Priority
from clinics.models import VisitMode
from core.api.fields import InstantField
from core.errors import ErrorCode
from followups.models import MAX_ITEM_LENGTH, MAX_ITEMS, FollowUpType, PlanStatus


def _items(**more: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=MAX_ITEM_LENGTH),
        max_length=MAX_ITEMS,
        required=False,
        **more,
    )


class FollowUpSerializer(serializers.Serializer[Any]):
    """`POST appointments/{id}/follow-up`. What is left out is that of the visit.

    Give `scheduled_for` or `days_after`; with neither the plan waits from tomorrow on.
    """

    scheduled_for = serializers.DateField(required=False, allow_null=True)
    days_after = serializers.IntegerField(required=False, allow_null=True)
    follow_up_type = serializers.ChoiceField(choices=FollowUpType.choices, required=False)
    doctor = serializers.UUIDField(required=False, allow_null=True)
    service = serializers.UUIDField(required=False, allow_null=True)
    location = serializers.UUIDField(required=False, allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices, required=False)
    duration_minutes = serializers.IntegerField(required=False, allow_null=True)
    priority = serializers.ChoiceField(choices=Priority.choices, required=False)
    instructions = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    medications = _items()
    tests = _items()
    restrictions = _items()
    book = serializers.BooleanField(
        required=False, help_text="False: only plan it, even if the doctor is free."
    )


class PlanCreateSerializer(FollowUpSerializer):
    """`POST follow-up-plans`: a plan that follows no visit."""

    patient = serializers.UUIDField()


class PlanUpdateSerializer(serializers.Serializer[Any]):
    """`PUT/PATCH follow-up-plans/{id}`: what is left out stays as it is."""

    scheduled_for = serializers.DateField(required=False)
    follow_up_type = serializers.ChoiceField(choices=FollowUpType.choices, required=False)
    doctor = serializers.UUIDField(required=False)
    service = serializers.UUIDField(required=False, allow_null=True)
    location = serializers.UUIDField(required=False, allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices, required=False)
    duration_minutes = serializers.IntegerField(required=False, allow_null=True)
    priority = serializers.ChoiceField(choices=Priority.choices, required=False)
    instructions = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    medications = _items()
    tests = _items()
    restrictions = _items()


class ScheduleSerializer(serializers.Serializer[Any]):
    """`POST follow-up-plans/{id}/schedule`. Without `starts_at`: the first time that is free."""

    starts_at = InstantField(required=False, allow_null=True)
    ends_at = InstantField(required=False, allow_null=True)
    doctor = serializers.UUIDField(required=False, allow_null=True)
    location = serializers.UUIDField(required=False, allow_null=True)
    service = serializers.UUIDField(required=False, allow_null=True)
    hold = serializers.UUIDField(required=False, allow_null=True)
    early_reason = serializers.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        help_text="Why it may be before the plan's day; for who may write the plan.",
    )


class CompleteSerializer(serializers.Serializer[Any]):
    """`POST appointments/{id}/complete`; with `follow_up_required` what is to follow.

    What is left out of the follow-up is that of the visit. With a day it is booked at once, if the
    doctor is free then; else its plan waits.
    """

    notes = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    follow_up_required = serializers.BooleanField(required=False, default=False)
    follow_up_date = serializers.DateField(required=False, allow_null=True)
    follow_up_days_after = serializers.IntegerField(required=False, allow_null=True)
    follow_up_type = serializers.ChoiceField(choices=FollowUpType.choices, required=False)
    follow_up_doctor = serializers.UUIDField(required=False, allow_null=True)
    follow_up_service = serializers.UUIDField(required=False, allow_null=True)
    follow_up_location = serializers.UUIDField(required=False, allow_null=True)
    follow_up_mode = serializers.ChoiceField(choices=VisitMode.choices, required=False)
    follow_up_duration_minutes = serializers.IntegerField(required=False, allow_null=True)
    follow_up_priority = serializers.ChoiceField(choices=Priority.choices, required=False)
    follow_up_instructions = serializers.CharField(
        max_length=4000, required=False, allow_blank=True
    )
    follow_up_medications = _items()
    follow_up_tests = _items()
    follow_up_restrictions = _items()
    follow_up_book = serializers.BooleanField(required=False)


class PlanSerializer(serializers.Serializer[Any]):
    """A follow-up plan. Relations are ids; what is null is none, or not for this reader."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    clinic = serializers.UUIDField()
    patient = serializers.UUIDField()
    doctor = serializers.UUIDField()
    appointment = serializers.UUIDField(allow_null=True, help_text="The visit that it follows.")
    follow_up_appointment = serializers.UUIDField(
        allow_null=True, help_text="The visit that was booked for it last."
    )
    follow_up_type = serializers.ChoiceField(choices=FollowUpType.choices)
    service = serializers.UUIDField(allow_null=True)
    location = serializers.UUIDField(allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices)
    duration_minutes = serializers.IntegerField(allow_null=True)
    scheduled_for = serializers.DateField(help_text="Not before this local day.")
    days_after = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(choices=PlanStatus.choices)
    priority = serializers.ChoiceField(choices=Priority.choices)
    instructions = serializers.CharField(allow_null=True)
    medications = serializers.ListField(child=serializers.CharField(), allow_null=True)
    tests = serializers.ListField(child=serializers.CharField(), allow_null=True)
    restrictions = serializers.ListField(child=serializers.CharField(), allow_null=True)
    waiting_code = serializers.CharField(
        allow_null=True, help_text="Why it could not be booked at once: an error code."
    )
    attempts = serializers.IntegerField(allow_null=True)
    contacted_at = InstantField(allow_null=True)
    contact_on = serializers.DateField(allow_null=True)
    declined_at = InstantField(allow_null=True)
    escalated_at = InstantField(allow_null=True)
    cancel_reason = serializers.CharField(allow_null=True)
    created_by = serializers.UUIDField(allow_null=True)
    created_at = InstantField()
    updated_at = InstantField()


class PlanMadeSerializer(PlanSerializer):
    """A plan with the visit that was just booked for it; or why it waits, and other times."""

    booked_appointment = AppointmentSerializer(allow_null=True)
    code = serializers.ChoiceField(choices=ErrorCode.choices, allow_null=True)
    alternatives = SlotSerializer(many=True)


class CompletedSerializer(AppointmentSerializer):
    """The completed visit, and the plan that was made with it."""

    follow_up_plan = PlanMadeSerializer(allow_null=True)


class ChainNodeSerializer(serializers.Serializer[Any]):
    """One visit of a chain. `parent` is the one above it that the reader may see."""

    depth = serializers.IntegerField()
    parent = serializers.UUIDField(allow_null=True)
    appointment = AppointmentSerializer()


class ChainSerializer(serializers.Serializer[Any]):
    """A page of a chain, in the order of booking: each visit after the one that it follows."""

    results = ChainNodeSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()
