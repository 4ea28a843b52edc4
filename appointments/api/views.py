"""Appointments: list, read, book, change, and every step of their life."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api import serializers as shape
from appointments.api.filters import AppointmentFilter
from appointments.api.shapes import appointment_data, event_data, expand, expansion
from appointments.models import OPEN, Appointment, Verb
from appointments.selectors.appointments import (
    appointments_visible_to,
    history,
    shows_clinical_text,
)
from appointments.services.booking import appointment_book
from appointments.services.reschedule import (
    DETAILS,
    appointment_edit,
    appointment_reschedule,
)
from appointments.services.status import appointment_move, appointment_undo
from core import clock, journal
from core.api.etag import expected_version
from core.api.filters import refuse_unknown
from core.api.resources import Resource
from core.errors import ErrorCode
from core.rows import Columns

EXPAND = OpenApiParameter("expand", str, description="Relations to embed, with commas.")


@extend_schema(responses=shape.AppointmentSerializer)
class Appointments(Resource):
    """Visits of patients to doctors."""

    queryset = Appointment.objects.none()
    serializer_class = shape.AppointmentSerializer
    filterset_class = AppointmentFilter
    ordering = ("starts_at", "id")
    columns = Columns(Appointment)
    missing = ErrorCode.APPOINTMENT_NOT_FOUND
    needs = {
        "list": Permission.APPOINTMENT_READ,
        "retrieve": Permission.APPOINTMENT_READ,
        "history": Permission.APPOINTMENT_READ,
        "my_appointments": Permission.APPOINTMENT_READ,
        "upcoming": Permission.APPOINTMENT_READ,
        "create": Permission.APPOINTMENT_BOOK,
        "update": Permission.APPOINTMENT_BOOK,
        "partial_update": Permission.APPOINTMENT_BOOK,
        "destroy": Permission.APPOINTMENT_BOOK,
        "cancel": Permission.APPOINTMENT_BOOK,
        "reschedule": Permission.APPOINTMENT_BOOK,
        "move_doctor": Permission.APPOINTMENT_BOOK,
        "approve": Permission.APPOINTMENT_MANAGE,
        "confirm": Permission.APPOINTMENT_READ,
        "no_show": Permission.APPOINTMENT_MANAGE,
        "undo": Permission.APPOINTMENT_MANAGE,
        "start": Permission.APPOINTMENT_TREAT,
    }

    # --- Reading ------------------------------------------------------------------------------

    @extend_schema(parameters=[EXPAND])
    def list(self, request: Request) -> Response:
        return self._page(appointments_visible_to(request.auth), request)

    @extend_schema(parameters=[EXPAND])
    def retrieve(self, request: Request, pk: str) -> Response:
        appointment = self.one(appointments_visible_to(request.auth))
        journal.record(
            journal.Act(
                "appointment.read",
                "appointments.appointment",
                appointment.id,
                appointment.clinic_id,
                (appointment.patient_id,),
            )
        )
        return self._answer(appointment)

    @extend_schema(responses=shape.EventListSerializer, filters=False)
    @action(detail=True)
    def history(self, request: Request, pk: str) -> Response:
        appointment = self.one(appointments_visible_to(request.auth))
        clinical = shows_clinical_text(request.auth, appointment)
        journal.record(
            journal.Act(
                "appointment.history_read",
                "appointments.appointment",
                appointment.id,
                appointment.clinic_id,
                (appointment.patient_id,),
            )
        )
        return Response(
            {"results": [event_data(event, clinical=clinical) for event in history(appointment.id)]}
        )

    @extend_schema(parameters=[EXPAND])
    @action(detail=False, url_path="my-appointments")
    def my_appointments(self, request: Request) -> Response:
        """The caller's own: as a patient (or proxy) and as a doctor."""
        own = Appointment.objects.filter(patient_id__in=request.auth.own_patients())
        if request.auth.doctor_id is not None:
            own = own | Appointment.objects.filter(
                doctor_id=request.auth.doctor_id,
                clinic_id__in=request.auth.clinics_with_own(Permission.APPOINTMENT_READ)
                | request.auth.clinics_with(Permission.APPOINTMENT_READ),
            )
        return self._page(own, request)

    @extend_schema(parameters=[EXPAND, OpenApiParameter("user_id", str, OpenApiParameter.PATH)])
    @action(
        detail=False, url_path=r"user/(?P<user_id>[0-9a-fA-F-]{36})/upcoming", filterset_class=None
    )
    def upcoming(self, request: Request, user_id: str) -> Response:
        """What is still to come for a user, as patient or doctor, as far as the caller may see."""
        seen = appointments_visible_to(request.auth).filter(
            status__in=OPEN, ends_at__gte=clock.now()
        )
        of_user = seen.filter(patient__user_id=user_id) | seen.filter(doctor__user_id=user_id)
        return self._page(of_user, request)

    # --- Writing ------------------------------------------------------------------------------

    @extend_schema(request=shape.BookSerializer, responses={201: shape.AppointmentSerializer})
    def create(self, request: Request) -> Response:
        data = self.checked(serializer=shape.BookSerializer)
        override = data.pop("override", None)
        appointment = appointment_book(
            by=request.auth,
            mode=data.pop("type"),
            override_reason=override["reason"] if override else None,
            **data,
        )
        return self._answer(appointment, status=201)

    @extend_schema(request=shape.UpdateSerializer)
    def update(self, request: Request, pk: str) -> Response:
        data = self.checked(serializer=shape.UpdateSerializer)
        override = data.pop("override", None)
        details = {name: data.pop(name) for name in DETAILS if name in data}
        version = expected_version(request)
        appointment = None
        if data:
            found = self.one(appointments_visible_to(request.auth))
            appointment = appointment_reschedule(
                appointment_id=found.id,
                by=request.auth,
                starts_at=data.pop("starts_at", found.starts_at),
                expected_version=version,
                keep_room="room" not in data,
                override_reason=override["reason"] if override else None,
                **data,
            )
            version = None
        if details or appointment is None:
            appointment = appointment_edit(
                appointment_id=UUID(pk), by=request.auth, expected_version=version, **details
            )
        return self._answer(appointment)

    @extend_schema(request=shape.UpdateSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.update(request, pk)

    @extend_schema(request=shape.RescheduleSerializer)
    @action(detail=True, methods=["post"])
    def reschedule(self, request: Request, pk: str) -> Response:
        data = self.checked(serializer=shape.RescheduleSerializer)
        override = data.pop("override", None)
        return self._answer(
            appointment_reschedule(
                appointment_id=UUID(pk),
                by=request.auth,
                expected_version=expected_version(request),
                keep_room="room" not in data,
                override_reason=override["reason"] if override else None,
                **data,
            )
        )

    @extend_schema(request=shape.MoveDoctorSerializer)
    @action(detail=True, methods=["post"], url_path="move-doctor")
    def move_doctor(self, request: Request, pk: str) -> Response:
        data = self.checked(serializer=shape.MoveDoctorSerializer)
        override = data.pop("override", None)
        found = self.one(appointments_visible_to(request.auth))
        return self._answer(
            appointment_reschedule(
                appointment_id=found.id,
                by=request.auth,
                starts_at=data.pop("starts_at", found.starts_at),
                expected_version=expected_version(request),
                keep_room="location" not in data,
                override_reason=override["reason"] if override else None,
                **data,
            )
        )

    @extend_schema(request=shape.ReasonSerializer, responses=shape.AppointmentSerializer)
    def destroy(self, request: Request, pk: str) -> Response:
        """Cancel: the appointment stays, cancelled. The reason stands in the body or the query."""
        refuse_unknown(request, {"reason"})
        return self._move(request, pk, Verb.CANCEL, request.query_params.get("reason", ""))

    @extend_schema(request=shape.ReasonSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        return self._move(request, pk, Verb.CANCEL)

    @extend_schema(request=shape.ReasonSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        return self._move(request, pk, Verb.APPROVE)

    @extend_schema(request=shape.ReasonSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        return self._move(request, pk, Verb.CONFIRM)

    @extend_schema(request=shape.ReasonSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        return self._move(request, pk, Verb.START)

    @extend_schema(request=shape.ReasonSerializer)
    @action(detail=True, methods=["post"], url_path="no-show")
    def no_show(self, request: Request, pk: str) -> Response:
        return self._move(request, pk, Verb.NO_SHOW)

    @extend_schema(request=shape.ReasonSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        data = self.checked(serializer=shape.ReasonSerializer)
        return self._answer(
            appointment_undo(
                appointment_id=UUID(pk),
                by=request.auth,
                reason=data.get("reason", ""),
                expected_version=expected_version(request),
            )
        )

    # --- Shared -------------------------------------------------------------------------------

    def _move(self, request: Request, pk: str, verb: Verb, reason: str = "") -> Response:
        data = self.checked(serializer=shape.ReasonSerializer)
        return self._answer(
            appointment_move(
                appointment_id=UUID(pk),
                verb=verb,
                by=request.auth,
                expected_version=expected_version(request),
                reason=data.get("reason", reason),
            )
        )

    def _answer(self, appointment: Appointment, *, status: int = 200) -> Response:
        data = appointment_data(appointment, self.request.auth)
        if self.request.method == "GET":
            expand([data], expansion(self.request.query_params.get("expand")))
        return self.answer(appointment, status=status, data=data)

    def _page(self, rows: Any, request: Request) -> Response:
        names = expansion(request.query_params.get("expand"))

        def serialize(found: Sequence[Any]) -> Sequence[dict[str, Any]]:
            if found:
                self._record_listing(found)
            return expand([appointment_data(row, request.auth) for row in found], names)

        return self.page(rows, request, serialize=serialize)

    def _record_listing(self, found: Sequence[Any]) -> None:
        """Whose visits were shown: one event a clinic."""
        by_clinic: dict[Any, list[Any]] = {}
        for row in found:
            by_clinic.setdefault(row.clinic_id, []).append(row.patient_id)
        journal.record_many(
            journal.Act(
                "appointment.listed",
                "appointments.appointment",
                clinic_id=clinic,
                subjects=sorted(set(patients)),
            )
            for clinic, patients in by_clinic.items()
        )
