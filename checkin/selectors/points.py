"""Check-in locations: who sees them, the codes that they show, and what a scanned code names."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models import QuerySet

from accounts.roles import Permission
from checkin.codes import PERIOD, Code, Kind, code_of, period_at, period_is_near
from checkin.models import CheckInLocation, PointMode
from clinics.principal import Principal
from core import clock
from core.errors import ErrorCode, KairosError


@dataclass(frozen=True, slots=True)
class PointCode:
    """What a check-in location shows, and until when (None: until it is turned over).

    A screen asks for the next one then; the old one is taken for a period more, by slow hands.
    """

    code: str
    valid_until: datetime | None


def points_visible_to(principal: Principal) -> QuerySet[CheckInLocation]:
    """The check-in locations that the principal may read; deleted ones never."""
    found = CheckInLocation.objects.filter(deleted_at=None).select_related("location", "clinic")
    if principal.is_super_admin:
        return found
    return found.filter(clinic_id__in=principal.clinics_with(Permission.CHECKIN_PLACES_READ))


def points_of(location_id: UUID) -> QuerySet[CheckInLocation]:
    """Those of a location that take check-ins, in the order in which they were made."""
    return CheckInLocation.objects.filter(
        location_id=location_id, deleted_at=None, is_active=True
    ).order_by("id")


def point_code(point: CheckInLocation, at: datetime) -> PointCode:
    """The code that the check-in location shows at that moment."""
    if point.mode == PointMode.STATIC:
        code = code_of(
            Kind.POSTER, clinic=point.clinic_id, subject=point.id, number=point.generation
        )
        return PointCode(code, point.valid_until)
    period = period_at(at)
    ends = datetime.fromtimestamp((period + 1) * PERIOD.total_seconds(), tz=UTC)
    code = code_of(Kind.SCREEN, clinic=point.clinic_id, subject=point.id, number=period)
    return PointCode(code, ends if point.valid_until is None else min(ends, point.valid_until))


def code_url(code: str, base_url: str) -> str:
    """The address that a QR code of a poster or screen says, all in capitals.

    Only scheme and host are taken from `base_url`: in capitals they are the same (RFC 3986, 6.2.2).
    """
    base = urlsplit(base_url)
    return f"{base.scheme}://{base.netloc}/Q/{code}".upper()


def point_url(point: CheckInLocation, base_url: str, at: datetime | None = None) -> str:
    """The address that the check-in location's QR code says now, or at that moment."""
    return code_url(point_code(point, at or clock.now()).code, base_url)


def point_by_code(code: Code, at: datetime) -> CheckInLocation:
    """The check-in location that a code names, its location and clinic read along.

    The scope is the caller's to narrow to `code.clinic_id`. Raises INVALID_QR_CODE for a code that
    names none, LOCATION_INACTIVE where check-in is closed or was taken away, QR_CODE_EXPIRED for a
    code that was turned over, is past its time, or is a screen's of another minute.
    """
    point = (
        CheckInLocation.objects.select_related("location", "clinic")
        .filter(pk=code.subject_id, clinic_id=code.clinic_id)
        .first()
        if code.is_point
        else None
    )
    if point is None:
        raise KairosError(ErrorCode.INVALID_QR_CODE)
    if not _takes_checkins(point):
        raise KairosError(ErrorCode.LOCATION_INACTIVE)
    if not _is_of_now(point, code, at):
        raise KairosError(ErrorCode.QR_CODE_EXPIRED)
    return point


def _takes_checkins(point: CheckInLocation) -> bool:
    return (
        point.deleted_at is None
        and point.is_active
        and point.location.is_active
        and point.clinic.is_active
    )


def _is_of_now(point: CheckInLocation, code: Code, at: datetime) -> bool:
    if point.valid_until is not None and point.valid_until <= at:
        return False
    if code.kind == Kind.POSTER:
        # A photograph of a poster must not get around a screen that stands there now.
        return point.mode == PointMode.STATIC and code.number == point.generation
    return (
        point.mode == PointMode.ROTATING
        and period_is_near(code.number, at)
        and code.number >= period_at(point.rotated_at)
    )
