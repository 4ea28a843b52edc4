"""Shapes of the queue."""

from typing import Any

from rest_framework import serializers

from appointments.models import Priority
from checkin.models import QueueState
from core.api.fields import InstantField


class AheadSerializer(serializers.Serializer[Any]):
    """Who goes before: each is counted once."""

    urgent = serializers.IntegerField()
    earlier = serializers.IntegerField(help_text="With an earlier appointment.")
    waited = serializers.IntegerField(help_text="Who came before, without one or late for it.")


class WaitSerializer(serializers.Serializer[Any]):
    """How long it may take, minutes."""

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.IntegerField(), "to": serializers.IntegerField()}


class EntrySerializer(serializers.Serializer[Any]):
    """Somebody in the queue."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    clinic = serializers.UUIDField()
    location = serializers.UUIDField()
    appointment = serializers.UUIDField(allow_null=True)
    patient = serializers.UUIDField(allow_null=True)
    guest_name = serializers.CharField()
    doctor = serializers.UUIDField(allow_null=True)
    service = serializers.UUIDField(allow_null=True)
    room = serializers.UUIDField(allow_null=True)
    token = serializers.CharField()
    state = serializers.ChoiceField(choices=QueueState.choices)
    priority = serializers.ChoiceField(choices=Priority.choices)
    due_at = InstantField(help_text="Their turn by: the visit's time, or the arrival.")
    arrived_at = InstantField()
    called_at = InstantField(allow_null=True)
    calls = serializers.IntegerField()
    skips = serializers.IntegerField()
    started_at = InstantField(allow_null=True)


class PlaceSerializer(EntrySerializer):
    """An entry with its place in the order and the reason of it."""

    name = serializers.CharField()
    starts_at = InstantField(allow_null=True, help_text="Of the visit.")
    position = serializers.IntegerField(allow_null=True)
    ahead = AheadSerializer(allow_null=True)
    wait = WaitSerializer(allow_null=True)


class QueueSerializer(serializers.Serializer[Any]):
    """Everybody present, in the order in which they are called."""

    results = PlaceSerializer(many=True)


class PositionSerializer(serializers.Serializer[Any]):
    """Where somebody stands. `room` and `called_at` once they were called."""

    entry = serializers.UUIDField()
    token = serializers.CharField()
    state = serializers.ChoiceField(choices=QueueState.choices)
    position = serializers.IntegerField(allow_null=True)
    ahead = AheadSerializer(allow_null=True)
    wait = WaitSerializer(allow_null=True)
    room = serializers.CharField(allow_null=True)
    called_at = InstantField(allow_null=True)


class WalkInSerializer(serializers.Serializer[Any]):
    """`POST queue-entries`: somebody without an appointment, with a chart or by name."""

    location = serializers.UUIDField()
    patient = serializers.UUIDField(required=False, allow_null=True)
    guest_name = serializers.CharField(required=False, allow_blank=True, max_length=200)
    doctor = serializers.UUIDField(required=False, allow_null=True)
    service = serializers.UUIDField(required=False, allow_null=True)
    priority = serializers.ChoiceField(choices=Priority.choices, required=False)


class CallSerializer(serializers.Serializer[Any]):
    """`POST queue-entries/{id}/call`. Without a room: where they are to go is known."""

    room = serializers.UUIDField(required=False, allow_null=True)


class CallNextSerializer(serializers.Serializer[Any]):
    """`POST queues/call-next`: the next for the doctor, or the next of all."""

    location = serializers.UUIDField()
    doctor = serializers.UUIDField(required=False, allow_null=True)
    room = serializers.UUIDField(required=False, allow_null=True)


class CalledSerializer(serializers.Serializer[Any]):
    """Who was called; null when nobody waits."""

    entry = EntrySerializer(allow_null=True)


class TransferSerializer(serializers.Serializer[Any]):
    """`POST queue-entries/{id}/transfer`: to another doctor (null: whoever is free) or place."""

    doctor = serializers.UUIDField(allow_null=True)
    room = serializers.UUIDField(required=False, allow_null=True)
    location = serializers.UUIDField(required=False, allow_null=True)


class NothingSerializer(serializers.Serializer[Any]):
    """A step that takes nothing."""


class LeftSerializer(serializers.Serializer[Any]):
    """`POST queue-entries/{id}/left`."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=200)


class PrioritySerializer(serializers.Serializer[Any]):
    """`POST queue-entries/{id}/priority`."""

    priority = serializers.ChoiceField(choices=Priority.choices)
