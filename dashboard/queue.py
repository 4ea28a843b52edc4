"""The queue as the desk shows it: who is called, who waits and why there, and what can be done."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.formats import time_format
from django.utils.translation import get_language, gettext_lazy, ngettext, pgettext_lazy
from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Priority
from checkin.models import QueueEntry, QueueState
from checkin.selectors.queue import Ahead, Place, entries_visible_to, place_of
from clinics.models import Location
from core import clock
from dashboard.access import Desk
from dashboard.inbox import MOST_COUNTED, waited

#: What a button says, and the single key that presses it.
ACTS: Final = {
    "call": (pgettext_lazy("queue", "Call"), "c"),
    "recall": (gettext_lazy("Call again"), "c"),
    "start": (gettext_lazy("Start"), "s"),
    "done": (gettext_lazy("Done"), "e"),
    "skip": (gettext_lazy("Skip"), "k"),
    "requeue": (gettext_lazy("Put back"), "g"),
}
#: What can be done with somebody, by where they are; the likely act first.
OPEN: Final[dict[str, tuple[str, ...]]] = {
    QueueState.WAITING: ("call",),
    QueueState.CALLED: ("start", "recall", "skip"),
    QueueState.IN_SERVICE: ("done",),
    QueueState.SKIPPED: ("call", "requeue"),
}
#: What else can be done, less often: offered beside an entry, not in the list.
SELDOM: Final[dict[str, tuple[str, ...]]] = {
    QueueState.WAITING: ("start", "skip"),
    QueueState.CALLED: ("requeue",),
    QueueState.SKIPPED: ("start",),
}
#: Acts that go on to the visit itself, where there is one.
TREATS: Final = frozenset({"start", "done"})


@dataclass(frozen=True, slots=True)
class Act:
    """A button of an entry."""

    name: str
    label: str
    key: str
    main: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One entry in words. `before` is why it stands where it does, `wait` how long it may take.

    `called_said` is what a screen reader is told of a call.
    """

    id: UUID
    version: int
    state: str
    state_said: str
    icon: str
    token: str
    name: str
    address: str
    act_address: str
    position: int | None
    calls: int
    urgent: str
    marks: tuple[str, ...]
    facts: tuple[str, ...]
    before: tuple[str, ...]
    wait: str
    room: str
    called_said: str
    acts: tuple[Act, ...]

    @property
    def takes_room(self) -> bool:
        """Whether a call takes the room that is chosen for calls; a further call keeps its own."""
        return self.state in {QueueState.WAITING, QueueState.SKIPPED}


@dataclass(frozen=True, slots=True)
class Part:
    """The entries of one state; `nobody` is said when there are none."""

    name: str
    title: str
    icon: str
    nobody: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """The whole list; `stamp` is new when any of it is."""

    parts: tuple[Part, ...]
    patients: tuple[UUID, ...]
    stamp: str


@dataclass(frozen=True, slots=True)
class Here:
    """Where the queue is looked at from: whose desk, which place, which filters in the address.

    `of_one`: of one doctor only; `in_full`: with what is seldom done too.
    """

    desk: Desk
    location: Location
    query: str
    of_one: bool = False
    in_full: bool = False


def waiting_count(desk: Desk) -> str:
    """How many wait today for this person to see, for the top bar: empty for none, at most 99+."""
    today = clock.now().astimezone(ZoneInfo(desk.clinic.timezone)).date()
    found = (
        entries_visible_to(desk.principal)
        .filter(clinic_id=desk.clinic.id, state=QueueState.WAITING, local_day=today)
        .order_by()[: MOST_COUNTED + 1]
        .count()
    )
    if found > MOST_COUNTED:
        return f"{MOST_COUNTED}+"
    return str(found) if found else ""


def may_run(desk: Desk, doctor_id: UUID | None) -> bool:
    """Whether this person may move an entry of that doctor, or (None) of whoever is free."""
    if doctor_id is not None:
        return desk.may_for(Permission.QUEUE_RUN, doctor_id)
    return desk.may(Permission.QUEUE_RUN)


