"""Schedule exceptions and leave: they close the calendar, so they live with it."""

from typing import Any

import django_filters as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api import serializers as shape
from appointments.api.shapes import appointment_data
from appointments.selectors.leave import exception_affected, exceptions_visible_to
from appointments.services.leave import exception_create, exception_remove
from clinics.models import Clinic, Doctor, Location, ScheduleException
from core.api.etag import expected_version
from core.api.filters import StrictFilterSet
from core.api.resources import Resource
from core.errors import ErrorCode, KairosError


class ExceptionFilter(StrictFilterSet):
    clinic = filters.UUIDFilter(field_name="clinic_id")
    doctor = filters.UUIDFilter(field_name="doctor_id")
    location = filters.UUIDFilter(field_name="location_id")
    date_from = filters.DateFilter(field_name="end_date", lookup_expr="gte")
    date_to = filters.DateFilter(field_name="start_date", lookup_expr="lte")

    class Meta:
        model = ScheduleException
        fields: list[str] = []


class Exceptions(Resource):
    """Closed days, other hours, leave."""

    queryset = ScheduleException.objects.none()
    serializer_class = shape.ExceptionSerializer
    filterset_class = ExceptionFilter
    ordering = ("start_date", "id")
    needs = {
        "list": Permission.SCHEDULE_READ,
        "retrieve": Permission.SCHEDULE_READ,
        "create": Permission.SCHEDULE_WRITE,
        "destroy": Permission.SCHEDULE_WRITE,
    }

    def list(self, request: Request) -> Response:
        return self.page(exceptions_visible_to(request.auth), request)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.answer(self.one(exceptions_visible_to(request.auth)))

    @extend_schema(
        request=shape.ExceptionCreateSerializer,
        responses={201: shape.ExceptionCreatedSerializer},
    )
    def create(self, request: Request) -> Response:
        """Create one; the answer lists the open visits that lie in it."""
        fields = self.checked(serializer=shape.ExceptionCreateSerializer)
        related: dict[str, Any] = {"clinic": Clinic, "doctor": Doctor, "location": Location}
        for name, model in related.items():
            if fields.get(name) is not None:
                fields[name] = model.objects.filter(pk=fields[name], is_active=True).first()
                if fields[name] is None:
                    raise KairosError(ErrorCode.NOT_FOUND, errors={name: ["not found"]})
        clinic = fields.pop("clinic")
        if not request.auth.is_staff_in(clinic.id):
            raise KairosError(ErrorCode.NOT_FOUND, errors={"clinic": ["not found"]})
        exception = exception_create(by=request.auth, clinic=clinic, **fields)
        affected = [
            appointment_data(row, request.auth) for row in exception_affected(exception)[:200]
        ]
        return self.answer(
            exception,
            status=201,
            data={**self.get_serializer(exception).data, "affected": affected},
        )

    def destroy(self, request: Request, pk: str) -> Response:
        found = self.one(exceptions_visible_to(request.auth))
        exception_remove(
            by=request.auth, exception_id=found.id, expected_version=expected_version(request)
        )
        return Response(status=204)
