"""Shapes of scans and of what became of them."""

import math
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from checkin.api.serializers.queue import AheadSerializer, WaitSerializer
from checkin.models import Outcome
from checkin.services.arrival import MOST_SCANS
from checkin.services.scanning import NONCE
from core.api.fields import InstantField
from core.errors import ErrorCode

_LONGEST_SCAN: Final = 4000
_MOST_VISITS: Final = 50


@extend_schema_field({"type": "string", "maxLength": _LONGEST_SCAN})
class ScanField(serializers.Field[str, Any, Any, Any]):
    """What a scanner read, whatever it is: whether it is a code of ours is the service's to say."""

    default_error_messages = {"invalid": f"A text of at most {_LONGEST_SCAN} characters."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or len(data) > _LONGEST_SCAN:
            self.fail("invalid")
        return data

    def to_representation(self, value: str) -> Any:
        return value


class NonceField(serializers.RegexField):
    """Made by the client, once for a scan, and sent again with it whenever the answer was lost."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(rf"^(?:{NONCE.pattern})\Z", trim_whitespace=False, **kwargs)


@extend_schema_field({"type": "number"})
class NumberField(serializers.Field[float, Any, Any, Any]):
    """A number from `least` to `most`; none that is not one (NaN, infinity, true)."""

    def __init__(self, *, least: float, most: float, **kwargs: Any) -> None:
        self.least, self.most = least, most
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> float:
        number = isinstance(data, int | float) and not isinstance(data, bool)
        if not number or not math.isfinite(data) or not self.least <= data <= self.most:
            raise serializers.ValidationError(f"A number from {self.least:g} to {self.most:g}.")
        return float(data)

    def to_representation(self, value: float) -> Any:
        return value


class CoordinatesSerializer(serializers.Serializer[Any]):
    """Where the phone says it is (WGS 84); `accuracy` is a radius in metres."""

    latitude = NumberField(least=-90, most=90)
    longitude = NumberField(least=-180, most=180)
    accuracy = NumberField(least=0, most=40_100_000, required=False)


class ScanSerializer(serializers.Serializer[Any]):
    """`POST appointments/check-in/scan-qr`."""

    qr_code = ScanField()
    nonce = NonceField(help_text="8 to 64 of A-Z a-z 0-9 _ -; the same one gets the same answer.")
    appointment_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=_MOST_VISITS
    )
    everyone = serializers.BooleanField(
        required=False, help_text="Check in all of the visits that may be; a family in one scan."
    )
    coordinates = CoordinatesSerializer(required=False, allow_null=True)
    scanned_at = InstantField(required=False, allow_null=True)
    sent_at = InstantField(required=False, allow_null=True)
    device = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="Staff: the check-in device at whose location they stand.",
    )


class OfflineScanSerializer(serializers.Serializer[Any]):
    """One scan that was kept until the network was there again."""

    qr_code = ScanField()
    nonce = NonceField()
    scanned_at = InstantField()
    appointment_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=_MOST_VISITS
    )
    everyone = serializers.BooleanField(required=False)


class SyncSerializer(serializers.Serializer[Any]):
    """`POST appointments/check-in/sync`. `sent_at` is by the same clock as each `scanned_at`."""

    sent_at = InstantField()
    scans = serializers.ListField(
        child=OfflineScanSerializer(), min_length=1, max_length=MOST_SCANS
    )


class CheckedVisitSerializer(serializers.Serializer[Any]):
    """What became of one visit; `opens_at` and `closes_at` with TOO_EARLY and TOO_LATE."""

    appointment = serializers.UUIDField()
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    code = serializers.ChoiceField(choices=ErrorCode.choices, allow_null=True)
    starts_at = InstantField()
    timezone = serializers.CharField()
    doctor = serializers.CharField()
    patient = serializers.CharField(help_text="For patients the given name only.")
    service = serializers.CharField(allow_null=True)
    room = serializers.CharField(allow_null=True)
    token = serializers.CharField(allow_null=True)
    entry = serializers.UUIDField(allow_null=True)
    position = serializers.IntegerField(allow_null=True)
    ahead = AheadSerializer(allow_null=True)
    wait = WaitSerializer(allow_null=True)
    opens_at = InstantField(allow_null=True)
    closes_at = InstantField(allow_null=True)


class PlaceNameSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class ScanAnswerSerializer(serializers.Serializer[Any]):
    """What became of a scan. Refusals are told as data, and each is written down."""

    outcome = serializers.ChoiceField(choices=Outcome.choices)
    code = serializers.ChoiceField(choices=ErrorCode.choices, allow_null=True)
    detail = serializers.CharField(allow_blank=True)
    nonce = serializers.CharField()
    attempt = serializers.UUIDField(allow_null=True)
    replayed = serializers.BooleanField(help_text="The nonce was answered before, with this.")
    visits = CheckedVisitSerializer(many=True)
    location = PlaceNameSerializer(allow_null=True)


class ScanProblemSerializer(ScanAnswerSerializer):
    """RFC 9457, with what became of the scan. MULTIPLE_APPOINTMENTS: `visits` to choose from."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    request_id = serializers.CharField()


class SyncAnswerSerializer(serializers.Serializer[Any]):
    """One answer a scan, in the order sent."""

    results = ScanAnswerSerializer(many=True)


class EligibleSerializer(serializers.Serializer[Any]):
    """A visit of today and whether it can be checked in now; `code` says why not."""

    appointment = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    starts_at = InstantField()
    timezone = serializers.CharField()
    doctor = serializers.CharField()
    patient = serializers.CharField()
    service = serializers.CharField(allow_null=True)
    eligible = serializers.BooleanField()
    code = serializers.ChoiceField(choices=ErrorCode.choices, allow_null=True)
    opens_at = InstantField()
    closes_at = InstantField()


class ForceSerializer(serializers.Serializer[Any]):
    """`POST appointments/{id}/check-in/force`."""

    reason = serializers.CharField(max_length=500)
