"""Picking a free time in a form: the days to choose from, and what was picked."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from appointments.selectors.booking import Offer
from clinics.models import Service
from core.api.fields import parse_instant
from core.errors import ErrorCode, KairosError
from dashboard.access import Desk
from dashboard.forms.free import Question
from dashboard.free_times import FreeDays, free_days
from followups.matching import Start


@dataclass(frozen=True, slots=True)
class Picked:
    """A free time, as a form sent it back."""

    doctor: UUID
    location: UUID | None
    starts_at: datetime


def times_free(
    desk: Desk,
    offer: Offer,
    *,
    first: date,
    doctor: UUID | None,
    location: UUID | None,
    service: Service | None,
    mode: str,
    minutes: int | None = None,
) -> FreeDays:
    """The first days with free times from `first` on; without a doctor those of all."""
    question = Question(
        first=first,
        service=service,
        doctor=doctor,
        location=location,
        mode=mode,
        part="",
        weekdays=frozenset(),
        patient=None,
        minutes=minutes,
    )
    return free_days(desk, offer, question)


def value_of(start: Start) -> str:
    """A free start as the value of a button; `picked_in` reads it."""
    return f"{start.doctor}|{start.location or ''}|{start.starts_at.isoformat()}"


def picked_in(value: str) -> Picked:
    """What a `FreeTime.value` says. Raises VALIDATION_ERROR for anything else."""
    try:
        doctor, location, at = value.split("|")
        return Picked(UUID(doctor), UUID(location) if location else None, parse_instant(at))
    except (ValueError, OverflowError):
        raise KairosError(ErrorCode.VALIDATION_ERROR) from None
