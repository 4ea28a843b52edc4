"""What the waitlist hears from the outbox: time that became free, was taken, or is waited for.

After the commit, so that nobody who cancels waits for it, and at least once: an opening is the same
for the same event. A no-show frees nothing: the patient may still come, and keeps the time.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from appointments.following import follow_charts
from appointments.models import Appointment, AppointmentEvent, AppointmentStatus
from appointments.selectors.leave import exception_spans
from clinics.models import ExceptionKind, ScheduleException, ScheduleTemplate
from clinics.selectors.directory import doctors_of_clinic
from core import clock, outbox
from followups.models import OpeningCause
from followups.services.offer_jobs import openings_recheck
from followups.services.openings import OPENED, hours_opened, opening_make
from followups.services.waitlist import entries_follow_chart, entries_follow_visit


@outbox.listens("appointment.cancelled")
def visit_cancelled(event: outbox.Event) -> None:
    """Its time is offered; who waited for it to be moved waits on without it."""
    visit = _visit(event)
    if visit is None or visit.status != AppointmentStatus.CANCELLED:
        return  # taken back meanwhile
    entries_follow_visit(visit.id, came=False)
    opening_make(
        clinic=visit.clinic_id,
        doctor=visit.doctor_id,
        location=visit.location_id,
        starts_at=visit.starts_at,
        ends_at=visit.ends_at,
        cause=OpeningCause.CANCELLED,
        event=event.id,
    )


@outbox.listens("appointment.completed")
def visit_completed(event: outbox.Event) -> None:
    """Nobody waits any more for it to be moved."""
    entries_follow_visit(UUID(event.payload["appointment"]), came=True)


@outbox.listens("appointment.booked", "appointment.rescheduled", "appointment.undone")
def visit_placed(event: outbox.Event) -> None:
    """The time that it left is offered; offers of the time that it took are over."""
    visit = _visit(event)
    if visit is None:
        return
    changes = {} if event.topic == "appointment.booked" else _changes(event)
    if {"starts_at", "ends_at", "doctor"} & set(changes):
        before = _before(event, visit, changes)
        opening_make(clinic=visit.clinic_id, cause=OpeningCause.MOVED, event=event.id, **before)
    openings_recheck(
        visit.clinic_id,
        UUID(event.payload["doctor"]),
        datetime.fromisoformat(event.payload["starts_at"]),
        visit.ends_at,
    )


@outbox.listens("schedule.exception_created")
def hours_added(event: outbox.Event) -> None:
    """Other hours on some days are offered; what is closed opens nothing."""
    row = ScheduleException.objects.filter(pk=UUID(event.payload["id"])).first()
    if row is None or row.kind != ExceptionKind.HOURS or row.doctor_id is None:
        return
    hours_opened(
        clinic=row.clinic_id,
        doctors=[row.doctor_id],
        location=row.location_id,
        spans=exception_spans(row),
        cause=OpeningCause.OPENED,
        event=event.id,
    )


@outbox.listens("schedule.exception_removed")
def closing_taken_back(event: outbox.Event) -> None:
    """The free times of a leave, or of days that were closed, are offered."""
    said = event.payload
    if event.clinic_id is None or said.get("kind") not in {
        ExceptionKind.LEAVE,
        ExceptionKind.CLOSED,
    }:
        return
    doctors = (
        [UUID(said["doctor"])]
        if said["doctor"]
        else list(doctors_of_clinic(event.clinic_id).order_by("id").values_list("id", flat=True))
    )
    hours_opened(
        clinic=event.clinic_id,
        doctors=doctors,
        location=UUID(said["location"]) if said["location"] else None,
        spans=[
            (datetime.fromisoformat(start), datetime.fromisoformat(end))
            for start, end in said["spans"]
        ],
        cause=(OpeningCause.LEAVE if said["kind"] == ExceptionKind.LEAVE else OpeningCause.OPENED),
        event=event.id,
    )


@outbox.listens(
    "schedule_template.created", "schedule_template.changed", "schedule_template.services"
)
def weekly_hours_opened(event: outbox.Event) -> None:
    """The free times of new or changed weekly hours are offered, some weeks ahead."""
    row = (
        ScheduleTemplate.objects.select_related("location")
        .filter(pk=UUID(event.payload["id"]))
        .first()
    )
    if row is not None:
        hours_opened(
            clinic=row.clinic_id,
            doctors=[row.doctor_id],
            location=row.location_id,
            spans=_weekly(row),
            cause=OpeningCause.OPENED,
            event=event.id,
        )


@follow_charts
def charts_merged(source: UUID, target: UUID, visits: Sequence[UUID]) -> None:
    """Who waits goes over with the chart."""
    entries_follow_chart(source, target)


def _visit(event: outbox.Event) -> Appointment | None:
    return Appointment.objects.filter(pk=UUID(event.payload["appointment"])).first()


def _changes(event: outbox.Event) -> Mapping[str, Any]:
    """What the step of that event changed, as [before, after]."""
    step = AppointmentEvent.objects.filter(pk=UUID(event.payload["event"])).first()
    return step.changes if step is not None else {}


def _before(event: outbox.Event, visit: Appointment, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Where a visit stood before the step of that event."""

    def was(name: str, now: Any) -> Any:
        return changes[name][0] if name in changes else now

    location = was("location", event.payload["location"])
    return {
        "doctor": UUID(was("doctor", event.payload["doctor"])),
        "location": UUID(location) if location else None,
        "starts_at": datetime.fromisoformat(was("starts_at", event.payload["starts_at"])),
        "ends_at": datetime.fromisoformat(was("ends_at", visit.ends_at.isoformat())),
    }


def _weekly(row: ScheduleTemplate) -> list[tuple[datetime, datetime]]:
    """The hours of a template from today on, as instants."""
    zone = ZoneInfo(row.location.timezone)
    today = clock.now().astimezone(zone).date()
    spans = []
    for number in range(OPENED.days + 1):
        day = today + timedelta(days=number)
        if day.isoweekday() != row.weekday:
            continue
        if (row.valid_from and day < row.valid_from) or (row.valid_to and day > row.valid_to):
            continue
        over = day + timedelta(days=1) if row.end_time == time(0) else day
        spans.append(
            (
                datetime.combine(day, row.start_time, tzinfo=zone).astimezone(UTC),
                datetime.combine(over, row.end_time, tzinfo=zone).astimezone(UTC),
            )
        )
    return spans
