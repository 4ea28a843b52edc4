"""Free times: searching, explaining and holding them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from appointments.api import serializers as shape
from appointments.selectors.slots import (
    MAX_DAYS,
    MAX_DOCTORS,
    Slot,
    place_and_service,
    slots_find,
    slots_next,
    workplaces,
)
from appointments.services.calendar import Hold, slot_data
from appointments.services.holds import hold_create, hold_release
from clinics.models import Clinic, VisitMode
from clinics.principal import Principal
from clinics.selectors.directory import doctors_of_clinic
from core import clock, tenancy
from core.api.fields import parse_instant
from core.api.filters import refuse_unknown
from core.api.views import Endpoint
from core.errors import ErrorCode, KairosError, invalid

_PARAMETERS = [
    OpenApiParameter("clinic", UUID),
    OpenApiParameter("location", UUID),
    OpenApiParameter("service", UUID),
    OpenApiParameter("type", str, enum=VisitMode.values),
    OpenApiParameter("from", str, description="A local day, or an instant with an offset."),
    OpenApiParameter("to", str, description="As `from`; a day is included, an instant is not."),
    OpenApiParameter("date", str, description="Instead of from and to: one local day."),
    OpenApiParameter("minutes", int, description="Length of a visit without a service."),
    OpenApiParameter("limit", int),
]
_DOCTORS = [
    OpenApiParameter("doctors", str, description=f"Ids with commas, at most {MAX_DOCTORS}."),
    OpenApiParameter("specialty", str, description="Instead of doctors, with a clinic."),
]
_EXPLAIN = [
    OpenApiParameter("explain", bool, description="Staff: also what is not free, and why."),
    OpenApiParameter("audience", str, enum=["staff", "patient"]),
]
_KNOWN = frozenset(parameter.name for parameter in _PARAMETERS)


@dataclass(frozen=True, slots=True)
class Question:
    """A search for free times, its ids checked to be the caller's to ask about."""

    clinics: list[UUID]
    doctors: list[UUID]
    location: UUID | None
    service: UUID | None
    mode: str | None
    minutes: int | None
    start: datetime
    end: datetime
    patient_rules: bool
    limit: int


