"""Shapes of check-in locations, their codes, and devices."""

from typing import Any, Final

from rest_framework import serializers

from checkin.models import CheckInDevice, CheckInLocation, DeviceKind, PointMode
from checkin.services.points import DETAILS
from clinics.api.serializers.base import ENTITY, EntitySerializer, RelatedRow
from clinics.models import Location
from core.api.fields import InstantField


class PointSerializer(EntitySerializer):
    """A check-in location. Where a field is null, the location's or the clinic's value stands."""

    clinic = RelatedRow(read_only=True)
    location = RelatedRow(queryset=Location.objects.all())
    valid_until = InstantField(required=False, allow_null=True)

    class Meta:
        model = CheckInLocation
        fields = (
            *ENTITY,
            "clinic",
            "location",
            "name",
            "generation",
            "rotated_at",
            *DETAILS,
        )
        read_only_fields = ("generation", "rotated_at")


class RotateSerializer(serializers.Serializer[Any]):
    """`POST …/{id}/rotate`."""

    valid_until = InstantField(
        required=False, allow_null=True, help_text="When the new code ends by itself."
    )


class PointCodeSerializer(serializers.Serializer[Any]):
    """The code that a check-in location shows; a screen asks again at `valid_until`."""

    point = serializers.UUIDField()
    location = serializers.UUIDField()
    mode = serializers.ChoiceField(choices=PointMode.choices)
    qr_code = serializers.CharField()
    url = serializers.CharField(help_text="What the picture says.")
    valid_until = InstantField(allow_null=True)


_DEVICE: Final = (
    *ENTITY,
    "clinic",
    "location",
    "point",
    "kind",
    "name",
    "pairing_expires_at",
    "paired_at",
    "expires_at",
    "last_seen_at",
    "revoked_at",
)


class DeviceSerializer(EntitySerializer):
    """A scanner, kiosk or wall screen."""

    class Meta:
        model = CheckInDevice
        fields = _DEVICE
        read_only_fields = fields


class NewDeviceSerializer(serializers.Serializer[Any]):
    """`POST appointments/check-in/devices`."""

    location = RelatedRow(queryset=Location.objects.all())
    kind = serializers.ChoiceField(choices=DeviceKind.choices)
    name = serializers.CharField(max_length=120)
    point = RelatedRow(
        queryset=CheckInLocation.objects.filter(deleted_at=None), required=False, allow_null=True
    )


class PairingSerializer(EntitySerializer):
    """A device and the code that pairs it, which is not shown again."""

    pairing_code = serializers.CharField(read_only=True)

    class Meta:
        model = CheckInDevice
        fields = (*_DEVICE, "pairing_code")
        read_only_fields = fields


class PairSerializer(serializers.Serializer[Any]):
    """`POST appointments/check-in/devices/pair`."""

    pairing_code = serializers.CharField(max_length=40)


class PairedSerializer(serializers.Serializer[Any]):
    """`token` goes into `Authorization: Device <token>`; it is not shown again."""

    token = serializers.CharField()
    device = DeviceSerializer()


class LendSerializer(serializers.Serializer[Any]):
    """`POST appointments/check-in/devices/lend`: this phone scans at the location for a shift."""

    location = RelatedRow(queryset=Location.objects.all())
    name = serializers.CharField(required=False, allow_blank=True, max_length=120)
