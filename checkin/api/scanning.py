"""Checking in over HTTP: one scan, a batch of old ones, by hand, by force, and who could."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import django_filters as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api.serializers import AppointmentSerializer, ReasonSerializer
from appointments.api.shapes import appointment_data
from appointments.models import Appointment
from appointments.selectors.appointments import appointments_visible_to
from checkin.api.base import DeviceResource, device_of
from checkin.api.serializers import scans as shape
from checkin.geo import Coordinates
from checkin.models import CheckInMethod, DeviceKind, Outcome
from checkin.rules import EXPECTED, refusal, window_of
from checkin.selectors.devices import devices_visible_to
from checkin.services.arrival import check_in, check_in_by_force, check_in_by_hand, sync
from checkin.services.scanning import Asked, known_code
from checkin.sources import Source, device_source, patient_source, staff_source
from clinics.models import VisitMode
from clinics.principal import Principal
from core import clock
from core.api.etag import etag, expected_version
from core.api.filters import StrictFilterSet
from core.api.resources import Resource
from core.errors import ErrorCode, KairosError, invalid

_PROBLEMS: Final = {
    (status, "application/problem+json"): shape.ScanProblemSerializer
    for status in (403, 404, 409, 410)
}
#: Refusals of a visit that are written down, so that what they wrote has to be kept.
_KEPT: Final = frozenset(
    {
        ErrorCode.TOO_EARLY,
        ErrorCode.TOO_LATE,
        ErrorCode.APPOINTMENT_EXPIRED,
        ErrorCode.VIDEO_APPOINTMENT,
        ErrorCode.INVALID_TRANSITION,
    }
)
_SCANNERS: Final = frozenset({DeviceKind.SCANNER.value, DeviceKind.KIOSK.value})
_DAY: Final = timedelta(days=1)


class Scanning(DeviceResource):
    """Check-in by a QR code, from devices, staff and patients."""

    queryset = Appointment.objects.none()
    serializer_class = shape.ScanAnswerSerializer
    needs = {"scan_qr": None, "sync": Permission.CHECKIN_RUN}
    for_devices = {"scan_qr": _SCANNERS, "sync": _SCANNERS}
    limit_class = {"scan_qr": "scan", "sync": "scan"}

    @extend_schema(
        request=shape.ScanSerializer, responses={200: shape.ScanAnswerSerializer, **_PROBLEMS}
    )
    def scan_qr(self, request: Request) -> Response:
        """Check in whom a code is about. A refusal is a problem document with the whole answer."""
        data = self.checked(serializer=shape.ScanSerializer)
        source = _source(request, data["qr_code"], data.get("device"))
        answer = check_in(source=source, asked=_asked(data), method=_method(source))
        if answer["outcome"] == Outcome.CHECKED_IN:
            return Response(answer)
        told = {name: answer[name] for name in answer if name not in {"code", "detail"}}
        return self.refusal(KairosError(ErrorCode(answer["code"]), answer["detail"], extra=told))

    @extend_schema(request=shape.SyncSerializer, responses=shape.SyncAnswerSerializer)
    def sync(self, request: Request) -> Response:
        """Apply scans that a device or staff made offline: in any order, however often sent."""
        data = self.checked(serializer=shape.SyncSerializer)
        device = device_of(request)
        source = device_source(device) if device is not None else staff_source(request.auth)
        scans = [_asked({**scan, "sent_at": data["sent_at"]}) for scan in data["scans"]]
        return Response({"results": sync(source=source, scans=scans)})


class EligibleFilter(StrictFilterSet):
    location = filters.UUIDFilter(field_name="location_id")
    doctor = filters.UUIDFilter(field_name="doctor_id")
    patient = filters.UUIDFilter(field_name="patient_id")

    class Meta:
        model = Appointment
        fields: list[str] = []


class Eligible(Resource):
    """The visits around now that have not been checked in, and which of them can be."""

    queryset = Appointment.objects.none()
    serializer_class = shape.EligibleSerializer
    filterset_class = EligibleFilter
    ordering = ("starts_at", "id")
    needs = {"list": Permission.APPOINTMENT_READ}

    def list(self, request: Request) -> Response:
        """Of the whole clinic for its staff; of their own charts for patients."""
        now = clock.now()
        rows = (
            appointments_visible_to(request.auth)
            .filter(
                type=VisitMode.IN_PERSON,
                status__in=sorted(EXPECTED),
                starts_at__gte=now - _DAY,
                starts_at__lt=now + _DAY,
            )
            .select_related("clinic", "location", "doctor", "patient", "service")
        )
        return self.page(
            rows,
            request,
            serialize=lambda found: [_eligible(one, request.auth) for one in found],
        )


class ByHand(Resource):
    """Check-in at the desk."""

    queryset = Appointment.objects.none()
    serializer_class = AppointmentSerializer
    missing = ErrorCode.APPOINTMENT_NOT_FOUND
    needs = {"check_in": Permission.CHECKIN_RUN, "force": Permission.CHECKIN_FORCE}

    @extend_schema(request=ReasonSerializer, responses=AppointmentSerializer)
    def check_in(self, request: Request, pk: str) -> Response:
        """Check a visit in. Past its window it takes a reason, and the right to force it."""
        data = self.checked(serializer=ReasonSerializer)
        return self._checked_in(
            lambda: check_in_by_hand(
                appointment_id=UUID(pk),
                by=request.auth,
                expected_version=expected_version(request),
                reason=data.get("reason", ""),
            )
        )

    @extend_schema(request=shape.ForceSerializer, responses=AppointmentSerializer)
    def force(self, request: Request, pk: str) -> Response:
        """Check a visit in past its window; the reason is kept in the trail."""
        data = self.checked(serializer=shape.ForceSerializer)
        return self._checked_in(
            lambda: check_in_by_force(
                appointment_id=UUID(pk),
                by=request.auth,
                reason=data["reason"],
                expected_version=expected_version(request),
            )
        )

    def _checked_in(self, act: Callable[[], Appointment]) -> Response:
        try:
            visit = act()
        except KairosError as error:
            if error.code not in _KEPT:
                raise
            return self.refusal(error)
        return Response(
            appointment_data(visit, self.request.auth), headers={"ETag": etag(visit.version)}
        )


def _source(request: Request, text: str, device_id: UUID | None) -> Source:
    """Who scans: a device; staff, where the code is a patient's; else the patient themselves."""
    device = device_of(request)
    if device is not None:
        if device_id not in {None, device.id}:
            raise invalid("device", "not the device that asks")
        return device_source(device)
    principal: Principal = request.auth
    code = known_code(text)
    works = (
        principal.may_somewhere(Permission.CHECKIN_RUN)
        if code is None
        else not code.is_point and principal.may(Permission.CHECKIN_RUN, code.clinic_id)
    )
    if not works:
        return patient_source(principal)
    location = None
    if device_id is not None:
        beside = devices_visible_to(principal).filter(pk=device_id, revoked_at=None).first()
        if beside is None:
            raise KairosError(ErrorCode.NOT_FOUND, errors={"device": ["not found"]})
        location = beside.location_id
    return staff_source(principal, location=location)


