"""Shapes of doctors, patients and working hours."""

from typing import Any

from rest_framework import serializers

from clinics.api.serializers.base import ENTITY, EntitySerializer, RelatedRow
from clinics.models import Channel, Clinic, Doctor, Patient, ScheduleTemplate

_ENTRY = (
    *ENTITY,
    "display_name",
    "profession",
    "specialties",
    "licensed_regions",
    "accepted_insurances",
    "languages",
    "clinics",
)


class DoctorEntrySerializer(EntitySerializer):
    """A doctor as the directory shows them to anyone."""

    clinics = serializers.ListField(child=serializers.UUIDField(), read_only=True)

    class Meta:
        model = Doctor
        fields: tuple[str, ...] = _ENTRY
        read_only_fields: tuple[str, ...] = _ENTRY


class DoctorSerializer(DoctorEntrySerializer):
    """A doctor with their account and caps, for themselves and for who manages their clinic."""

    class Meta:
        model = Doctor
        fields: tuple[str, ...] = (
            *_ENTRY,
            "user",
            "max_daily_appointments",
            "max_weekly_appointments",
            "is_active",
        )
        read_only_fields: tuple[str, ...] = (*ENTITY, "user", "clinics")
        # In an answer these are there only for who may see them.
        extra_kwargs = {"user": {"required": False}}


class NewDoctorSerializer(DoctorSerializer):
    """A member of `clinic` becomes someone who can be booked."""

    clinic = RelatedRow(queryset=Clinic.objects.all(), write_only=True)

    class Meta(DoctorSerializer.Meta):
        fields = (*DoctorSerializer.Meta.fields, "clinic")
        read_only_fields = (*ENTITY, "clinics")
        extra_kwargs: dict[str, Any] = {}


class ChannelsField(serializers.DictField):
    """Which channels a patient wants or refuses."""

    child = serializers.BooleanField()

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if unknown := sorted(set(value) - set(Channel.values)):
            raise serializers.ValidationError(dict.fromkeys(unknown, "unknown channel"))
        return value


class PatientSerializer(EntitySerializer):
    """A chart. `notes` are null for who may not read clinical text."""

    mrn = serializers.CharField(
        max_length=40, required=False, help_text="Made by the clinic when absent."
    )
    # As people write it; kept in E.164 form.
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)
    notes = serializers.CharField(
        max_length=4000, required=False, allow_blank=True, allow_null=True
    )
    contact_preferences = ChannelsField(required=False)

    class Meta:
        model = Patient
        fields = (
            *ENTITY,
            "clinic",
            "user",
            "mrn",
            "given_name",
            "family_name",
            "birth_date",
            "sex",
            "phone",
            "email",
            "region",
            "insurance",
            "language",
            "contact_preferences",
            "external_id",
            "notes",
            "is_active",
            "merged_into",
        )
        read_only_fields = (*ENTITY, "user", "merged_into")

    def to_representation(self, instance: Patient) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if instance.pk not in self.context["clinical"]:
            shown["notes"] = None
        return shown


class RowIdsField(serializers.ListField):
    """Ids of related rows, asked of the database all at once by the service."""

    child = serializers.UUIDField()

    def get_attribute(self, instance: Any) -> Any:
        return [row.pk for row in super().get_attribute(instance).all()]


class ScheduleTemplateSerializer(EntitySerializer):
    """Weekly working hours, in the wall-clock time of the location."""

    services = RowIdsField(max_length=100, required=False)

    class Meta:
        model = ScheduleTemplate
        fields = (
            *ENTITY,
            "clinic",
            "doctor",
            "location",
            "weekday",
            "start_time",
            "end_time",
            "slot_minutes",
            "capacity",
            "modes",
            "services",
            "valid_from",
            "valid_to",
        )
        read_only_fields = (*ENTITY, "clinic")
