"""Shapes of series in requests and answers. Rules live in the services."""

from typing import Any

from rest_framework import serializers

from appointments.api.serializers import SlotSerializer
from appointments.models import AppointmentStatus, ClashPolicy, Priority, SeriesStatus
from appointments.recurrence import MAX_TEXT
from appointments.services.series_dates import Act
from appointments.services.series_scope import Scope
from clinics.models import VisitMode
from core.api.fields import InstantField

#: A time on the wall has no offset.
WALL = ["%H:%M", "%H:%M:%S"]
SCOPES = [(scope.value, scope.value) for scope in Scope]


class SeriesWishSerializer(serializers.Serializer[Any]):
    """`POST appointments/recurring/preview`. Times of day are those of the location's clocks."""

    patient = serializers.UUIDField()
    doctor = serializers.UUIDField()
    location = serializers.UUIDField(required=False, allow_null=True)
    room = serializers.UUIDField(required=False, allow_null=True)
    service = serializers.UUIDField(required=False, allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices, default=VisitMode.IN_PERSON)
    rrule = serializers.CharField(
        max_length=MAX_TEXT,
        help_text="RFC 5545: FREQ DAILY, WEEKLY or MONTHLY with INTERVAL, BYDAY, BYMONTHDAY,"
        " BYSETPOS, and COUNT or UNTIL (a day).",
    )
    start_date = serializers.DateField()
    end_date = serializers.DateField(required=False, allow_null=True, help_text="The last day.")
    open_ended = serializers.BooleanField(required=False, help_text="Until further notice.")
    local_time = serializers.TimeField(input_formats=WALL)
    duration_minutes = serializers.IntegerField(
        required=False, allow_null=True, min_value=5, max_value=720
    )
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    priority = serializers.ChoiceField(choices=Priority.choices, required=False)


class SeriesCreateSerializer(SeriesWishSerializer):
    """`POST appointments/recurring`. `skip`: numbers of the preview's dates to leave out."""

    policy = serializers.ChoiceField(
        choices=ClashPolicy.choices, default=ClashPolicy.ALL_OR_NOTHING
    )
    skip = serializers.ListField(
        child=serializers.IntegerField(min_value=1), required=False, max_length=530
    )


class SeriesChangePreviewSerializer(serializers.Serializer[Any]):
    """`POST appointments/series/{id}/preview`: what is left out stays as it is."""

    scope = serializers.ChoiceField(choices=SCOPES)
    appointment = serializers.UUIDField(
        required=False, allow_null=True, help_text="For this, and for this and following."
    )
    local_time = serializers.TimeField(required=False, input_formats=WALL)
    shift_days = serializers.IntegerField(required=False, min_value=-6, max_value=6)
    doctor = serializers.UUIDField(required=False)
    location = serializers.UUIDField(required=False)
    room = serializers.UUIDField(required=False, allow_null=True)
    duration_minutes = serializers.IntegerField(required=False, min_value=5, max_value=720)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    priority = serializers.ChoiceField(choices=Priority.choices, required=False)
    rrule = serializers.CharField(max_length=MAX_TEXT, required=False)
    end_date = serializers.DateField(required=False, allow_null=True)
    open_ended = serializers.BooleanField(required=False)


class SeriesChangeSerializer(SeriesChangePreviewSerializer):
    """`PUT`, `PATCH appointments/series/{id}`."""

    policy = serializers.ChoiceField(
        choices=ClashPolicy.choices, default=ClashPolicy.ALL_OR_NOTHING
    )


class SeriesCancelSerializer(serializers.Serializer[Any]):
    """`DELETE appointments/series/{id}`."""

    scope = serializers.ChoiceField(choices=SCOPES)
    appointment = serializers.UUIDField(required=False, allow_null=True)
    reason = serializers.CharField(max_length=500)


class SeriesDateSerializer(serializers.Serializer[Any]):
    """A date of a preview; `code` is the error code that a booking would get."""

    sequence = serializers.IntegerField()
    starts_at = InstantField()
    ends_at = InstantField()
    code = serializers.CharField(allow_null=True)
    act = serializers.ChoiceField(choices=[(one.value, one.value) for one in Act])
    appointment = serializers.UUIDField(allow_null=True)
    was = InstantField(allow_null=True)
    alternatives = SlotSerializer(many=True)


class SeriesPreviewSerializer(serializers.Serializer[Any]):
    """`left_out` are dates of the rule that the calendar does not have, such as 2035-02-30."""

    timezone = serializers.CharField()
    clashes = serializers.IntegerField()
    dates = SeriesDateSerializer(many=True)
    left_out = serializers.ListField(child=serializers.CharField())


class SeriesVisitSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.IntegerField()
    sequence = serializers.IntegerField()
    status = serializers.ChoiceField(choices=AppointmentStatus.choices)
    doctor = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    starts_at = InstantField()
    ends_at = InstantField()


class SeriesSkipSerializer(serializers.Serializer[Any]):
    """A date that was not booked. `code` is an error code, or LEFT_OUT for one taken out by
    hand."""

    sequence = serializers.IntegerField()
    starts_at = InstantField()
    code = serializers.CharField()
    made_up_by = serializers.UUIDField(allow_null=True)


class SeriesSerializer(serializers.Serializer[Any]):
    """A series as it goes on from now."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    clinic = serializers.UUIDField()
    patient = serializers.UUIDField()
    doctor = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    room = serializers.UUIDField(allow_null=True)
    service = serializers.UUIDField(allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices)
    rrule = serializers.CharField()
    local_time = serializers.TimeField()
    timezone = serializers.CharField()
    duration_minutes = serializers.IntegerField()
    start_date = serializers.DateField()
    end_date = serializers.DateField(allow_null=True)
    open_ended = serializers.BooleanField()
    booked_until = serializers.DateField()
    status = serializers.ChoiceField(choices=SeriesStatus.choices)
    policy = serializers.ChoiceField(choices=ClashPolicy.choices)
    reason = serializers.CharField(allow_null=True, help_text="Null for who may not read it.")
    notes = serializers.CharField(allow_null=True)
    priority = serializers.ChoiceField(choices=Priority.choices)
    created_by = serializers.UUIDField(allow_null=True)
    cancel_reason = serializers.CharField()
    created_at = InstantField()
    updated_at = InstantField()


class SeriesWithVisitsSerializer(SeriesSerializer):
    """With its visits: the first 600; `GET appointments?series=` has them all."""

    total = serializers.IntegerField()
    by_status = serializers.DictField(child=serializers.IntegerField())
    next = SeriesVisitSerializer(allow_null=True)
    visits = SeriesVisitSerializer(many=True)
    skips = SeriesSkipSerializer(many=True)


class SeriesChangedSerializer(SeriesSerializer):
    """What a change or cancellation did; `kept` are visits that stayed as they were, and why."""

    changed = SeriesVisitSerializer(many=True)
    booked = SeriesVisitSerializer(many=True)
    cancelled = SeriesVisitSerializer(many=True)
    kept = SeriesDateSerializer(many=True)
    skips = SeriesSkipSerializer(many=True)
