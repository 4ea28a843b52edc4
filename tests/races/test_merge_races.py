"""Merges against bookings, moves and each other: no visit is left behind in a chart given up.

What each guard is worth is shown by taking it away: a new visit keeps its chart from being merged,
charts are locked, and the constraint lets a chart be merged once.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from appointments.models import Appointment, BusyTime, PatientMerge
from appointments.services import calendar, context, merging
from appointments.services.booking import appointment_book
from appointments.services.merging import patients_merge
from clinics.models import Patient
from core import tenancy
from core.errors import KairosError
from tests.appointments.scene import House, Scene, house
from tests.races.test_booking_races import at, tally
from tests.races.test_negative_controls import connected_to
from tests.races.volley import Shot, Volley
from tests.support.polling import eventually

SLOT = datetime.now(tz=UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=5)
PATIENCE = 20


@pytest.fixture
def elsewhere(arena, clone_database: Callable[[], str]) -> Iterator[psycopg.Connection]:
    """A database of its own; the connection is its owner's."""
    url = clone_database()
    with connected_to(url), psycopg.connect(url, autocommit=True) as owner:
        yield owner


@pytest.fixture
def ground(elsewhere) -> House:
    return house("ground")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as crew:
        yield crew


def outcome(act: Callable[[], Any]) -> str:
    """What became of it, in a connection of this thread's own."""
    try:
        with tenancy.scope(()):
            act()
    except KairosError as refusal:
        return refusal.code.value
    finally:
        connection.close()
    return "done"


def book(ground: House, chart: Patient) -> str:
    return outcome(
        lambda: appointment_book(
            by=ground.reception.principal(),
            doctor=ground.doctor.id,
            patient=chart.id,
            location=ground.location.id,
            service=ground.service.id,
            starts_at=SLOT,
        )
    )


def merge(ground: House, gone: Patient, kept: Patient) -> str:
    return outcome(
        lambda: patients_merge(
            by=ground.reception.principal(), keep=kept.id, duplicate=gone.id, reason="race"
        )
    )


def left_behind(ground: House) -> int:
    """Visits and claims of charts that were given up, or that disagree with one another."""
    with tenancy.scope(tenancy.SYSTEM):
        charts = Patient.objects.filter(clinic=ground.clinic).exclude(merged_into=None)
        claims = BusyTime.objects.filter(clinic=ground.clinic, appointment__isnull=False)
        return (
            Appointment.objects.filter(patient__in=charts).count()
            + BusyTime.objects.filter(patient__in=charts).count()
            + sum(
                claim.patient_id != claim.appointment.patient_id
                for claim in claims.select_related("appointment")
            )
        )


class Pause:
    """Stops whoever comes by, once, until told to go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def before(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def paused(*args: Any, **kwargs: Any) -> Any:
            self.reached.set()
            assert self.go_on.wait(PATIENCE)
            return act(*args, **kwargs)

        return paused


def someone_waits(owner: psycopg.Connection) -> bool:
    found = owner.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return bool(found and found[0])


def start_between(
    pause: Pause,
    threads: ThreadPoolExecutor,
    first: Callable[[], str],
    second: Callable[[], str],
    until: Callable[[Future[str]], bool],
) -> tuple[str, str]:
    """Start the first, and the second while it pauses; go on once `until` holds of the second."""
    one = threads.submit(first)
    assert pause.reached.wait(PATIENCE)
    two = threads.submit(second)
    try:
        eventually(lambda: until(two), PATIENCE)
    finally:
        pause.go_on.set()
    return one.result(PATIENCE), two.result(PATIENCE)


def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A booking reads the chart and lets it go."""
    monkeypatch.setattr(context, "_READ_AND_KEEP", context._READ)


def test_a_merge_waits_for_the_booking_and_takes_its_visit_along(
    monkeypatch, elsewhere, ground, threads
):
    gone, pause = ground.add_chart(), Pause()
    monkeypatch.setattr(calendar, "admit", pause.before(calendar.admit))
    done = start_between(
        pause,
        threads,
        lambda: book(ground, gone),
        lambda: merge(ground, gone, ground.chart),
        lambda merging_: someone_waits(elsewhere) and not merging_.done(),
    )
    assert done == ("done", "done")
    assert left_behind(ground) == 0
    with tenancy.scope(tenancy.SYSTEM):
        assert Appointment.objects.get().patient_id == ground.chart.id


def test_without_the_guard_the_visit_is_left_in_the_chart_given_up(
    monkeypatch, elsewhere, ground, threads
):
    """The negative control of the test above."""
    unguarded(monkeypatch)
    gone, pause = ground.add_chart(), Pause()
    monkeypatch.setattr(calendar, "admit", pause.before(calendar.admit))
    done = start_between(
        pause,
        threads,
        lambda: book(ground, gone),
        lambda: merge(ground, gone, ground.chart),
        lambda merging_: merging_.done(),
    )
    assert done == ("done", "done")
    assert left_behind(ground) == 2  # the visit and its claim


def test_a_booking_waits_for_the_merge_and_finds_the_chart_gone(
    monkeypatch, elsewhere, ground, threads
):
    gone, pause = ground.add_chart(), Pause()
    monkeypatch.setattr(merging, "visits_at_once", pause.before(merging.visits_at_once))
    done = start_between(
        pause,
        threads,
        lambda: merge(ground, gone, ground.chart),
        lambda: book(ground, gone),
        lambda booking: someone_waits(elsewhere) and not booking.done(),
    )
    assert done == ("done", "NOT_FOUND")
    assert left_behind(ground) == 0


