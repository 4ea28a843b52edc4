"""Assessments: clinicians with time for two sessions, and booking both or neither."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api.serializers import AppointmentSerializer, SlotSerializer
from appointments.api.shapes import appointment_data
from appointments.selectors.pairs import SESSION_MINUTES, PairPage, pairs_find
from appointments.selectors.slots import place_and_service
from appointments.services.assessments import assessment_book, pair_data
from clinics.models import Clinic, Patient, Profession, VisitMode
from clinics.principal import Principal
from core import tenancy
from core.api.fields import InstantField
from core.api.filters import refuse_unknown
from core.api.pagination import DEFAULT_LIMIT, MAX_LIMIT, KeysetPagination
from core.api.resources import checked_body
from core.api.views import Endpoint
from core.errors import ErrorCode, KairosError, invalid

_WORD = 80  # characters of a region or an insurance
_PARAMETERS = [
    OpenApiParameter("region", str, description="Where the clinician is licensed."),
    OpenApiParameter("insurance", str, description="What the clinician accepts."),
    OpenApiParameter("profession", str, enum=Profession.values, default=Profession.PSYCHOLOGIST),
    OpenApiParameter(
        "duration",
        int,
        description=f"Minutes of a session: the service's, or {SESSION_MINUTES}.",
    ),
    OpenApiParameter("clinic", UUID, description="Without one: all the caller's own."),
    OpenApiParameter("location", UUID),
    OpenApiParameter("service", UUID),
    OpenApiParameter("type", str, enum=VisitMode.values, default=VisitMode.IN_PERSON),
    OpenApiParameter(
        "patient",
        UUID,
        description="For whom: gives region and insurance, and leaves out when they have a visit.",
    ),
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    ),
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
]
_KNOWN = frozenset(parameter.name for parameter in _PARAMETERS)


class PairSerializer(serializers.Serializer[Any]):
    """Two free starts that can be booked together."""

    first = SlotSerializer()
    second = SlotSerializer()


class ClinicianPairsSerializer(serializers.Serializer[Any]):
    """A clinician with at most three pairs, earliest first, each beginning on another day."""

    doctor = serializers.UUIDField()
    clinic = serializers.UUIDField()
    location = serializers.UUIDField(allow_null=True)
    timezone = serializers.CharField()
    pairs = PairSerializer(many=True)


class PairPageSerializer(serializers.Serializer[Any]):
    """A page of clinicians. It may hold fewer than `limit` where most calendars are full."""

    results = ClinicianPairsSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()


class SessionSerializer(serializers.Serializer[Any]):
    """One of the two sessions."""

    starts_at = InstantField()


class AssessmentSerializer(serializers.Serializer[Any]):
    """`POST assessments`."""

    patient = serializers.UUIDField()
    doctor = serializers.UUIDField()
    location = serializers.UUIDField(required=False, allow_null=True)
    service = serializers.UUIDField(required=False, allow_null=True)
    type = serializers.ChoiceField(choices=VisitMode.choices, default=VisitMode.IN_PERSON)
    first = SessionSerializer()
    second = SessionSerializer()
    duration = serializers.IntegerField(
        required=False, allow_null=True, min_value=5, max_value=720, help_text="Minutes of each."
    )
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class BookedAssessmentSerializer(serializers.Serializer[Any]):
    """Both sessions; the second has the first as its parent."""

    first = AppointmentSerializer()
    second = AppointmentSerializer()


class Assessments(Endpoint):
    """Two sessions with one clinician. Clinics that publish their times are open to anyone."""

    public = frozenset({"list"})
    needs = {"create": Permission.APPOINTMENT_BOOK}
    limit_class = {"list": "read"}

    @extend_schema(parameters=_PARAMETERS, responses=PairPageSerializer)
    def list(self, request: Request) -> Response:
        """Clinicians with pairs of free starts on two days, page by page."""
        refuse_unknown(request, _KNOWN)
        asked = _asked(request)
        service = _id(request, "service")
        staff = bool(request.auth) and all(request.auth.is_staff_in(one) for one in asked.clinics)
        minutes = _minutes(request)
        if service is not None and not staff:
            minutes = None  # patients book a service at its own length
        page = pairs_find(
            clinics=asked.clinics,
            region=_word(request, "region") or asked.region,
            insurance=_word(request, "insurance") or asked.insurance,
            profession=_choice(request, "profession", Profession.values, Profession.PSYCHOLOGIST),
            location=_id(request, "location"),
            service=service,
            minutes=minutes if minutes or service else SESSION_MINUTES,
            mode=_choice(request, "type", VisitMode.values, VisitMode.IN_PERSON),
            patient=_id(request, "patient"),
            patient_rules=not staff,
            after=_after(request.query_params.get("cursor")),
            limit=KeysetPagination.page_size(request),
        )
        return Response(_page_data(page))

    @extend_schema(request=AssessmentSerializer, responses={201: BookedAssessmentSerializer})
    def create(self, request: Request) -> Response:
        """Book both sessions, or neither."""
        data = checked_body(request, AssessmentSerializer)
        first, second = assessment_book(
            by=request.auth,
            mode=data.pop("type"),
            minutes=data.pop("duration", None),
            first=_moment(data.pop("first")),
            second=_moment(data.pop("second")),
            **data,
        )
        return Response(
            {
                "first": appointment_data(first, request.auth),
                "second": appointment_data(second, request.auth),
            },
            status=201,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose calendars the caller may ask about, and what the patient's chart adds."""

    clinics: list[UUID]
    region: str | None = None
    insurance: str | None = None


