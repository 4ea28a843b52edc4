"""Times for the patients of plans to choose from.

An invitation's times are spread: no two in one morning or afternoon while there are others, and
the plans of one doctor that are invited together are offered different ones as far as they go
round. They keep the notice that patients keep, since the patient picks one alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from psycopg.types.range import TimestamptzRange

from appointments.selectors.slots import Slot
from core import clock
from core.rows import load_instants_fast
from followups.models import FollowUpInvitation, FollowUpPlan

#: How many days are looked through, one stretch after the other, until there are enough times.
STRETCHES: Final = (14, 28, 56)
#: With fewer of the offered times left than this, others are shown beside them.
FEW: Final = 3
_MOST: Final = 1000
_NOON: Final = 12
#: Further ahead than any clinic books.
_AHEAD: Final = timedelta(days=1500)
#: Local clocks are at most this far ahead of UTC.
_FURTHEST: Final = timedelta(hours=14)

_FREE = """
SELECT w.number, s.doctor_id, s.clinic_id, s.location_id, w.service, s.starts_at, s.ends_at,
       s.timezone, s.remaining
FROM unnest(%(numbers)s::integer[], %(clinics)s::uuid[], %(doctors)s::uuid[],
            %(locations)s::uuid[], %(services)s::uuid[], %(minutes)s::integer[], %(modes)s::text[],
            %(since)s::timestamptz[], %(until)s::timestamptz[], %(keep)s::integer[])
    AS w(number, clinic, doctor, location, service, minutes, mode, since, until, keep)
CROSS JOIN LATERAL (
    SELECT f.*, row_number() OVER (
               PARTITION BY (f.starts_at AT TIME ZONE f.timezone)::date,
                            extract(hour FROM f.starts_at AT TIME ZONE f.timezone) < %(noon)s
               ORDER BY f.starts_at) AS place
    FROM appointments_slots(
        ARRAY[w.clinic], ARRAY[w.doctor], w.location, w.service, w.minutes, w.mode, w.since,
        w.until, %(now)s, true, NULL, NULL, NULL, false, NULL, %(most)s) f
) s
WHERE s.place <= w.keep
ORDER BY w.number, s.starts_at, s.location_id
"""
_EXACTLY = """
SELECT doctor_id, clinic_id, location_id, %(service)s::uuid, starts_at, ends_at, timezone, remaining
FROM appointments_slots(
    ARRAY[%(clinic)s::uuid], ARRAY[%(doctor)s::uuid], %(location)s::uuid, %(service)s::uuid,
    %(minutes)s::integer, %(mode)s, %(since)s, %(until)s, %(now)s, true, %(exact)s::tstzrange[],
    NULL, NULL, false, NULL, %(most)s)
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which times a plan is offered. `minutes` None: the service's, or a slot of the hours."""

    clinic: UUID
    doctor: UUID
    location: UUID | None
    service: UUID | None
    minutes: int | None
    mode: str

    @classmethod
    def of(cls, plan: FollowUpPlan) -> "Wish":
        return cls(
            plan.clinic_id,
            plan.doctor_id,
            plan.location_id,
            plan.service_id,
            plan.duration_minutes,
            plan.mode,
        )


def times_for(
    plans: Sequence[FollowUpPlan], count: Callable[[FollowUpPlan], int]
) -> dict[UUID, list[Slot]]:
    """Free times for each plan, earliest first; `count` says how many each is offered at most.

    None before the plan's date, none that a patient could not book. One statement for all the plans
    where the next two weeks have times for everybody, three at the most, however many plans.
    """
    alike: dict[Wish, list[FollowUpPlan]] = defaultdict(list)
    for plan in plans:
        alike[Wish.of(plan)].append(plan)
    found: dict[Wish, list[Slot]] = {wish: [] for wish in alike}
    given: dict[UUID, list[Slot]] = {plan.id: [] for plan in plans}
    since = {wish: _earliest(rows) for wish, rows in alike.items()}
    for days in STRETCHES:
        short = [
            wish
            for wish, rows in alike.items()
            if any(len(given[plan.id]) < count(plan) for plan in rows)
        ]
        if not short:
            break
        spans = [(since[wish], since[wish] + timedelta(days=days)) for wish in short]
        keep = [max(len(alike[wish]), *map(count, alike[wish])) for wish in short]
        for wish, slots in zip(short, _free(short, spans, keep), strict=True):
            found[wish] += slots
            given |= _dealt(alike[wish], found[wish], count)
        since |= {wish: until for wish, (_, until) in zip(short, spans, strict=True)}
    return given


def still_free(plan: FollowUpPlan, invitation: FollowUpInvitation) -> list[Slot]:
    """The times of an invitation that could be booked now, earliest first. One statement."""
    offered = _offered(plan, invitation)
    if not offered:
        return []
    free = _exactly(plan, [(starts_at, ends_at) for starts_at, ends_at, _ in offered])
    wanted = {(starts_at, place) for starts_at, _, place in offered}
    return sorted(
        (slot for slot in free if (slot.starts_at, slot.location) in wanted),
        key=lambda slot: slot.starts_at,
    )


def times_to_choose(plan: FollowUpPlan, invitation: FollowUpInvitation, *, most: int) -> list[Slot]:
    """What the patient can choose now: the offered times still free and, when these are few,
    others. At most four statements."""
    left = still_free(plan, invitation)
    if len(left) >= FEW:
        return left
    return _with_others(plan, left, most=most)


