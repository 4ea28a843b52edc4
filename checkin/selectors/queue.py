"""The queue of a location as it stands: in order, with why, and how long it may take."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.roles import Permission
from checkin.estimate import Wait, Waiting, waits
from checkin.models import QueueEntry, QueueState
from checkin.selectors.habits import serving_of
from clinics.principal import Principal
from core import clock
from core.rows import load_instants_fast


@dataclass(frozen=True, slots=True)
class Ahead:
    """Who goes before somebody, and why: each is counted once.

    `urgent` have the higher priority; `earlier` an earlier appointment; `waited` came before,
    without an appointment or late for it.
    """

    urgent: int = 0
    earlier: int = 0
    waited: int = 0

    @property
    def total(self) -> int:
        return self.urgent + self.earlier + self.waited


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the queue, as staff see it. `position` is 1 for who is next, None for who does
    not wait any more; `wait` is until the visit begins, None where nothing is known."""

    id: UUID
    version: int
    clinic_id: UUID
    location_id: UUID
    appointment_id: UUID | None
    patient_id: UUID | None
    doctor_id: UUID | None
    service_id: UUID | None
    room_id: UUID | None
    prefix: str
    number: int
    state: str
    priority: str
    rank: int
    due_at: datetime
    arrived_at: datetime
    called_at: datetime | None
    calls: int
    skips: int
    started_at: datetime | None
    guest_name: str
    given_name: str | None
    family_name: str | None
    doctor: str | None
    service: str | None
    service_minutes: int | None
    room: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    position: int | None = None
    ahead: Ahead | None = None
    wait: Wait | None = None

    @property
    def token(self) -> str:
        """As `QueueEntry.token`."""
        return f"{self.prefix}{self.number:03d}"

    @property
    def name(self) -> str:
        """The patient's full name, or the walk-in's."""
        return f"{self.given_name or ''} {self.family_name or ''}".strip() or self.guest_name

    @property
    def is_late(self) -> bool:
        """Whether it waits by its arrival, having come too late for its appointment."""
        return self.starts_at is not None and self.due_at > self.starts_at

    @property
    def keeps_its_time(self) -> bool:
        """Whether a doctor waits for its time: not for who is late, or urgent."""
        return self.starts_at is not None and not self.is_late and self.rank >= _NORMAL

    @property
    def minutes(self) -> float | None:
        """How long it was booked for, or its service usually takes."""
        if self.starts_at is not None and self.ends_at is not None:
            return (self.ends_at - self.starts_at).total_seconds() / 60
        return self.service_minutes


_NORMAL: Final = 2
MOST_ESTIMATED: Final = 100
_SQL = """
SELECT e.id, e.version, e.clinic_id, e.location_id, e.appointment_id, e.patient_id, e.doctor_id,
       e.service_id, e.room_id, e.prefix, e.number, e.state, e.priority, e.rank, e.due_at,
       e.arrived_at, e.called_at, e.calls, e.skips, e.started_at, e.guest_name,
       p.given_name, p.family_name, d.display_name, s.name, s.duration_minutes, r.name,
       a.starts_at, a.ends_at
FROM checkin_queueentry e
JOIN clinics_location l ON l.id = e.location_id
LEFT JOIN clinics_patient p ON p.id = e.patient_id
LEFT JOIN clinics_doctor d ON d.id = e.doctor_id
LEFT JOIN clinics_service s ON s.id = e.service_id
LEFT JOIN clinics_room r ON r.id = e.room_id
LEFT JOIN appointments_appointment a ON a.id = e.appointment_id
WHERE e.location_id = %(location)s
  AND e.state IN ('WAITING', 'CALLED', 'SKIPPED', 'IN_SERVICE')
  AND e.local_day = (%(now)s AT TIME ZONE l.timezone)::date
ORDER BY e.rank, e.due_at, e.arrived_at, e.id
"""