def _asked(request: Request) -> _Asked:
    """The clinics of the search. Raises NOT_FOUND for what the caller may not ask about.

    A patient's own; else the one named, if the caller is of it or it publishes its times; else all
    of the caller's, those they work at before those they are a patient of.
    """
    by: Principal | None = request.auth
    clinic, location, service = (_id(request, name) for name in ("clinic", "location", "service"))
    patient = _id(request, "patient")
    asked = _Asked(_own(by))
    if patient is not None:
        asked = _of_patient(by, patient)
        if clinic not in {None, *asked.clinics}:
            raise KairosError(ErrorCode.NOT_FOUND, errors={"patient": ["not found"]})
    elif clinic is not None:
        asked = _Asked([clinic])
        if not _may_see(by, clinic):
            raise KairosError(ErrorCode.NOT_FOUND, errors={"clinic": ["not found"]})
    if not asked.clinics:
        raise invalid("clinic", "name a clinic")
    if location is None and service is None:
        return asked
    if all(_is_of(by, one) for one in asked.clinics):
        at, of = place_and_service(location, service)
    else:  # rows of a clinic that only publishes its times: read in its scope, and no other
        with tenancy.scope(asked.clinics):
            at, of = place_and_service(location, service)
    if location is not None:
        if at is None or at[0] not in asked.clinics:
            raise KairosError(ErrorCode.NOT_FOUND, errors={"location": ["not found"]})
        asked = _Asked([at[0]], asked.region, asked.insurance)
    if service is not None:
        open_to = of is not None and (of[1] or _is_of(by, of[0]))
        if of is None or not open_to or of[0] not in asked.clinics:
            raise KairosError(ErrorCode.NOT_FOUND, errors={"service": ["not found"]})
        asked = _Asked([of[0]], asked.region, asked.insurance)
    return asked


def _own(by: Principal | None) -> list[UUID]:
    if by is None:
        return []
    if by.is_super_admin:
        return by.search_scope(Permission.APPOINTMENT_BOOK)
    return sorted(by.roles or by.charts)


def _is_of(by: Principal | None, clinic: UUID) -> bool:
    return by is not None and (by.is_super_admin or clinic in by.clinics)


def _of_patient(by: Principal | None, patient: UUID) -> _Asked:
    """A patient for whom the caller may book. Raises NOT_FOUND, as for one who is not there."""
    if by is None:
        raise KairosError(ErrorCode.NOT_AUTHENTICATED)
    hidden = KairosError(ErrorCode.NOT_FOUND, errors={"patient": ["not found"]})
    chart = (
        Patient.objects.filter(id=patient, is_active=True, merged_into=None)
        .values_list("clinic_id", "region", "insurance")
        .first()
    )
    if chart is None:
        raise hidden
    clinic, region, insurance = chart
    book = Permission.APPOINTMENT_BOOK
    if not (by.may_for(book, clinic, patient_id=patient) or by.may_own(book, clinic)):
        raise hidden
    return _Asked([clinic], region or None, insurance or None)


def _may_see(by: Principal | None, clinic: UUID) -> bool:
    """Whether the caller is of the clinic, or it publishes its times."""
    if by is not None and clinic in by.clinics:
        return True
    found = Clinic.objects.filter(id=clinic, is_active=True)
    if by is None or not by.is_super_admin:
        found = found.filter(public_slots=True)
    return found.exists()


def _page_data(page: PairPage) -> dict[str, Any]:
    return {
        "results": [
            {
                "doctor": one.doctor,
                "clinic": one.clinic,
                "location": one.location,
                "timezone": one.timezone,
                "pairs": [pair_data(pair) for pair in one.pairs],
            }
            for one in page.results
        ],
        "next_cursor": _cursor(page.next) if page.next else None,
        "has_more": page.next is not None,
    }


def _cursor(last: UUID) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([last])).decode().rstrip("=")


def _after(cursor: str | None) -> UUID | None:
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        (last,) = orjson.loads(raw)
        return UUID(last)
    except (binascii.Error, ValueError, TypeError, AttributeError):
        raise invalid("cursor", "not a cursor of this list") from None


def _moment(session: Any) -> Any:
    return session["starts_at"]


def _id(request: Request, name: str) -> UUID | None:
    raw = request.query_params.get(name)
    if not raw:
        return None
    try:
        return UUID(raw)
    except ValueError:
        raise invalid(name, "not an id") from None


def _word(request: Request, name: str) -> str | None:
    raw = request.query_params.get(name)
    if raw and (len(raw) > _WORD or "\x00" in raw):
        raise invalid(name, f"at most {_WORD} characters")
    return raw or None


def _choice(request: Request, name: str, choices: Any, default: str) -> str:
    raw = request.query_params.get(name, default)
    if raw not in choices:
        raise invalid(name, f"any of {', '.join(choices)}")
    return raw


def _minutes(request: Request) -> int | None:
    raw = request.query_params.get("duration")
    if raw is None:
        return None
    if not raw.isascii() or not raw.isdigit() or not 5 <= int(raw[:9]) <= 720:
        raise invalid("duration", "a whole number from 5 to 720")
    return int(raw)
