"""The search compared with a naive one, on any calendars; its pages; its statements."""

import copy
from collections import defaultdict
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from appointments.models import Appointment
from appointments.selectors import pairs
from appointments.selectors.pairs import pairs_find
from appointments.selectors.slots import Slot, slots_find
from appointments.services.booking import appointment_book
from clinics.models import Doctor, Service
from core import clock, tenancy
from core.errors import KairosError
from tests.appointments.moments import NOW
from tests.appointments.scene import House, Scene

PATH = "assessments/slot-pairs"
Found = list[tuple[UUID, list[tuple[datetime, datetime]]]]

#: Nights with a change of clocks lie in the thirty days after some of these.
PRESENTS = [
    NOW,
    datetime(2035, 10, 20, 6, 10, tzinfo=UTC),  # Europe, the Americas, in a week and two
    datetime(2036, 3, 25, 22, 40, tzinfo=UTC),  # Europe, then Lord Howe
    datetime(2035, 9, 20, 13, 5, tzinfo=UTC),  # Lord Howe
]
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
]


# --- The naive search: every free start of a calendar, put together in Python ---------------------


def naive(clinic: UUID, doctor: Doctor, patient: UUID | None = None, **asked: Any) -> list[Any]:
    """As `pairs_find` for one doctor: the pairs of the place of the earliest."""
    now = clock.now()
    service = asked.get("service")
    gap = timedelta(minutes=_buffers(service.id) if service else 0)
    free = slots_find(
        clinics=[clinic],
        doctors=[doctor.id],
        start=now,
        end=now + timedelta(days=30),
        service=service.id if service else None,
        minutes=None if service else 90,
        mode="IN_PERSON",
        patient_rules=asked["patient_rules"],
        limit=100_000,
    )
    own = [
        (one.starts_at, one.ends_at)
        for one in Appointment.objects.filter(patient=patient).exclude(status="CANCELLED")
    ]
    free = [s for s in free if not any(s.starts_at < end and s.ends_at > at for at, end in own)]
    places = defaultdict(list)
    for slot in free:
        places[slot.location].append(slot)
    best = []
    for place, slots in places.items():
        found = list(_pairs(doctor, slots, gap))
        if found:
            best.append((found[0][0].starts_at, found[0][1].starts_at, place, found[:3]))
    return min(best, default=(None, None, None, []))[3]


def _pairs(doctor: Doctor, slots: list[Slot], gap: timedelta):
    days: dict[Any, list[Slot]] = defaultdict(list)
    for slot in sorted(slots, key=lambda slot: slot.starts_at):
        days[_day(slot)].append(slot)
    for day, of_day in days.items():
        first = of_day[0]
        seconds = [
            slot
            for other, those in days.items()
            if 1 <= (other - day).days <= 7 and _week_takes_both(doctor, first, other)
            for slot in those
            if slot.starts_at >= first.ends_at + gap
        ]
        if seconds:
            yield first, min(seconds, key=lambda slot: slot.starts_at)


def _day(slot: Slot):
    return slot.starts_at.astimezone(ZoneInfo(slot.timezone)).date()


def _week_takes_both(doctor: Doctor, first: Slot, other: Any) -> bool:
    day, zone = _day(first), ZoneInfo(first.timezone)
    if doctor.max_weekly_appointments is None or day.isocalendar()[:2] != other.isocalendar()[:2]:
        return True
    of_week = [
        visit
        for visit in Appointment.objects.filter(doctor=doctor).exclude(
            status="CANCELLED", late_cancellation=False
        )
        if visit.starts_at.astimezone(zone).isocalendar()[:2] == day.isocalendar()[:2]
    ]
    return len(of_week) + 2 <= doctor.max_weekly_appointments


def _buffers(service: UUID) -> int:
    one = Service.objects.get(id=service)
    return one.buffer_before_minutes + one.buffer_after_minutes


# --- Any calendars --------------------------------------------------------------------------------


