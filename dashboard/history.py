"""What happened to a visit, in words: for its card, and for who acted on an older state of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.selectors import names_of
from appointments.models import Appointment, AppointmentEvent, AppointmentStatus, Verb
from appointments.selectors.appointments import shows_clinical_text
from clinics.models import Doctor, Location, Room
from clinics.principal import Principal

#: Relations that a move may change, and where their names are.
_NAMED: Mapping[str, Any] = {"doctor": Doctor, "location": Location, "room": Room}


@dataclass(frozen=True, slots=True)
class Change:
    """One field: what it was and what it became; both empty for text that is not repeated."""

    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `who` is empty for what nobody did by hand; `why` for who may not read it."""

    what: str
    who: str
    at: datetime
    why: str
    status: str
    changes: tuple[Change, ...]
    undoes: str


def told(by: Principal, visit: Appointment, events: Sequence[AppointmentEvent]) -> list[Entry]:
    """The events of a visit in words, as `by` may read them; at most four queries."""
    clinical = shows_clinical_text(by, visit)
    people = names_of(event.actor_id for event in events)
    names = _names(events)
    verbs = {event.id: str(Verb(event.verb).label) for event in events}
    zone = ZoneInfo(visit.timezone)
    return [
        Entry(
            what=verbs[event.id],
            who=people.get(event.actor_id, "") if event.actor_id else "",
            at=event.at,
            why=event.reason if clinical else "",
            status=str(AppointmentStatus(event.to_status).label),
            changes=_changes(event, names, zone),
            undoes=verbs.get(event.undoes, "") if event.undoes else "",
        )
        for event in events
    ]


def since(events: Sequence[AppointmentEvent], *, opened: int, now: int) -> list[AppointmentEvent]:
    """The events that led from the version `opened` to the version `now`, oldest first.

    Each event raises the version by one (a merge of charts raises it too, and is no event).
    """
    return list(events[-(now - opened) :]) if now > opened else []


def _names(events: Iterable[AppointmentEvent]) -> dict[str, str]:
    """The names behind the ids in the changes: one query for each kind that changed."""
    found: dict[str, str] = {}
    for field, model in _NAMED.items():
        ids = {
            str(value)
            for event in events
            for value in event.changes.get(field, ())
            if value is not None and Verb(event.verb) != Verb.BOOK
        }
        if ids:
            rows = model._default_manager.filter(pk__in=[UUID(one) for one in ids])
            found |= {str(row.pk): str(row) for row in rows}
    return found


def _changes(
    event: AppointmentEvent, names: Mapping[str, str], zone: ZoneInfo
) -> tuple[Change, ...]:
    if event.verb == Verb.BOOK:
        return ()
    labels = {
        "starts_at": _("time"),
        "ends_at": _("end"),
        "doctor": _("doctor"),
        "location": _("place"),
        "room": _("room"),
        "reason": _("reason"),
        "notes": _("notes"),
        "priority": _("priority"),
    }
    found = []
    for field, label in labels.items():
        if field not in event.changes:
            continue
        if field == "ends_at" and "starts_at" in event.changes:
            continue  # it moved along
        before, after = event.changes[field]
        if event.verb == Verb.EDIT:
            found.append(Change(label))
        elif field.endswith("_at"):
            found.append(Change(label, _moment(before, zone), _moment(after, zone)))
        else:
            found.append(Change(label, _named(before, names), _named(after, names)))
    return tuple(found)


def _moment(value: Any, zone: ZoneInfo) -> str:
    if not value:
        return ""
    return date_format(datetime.fromisoformat(str(value)).astimezone(zone), "D j M, H:i")


def _named(value: Any, names: Mapping[str, str]) -> str:
    return names.get(str(value), "") if value else _("none")
