"""The one error a rule raises, and the closed list of its codes.

A code is part of the public contract: it is in the OpenAPI schema, clients branch on it, and it
never changes its meaning. `core.api.problems` turns the error into an RFC 9457 problem document.
"""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class ErrorCode(models.TextChoices):
    """Every code an answer may carry; the label is its title."""

    VALIDATION_ERROR = "VALIDATION_ERROR", _("The request is not valid")
    NOT_AUTHENTICATED = "NOT_AUTHENTICATED", _("Sign in first")
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS", _("The credentials are not right")
    TOKEN_EXPIRED = "TOKEN_EXPIRED", _("The token has expired")
    TOKEN_REVOKED = "TOKEN_REVOKED", _("The token is no longer valid")
    PERMISSION_DENIED = "PERMISSION_DENIED", _("You may not do this")
    NOT_FOUND = "NOT_FOUND", _("Not found")
    CONFLICT = "CONFLICT", _("This clashes with something that exists")
    PRECONDITION_FAILED = "PRECONDITION_FAILED", _("It has changed since you read it")
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH", _("The key was used for another request")
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS", _("The same request is still running")
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED", _("Too many requests")
    LOCK_TIMEOUT = "LOCK_TIMEOUT", _("Others are changing this; try again")
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE", _("Not available at the moment")
    # Booking
    APPOINTMENT_NOT_FOUND = "APPOINTMENT_NOT_FOUND", _("No such appointment")
    SCHEDULING_CONFLICT = "SCHEDULING_CONFLICT", _("This time is taken")
    OUTSIDE_WORKING_HOURS = "OUTSIDE_WORKING_HOURS", _("Outside working hours")
    DOCTOR_ON_LEAVE = "DOCTOR_ON_LEAVE", _("The doctor is on leave")
    TOO_SOON = "TOO_SOON", _("Too soon to be booked")
    BEYOND_HORIZON = "BEYOND_HORIZON", _("Too far ahead to be booked")
    DAILY_CAP_REACHED = "DAILY_CAP_REACHED", _("The doctor's day is full")
    WEEKLY_CAP_REACHED = "WEEKLY_CAP_REACHED", _("The doctor's week is full")
    PATIENT_CONFLICT = "PATIENT_CONFLICT", _("The patient has another visit at this time")
    ROOM_CONFLICT = "ROOM_CONFLICT", _("The room is taken at this time")
    LOCATION_REQUIRED = "LOCATION_REQUIRED", _("A visit in person needs a location")
    INVALID_APPOINTMENT_TYPE = "INVALID_APPOINTMENT_TYPE", _("Not offered this way")
    INVALID_TRANSITION = "INVALID_TRANSITION", _("Not possible in this status")
    HOLD_EXPIRED = "HOLD_EXPIRED", _("The hold has expired")
    CANCEL_CUTOFF_PASSED = "CANCEL_CUTOFF_PASSED", _("Too late to be changed online")
    # Follow-up
    FOLLOWUP_PLAN_NOT_FOUND = "FOLLOWUP_PLAN_NOT_FOUND", _("No such follow-up plan")
    FOLLOWUP_PLAN_ALREADY_CONVERTED = (
        "FOLLOWUP_PLAN_ALREADY_CONVERTED",
        _("The plan already has its appointment"),
    )
    INVALID_FOLLOWUP_DATE = "INVALID_FOLLOWUP_DATE", _("The follow-up date is not possible")
    SERIES_CONFLICT = "SERIES_CONFLICT", _("Dates of the series are taken")
    OFFER_EXPIRED = "OFFER_EXPIRED", _("The offer is over")
    # Check-in
    NO_APPOINTMENT_FOUND = "NO_APPOINTMENT_FOUND", _("No appointment to check in")
    ALREADY_CHECKED_IN = "ALREADY_CHECKED_IN", _("Already checked in")
    WRONG_LOCATION = "WRONG_LOCATION", _("The appointment is at another location")
    APPOINTMENT_EXPIRED = "APPOINTMENT_EXPIRED", _("The appointment is over")
    TOO_EARLY = "TOO_EARLY", _("Too early to check in")
    TOO_LATE = "TOO_LATE", _("Too late to check in")
    INVALID_QR_CODE = "INVALID_QR_CODE", _("Not a valid code")
    QR_CODE_EXPIRED = "QR_CODE_EXPIRED", _("The code has expired")
    LOCATION_INACTIVE = "LOCATION_INACTIVE", _("Check-in is closed here")
    OUTSIDE_GEOFENCE = "OUTSIDE_GEOFENCE", _("Too far from the location")
    VIDEO_APPOINTMENT = "VIDEO_APPOINTMENT", _("Not a visit in person")
    MULTIPLE_APPOINTMENTS = "MULTIPLE_APPOINTMENTS", _("Several appointments to choose from")
    DEVICE_REVOKED = "DEVICE_REVOKED", _("The device is no longer paired")


_STATUS: dict[ErrorCode, int] = {
    ErrorCode.VALIDATION_ERROR: 400,
    ErrorCode.NOT_AUTHENTICATED: 401,
    ErrorCode.INVALID_CREDENTIALS: 401,
    ErrorCode.TOKEN_EXPIRED: 401,
    ErrorCode.TOKEN_REVOKED: 401,
    ErrorCode.PERMISSION_DENIED: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.APPOINTMENT_NOT_FOUND: 404,
    ErrorCode.FOLLOWUP_PLAN_NOT_FOUND: 404,
    ErrorCode.NO_APPOINTMENT_FOUND: 404,
    ErrorCode.INVALID_QR_CODE: 404,
    ErrorCode.PRECONDITION_FAILED: 412,
    ErrorCode.IDEMPOTENCY_MISMATCH: 422,
    ErrorCode.RATE_LIMIT_EXCEEDED: 429,
    ErrorCode.LOCK_TIMEOUT: 503,
    ErrorCode.SERVICE_UNAVAILABLE: 503,
    ErrorCode.LOCATION_REQUIRED: 400,
    ErrorCode.INVALID_APPOINTMENT_TYPE: 400,
    ErrorCode.INVALID_FOLLOWUP_DATE: 400,
    ErrorCode.HOLD_EXPIRED: 410,
    ErrorCode.OFFER_EXPIRED: 410,
    ErrorCode.QR_CODE_EXPIRED: 410,
    ErrorCode.DEVICE_REVOKED: 403,
    ErrorCode.OUTSIDE_GEOFENCE: 403,
    ErrorCode.CANCEL_CUTOFF_PASSED: 403,
}


class KairosError(Exception):
    """A rule said no.

    `detail` is a sentence for a person; `errors` maps field names to lists of sentences; `extra`
    holds further members of the problem document (such as `alternatives`); `headers` go with an
    HTTP answer. A refusal never leaves anything half done: it rolls its transaction back.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str = "",
        *,
        errors: Mapping[str, list[str]] | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code
        self.detail = detail or str(code.label)
        self.errors = errors
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})
        self.status = status or _STATUS.get(code, 409)


def invalid(field: str, message: str) -> KairosError:
    """A VALIDATION_ERROR about one field."""
    return KairosError(ErrorCode.VALIDATION_ERROR, errors={field: [message]})