@st.composite
def calendars(draw: st.DrawFn) -> dict[str, Any]:
    """One to three doctors with hours at one or two places, what is booked, and what is closed."""
    return {
        "now": draw(st.sampled_from(PRESENTS)),
        "zones": draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=2)),
        "service": draw(st.sampled_from([None, (90, 0, 0), (75, 0, 10), (120, 15, 15)])),
        "notice": draw(st.sampled_from([0, 0, 300, 60 * 26])),
        "horizon": draw(st.sampled_from([1000, 1000, 12])),
        "as_patient": draw(st.booleans()),
        "doctors": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "weekdays": st.sets(st.integers(1, 7), min_size=1, max_size=5),
                        "hours": st.sampled_from(
                            [
                                [(time(8), time(12))],
                                [(time(9), time(11, 30)), (time(13, 10), time(17))],
                                [(time(22), time(0)), (time(0), time(4))],
                                [(time(1), time(4, 30))],
                                [(time(0), time(0))],
                            ]
                        ),
                        "step": st.sampled_from([20, 30, 45]),
                        "capacity": st.sampled_from([1, 1, 1, 2]),
                        "daily": st.sampled_from([None, None, 1, 2]),
                        "weekly": st.sampled_from([None, None, 1, 2, 3]),
                        "booked": st.lists(
                            st.tuples(st.integers(0, 29), st.integers(0, 30)), max_size=8
                        ),
                        "own": st.booleans(),
                        "off": st.lists(
                            st.tuples(
                                st.sampled_from(["LEAVE", "CLOSED", "PART"]), st.integers(0, 20)
                            ),
                            max_size=2,
                        ),
                    }
                ),
                min_size=1,
                max_size=3,
            )
        ),
    }


def built(ground: House, plan: dict[str, Any]) -> list[Doctor]:
    places = [ground.add_location(zone) for zone in plan["zones"]]
    doctors = []
    for of_one in plan["doctors"]:
        doctor = ground.add_doctor(
            profession="PSYCHOLOGIST",
            max_daily_appointments=of_one["daily"],
            max_weekly_appointments=of_one["weekly"],
        )
        doctors.append(doctor)
        for number, (start, end) in enumerate(of_one["hours"]):
            ground.add_hours(
                doctor,
                start,
                end,
                weekdays=of_one["weekdays"],
                slot_minutes=of_one["step"],
                capacity=of_one["capacity"],
                location=places[number % len(places)],
            )
        _filled(ground, doctor, of_one, places)
        for kind, day in of_one["off"]:
            _off(ground, doctor, kind, clock.now() + timedelta(days=day))
    return doctors


def _filled(ground: House, doctor: Doctor, of_one: dict[str, Any], places: list[Any]) -> None:
    """Visits of half an hour, the first day's in a row: some for the patient, wherever they fit."""
    for day, half in of_one["booked"]:
        moment = clock.now().replace(second=0, microsecond=0) + timedelta(
            days=day, minutes=30 * half
        )
        chart = ground.chart if of_one["own"] and half % 3 == 0 else ground.add_chart()
        for place in places:
            try:
                with transaction.atomic():
                    appointment_book(
                        by=ground.reception.principal(),
                        doctor=doctor.id,
                        patient=chart.id,
                        location=place.id,
                        service=ground.service.id,
                        starts_at=moment,
                    )
            except KairosError:
                continue
            break


def _off(ground: House, doctor: Doctor, kind: str, moment: datetime) -> None:
    body = {
        "clinic": ground.clinic.id,
        "doctor": doctor.id,
        "kind": "CLOSED" if kind == "PART" else kind,
        "start_date": moment.date(),
        "end_date": moment.date() + timedelta(days=2),
    }
    if kind == "PART":
        body |= {"start_time": "08:00", "end_time": "10:00"}
    answer = ground.admin.api.post("schedule-exceptions", body)
    assert answer.status_code == 201, answer.content


def said(found: list[Any]) -> list[tuple[Any, ...]]:
    return [(one[0].location, one[0].starts_at, one[1].starts_at, one[1].ends_at) for one in found]


@given(plan=calendars())
@settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],  # a smaller example is not worth minutes
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_as_a_naive_search_finds_them(cast: Scene, plan: dict[str, Any]):
    with transaction.atomic(), time_machine.travel(plan["now"], tick=False):
        ground = copy.deepcopy(cast.own)
        ground.policy(horizon_days=plan["horizon"])
        service = None
        if plan["service"] is not None:
            length, before, after = plan["service"]
            service = ground.add_service(
                duration_minutes=length, buffer_before_minutes=before, buffer_after_minutes=after
            )
        with tenancy.scope([ground.clinic.id]):
            doctors = built(ground, plan)
        ground.policy(min_notice_minutes=plan["notice"])
        with tenancy.scope([ground.clinic.id]):
            expected = {
                doctor.id: found
                for doctor in doctors
                if (
                    found := naive(
                        ground.clinic.id,
                        doctor,
                        ground.chart.id,
                        service=service,
                        patient_rules=plan["as_patient"],
                    )
                )
            }
            page, after, seen = None, None, {}
            while page is None or page.next is not None:
                page = pairs_find(
                    clinics=[ground.clinic.id],
                    profession="PSYCHOLOGIST",
                    service=service.id if service else None,
                    minutes=None if service else 90,
                    mode="IN_PERSON",
                    patient=ground.chart.id,
                    patient_rules=plan["as_patient"],
                    after=after,
                    limit=1,
                )
                after = page.next
                for one in page.results:
                    assert one.doctor not in seen
                    seen[one.doctor] = [(pair.first, pair.second) for pair in one.pairs]
        assert {doctor: said(found) for doctor, found in seen.items()} == {
            doctor: said(found) for doctor, found in expected.items()
        }
        transaction.set_rollback(True)