class Slots(Endpoint):
    """Free times. Public for clinics that allow it."""

    public = frozenset({"list", "next"})
    needs = {"availability": None, "create": Permission.APPOINTMENT_BOOK, "destroy": None}
    limit_class = {"list": "read", "next": "read"}

    @extend_schema(
        parameters=[*_PARAMETERS, *_DOCTORS],
        responses=shape.SlotListSerializer,
        auth=[],
    )
    def list(self, request: Request) -> Response:
        """Free starts of some doctors, earliest first."""
        refuse_unknown(request, _KNOWN | {"doctors", "specialty", "doctor"})
        question = _question(request, _doctors(request))
        return Response({"results": [slot_data(slot) for slot in _find(question)]})

    @extend_schema(
        parameters=[*_PARAMETERS, *_DOCTORS],
        responses=shape.SlotListSerializer,
        auth=[],
    )
    @action(detail=False, url_path="next")
    def next(self, request: Request) -> Response:
        """The earliest free starts across doctors, however far ahead the clinic books."""
        refuse_unknown(request, _KNOWN | {"doctors", "specialty", "doctor"})
        question = _question(request, _doctors(request), default_limit=1)
        with tenancy.scope(question.clinics):
            longest = max(
                Clinic.objects.filter(id__in=question.clinics).values_list(
                    "horizon_days", flat=True
                ),
                default=0,
            )
        found = slots_next(
            clinics=question.clinics,
            doctors=question.doctors,
            start=question.start,
            horizon=timedelta(days=longest),
            location=question.location,
            service=question.service,
            minutes=question.minutes,
            mode=question.mode,
            patient_rules=question.patient_rules,
            limit=question.limit,
        )
        return Response({"results": [slot_data(slot) for slot in found]})

    @extend_schema(parameters=[*_PARAMETERS, *_EXPLAIN], responses=shape.SlotListSerializer)
    def availability(self, request: Request, doctor_id: str) -> Response:
        """One doctor's free starts; for staff also what is not free, and why."""
        refuse_unknown(request, _KNOWN | {"explain", "audience"})
        doctor = _uuid(doctor_id, "doctor")
        question = _question(request, [doctor])
        explain = request.query_params.get("explain", "false").lower() in {"true", "1"}
        if explain and not any(request.auth.is_staff_in(clinic) for clinic in question.clinics):
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        found = _find(question, explain=explain)
        return Response(
            {
                "results": [
                    slot_data(slot) | ({"reason": slot.reason} if explain else {}) for slot in found
                ]
            }
        )

    @extend_schema(request=shape.HoldSerializer, responses={201: shape.HeldSerializer})
    def create(self, request: Request) -> Response:
        """Hold a time while a form is filled in."""
        bound = shape.HoldSerializer(data=request.data)
        unknown = set(request.data) - set(bound.fields)
        if unknown:
            raise KairosError(
                ErrorCode.VALIDATION_ERROR,
                errors={name: ["unknown field"] for name in sorted(unknown)},
            )
        bound.is_valid(raise_exception=True)
        data = dict(bound.validated_data)
        hold = hold_create(by=request.auth, mode=data.pop("type"), **data)
        return Response(_hold_data(hold), status=201)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Give a hold back."""
        hold_release(by=request.auth, hold_id=_uuid(pk, "hold"))
        return Response(status=204)


def _find(question: Question, *, explain: bool = False) -> list[Slot]:
    return slots_find(
        clinics=question.clinics,
        doctors=question.doctors,
        start=question.start,
        end=question.end,
        location=question.location,
        service=question.service,
        minutes=question.minutes,
        mode=question.mode,
        patient_rules=question.patient_rules,
        explain=explain,
        limit=question.limit,
    )


def _hold_data(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "clinic": hold.clinic,
        "doctor": hold.doctor,
        "location": hold.location,
        "service": hold.service,
        "patient": hold.patient,
        "starts_at": hold.starts_at,
        "ends_at": hold.ends_at,
        "expires_at": hold.expires_at,
        "seconds_left": max(0, round((hold.expires_at - clock.now()).total_seconds())),
    }


def _uuid(raw: str, field: str) -> UUID:
    try:
        return UUID(raw)
    except ValueError:
        raise invalid(field, "not an id") from None


def _given(request: Request, name: str) -> UUID | None:
    raw = request.query_params.get(name)
    return _uuid(raw, name) if raw else None


def _doctors(request: Request) -> list[UUID]:
    """The doctors asked for: by id, or a clinic's (of a specialty)."""
    raw = request.query_params.get("doctors") or request.query_params.get("doctor")
    if raw:
        doctors = [_uuid(part, "doctors") for part in raw.split(",") if part]
        if len(doctors) > MAX_DOCTORS:
            raise invalid("doctors", f"at most {MAX_DOCTORS}")
        return doctors
    clinic = _given(request, "clinic")
    if clinic is None:
        raise invalid("doctors", "name doctors, or a clinic")
    found = doctors_of_clinic(clinic)
    specialty = request.query_params.get("specialty")
    if specialty:
        found = found.filter(specialties__contains=[specialty])
    return list(found.order_by("id").values_list("id", flat=True)[:MAX_DOCTORS])