def queue_of(location: UUID, *, doctor: UUID | None = None) -> list[Place]:
    """Everyone present at the location today, in the order in which they are called.

    With `doctor` only who waits for that doctor, or for whoever is free; positions and waits take
    everybody into account all the same. One statement, or nine when how the doctors work was not
    asked for a while, however long the queue.
    """
    now = clock.now()
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(_SQL, {"location": location, "now": now})
        present = [Place(*row) for row in cursor.fetchall()]
    ahead, waits_of = _ahead(present), _waits(present, now)
    placed = [
        replace(
            place,
            position=ahead[place.id].total + 1,
            ahead=ahead[place.id],
            wait=waits_of[place.id],
        )
        if place.id in ahead
        else place
        for place in present
    ]
    if doctor is None:
        return placed
    return [place for place in placed if place.doctor_id in {doctor, None}]


def place_of(entry: UUID, *, location: UUID) -> Place | None:
    """One entry in its queue; None when it is there no more."""
    return next((place for place in queue_of(location) if place.id == entry), None)


def entries_visible_to(principal: Principal) -> QuerySet[QueueEntry]:
    """The entries that staff may read: the clinic's, or those for them or for whoever is free."""
    if principal.is_super_admin:
        return QueueEntry.objects.all()
    own = Q(clinic_id__in=principal.clinics_with_own(Permission.QUEUE_READ)) & (
        Q(doctor_id=principal.doctor_id) | Q(doctor_id=None)
    )
    return QueueEntry.objects.filter(
        Q(clinic_id__in=principal.clinics_with(Permission.QUEUE_READ)) | own
    )


def waiting_at(locations: Iterable[UUID]) -> int:
    """How many wait at these locations today, for a glance."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM checkin_queueentry e JOIN clinics_location l"
            " ON l.id = e.location_id WHERE e.location_id = ANY (%s)"
            " AND e.state IN ('WAITING', 'SKIPPED')"
            " AND e.local_day = (%s AT TIME ZONE l.timezone)::date",
            [list(locations), clock.now()],
        )
        return int(cursor.fetchone()[0])


def _ahead(present: Sequence[Place]) -> dict[UUID, Ahead]:
    """Who goes before each of those who wait, in one pass: `present` is in order."""
    #: By doctor (None: whoever is free) and rank: how many so far, and how many of them in time.
    counted: defaultdict[UUID | None, defaultdict[int, list[int]]] = defaultdict(
        lambda: defaultdict(lambda: [0, 0])
    )
    found: dict[UUID, Ahead] = {}
    for place in present:
        if place.state != QueueState.WAITING:
            continue
        # Who waits for whoever is free competes with everybody.
        doctors = list(counted) if place.doctor_id is None else {place.doctor_id, None}
        urgent = earlier = waited = 0
        for doctor in doctors:
            for rank, (total, in_time) in counted[doctor].items():
                if rank < place.rank:
                    urgent += total
                else:
                    earlier += in_time
                    waited += total - in_time
        found[place.id] = Ahead(urgent, earlier, waited)
        own = counted[place.doctor_id][place.rank]
        own[0] += 1
        own[1] += place.starts_at is not None and not place.is_late
    return found


def _waits(present: Sequence[Place], now: datetime) -> dict[UUID, Wait | None]:
    """Who was called stands before who waits; who was passed over waits for nothing.

    Behind the first `MOST_ESTIMATED` nobody can say how long it takes.
    """
    called = [place for place in present if place.state == QueueState.CALLED]
    waiting = [place for place in present if place.state == QueueState.WAITING]
    near = (called + waiting)[:MOST_ESTIMATED]
    if not near:
        return {}
    found = waits(
        [
            Waiting(
                doctor=place.doctor_id,
                service=place.service_id,
                minutes=place.minutes,
                due_at=place.starts_at if place.keeps_its_time else None,
                arrived_at=place.arrived_at,
                called=place.state == QueueState.CALLED,
            )
            for place in near
        ],
        serving_of(present, location=present[0].location_id, now=now),
        now=now,
    )
    return {place.id: None for place in waiting} | {
        place.id: wait for place, wait in zip(near, found, strict=True)
    }
