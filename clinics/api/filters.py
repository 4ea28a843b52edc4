"""What the lists of the clinics floor may be filtered by."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from clinics.models import Doctor, Profession, VisitMode, Weekday
from clinics.selectors.directory import doctors_of_clinic
from core.api.filters import StrictFilterSet


class OfClinic(StrictFilterSet):
    """Everything that belongs to a clinic can be narrowed to one."""

    clinic = filters.UUIDFilter(field_name="clinic_id")


class ClinicFilter(StrictFilterSet):
    country = filters.CharFilter(field_name="country", max_length=2)
    timezone = filters.CharFilter(field_name="timezone", max_length=64)


class LocationFilter(OfClinic):
    is_active = filters.BooleanFilter()


class RoomFilter(OfClinic):
    location = filters.UUIDFilter(field_name="location_id")
    is_active = filters.BooleanFilter()


class ServiceFilter(OfClinic):
    is_active = filters.BooleanFilter()
    is_public = filters.BooleanFilter()
    mode = filters.ChoiceFilter(
        field_name="modes", choices=VisitMode.choices, lookup_expr="contains", method="with_mode"
    )

    def with_mode(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(modes__contains=[value])


class DoctorFilter(StrictFilterSet):
    specialty = filters.CharFilter(field_name="specialties", max_length=80, method="has")
    clinic = filters.UUIDFilter(method="at_clinic")
    language = filters.CharFilter(field_name="languages", max_length=80, method="has")
    insurance = filters.CharFilter(field_name="accepted_insurances", max_length=80, method="has")
    region = filters.CharFilter(field_name="licensed_regions", max_length=80, method="has")
    profession = filters.ChoiceFilter(choices=Profession.choices)

    def has(self, queryset: QuerySet[Doctor], name: str, value: str) -> QuerySet[Doctor]:
        return queryset.filter(**{f"{name}__contains": [value]})

    def at_clinic(self, queryset: QuerySet[Doctor], name: str, value: Any) -> QuerySet[Doctor]:
        return queryset.filter(id__in=doctors_of_clinic(value).values("id"))


class PatientFilter(OfClinic):
    mrn = filters.CharFilter(max_length=40)
    birth_date = filters.DateFilter()
    external_id = filters.CharFilter(max_length=80)
    is_active = filters.BooleanFilter()


class MemberFilter(StrictFilterSet):
    role = filters.CharFilter(max_length=20)
    is_active = filters.BooleanFilter()


class ScheduleTemplateFilter(OfClinic):
    doctor = filters.UUIDFilter(field_name="doctor_id")
    location = filters.UUIDFilter(field_name="location_id")
    weekday = filters.ChoiceFilter(choices=Weekday.choices)
    valid_on = filters.DateFilter(method="on_date")

    def on_date(self, queryset: QuerySet[Any], name: str, value: Any) -> QuerySet[Any]:
        return queryset.exclude(valid_from__gt=value).exclude(valid_to__lt=value)