def other_times(plan: FollowUpPlan, *, most: int) -> list[Slot]:
    """Times that the patient of a plan could be offered now."""
    return times_for([plan], lambda _: most)[plan.id]


def free_at(plan: FollowUpPlan, starts_at: datetime, location: UUID | None) -> Slot | None:
    """The time that starts just then, when the patient of the plan could book it; else None."""
    now = clock.now()
    if not now <= starts_at <= now + _AHEAD:
        return None
    (found,) = _free([Wish.of(plan)], [(starts_at, starts_at + timedelta(minutes=1))], [_MOST])
    for slot in found:
        if slot.starts_at == starts_at and location in {None, slot.location}:
            return slot if _local(slot).date() >= plan.scheduled_for else None
    return None


def _with_others(plan: FollowUpPlan, left: list[Slot], *, most: int) -> list[Slot]:
    have = {(slot.starts_at, slot.location) for slot in left}
    others = [
        slot for slot in other_times(plan, most=most) if (slot.starts_at, slot.location) not in have
    ]
    return sorted([*left, *others][:most], key=lambda slot: slot.starts_at)


def _offered(
    plan: FollowUpPlan, invitation: FollowUpInvitation
) -> list[tuple[datetime, datetime, UUID | None]]:
    """What the invitation offers with the doctor the plan has now."""
    return [
        (
            datetime.fromisoformat(time_["starts_at"]),
            datetime.fromisoformat(time_["ends_at"]),
            UUID(time_["location"]) if time_["location"] else None,
        )
        for time_ in invitation.times
        if time_["doctor"] == str(plan.doctor_id)
    ]


def _earliest(plans: Iterable[FollowUpPlan]) -> datetime:
    """From when on any of the plans could have a visit, in whichever time zone."""
    first = min(plan.scheduled_for for plan in plans)
    return max(clock.now(), datetime.combine(first, time(0), tzinfo=UTC) - _FURTHEST)


def _free(
    wishes: Sequence[Wish], spans: Sequence[tuple[datetime, datetime]], keep: Sequence[int]
) -> list[list[Slot]]:
    """The free times of each wish; of a morning or afternoon no more than `keep`. One statement."""
    values: dict[str, Any] = {
        "numbers": list(range(len(wishes))),
        "clinics": [wish.clinic for wish in wishes],
        "doctors": [wish.doctor for wish in wishes],
        "locations": [wish.location for wish in wishes],
        "services": [wish.service for wish in wishes],
        "minutes": [wish.minutes for wish in wishes],
        "modes": [wish.mode for wish in wishes],
        "since": [since for since, _ in spans],
        "until": [until for _, until in spans],
        "keep": list(keep),
        "now": clock.now(),
        "noon": _NOON,
        "most": _MOST,
    }
    found: list[list[Slot]] = [[] for _ in wishes]
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(_FREE, values)
        for number, *slot in cursor.fetchall():
            found[number].append(Slot(*slot))
    return found


def _exactly(plan: FollowUpPlan, spans: Sequence[tuple[datetime, datetime]]) -> list[Slot]:
    values: dict[str, Any] = {
        "clinic": plan.clinic_id,
        "doctor": plan.doctor_id,
        "location": plan.location_id,
        "service": plan.service_id,
        "minutes": plan.duration_minutes,
        "mode": plan.mode,
        "since": min(since for since, _ in spans),
        "until": max(until for _, until in spans),
        "now": clock.now(),
        "exact": [TimestamptzRange(since, until) for since, until in spans],
        "most": _MOST,
    }
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(_EXACTLY, values)
        found = [Slot(*row) for row in cursor.fetchall()]
    return [slot for slot in found if _local(slot).date() >= plan.scheduled_for]


def _dealt(
    plans: Sequence[FollowUpPlan], slots: Sequence[Slot], count: Callable[[FollowUpPlan], int]
) -> dict[UUID, list[Slot]]:
    """Deal the times out: whoever is next gets those that the fewest were offered."""
    offered: Counter[tuple[datetime, UUID | None]] = Counter()
    dealt: dict[UUID, list[Slot]] = {}
    for plan in plans:
        mine = _spread(
            sorted(
                (slot for slot in slots if _local(slot).date() >= plan.scheduled_for),
                key=lambda slot: (
                    offered[slot.starts_at, slot.location] // max(slot.remaining, 1),
                    slot.starts_at,
                ),
            ),
            count(plan),
        )
        offered.update((slot.starts_at, slot.location) for slot in mine)
        dealt[plan.id] = mine
    return dealt


def _spread(slots: Sequence[Slot], count: int) -> list[Slot]:
    """At most `count`, in different mornings and afternoons as far as possible; by time."""
    chosen: list[Slot] = []
    halves: set[tuple[date, bool]] = set()
    rest: list[Slot] = []
    for slot in slots:
        local = _local(slot)
        half = (local.date(), local.hour < _NOON)
        if half in halves or len(chosen) == count:
            rest.append(slot)
        else:
            halves.add(half)
            chosen.append(slot)
    chosen += rest[: count - len(chosen)]
    return sorted(chosen, key=lambda slot: slot.starts_at)


def _local(slot: Slot) -> datetime:
    return slot.starts_at.astimezone(ZoneInfo(slot.timezone))
