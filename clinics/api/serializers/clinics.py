"""Shapes of clinics, their places and their staff."""

from typing import Any

from rest_framework import serializers

from accounts.roles import STAFF_ROLES
from clinics.api.serializers.base import ENTITY, EntitySerializer
from clinics.models import Clinic, Location, Membership, Room, Service

_DIRECTORY = (
    *ENTITY,
    "name",
    "slug",
    "timezone",
    "phone",
    "email",
    "website",
    "country",
    "colour",
    "logo_url",
    "public_slots",
    "guest_booking",
)
_POLICY = (
    "is_active",
    "min_notice_minutes",
    "horizon_days",
    "cancel_cutoff_minutes",
    "checkin_opens_minutes",
    "checkin_closes_minutes",
    "late_grace_minutes",
    "hold_minutes",
    "max_holds_per_patient",
    "requires_approval",
    "wait_room_privacy",
    "shared_calendars",
    "reception_may_override",
    "auto_no_show",
)


class ClinicSerializer(EntitySerializer):
    """A clinic with its policy, for those who manage it."""

    # As people write it; kept in E.164 form.
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)

    class Meta:
        model = Clinic
        fields = (*_DIRECTORY, *_POLICY)
        read_only_fields = ENTITY


class ClinicEntrySerializer(EntitySerializer):
    """A clinic as the directory shows it to anyone."""

    class Meta:
        model = Clinic
        fields = read_only_fields = _DIRECTORY


class MyClinicSerializer(ClinicEntrySerializer):
    """A clinic of the signed-in user: the roles held there, and the charts that are theirs."""

    roles = serializers.ListField(
        child=serializers.CharField(), read_only=True, source="held_roles"
    )
    patients = serializers.ListField(
        child=serializers.UUIDField(), read_only=True, source="own_charts"
    )

    class Meta:
        model = Clinic
        fields = read_only_fields = (*_DIRECTORY, "roles", "patients")


class AppNameSerializer(serializers.Serializer[Any]):
    app_name = serializers.CharField(max_length=200, allow_blank=True)


class AppNameAnswerSerializer(serializers.Serializer[Any]):
    app_name = serializers.CharField()
    valid = serializers.BooleanField()
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)


class MembershipSerializer(EntitySerializer):
    """Who works at the clinic, as what."""

    given_name = serializers.CharField(source="user.given_name", read_only=True)
    family_name = serializers.CharField(source="user.family_name", read_only=True)

    class Meta:
        model = Membership
        fields = read_only_fields = (
            *ENTITY,
            "clinic",
            "user",
            "given_name",
            "family_name",
            "role",
            "is_active",
        )


class NewMemberSerializer(serializers.Serializer[Any]):
    """Whom to give a role, by email or phone; the names are for someone who has no account yet."""

    email = serializers.EmailField(max_length=254, required=False)
    phone = serializers.CharField(max_length=40, required=False)
    role = serializers.ChoiceField([(role.value, role.label) for role in STAFF_ROLES])
    given_name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    family_name = serializers.CharField(max_length=100, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("email" in attrs) == ("phone" in attrs):
            raise serializers.ValidationError({"email": "give an email or a phone number"})
        return attrs


class LocationSerializer(EntitySerializer):
    class Meta:
        model = Location
        fields = (
            *ENTITY,
            "clinic",
            "name",
            "address",
            "city",
            "timezone",
            "latitude",
            "longitude",
            "geofence_metres",
            "is_active",
        )
        read_only_fields = ENTITY


class RoomSerializer(EntitySerializer):
    """A room belongs to the clinic of its location."""

    class Meta:
        model = Room
        fields = (*ENTITY, "clinic", "location", "name", "is_active")
        read_only_fields = (*ENTITY, "clinic")


class ServiceSerializer(EntitySerializer):
    class Meta:
        model = Service
        fields = (
            *ENTITY,
            "clinic",
            "name",
            "description",
            "duration_minutes",
            "buffer_before_minutes",
            "buffer_after_minutes",
            "modes",
            "capacity",
            "colour",
            "min_notice_minutes",
            "horizon_days",
            "is_active",
            "is_public",
        )
        read_only_fields = ENTITY