def test_without_the_guard_the_booking_does_not_wait(monkeypatch, elsewhere, ground, threads):
    """The negative control: booked while the merge is under way. (Its visits have been moved.)"""
    unguarded(monkeypatch)
    gone, pause = ground.add_chart(), Pause()
    monkeypatch.setattr(
        merging.PatientMerge.objects, "create", pause.before(merging.PatientMerge.objects.create)
    )
    done = start_between(
        pause,
        threads,
        lambda: merge(ground, gone, ground.chart),
        lambda: book(ground, gone),
        lambda booking: booking.done(),
    )
    assert done == ("done", "done")
    assert left_behind(ground) == 2


def contend(monkeypatch, ground: House, threads: ThreadPoolExecutor) -> Counter[str]:
    """One chart merged into two others at once, both having looked before either writes."""
    gone, targets = ground.add_chart(), [ground.add_chart(), ground.add_chart()]
    both = threading.Barrier(2, timeout=PATIENCE)
    look = merging.visits_at_once

    def look_together(*args: Any) -> Any:
        both.wait()
        return look(*args)

    monkeypatch.setattr(merging, "visits_at_once", look_together)
    monkeypatch.setattr(merging, "_locked", lambda charts: {one.id: one for one in charts})
    return Counter(threads.map(lambda kept: merge(ground, gone, kept), targets))


def test_without_the_lock_the_constraint_lets_a_chart_be_merged_once(
    monkeypatch, elsewhere, ground, threads
):
    def refused_by_the_constraint(act: Callable[[], Any]) -> str:
        try:
            return original(act)
        except Exception as error:
            if "appointments_merge_once" in str(error):
                return "refused"
            raise

    original = outcome
    monkeypatch.setitem(globals(), "outcome", refused_by_the_constraint)
    assert contend(monkeypatch, ground, threads) == {"done": 1, "refused": 1}


def test_without_lock_and_constraint_it_is_merged_twice(monkeypatch, elsewhere, ground, threads):
    """The negative control: one merge's memory says what is not so."""
    elsewhere.execute("DROP INDEX appointments_merge_once")
    assert contend(monkeypatch, ground, threads) == {"done": 2}
    with tenancy.scope(tenancy.SYSTEM):
        assert PatientMerge.objects.count() == 2


def test_many_merges_of_few_charts_at_once_make_a_tree(cast: Scene, volley: Volley):
    """Every chart into every other: no circle, one merge a chart, every visit at a root."""
    own = cast.own
    for number in range(3):
        charts = [own.add_chart() for _ in range(4)]
        for place, chart in enumerate(charts):
            own.book(at(3 + number, 9 + place), patient=chart.id)
        answers = volley.fire(
            [
                Shot(
                    own.reception,
                    f"patients/{kept.id}/merge",
                    {"duplicate": str(gone.id), "reason": "race"},
                )
                for kept in charts
                for gone in charts
                if kept is not gone
            ]
        )
        seen = tally(answers)
        assert set(seen) <= {(201, None), (409, "CONFLICT")}
        assert 1 <= seen[201, None] <= 3
        with tenancy.scope(tenancy.SYSTEM):
            into = dict(
                Patient.objects.filter(id__in=[chart.id for chart in charts]).values_list(
                    "id", "merged_into_id"
                )
            )
            merges = PatientMerge.objects.filter(kept__in=charts)
            assert merges.count() == seen[201, None] == sum(map(bool, into.values()))
        for chart in charts:
            step, steps = chart.id, 0
            while into[step] is not None:
                step, steps = into[step], steps + 1
                assert steps < len(charts), "a circle"
    assert left_behind(own) == 0


def test_merges_bookings_and_moves_at_once_leave_nothing_behind(cast: Scene, volley: Volley):
    own = cast.own
    merged = 0
    for number in range(6):
        day = 3 + number
        gone = own.add_chart()
        kept = own.add_chart()
        visits = [own.book(at(day, 8, 30 * place), patient=gone.id) for place in range(2)]
        visits.append(own.book(at(day, 9), patient=gone.id))
        moves = [
            Shot(
                own.reception,
                f"appointments/{visit['id']}/reschedule",
                {"starts_at": at(day, 12, 30 * place).isoformat()},
            )
            for place, visit in enumerate(visits[:2])
        ]
        cancel = Shot(own.reception, f"appointments/{visits[2]['id']}/cancel", {"reason": "race"})
        bookings = [
            Shot(
                own.reception,
                "appointments",
                own.request(at(day, 10 + place // 2, 30 * (place % 2)), patient=of.id),
            )
            for place, of in ((0, gone), (1, gone), (2, kept), (3, kept))
            for _ in range(2)
        ]
        merge_ = Shot(
            own.reception,
            f"patients/{kept.id}/merge",
            {"duplicate": str(gone.id), "reason": "race"},
        )
        seen = tally(volley.fire([*moves, cancel, merge_, *bookings]))
        assert set(seen) <= {
            (200, None),
            (201, None),
            (404, "NOT_FOUND"),
            (409, "SCHEDULING_CONFLICT"),
            (409, "PATIENT_CONFLICT"),
        }
        with tenancy.scope(tenancy.SYSTEM):
            merged += PatientMerge.objects.filter(duplicate=gone).count()
    assert merged == 6
    assert left_behind(own) == 0
