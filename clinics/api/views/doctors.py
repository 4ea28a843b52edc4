"""Endpoints of doctors and of working hours."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from clinics.api.directory import directory_answer
from clinics.api.filters import DoctorFilter, ScheduleTemplateFilter
from clinics.api.serializers.people import (
    DoctorEntrySerializer,
    DoctorSerializer,
    NewDoctorSerializer,
    ScheduleTemplateSerializer,
)
from clinics.api.views.base import NO_CONTENT, refuse_move, require_in
from clinics.models import Doctor, ScheduleTemplate
from clinics.principal import Principal
from clinics.selectors.directory import (
    clinics_of_doctors,
    doctors_managed_by,
    doctors_open_to,
    doctors_visible_to,
    templates_visible_to,
)
from clinics.services.doctors import doctor_create, doctor_update
from clinics.services.schedules import template_create, template_remove, template_update
from core.api.etag import expected_version
from core.api.resources import Resource
from core.errors import ErrorCode, KairosError


def doctors_shown(principal: Principal | None, doctors: Sequence[Doctor]) -> list[dict[str, Any]]:
    """Doctors with the clinics they work at; in full where the caller may see that."""
    at = clinics_of_doctors([doctor.id for doctor in doctors])
    in_full = doctors_open_to(principal, list(doctors))
    shown = []
    for doctor in doctors:
        doctor.clinics = sorted(at[doctor.id])  # type: ignore[attr-defined]
        form = DoctorSerializer if doctor.id in in_full else DoctorEntrySerializer
        shown.append(form(doctor).data)
    return shown


class Doctors(Resource):
    """The directory of everyone who can be booked."""

    queryset = Doctor.objects.none()
    serializer_class = DoctorSerializer
    filterset_class = DoctorFilter
    public = frozenset({"list", "retrieve"})
    needs = {
        "create": Permission.STAFF_MANAGE,
        "update": Permission.STAFF_MANAGE,
        "partial_update": Permission.STAFF_MANAGE,
    }

    def list(self, request: Request) -> Response:
        """Doctors by specialty, clinic, language, insurance, region and profession, for anyone."""
        page = self.page(
            doctors_visible_to(request.auth),
            request,
            serialize=lambda rows: doctors_shown(request.auth, rows),
        )
        return directory_answer(request, page)

    def retrieve(self, request: Request, pk: str) -> Response:
        doctor = self.one(doctors_visible_to(request.auth))
        return directory_answer(request, self._answer(request, doctor))

    @extend_schema(request=NewDoctorSerializer, responses={201: DoctorSerializer})
    def create(self, request: Request) -> Response:
        """Make a member of a clinic, by their user's id, someone who can be booked."""
        fields = self.checked(serializer=NewDoctorSerializer)
        clinic, user = fields.pop("clinic"), fields.pop("user")
        require_in(request.auth, Permission.STAFF_MANAGE, clinic.id)
        doctor = doctor_create(clinic=clinic, user=user, fields=fields)
        return self._answer(request, doctor, status=201)

    def update(self, request: Request, pk: str) -> Response:
        """Change an entry, for who manages the staff of a clinic where the doctor works."""
        doctor = self.one(doctors_visible_to(request.auth))
        if doctor.id not in doctors_managed_by(request.auth, [doctor]):
            raise KairosError(ErrorCode.NOT_FOUND)
        changed = doctor_update(
            doctor_id=doctor.id,
            fields=self.checked(partial=True),
            expected_version=expected_version(request),
        )
        return self._answer(request, changed)

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    def _answer(self, request: Request, doctor: Doctor, *, status: int = 200) -> Response:
        return self.answer(doctor, status=status, data=doctors_shown(request.auth, [doctor])[0])


class ScheduleTemplates(Resource):
    """Weekly working hours; a doctor's own, or everyone's for who runs the clinic."""

    queryset = ScheduleTemplate.objects.none()
    serializer_class = ScheduleTemplateSerializer
    filterset_class = ScheduleTemplateFilter
    needs = {
        "list": Permission.SCHEDULE_READ,
        "retrieve": Permission.SCHEDULE_READ,
        "create": Permission.SCHEDULE_WRITE,
        "update": Permission.SCHEDULE_WRITE,
        "partial_update": Permission.SCHEDULE_WRITE,
        "destroy": Permission.SCHEDULE_WRITE,
    }

    def list(self, request: Request) -> Response:
        return self.page(templates_visible_to(request.auth), request)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.answer(self.one(templates_visible_to(request.auth)))

    def create(self, request: Request) -> Response:
        fields = self.checked()
        location, doctor = fields.pop("location"), fields.pop("doctor")
        if not self._may_write(request, location.clinic_id, doctor.id):
            require_in(request.auth, Permission.SCHEDULE_WRITE, location.clinic_id)
        template = template_create(location=location, doctor=doctor, fields=fields)
        return self.answer(template, status=201)

    def update(self, request: Request, pk: str) -> Response:
        template = self._writable(request)
        fields = self.checked(partial=True)
        refuse_move(template, fields, "doctor")
        return self.answer(
            template_update(
                template=template, fields=fields, expected_version=expected_version(request)
            )
        )

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(responses=NO_CONTENT)
    def destroy(self, request: Request, pk: str) -> Response:
        """Take working hours away; visits booked in them stay."""
        template_remove(
            template_id=self._writable(request).id, expected_version=expected_version(request)
        )
        return Response(status=204)

    def _writable(self, request: Request) -> ScheduleTemplate:
        template: ScheduleTemplate = self.one(templates_visible_to(request.auth))
        request.auth.require(
            Permission.SCHEDULE_WRITE, template.clinic_id, doctor_id=template.doctor_id
        )
        return template

    @staticmethod
    def _may_write(request: Request, clinic_id: UUID, doctor_id: UUID) -> bool:
        return bool(request.auth.may_for(Permission.SCHEDULE_WRITE, clinic_id, doctor_id=doctor_id))