def _method(source: Source) -> CheckInMethod:
    if source.device is not None and source.device.kind == DeviceKind.KIOSK:
        return CheckInMethod.KIOSK
    return CheckInMethod.QR_STAFF if source.is_trusted else CheckInMethod.QR_SELF


def _asked(data: dict[str, Any]) -> Asked:
    where = data.get("coordinates")
    return Asked(
        code=data["qr_code"],
        nonce=data["nonce"],
        appointment_ids=tuple(data.get("appointment_ids") or ()),
        everyone=data.get("everyone", False),
        coordinates=None
        if where is None
        else Coordinates(
            where["latitude"],
            where["longitude"],
            # A phone that does not say how sure it is gets no benefit of any doubt.
            where.get("accuracy", 0.0),
        ),
        scanned_at=data.get("scanned_at"),
        sent_at=data.get("sent_at"),
    )


def _eligible(visit: Appointment, reader: Principal) -> dict[str, Any]:
    window = window_of(visit)
    staff = reader.is_staff_in(visit.clinic_id)
    code = refusal(visit, at=clock.now(), window=window, here=None, by_staff=staff)
    return {
        "appointment": visit.id,
        "location": visit.location_id,
        "starts_at": visit.starts_at,
        "timezone": visit.timezone,
        "doctor": visit.doctor.display_name,
        "patient": visit.patient.full_name if staff else visit.patient.given_name,
        "service": visit.service.name if visit.service else None,
        "eligible": code is None,
        "code": code.value if code else None,
        "opens_at": window.opens_at,
        "closes_at": window.closes_at,
    }
