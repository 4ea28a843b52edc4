"""However scans made offline reach the server, the same people are checked in, at the same moment.

Several devices with wrong clocks scan the passes of a morning; some scans are sent twice, all of
them late and in any order, in batches or alone. What the rows say afterwards is always the same.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appointments.models import Appointment
from checkin.models import CheckIn, CheckInAttempt, QueueEntry
from checkin.selectors.queue import queue_of
from checkin.services.arrival import Asked, sync
from checkin.sources import device_source
from core import tenancy
from tests.appointments.moments import NOW
from tests.checkin.arrivals import device, of_clinic, pass_of, visit

MINUTE = timedelta(minutes=1)
VISITS, DEVICES = 5, 3

Scan = tuple[int, int, int]  # which visit, which device, how many minutes after NOW

scans = st.lists(
    st.tuples(st.integers(0, VISITS - 1), st.integers(0, DEVICES - 1), st.integers(-90, 200)),
    min_size=1,
    max_size=14,
)


@pytest.fixture
def morning(cast) -> tuple[list[Appointment], list[Any]]:
    """Visits from an hour before NOW on, one of them cancelled; devices whose clocks are wrong."""
    visits = [visit(cast.own, 25 * number - 30) for number in range(VISITS - 1)]
    visits.append(visit(cast.own, 20, status="CANCELLED"))
    return visits, [device(cast.own) for _ in range(DEVICES)]


SKEWS = (timedelta(0), timedelta(days=-365 * 7), timedelta(hours=5))


def apply(morning: Any, log: list[tuple[int, Scan]], time_machine: Any, clinic: Any) -> Any:
    """Send the scans of `log` (each with its number) one batch after the other; the final state."""
    visits, devices = morning
    time_machine.move_to(NOW + timedelta(minutes=210), tick=False)
    sent_at = NOW + timedelta(minutes=210)
    for number, (which, by, minute) in log:
        skew = SKEWS[by]
        asked = Asked(
            code=pass_of(visits[which]),
            nonce=f"scan-{number:04d}",
            scanned_at=NOW + minute * MINUTE + skew,
            sent_at=sent_at + skew,
        )
        with tenancy.scope([clinic.id]):
            sync(source=device_source(devices[by]), scans=[asked])
    with tenancy.scope([clinic.id]):
        arrivals = sorted(
            CheckIn.objects.values_list("pk", "checked_in_at", "device", "method", "undone_at")
        )
        stamps = sorted(Appointment.objects.values_list("pk", "status", "checked_in_at"))
        order = [place.appointment_id for place in queue_of(visits[0].location_id)]
        entries = sorted(QueueEntry.objects.values_list("appointment", "arrived_at", "due_at"))
        tokens = sorted(QueueEntry.objects.values_list("number", flat=True))
        nonces = set(CheckInAttempt.objects.values_list("source_id", "nonce"))
    assert tokens == list(range(1, len(tokens) + 1))
    return arrivals, stamps, order, entries, nonces


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=scans, data=st.data())
def test_any_order_and_any_number_of_times(cast, morning, time_machine, made, data):
    log = list(enumerate(made))
    shuffled = data.draw(st.permutations(log + data.draw(st.lists(st.sampled_from(log)))))
    finals = []
    for order in (log, shuffled):
        with transaction.atomic():
            finals.append(apply(morning, order, time_machine, cast.own.clinic))
            transaction.set_rollback(True)
    assert finals[0] == finals[1]


def test_the_earliest_scan_counts_whichever_comes_first(cast, morning, time_machine):
    log = list(enumerate([(1, 0, 5), (1, 1, -20), (1, 2, 30)]))
    seen = []
    for order in (log, log[::-1]):
        with transaction.atomic():
            arrivals, *_ = apply(morning, order, time_machine, cast.own.clinic)
            transaction.set_rollback(True)
        seen.append(arrivals)
        ((_, at, by, method, _),) = arrivals
        assert (at, by, method) == (NOW - 20 * MINUTE, morning[1][1].id, "OFFLINE_SYNC")
    assert seen[0] == seen[1]


def test_the_order_does_matter_to_a_rule_that_looks_at_now(cast, morning, time_machine):
    """The control: judged by when they reach us instead of by when they were made, scans made in
    time would be too late."""
    time_machine.move_to(NOW + timedelta(minutes=210), tick=False)
    asked = Asked(code=pass_of(morning[0][0]), nonce="scan-now-1")
    with tenancy.scope([cast.own.clinic.id]):
        (answer,) = sync(source=device_source(morning[1][0]), scans=[asked])
    assert answer["code"] == "TOO_LATE"
    assert of_clinic(cast.own, CheckIn) == []


def test_a_batch_is_applied_as_its_scans_are(cast, morning, time_machine):
    time_machine.move_to(NOW + timedelta(minutes=30), tick=False)
    visits, devices = morning
    batch = [
        Asked(code=pass_of(one), nonce=f"batch-{number:03d}", scanned_at=NOW, sent_at=NOW)
        for number, one in enumerate(visits)
    ]
    with tenancy.scope([cast.own.clinic.id]):
        first = sync(source=device_source(devices[0]), scans=batch)
        again = sync(source=device_source(devices[0]), scans=batch[::-1])
    assert [one["replayed"] for one in again] == [True] * len(batch)
    assert [one | {"replayed": True} for one in first] == again[::-1]
    assert [one["code"] for one in first].count(None) == len(of_clinic(cast.own, CheckIn))