def shown(here: Here, places: Sequence[Place]) -> Shown:
    """The places by state, in words."""
    drawn = row_drawer(here)
    by_state: dict[str, list[Place]] = {state.value: [] for state in QueueState}
    for place in places:
        by_state[place.state].append(place)
    by_state[QueueState.CALLED].sort(key=_called_at, reverse=True)
    words = (
        (QueueState.CALLED, _("Called"), _("Nobody is called. “Call next” calls who is first.")),
        (QueueState.IN_SERVICE, _("In service"), ""),
        (QueueState.WAITING, _("Waiting"), _("Nobody waits. Who checks in here appears at once.")),
        (QueueState.SKIPPED, _("Skipped"), ""),
    )
    parts = tuple(
        Part(
            name=state.value.lower(),
            title=title,
            icon=_ICONS[state],
            nobody=nobody,
            rows=tuple(drawn(place) for place in by_state[state]),
        )
        for state, title, nobody in words
        if by_state[state] or nobody
    )
    patients = tuple(sorted({one.patient_id for one in places if one.patient_id is not None}))
    text = f"{get_language()}{parts!r}"
    return Shown(parts, patients, hashlib.blake2s(text.encode(), digest_size=6).hexdigest())


_ICONS: Final[dict[str, str]] = {
    QueueState.WAITING: "WAITING",
    QueueState.CALLED: "CALLED",
    QueueState.IN_SERVICE: "IN_PROGRESS",
    QueueState.SKIPPED: "SKIPPED",
    QueueState.DONE: "COMPLETED",
    QueueState.LEFT: "CANCELLED",
}
_NOBODY: Final = UUID(int=0)


def _called_at(place: Place) -> datetime:
    return place.called_at or place.arrived_at


def place_at(entry: QueueEntry) -> Place:
    """The entry in its queue; one that is there no more as it was last."""
    found = place_of(entry.id, location=entry.location_id)
    if found is not None:
        return found
    patient, doctor, service, room = entry.patient, entry.doctor, entry.service, entry.room
    visit = entry.appointment
    return Place(
        id=entry.id,
        version=entry.version,
        clinic_id=entry.clinic_id,
        location_id=entry.location_id,
        appointment_id=entry.appointment_id,
        patient_id=entry.patient_id,
        doctor_id=entry.doctor_id,
        service_id=entry.service_id,
        room_id=entry.room_id,
        prefix=entry.prefix,
        number=entry.number,
        state=entry.state,
        priority=entry.priority,
        rank=entry.rank,
        due_at=entry.due_at,
        arrived_at=entry.arrived_at,
        called_at=entry.called_at,
        calls=entry.calls,
        skips=entry.skips,
        started_at=entry.started_at,
        guest_name=entry.guest_name,
        given_name=patient.given_name if patient is not None else None,
        family_name=patient.family_name if patient is not None else None,
        doctor=doctor.display_name if doctor is not None else None,
        service=service.name if service is not None else None,
        service_minutes=service.duration_minutes if service is not None else None,
        room=room.name if room is not None else None,
        starts_at=visit.starts_at if visit is not None else None,
        ends_at=visit.ends_at if visit is not None else None,
    )


def row_drawer(here: Here) -> Any:
    """A function that puts a place into words; what all rows share is worked out once."""
    zone = ZoneInfo(here.location.timezone)
    now = clock.now()
    slug = here.desk.clinic.slug
    query = f"?{here.query}" if here.query else ""
    kwargs = {"slug": slug, "entry_id": _NOBODY}
    address = reverse("desk-queue-entry", kwargs=kwargs)
    act_address = reverse("desk-queue-act", kwargs=kwargs)
    states = {state.value: str(state.label) for state in QueueState}
    priorities = {one.value: str(one.label) for one in (Priority.HIGH, Priority.URGENT)}

    def drawn(place: Place) -> Row:
        return Row(
            id=place.id,
            version=place.version,
            state=place.state,
            state_said=states[place.state],
            icon=_ICONS[place.state],
            token=place.token,
            name=place.name,
            address=f"{address.replace(str(_NOBODY), str(place.id))}{query}",
            act_address=f"{act_address.replace(str(_NOBODY), str(place.id))}{query}",
            position=place.position,
            calls=place.calls,
            urgent=priorities.get(place.priority, ""),
            marks=tuple(_marks(place)),
            facts=tuple(_facts(place, zone, now, of_one=here.of_one)),
            before=tuple(before_said(place.ahead)) if place.ahead is not None else (),
            wait=wait_said(place),
            room=place.room or "" if place.state in _IN_A_ROOM else "",
            called_said=called_said(place) if place.state == QueueState.CALLED else "",
            acts=tuple(_acts(here, place)),
        )

    return drawn


