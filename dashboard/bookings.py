"""Booking at the desk: the chart if it is a new one, the visit and its hold, once or not at all."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from appointments.models import Appointment
from appointments.selectors.booking import OwnHold, holds_of
from appointments.services.booking import appointment_book
from appointments.services.calendar import Hold
from appointments.services.holds import hold_create, hold_release
from core.errors import ErrorCode, KairosError, invalid
from core.forms import attempted
from dashboard.access import Desk
from dashboard.forms.booking import Wanted
from dashboard.once import done_once
from dashboard.people import chart_open


def visit_book(
    *,
    desk: Desk,
    once: UUID,
    wanted: Wanted,
    patient: UUID | None,
    new_patient: dict[str, Any] | None = None,
    seen: Collection[UUID] = (),
    held: UUID | None = None,
    override_reason: str | None = None,
    **details: Any,
) -> Appointment:
    """Book for a chart that is there, or open `new_patient`'s first; both or neither.

    A form sent a second time (`once`) gives the visit that the first one booked, also while that
    one is still at work. Raises as `appointment_book` and `chart_open` do, VALIDATION_ERROR
    without a patient, IDEMPOTENCY_MISMATCH when the form has booked something else already.
    """
    said = (wanted, patient, new_patient, details.get("room"), override_reason is not None)

    def act() -> UUID:
        chart = patient
        if new_patient is not None:
            chart = chart_open(desk, new_patient, seen=seen).id
        if chart is None:
            raise invalid("patient", "required")
        own = None if override_reason is not None else _own_hold(desk, wanted)
        visit = appointment_book(
            by=desk.principal,
            doctor=wanted.doctor,
            patient=chart,
            location=wanted.location,
            service=wanted.service,
            mode=wanted.mode,
            starts_at=wanted.starts_at,
            ends_at=wanted.ends_at,
            hold=own.id if own is not None else None,
            override_reason=override_reason,
            **details,
        )
        if held is not None and (own is None or own.id != held):
            hold_drop(desk, held)
        return visit.id

    made = done_once(desk, "desk-book", once, said, act)
    return Appointment.objects.select_related("patient", "doctor").get(pk=made)


def hold_keep(
    *, desk: Desk, wanted: Wanted, held: UUID | None
) -> tuple[OwnHold | Hold | None, KairosError | None]:
    """Keep the time of a form that is being filled in; the hold, or why it cannot be had.

    What the form kept before is given back, and so is whatever else the user keeps of that time,
    from another tab or a page that was left. What is kept of this very visit already stays.
    """
    by = desk.principal
    own = _own_holds(desk, wanted)
    same = next((one for one in own if one.id == held and _is_of(one, wanted)), None)
    if same is not None:
        return same, None
    for left in {one.id for one in own} | ({held} if held is not None else set()):
        hold_drop(desk, left)
    return attempted(
        lambda: hold_create(
            by=by,
            doctor=wanted.doctor,
            starts_at=wanted.starts_at,
            ends_at=wanted.ends_at,
            location=wanted.location,
            service=wanted.service,
            mode=wanted.mode,
            clinic=desk.clinic.id,
        )
    )


def hold_drop(desk: Desk, held: UUID) -> None:
    """Give a hold back; one that is gone, or was never theirs, is none."""
    try:
        hold_release(by=desk.principal, hold_id=held)
    except KairosError as error:
        if error.code != ErrorCode.NOT_FOUND:
            raise


def _own_hold(desk: Desk, wanted: Wanted) -> OwnHold | None:
    """The hold that the visit may use, whatever the form knows of it: it may have been sent while
    its hold was still on the way."""
    return next((one for one in _own_holds(desk, wanted) if _is_of(one, wanted)), None)


def _own_holds(desk: Desk, wanted: Wanted) -> list[OwnHold]:
    return holds_of(
        desk.principal.holder,
        clinic=desk.clinic.id,
        doctor=wanted.doctor,
        start=wanted.starts_at,
        end=wanted.until,
    )


def _is_of(hold: OwnHold, wanted: Wanted) -> bool:
    return (hold.starts_at, hold.ends_at, hold.service, hold.location) == (
        wanted.starts_at,
        wanted.until,
        wanted.service,
        wanted.location,
    )