# --- Pages ----------------------------------------------------------------------------------------


def clinicians(cast: Scene, count: int, *, full: int = 0) -> list[str]:
    """So many with hours every morning, and before them some without any; the ids in order."""
    fields = {"profession": "PSYCHOLOGIST", "licensed_regions": ["R1"]}
    for _ in range(full):
        cast.own.add_doctor(**fields)
    made = []
    for _ in range(count):
        doctor = cast.own.add_doctor(**fields)
        cast.own.add_hours(doctor, time(8), time(10))
        made.append(str(doctor.id))
    return sorted(made)


def page(cast: Scene, **query: Any) -> dict[str, Any]:
    answer = cast.own.reception.api.get(PATH, region="R1", **query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_pages_follow_one_another_and_say_when_they_end(cast: Scene):
    wanted = clinicians(cast, 5)
    first = page(cast, limit=2)
    assert [one["doctor"] for one in first["results"]] == wanted[:2]
    assert first["has_more"] is True
    second = page(cast, limit=2, cursor=first["next_cursor"])
    assert [one["doctor"] for one in second["results"]] == wanted[2:4]
    last = page(cast, limit=2, cursor=second["next_cursor"])
    assert [one["doctor"] for one in last["results"]] == wanted[4:]
    assert (last["next_cursor"], last["has_more"]) == (None, False)
    assert page(cast, limit=5)["has_more"] is False


def test_nobody_comes_twice_or_is_missed_while_calendars_change(cast: Scene):
    """The first page's clinicians fill up, others get free again: what follows stays in place."""
    wanted = clinicians(cast, 6)
    service = cast.own.add_service(duration_minutes=120)
    first = page(cast, limit=3)

    def leave(doctor: str, **fields: Any) -> Any:
        body = {"clinic": cast.own.clinic.id, "doctor": doctor, "kind": "LEAVE"} | fields
        answer = cast.own.admin.api.post("schedule-exceptions", body)
        assert answer.status_code == 201, answer.content
        return answer.json()

    month = {"start_date": NOW.date(), "end_date": (NOW + timedelta(days=40)).date()}
    gone = leave(wanted[4], **month)
    leave(wanted[0], **month)
    rest = page(cast, limit=3, cursor=first["next_cursor"])
    assert [one["doctor"] for one in rest["results"]] == [wanted[3], wanted[5]]
    assert cast.own.admin.api.delete(f"schedule-exceptions/{gone['id']}").status_code == 204
    rest = page(cast, limit=3, cursor=first["next_cursor"], service=service.id)
    assert [one["doctor"] for one in rest["results"]] == wanted[3:]


def test_a_page_gives_up_after_enough_full_calendars(cast: Scene, monkeypatch):
    """It is short then, and says where to go on; the whole walk finds everyone once."""
    wanted = clinicians(cast, 2, full=7)
    monkeypatch.setattr(pairs, "MAX_LOOKED_AT", 3)
    seen, cursor, pages = [], None, 0
    while True:
        found = page(cast, **({"cursor": cursor} if cursor else {}))
        seen += [one["doctor"] for one in found["results"]]
        pages += 1
        cursor = found["next_cursor"]
        if cursor is None:
            break
    assert (seen, pages) == (wanted, 3)


def test_statements_are_the_same_for_1_3_and_30_clinicians(cast: Scene):
    taken = {}
    made = 0
    for count in (1, 3, 30):
        clinicians(cast, count - made)
        made = count
        with CaptureQueriesContext(connection) as captured:
            assert len(page(cast, limit=50)["results"]) == count
        taken[count] = len(
            [one for one in captured if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]
        )
    assert len(set(taken.values())) == 1, taken
    assert taken[1] <= 4  # rights and scope; the search; the scope of the test's own transaction