_IN_A_ROOM: Final = frozenset({QueueState.CALLED, QueueState.IN_SERVICE})


def _marks(place: Place) -> Iterable[str]:
    if place.appointment_id is None:
        yield _("walk-in")
    elif place.is_late:
        yield _("came late")


def _facts(place: Place, zone: ZoneInfo, now: datetime, *, of_one: bool) -> Iterable[str]:
    if place.starts_at is not None:
        yield _("visit at %(time)s") % {"time": clock_said(place.starts_at, zone)}
    if not of_one or place.doctor_id is None:
        yield place.doctor or _("whoever is free")
    if place.service:
        yield place.service
    if place.state == QueueState.CALLED and place.called_at is not None:
        yield _("called at %(time)s") % {"time": clock_said(place.called_at, zone)}
        if place.calls > 1:
            yield calls_said(place.calls)
    elif place.state == QueueState.IN_SERVICE and place.started_at is not None:
        yield _("since %(time)s") % {"time": clock_said(place.started_at, zone)}
        if now - place.started_at >= timedelta(minutes=1):
            yield waited(now - place.started_at)
    else:
        yield _("arrived at %(time)s") % {"time": clock_said(place.arrived_at, zone)}
        if now - place.arrived_at >= timedelta(minutes=1):
            yield _("waits for %(span)s") % {"span": waited(now - place.arrived_at)}


def _acts(here: Here, place: Place) -> Iterable[Act]:
    if not may_run(here.desk, place.doctor_id):
        return
    names = OPEN.get(place.state, ())
    if here.in_full:
        names += SELDOM.get(place.state, ())
    for number, name in enumerate(names):
        if name in TREATS and not _may_treat(here.desk, place):
            continue
        label, key = ACTS[name]
        yield Act(name, str(label), key, main=number == 0)


def _may_treat(desk: Desk, place: Place) -> bool:
    """A visit is started and completed by who may treat; a walk-in by who runs the queue."""
    if place.appointment_id is None:
        return True
    doctor = place.doctor_id or desk.principal.doctor_id
    if doctor is None:
        return desk.may_whole(Permission.APPOINTMENT_TREAT)
    return desk.may_for(Permission.APPOINTMENT_TREAT, doctor)


def clock_said(moment: datetime, zone: ZoneInfo) -> str:
    """A moment on the clock of the place."""
    return time_format(moment.astimezone(zone).time(), "TIME_FORMAT")


def calls_said(calls: int) -> str:
    """How often somebody was called."""
    return ngettext("called %(n)d time", "called %(n)d times", calls) % {"n": calls}


def before_said(ahead: Ahead) -> Iterable[str]:
    """Who goes before, each reason by itself."""
    if ahead.urgent:
        yield ngettext("%(n)d urgent", "%(n)d urgent", ahead.urgent) % {"n": ahead.urgent}
    if ahead.earlier:
        yield ngettext(
            "%(n)d with an earlier visit", "%(n)d with earlier visits", ahead.earlier
        ) % {"n": ahead.earlier}
    if ahead.waited:
        yield ngettext("%(n)d who came before", "%(n)d who came before", ahead.waited) % {
            "n": ahead.waited
        }


def wait_said(place: Place) -> str:
    """How long it may take until they are seen; empty where nobody can say."""
    if place.wait is None:
        return ""
    if place.wait.low <= 0:
        return _("up to %(n)d min") % {"n": place.wait.high}
    return _("%(low)d–%(high)d min") % {"low": place.wait.low, "high": place.wait.high}


def called_said(place: Place) -> str:
    """What is said of a call: who, and where to."""
    found = {"token": place.token, "name": place.name, "room": place.room}
    if place.room:
        return _("%(token)s, %(name)s: called. Room: %(room)s.") % found
    return _("%(token)s, %(name)s: called.") % found
