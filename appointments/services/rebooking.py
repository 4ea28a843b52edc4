"""Many visits moved or cancelled at one go: each by the rules of its own act, none half done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from appointments.models import Appointment, Verb
from appointments.selectors.appointments import appointments_visible_to
from appointments.services import calendar
from appointments.services.reschedule import appointment_reschedule
from appointments.services.status import appointment_move
from clinics.principal import Principal
from core import locks
from core.errors import ErrorCode, KairosError, invalid

MOST = 100
#: More than any buffer around a visit (`Service` allows four hours).
_BUFFERS = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided for one visit, seen at `version`: a new time, or without one to cancel it.

    `doctor` and `location` None: as they are.
    """

    visit: UUID
    version: int
    starts_at: datetime | None = None
    doctor: UUID | None = None
    location: UUID | None = None


class Result(StrEnum):
    MOVED = "moved"
    CANCELLED = "cancelled"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one choice; `refusal` says why nothing did."""

    visit: UUID
    result: Result
    refusal: KairosError | None = None


def rebook_all(
    *, by: Principal, choices: Sequence[Choice], reason: str, cancel_reason: str = ""
) -> list[Outcome]:
    """Carry out every choice that can be; the others are refused one by one and stay as they were.

    `reason` goes into the history of what is moved, `cancel_reason` (required if anything is) of
    what is cancelled. The rows are locked first, in one order, and then the calendars: two people
    at the same list wait for one another, and the second is told of each visit what the first did
    (PRECONDITION_FAILED). Raises VALIDATION_ERROR for more than `MOST` choices, LOCK_TIMEOUT.
    """
    if len(choices) > MOST:
        raise invalid("choices", f"at most {MOST} at once")
    if any(choice.starts_at is None for choice in choices) and not cancel_reason.strip():
        raise invalid("cancel_reason", "required")
    with transaction.atomic():
        _lock(by, choices)
        return [
            _carried_out(by, choice, reason=reason, cancel_reason=cancel_reason)
            for choice in choices
        ]


def _lock(by: Principal, choices: Sequence[Choice]) -> None:
    """Row locks, then calendar locks, as a single move takes them: so neither can deadlock."""
    visits = {
        visit.id: visit
        for visit in appointments_visible_to(by)
        .filter(pk__in=[choice.visit for choice in choices])
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    }
    keys: set[str] = set()
    for choice in choices:
        visit = visits.get(choice.visit)
        if visit is not None:
            keys.update(_keys(visit, choice))
    locks.advisory(keys)


def _keys(visit: Appointment, choice: Choice) -> set[str]:
    """The queues of the old time and the new one, whether or not the doctors have a cap."""
    spans = [(visit.doctor_id, visit.starts_at, visit.ends_at)]
    if choice.starts_at is not None:
        end = choice.starts_at + (visit.ends_at - visit.starts_at)
        spans.append((choice.doctor or visit.doctor_id, choice.starts_at, end))
    return {
        key
        for doctor, start, end in spans
        for capped in (False, True)
        for key in calendar.lock_keys(doctor, start - _BUFFERS, end + _BUFFERS, capped=capped)
    }


def _carried_out(by: Principal, choice: Choice, *, reason: str, cancel_reason: str) -> Outcome:
    try:
        with transaction.atomic():
            if choice.starts_at is None:
                appointment_move(
                    appointment_id=choice.visit,
                    verb=Verb.CANCEL,
                    by=by,
                    reason=cancel_reason,
                    expected_version=choice.version,
                )
                return Outcome(choice.visit, Result.CANCELLED)
            appointment_reschedule(
                appointment_id=choice.visit,
                by=by,
                starts_at=choice.starts_at,
                doctor=choice.doctor,
                location=choice.location,
                reason=reason,
                expected_version=choice.version,
            )
            return Outcome(choice.visit, Result.MOVED)
    except KairosError as refusal:
        if refusal.code == ErrorCode.LOCK_TIMEOUT:
            raise
        return Outcome(choice.visit, Result.REFUSED, refusal)
