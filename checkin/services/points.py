"""Check-in locations: made, changed, their codes turned over, taken away."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.roles import Permission
from checkin.models import CheckInLocation
from clinics.models import Clinic, Location
from clinics.principal import Principal
from clinics.services.changes import apply_changes, create_row, locked, require_same_clinic
from core import clock, versions
from core.errors import ErrorCode, KairosError, invalid

#: What `point_make` and `point_update` take besides the name.
DETAILS: Final = (
    "mode",
    "valid_until",
    "latitude",
    "longitude",
    "geofence_metres",
    "geofence_policy",
    "opens_minutes",
    "closes_minutes",
    "is_active",
)


def point_make(
    *, by: Principal, clinic: Clinic, location: Location, name: str, **details: Any
) -> CheckInLocation:
    """A check-in location of `location`; `details` as in `DETAILS`.

    Raises PERMISSION_DENIED, NOT_FOUND for a location of another clinic, VALIDATION_ERROR, and
    CONFLICT where the location has one of this name.
    """
    by.require(Permission.CHECKIN_PLACES_WRITE, clinic.id)
    require_same_clinic(clinic.id, location=location)
    _refuse_unknown(details)
    _check_validity(details.get("valid_until"))
    _check_geofence(location, details)
    return create_row(
        CheckInLocation,
        {"clinic": clinic, "location": location, "name": name, **details},
        action="checkin_point.created",
    )


def point_update(
    *, by: Principal, point_id: UUID, fields: Mapping[str, Any], expected_version: int | None
) -> CheckInLocation:
    """Change the name or `DETAILS`. The code stays as it is; codes of the other mode end.

    Raises NOT_FOUND (also for one deleted), PERMISSION_DENIED, PRECONDITION_FAILED,
    VALIDATION_ERROR, CONFLICT.
    """
    point = _writable(by, point_id, expected_version)
    _refuse_unknown(fields, "name")
    if fields.get("valid_until") != point.valid_until:
        _check_validity(fields.get("valid_until"))
    said = {name: getattr(point, name) for name in ("latitude", "longitude", "geofence_metres")}
    _check_geofence(point.location, said | dict(fields))
    return apply_changes(
        CheckInLocation,
        point_id,
        fields,
        expected_version=expected_version,
        action="checkin_point.changed",
    )


def point_rotate(
    *,
    by: Principal,
    point_id: UUID,
    expected_version: int | None = None,
    valid_until: datetime | None = None,
) -> CheckInLocation:
    """Turn the code over: every poster printed before is of the past from now on.

    `valid_until` ends the new code by itself; None: it holds until it is turned over again. Raises
    NOT_FOUND, PERMISSION_DENIED, PRECONDITION_FAILED, VALIDATION_ERROR.
    """
    point = _writable(by, point_id, expected_version)
    _check_validity(valid_until)
    return apply_changes(
        CheckInLocation,
        point_id,
        {
            "generation": point.generation + 1,
            "rotated_at": clock.now(),
            "valid_until": valid_until,
        },
        expected_version=expected_version,
        action="checkin_point.rotated",
    )


def point_delete(*, by: Principal, point_id: UUID, expected_version: int | None = None) -> None:
    """Take it away; its codes are answered with LOCATION_INACTIVE ever after.

    The row stays for what was checked in there. Raises NOT_FOUND, PERMISSION_DENIED,
    PRECONDITION_FAILED.
    """
    _writable(by, point_id, expected_version)
    apply_changes(
        CheckInLocation,
        point_id,
        {"is_active": False, "deleted_at": clock.now()},
        expected_version=expected_version,
        action="checkin_point.deleted",
    )


def _writable(by: Principal, point_id: UUID, expected_version: int | None) -> CheckInLocation:
    """The row under its lock, for somebody who may change it."""
    point = locked(CheckInLocation, point_id, expected_version=None)
    if point.deleted_at is not None or not by.is_staff_in(point.clinic_id):
        raise KairosError(ErrorCode.NOT_FOUND)
    by.require(Permission.CHECKIN_PLACES_WRITE, point.clinic_id)
    versions.require(point, expected_version)
    return point


def _refuse_unknown(fields: Mapping[str, Any], *more: str) -> None:
    unknown = set(fields).difference(DETAILS, more)
    if unknown:
        raise KairosError(
            ErrorCode.VALIDATION_ERROR, errors={name: [_("unknown")] for name in sorted(unknown)}
        )


def _check_validity(until: datetime | None) -> None:
    if until is not None and until <= clock.now():
        raise invalid("valid_until", _("It lies in the past."))


def _check_geofence(location: Location, fields: Mapping[str, Any]) -> None:
    """A radius needs a centre: the place's own, or else the location's."""
    if fields.get("geofence_metres") is None or fields.get("latitude") is not None:
        return
    if location.latitude is None:
        raise invalid(
            "geofence_metres", _("Give the coordinates, here or at the location, to measure from.")
        )
