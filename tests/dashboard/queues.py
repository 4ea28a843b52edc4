"""A waiting room for the desk's tests: walk-ins and checked-in visits, and the queue as pages show
it."""

import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from appointments.models import Appointment
from checkin.models import QueueEntry
from checkin.services.arrival import check_in_by_hand
from checkin.services.queue import entry_add
from core import tenancy
from dashboard.queue import Row, Shown
from tests.appointments.scene import House, Person
from tests.dashboard.calendars import opened
from tests.dashboard.desk import Desk
from tests.support.forms import form_of


def walk_in(house: House, name: str = "Wanda Walk", **more: Any) -> QueueEntry:
    """Somebody without a visit, added by reception."""
    with tenancy.scope(tenancy.SYSTEM):
        values: dict[str, Any] = {"location": house.location.id} | more
        if "patient" not in values:
            values["guest_name"] = name
        return entry_add(by=house.reception.principal(), **values)


def arrived(house: House, at: datetime, **more: Any) -> QueueEntry:
    """A patient with a visit at that time, checked in by reception."""
    visit = house.book(at, patient=house.add_chart().id, **more)
    with tenancy.scope(tenancy.SYSTEM):
        check_in_by_hand(appointment_id=UUID(visit["id"]), by=house.reception.principal())
        return QueueEntry.objects.get(appointment_id=visit["id"])


def queue(house: House, who: Person | None = None, **query: Any) -> Any:
    """The page, which has to open."""
    return opened(Desk(house.clinic, (who or house.reception).user).get("desk-queue", query))


def rows(answer: Any, part: str = "waiting") -> list[Row]:
    """The entries of one state on a page."""
    shown: Shown = answer.context["shown"]
    return [row for one in shown.parts if one.name == part for row in one.rows]


def tokens(answer: Any, part: str = "waiting") -> list[str]:
    return [row.token for row in rows(answer, part)]


def fresh(entry: QueueEntry) -> QueueEntry:
    """As it is in the database now."""
    with tenancy.scope(tenancy.SYSTEM):
        return QueueEntry.objects.get(pk=entry.pk)


def visit_of(entry: QueueEntry) -> Appointment:
    """Its visit, as it is now."""
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.get(pk=entry.appointment_id)


def second(house: House) -> Any:
    """A colleague who works here too."""
    found = house.add_doctor()
    house.add_hours(found)
    return found


def act(desk: Desk, entry: Any, name: str, *, htmx: bool = False, **data: Any) -> Any:
    data.setdefault("version", entry.version)
    return desk.post("desk-queue-act", {"act": name, **data}, htmx=htmx, entry_id=entry.id)


def told(answer: Any) -> dict[str, Any]:
    """What the open page is told after an act in its list."""
    assert answer.status_code == 204, (answer.status_code, answer.content.decode()[:600])
    found: dict[str, Any] = json.loads(answer.headers["HX-Trigger"])["queue:done"]
    return found


def said(answer: Any) -> str:
    """What the page after a plain form says."""
    assert answer.status_code == 302, (answer.status_code, answer.content.decode()[:600])
    page = answer.client.get(answer.headers["Location"]).content.decode()
    return " ".join(re.findall(r'<li class="notice[^>]*>([^<]*)', page))


def next_of(house: House, who: Person | None = None, **more: Any) -> dict[str, Any]:
    """What the big button would send."""
    return form_of(queue(house, who), form_id="queue-call") | more


def buttons(row: Row) -> list[str]:
    return [one.name for one in row.acts]
