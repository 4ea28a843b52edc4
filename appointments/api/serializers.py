"""Shapes of requests and answers. Rules live in the services."""

from typing import Any

from rest_framework import serializers

from appointments.models import AppointmentStatus, Priority, Source, Verb
from clinics.models import ExceptionKind, ScheduleException, VisitMode
from core.api.fields import InstantField


class OverrideSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500)


class BookSerializer(serializers.Serializer[Any]):
    """`POST appointments`."""

    doctor = serializers.UUIDField()
    patient = serializers.UUIDField(required=False, allow_null=True)
    location = serializers.UUIDField(required=False, allow_null=True)
    room = serializers.UUIDField(required=False, allow_null=True)
    service = serializers.UUIDField(required=False, allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices, default=VisitMode.IN_PERSON)
    starts_at = InstantField()
    ends_at = InstantField(required=False, allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    priority = serializers.ChoiceField(choices=Priority.choices, required=False)
    hold = serializers.UUIDField(required=False, allow_null=True)
    override = OverrideSerializer(required=False, allow_null=True)


class HoldSerializer(serializers.Serializer[Any]):
    """`POST slots/holds`."""

    doctor = serializers.UUIDField()
    clinic = serializers.UUIDField(required=False, allow_null=True)
    patient = serializers.UUIDField(required=False, allow_null=True)
    location = serializers.UUIDField(required=False, allow_null=True)
    service = serializers.UUIDField(required=False, allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices, default=VisitMode.IN_PERSON)
    starts_at = InstantField()
    ends_at = InstantField(required=False, allow_null=True)


class HeldSerializer(serializers.Serializer[Any]):
    """A hold, with what a countdown needs."""

    id = serializers.UUIDField()
    clinic = serializers.UUIDField()
    doctor = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    service = serializers.UUIDField(allow_null=True)
    patient = serializers.UUIDField(allow_null=True)
    starts_at = InstantField()
    ends_at = InstantField()
    expires_at = InstantField()
    seconds_left = serializers.IntegerField()


class RescheduleSerializer(serializers.Serializer[Any]):
    """`POST …/reschedule`. Without `ends_at` the visit keeps its length."""

    starts_at = InstantField()
    ends_at = InstantField(required=False, allow_null=True)
    doctor = serializers.UUIDField(required=False)
    location = serializers.UUIDField(required=False)
    room = serializers.UUIDField(required=False, allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)
    override = OverrideSerializer(required=False, allow_null=True)


class MoveDoctorSerializer(serializers.Serializer[Any]):
    """`POST …/move-doctor`: the same time with another doctor, unless a time is given."""

    doctor = serializers.UUIDField()
    starts_at = InstantField(required=False)
    location = serializers.UUIDField(required=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)
    override = OverrideSerializer(required=False, allow_null=True)


class UpdateSerializer(serializers.Serializer[Any]):
    """`PUT/PATCH appointments/{id}`: details, or another time, doctor, place."""

    starts_at = InstantField(required=False)
    ends_at = InstantField(required=False, allow_null=True)
    doctor = serializers.UUIDField(required=False)
    location = serializers.UUIDField(required=False)
    room = serializers.UUIDField(required=False, allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    priority = serializers.ChoiceField(choices=Priority.choices, required=False)
    override = OverrideSerializer(required=False, allow_null=True)


class ReasonSerializer(serializers.Serializer[Any]):
    """An act that may, or must, say why."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class SlotSerializer(serializers.Serializer[Any]):
    """A free start; with `explain` also one that is not, and why."""

    doctor = serializers.UUIDField()
    clinic = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    service = serializers.UUIDField(allow_null=True)
    starts_at = InstantField()
    ends_at = InstantField()
    timezone = serializers.CharField()
    remaining = serializers.IntegerField()
    reason = serializers.CharField(
        required=False, help_text="With explain: the error code that a booking would get."
    )


class SlotListSerializer(serializers.Serializer[Any]):
    results = SlotSerializer(many=True)


class AppointmentSerializer(serializers.Serializer[Any]):
    """An appointment. Relations are ids; `expand` embeds them."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    status = serializers.ChoiceField(choices=AppointmentStatus.choices)
    clinic = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    room = serializers.UUIDField(allow_null=True)
    doctor = serializers.UUIDField()
    patient = serializers.UUIDField()
    service = serializers.UUIDField(allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices)
    starts_at = InstantField()
    ends_at = InstantField()
    timezone = serializers.CharField()
    reason = serializers.CharField(allow_null=True, help_text="Null for who may not read it.")
    notes = serializers.CharField(allow_null=True)
    priority = serializers.ChoiceField(choices=Priority.choices)
    source = serializers.ChoiceField(choices=Source.choices)
    booked_by = serializers.UUIDField(allow_null=True)
    override_reason = serializers.CharField(allow_null=True)
    cancel_reason = serializers.CharField()
    cancelled_by = serializers.UUIDField(allow_null=True)
    cancelled_at = InstantField(allow_null=True)
    late_cancellation = serializers.BooleanField()
    confirmed_at = InstantField(allow_null=True)
    checked_in_at = InstantField(allow_null=True)
    started_at = InstantField(allow_null=True)
    completed_at = InstantField(allow_null=True)
    parent_appointment = serializers.UUIDField(allow_null=True)
    original_appointment = serializers.UUIDField(allow_null=True)
    is_follow_up = serializers.BooleanField()
    follow_up_reason = serializers.CharField(allow_null=True)
    series = serializers.UUIDField(allow_null=True)
    series_sequence = serializers.IntegerField(allow_null=True)
    created_at = InstantField()
    updated_at = InstantField()


class EventSerializer(serializers.Serializer[Any]):
    """One entry of an appointment's history."""

    id = serializers.UUIDField()
    at = InstantField()
    verb = serializers.ChoiceField(choices=Verb.choices)
    actor = serializers.UUIDField(allow_null=True)
    from_status = serializers.ChoiceField(choices=AppointmentStatus.choices, allow_null=True)
    to_status = serializers.ChoiceField(choices=AppointmentStatus.choices)
    reason = serializers.CharField(allow_null=True)
    changes = serializers.DictField()
    undoes = serializers.UUIDField(allow_null=True)


class EventListSerializer(serializers.Serializer[Any]):
    results = EventSerializer(many=True)


class ExceptionSerializer(serializers.ModelSerializer[Any]):
    """A schedule exception; `affected` (on creation) are the visits that lie in it."""

    class Meta:
        model = ScheduleException
        fields = (
            "id",
            "version",
            "created_at",
            "updated_at",
            "clinic",
            "doctor",
            "location",
            "kind",
            "start_date",
            "end_date",
            "start_time",
            "end_time",
            "slot_minutes",
            "capacity",
            "modes",
            "reason",
        )
        read_only_fields = ("id", "version", "created_at", "updated_at")


class ExceptionCreateSerializer(serializers.Serializer[Any]):
    """`POST schedule-exceptions`."""

    clinic = serializers.UUIDField()
    doctor = serializers.UUIDField(required=False, allow_null=True)
    location = serializers.UUIDField(required=False, allow_null=True)
    kind = serializers.ChoiceField(choices=ExceptionKind.choices)
    start_date = serializers.DateField()
    end_date = serializers.DateField()
    start_time = serializers.TimeField(required=False, allow_null=True)
    end_time = serializers.TimeField(required=False, allow_null=True)
    slot_minutes = serializers.IntegerField(required=False, min_value=5, max_value=720)
    capacity = serializers.IntegerField(required=False, min_value=1, max_value=200)
    modes = serializers.ListField(
        child=serializers.ChoiceField(choices=VisitMode.choices), required=False, max_length=4
    )
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True)


class ExceptionCreatedSerializer(ExceptionSerializer):
    affected = AppointmentSerializer(many=True, read_only=True)

    class Meta(ExceptionSerializer.Meta):
        fields = (*ExceptionSerializer.Meta.fields, "affected")  # type: ignore[assignment]