def _question(request: Request, doctors: list[UUID], *, default_limit: int = 500) -> Question:
    """Check the query and whether the caller may ask. Raises VALIDATION_ERROR, NOT_FOUND."""
    principal: Principal | None = request.auth
    location, service = _given(request, "location"), _given(request, "service")
    clinics, zone = _clinics(principal, doctors, _given(request, "clinic"), location, service)
    mode = request.query_params.get("type")
    if mode is not None and mode not in VisitMode.values:
        raise invalid("type", f"any of {', '.join(VisitMode.values)}")
    staff = principal is not None and any(principal.is_staff_in(clinic) for clinic in clinics)
    audience = request.query_params.get("audience", "staff")
    if audience not in {"staff", "patient"}:
        raise invalid("audience", "staff or patient")
    start, end = _period(request, zone)
    minutes = _number(request, "minutes", None, 5, 720)
    if service is None and minutes is None:
        minutes = 30
    return Question(
        clinics=clinics,
        doctors=doctors,
        location=location,
        service=service,
        mode=mode,
        minutes=minutes if service is None or staff else None,
        start=start,
        end=end,
        patient_rules=not staff or audience == "patient",
        limit=_number(request, "limit", default_limit, 1, 2000) or default_limit,
    )


def _clinics(
    principal: Principal | None,
    doctors: list[UUID],
    clinic: UUID | None,
    location: UUID | None,
    service: UUID | None,
) -> tuple[list[UUID], ZoneInfo]:
    """The clinics whose hours may be shown, and the zone in which a day is meant.

    A member sees their own clinics'; anyone sees those of clinics that publish their free times.
    Raises NOT_FOUND for a place or service of a clinic that is neither, as if it did not exist.
    """
    everything = principal is not None and principal.is_super_admin
    own = principal.clinics if principal is not None else frozenset()
    seen = {
        place.clinic: place
        for place in workplaces(doctors, clinic)
        if everything or place.clinic in own or place.public_slots
    }
    if not seen and (doctors or clinic):
        missing = "clinic" if clinic is not None else "doctor"
        raise KairosError(ErrorCode.NOT_FOUND, errors={missing: ["not found"]})
    allowed = [clinic for clinic in seen if everything or clinic in own] or list(seen)
    zone = next((place.timezone for place in seen.values()), "UTC")
    if location is None and service is None:
        return allowed, ZoneInfo(zone)
    if everything or set(seen) <= own:
        at, of = place_and_service(location, service)
    else:  # rows of clinics that only publish their times: read in their scope, and no other
        with tenancy.scope(seen):
            at, of = place_and_service(location, service)
    if location is not None:
        if at is None or at[0] not in seen:
            raise KairosError(ErrorCode.NOT_FOUND, errors={"location": ["not found"]})
        allowed, zone = [at[0]], at[1]
    if service is not None:
        hidden = of is None or of[0] not in seen or not (of[1] or everything or of[0] in own)
        if of is None or hidden or (location is not None and of[0] not in allowed):
            raise KairosError(ErrorCode.NOT_FOUND, errors={"service": ["not found"]})
        allowed = [of[0]]
    return allowed, ZoneInfo(zone)


def _period(request: Request, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """[start, end) of the question; without any: a week from now. Raises VALIDATION_ERROR."""
    day = request.query_params.get("date")
    first = day or request.query_params.get("from")
    last = day or request.query_params.get("to")
    now = clock.now()
    start = _moment(first, "date" if day else "from", zone, end=False) if first else now
    end = (
        _moment(last, "date" if day else "to", zone, end=True)
        if last
        else start + timedelta(days=7)
    )
    if end <= start:
        raise invalid("to", "after from")
    if end - start > timedelta(days=MAX_DAYS):
        raise invalid("to", f"at most {MAX_DAYS} days at once")
    return start, end


def _moment(text: str, field: str, zone: ZoneInfo, *, end: bool) -> datetime:
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return datetime.combine(day, time(0), tzinfo=zone).astimezone(UTC)
        return parse_instant(text)
    except (ValueError, OverflowError):
        raise invalid(field, "a day (2026-03-01) or an instant with an offset") from None


def _number(request: Request, name: str, default: int | None, low: int, high: int) -> int | None:
    raw = request.query_params.get(name)
    if raw is None:
        return default
    if not raw.isascii() or not raw.isdigit() or not low <= int(raw[:9]) <= high:
        raise invalid(name, f"a whole number from {low} to {high}")
    return int(raw)
