"""Filters of the appointment list."""

from datetime import UTC, datetime, time, timedelta
from datetime import date as Date  # noqa: N812 - `date` is the name of a filter
from typing import Any

import django_filters as filters
from django.db.models import QuerySet

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentStatus
from clinics.models import VisitMode
from clinics.selectors.patients import patients_search
from core.api.filters import StrictFilterSet
from core.errors import invalid

#: Local clocks are at most this far from UTC: what keeps a range of local days on the index.
_FURTHEST = timedelta(hours=14)


class AppointmentFilter(StrictFilterSet):
    """`date`, `date_from`, `date_to` are local days of each visit's own place.

    `status` may be given several times, or with commas. `q` finds visits by their patient.
    """

    clinic = filters.UUIDFilter(field_name="clinic_id")
    patient = filters.UUIDFilter(field_name="patient_id")
    doctor = filters.UUIDFilter(field_name="doctor_id")
    location = filters.UUIDFilter(field_name="location_id")
    status = filters.CharFilter(method="by_status")
    type = filters.ChoiceFilter(choices=VisitMode.choices)
    date = filters.DateFilter(method="by_day")
    date_from = filters.DateFilter(method="from_day")
    date_to = filters.DateFilter(method="to_day")
    is_follow_up = filters.BooleanFilter()
    series = filters.UUIDFilter()
    q = filters.CharFilter(method="by_patient_text", max_length=100)

    class Meta:
        model = Appointment
        fields: list[str] = []

    def by_status(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        wanted = {
            status
            for part in self.request.query_params.getlist(name)
            for status in part.split(",")
            if status
        }
        unknown = wanted - set(AppointmentStatus.values)
        if unknown:
            raise invalid(name, f"any of {', '.join(AppointmentStatus.values)}")
        return rows.filter(status__in=sorted(wanted))

    def by_day(self, rows: QuerySet[Any], name: str, value: Date) -> QuerySet[Any]:
        return rows.filter(local_day=value)

    def from_day(self, rows: QuerySet[Any], name: str, value: Date) -> QuerySet[Any]:
        midnight = datetime.combine(value, time(0), tzinfo=UTC)
        return rows.filter(starts_at__gte=midnight - _FURTHEST, local_day__gte=value)

    def to_day(self, rows: QuerySet[Any], name: str, value: Date) -> QuerySet[Any]:
        midnight = datetime.combine(value, time(0), tzinfo=UTC)
        return rows.filter(
            starts_at__lt=midnight + timedelta(days=1) + _FURTHEST, local_day__lte=value
        )

    def by_patient_text(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        scope = self.request.auth.search_scope(Permission.PATIENT_READ)
        found = patients_search(scope, value, limit=100)
        return rows.filter(patient_id__in=[patient.id for patient in found])
