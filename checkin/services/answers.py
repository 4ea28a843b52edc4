"""What a scan is answered: data, the same for the API, the scanner, the kiosk and the pages."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol
from uuid import UUID

from appointments.models import Appointment
from checkin.models import PRESENT, Outcome, QueueEntry
from checkin.rules import Window
from checkin.selectors.queue import Place, queue_of
from checkin.sources import Source
from core.errors import ErrorCode


class Judgement(Protocol):
    """A visit with what the rules say of it."""

    @property
    def visit(self) -> Appointment: ...
    @property
    def code(self) -> ErrorCode | None: ...
    @property
    def window(self) -> Window: ...


_WITH_WINDOW = frozenset({ErrorCode.TOO_EARLY, ErrorCode.TOO_LATE})


def answer_of(
    outcome: Outcome,
    code: ErrorCode | None,
    shown: Sequence[Judgement],
    *,
    source: Source,
    nonce: str,
    attempt: UUID,
    done: Collection[UUID],
    in_passing: bool = False,
) -> dict[str, Any]:
    """The answer about these visits. Staff and devices read full names, patients first names.

    `in_passing`, for scans that come by the hundred: the token alone, not the place in the queue.
    """
    here = [
        one.visit
        for one in shown
        if one.visit.id in done or one.code == ErrorCode.ALREADY_CHECKED_IN
    ]
    places = _tokens(here) if in_passing else _places(here)
    return {
        "outcome": outcome.value,
        "code": code.value if code else None,
        "detail": str(code.label) if code else "",
        "nonce": nonce,
        "attempt": str(attempt),
        "replayed": False,
        "visits": [
            {
                **_visit(one, source=source, done=one.visit.id in done),
                **places.get(one.visit.id, place_data(None)),
            }
            for one in sorted(shown, key=lambda one: (one.visit.starts_at, one.visit.id))
        ],
        "location": _location(shown),
    }


def refused_answer(code: ErrorCode, *, nonce: str, attempt: UUID | None = None) -> dict[str, Any]:
    """A refusal that is about no visit, and tells of none."""
    return {
        "outcome": Outcome.REFUSED.value,
        "code": code.value,
        "detail": str(code.label),
        "nonce": nonce,
        "attempt": str(attempt) if attempt else None,
        "replayed": False,
        "visits": [],
        "location": None,
    }


def _visit(one: Judgement, *, source: Source, done: bool) -> dict[str, Any]:
    visit, patient = one.visit, one.visit.patient
    told = one.code in _WITH_WINDOW
    return {
        "appointment": str(visit.id),
        "outcome": Outcome.CHECKED_IN.value if done else Outcome.REFUSED.value,
        "code": None if done or one.code is None else one.code.value,
        "starts_at": visit.starts_at.isoformat(),
        "timezone": visit.timezone,
        "doctor": visit.doctor.display_name,
        "patient": patient.full_name if source.is_trusted else patient.given_name,
        "service": visit.service.name if visit.service else None,
        "room": visit.room.name if visit.room else None,
        "opens_at": one.window.opens_at.isoformat() if told else None,
        "closes_at": one.window.closes_at.isoformat() if told else None,
    }


def place_data(place: Place | None) -> dict[str, Any]:
    """A place in the queue as it is told: token, position, who is ahead, minutes to wait."""
    if place is None:
        return {"token": None, "entry": None, "position": None, "ahead": None, "wait": None}
    ahead, wait = place.ahead, place.wait
    return {
        "token": place.token,
        "entry": str(place.id),
        "position": place.position,
        "ahead": None
        if ahead is None
        else {"urgent": ahead.urgent, "earlier": ahead.earlier, "waited": ahead.waited},
        "wait": None if wait is None else {"from": wait.low, "to": wait.high},
    }


def _places(here: Sequence[Appointment]) -> dict[UUID, dict[str, Any]]:
    """The places of those who are in a queue: who was checked in now, or was before."""
    return {
        place.appointment_id: place_data(place)
        for location in {visit.location_id for visit in here}
        if location is not None
        for place in queue_of(location)
        if place.appointment_id is not None
    }


def _tokens(here: Sequence[Appointment]) -> dict[UUID, dict[str, Any]]:
    """Their tokens, however long the queue."""
    if not here:
        return {}
    present = QueueEntry.objects.filter(
        appointment__in=[visit.id for visit in here], state__in=PRESENT
    ).only("id", "appointment_id", "prefix", "number")
    return {
        entry.appointment_id: {
            **place_data(None),
            "token": entry.token,
            "entry": str(entry.id),
        }
        for entry in present
        if entry.appointment_id is not None
    }


def _location(shown: Sequence[Judgement]) -> dict[str, str] | None:
    for one in shown:
        if one.visit.location is not None:
            return {"id": str(one.visit.location_id), "name": one.visit.location.name}
    return None
