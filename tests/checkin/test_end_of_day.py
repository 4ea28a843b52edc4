"""What time does: yesterday's queue is closed, old answers are forgotten."""

from datetime import timedelta

import pytest

from appointments.models import Appointment, Verb
from appointments.services.status import appointment_move
from checkin import tasks
from checkin.models import QueueEntry, ScanReceipt
from checkin.services import sweep
from core import tenancy
from core.models import OutboxEvent
from tests.appointments.moments import NOW
from tests.checkin.arrivals import device, of_clinic, pass_of, scan, visit

DAY = timedelta(days=1)


def came(house, minutes=0) -> QueueEntry:
    expected = visit(house, minutes)
    scan(device(house), pass_of(expected))
    (entry,) = of_clinic(house, QueueEntry, appointment=expected)
    return entry


def state(house, entry) -> tuple[str, bool]:
    (found,) = of_clinic(house, QueueEntry, pk=entry.pk)
    return found.state, found.swept


def test_what_is_left_of_yesterday_is_closed_and_the_visits_stay(cast, time_machine):
    waiting, inside, theirs = came(cast.own), came(cast.own, 5), came(cast.other)
    with tenancy.scope([cast.own.clinic.id]):
        appointment_move(appointment_id=inside.appointment_id, verb=Verb.START, by=None)
    assert tasks.queue_sweep() == 0
    time_machine.move_to(NOW + DAY, tick=False)
    assert tasks.queue_sweep() == 3
    assert state(cast.own, waiting) == ("LEFT", True)
    assert state(cast.own, inside) == ("DONE", True)
    assert state(cast.other, theirs) == ("LEFT", True)
    (stays,) = of_clinic(cast.own, Appointment, pk=waiting.appointment_id)
    assert stays.status == "CHECKED_IN"
    assert tasks.queue_sweep() == 0


def test_a_day_ends_by_the_clock_of_the_location(cast, time_machine):
    """Berlin is two hours ahead of UTC then, Kolkata five and a half: there the day ends sooner."""
    here, there = came(cast.own), came(cast.other)
    midnight = NOW.replace(hour=0, minute=0) + DAY
    time_machine.move_to(midnight - timedelta(hours=3, minutes=31), tick=False)
    assert tasks.queue_sweep() == 0
    time_machine.move_to(midnight - timedelta(hours=3, minutes=29), tick=False)
    assert tasks.queue_sweep() == 1
    assert state(cast.other, there) == ("LEFT", True)
    assert state(cast.own, here) == ("WAITING", False)


def test_those_whose_day_goes_on_do_not_stand_before_those_whose_day_is_over(
    cast, time_machine, monkeypatch
):
    """A round takes so many: none of its places goes to an entry that is to be left alone."""
    monkeypatch.setattr(sweep, "_ROUND", 1)
    came(cast.own)
    ends = came(cast.other)
    time_machine.move_to(NOW.replace(hour=21), tick=False)  # half past midnight in Kolkata
    assert tasks.queue_sweep() == 1
    assert state(cast.other, ends) == ("LEFT", True)


def test_a_second_sweep_at_the_same_time_finds_nothing(cast, time_machine, monkeypatch):
    """What one has closed between the other's look and its lock is not closed again."""
    entry = came(cast.own)
    time_machine.move_to(NOW + DAY, tick=False)
    looked = sweep.entry_record

    def closing(*args, **kwargs):
        looked(*args, **kwargs)
        monkeypatch.setattr(sweep, "entry_record", looked)
        assert sweep.queue_sweep() == 0

    monkeypatch.setattr(sweep, "entry_record", closing)
    assert sweep.queue_sweep() == 1
    with tenancy.scope([cast.own.clinic.id]):
        told = OutboxEvent.objects.filter(payload__entry=str(entry.id), payload__state="LEFT")
        assert told.count() == 1


def test_a_swept_entry_is_started_all_the_same(cast, time_machine):
    entry = came(cast.own)
    time_machine.move_to(NOW + DAY, tick=False)
    tasks.queue_sweep()
    with tenancy.scope([cast.own.clinic.id]):
        appointment_move(appointment_id=entry.appointment_id, verb=Verb.START, by=None)
    assert state(cast.own, entry)[0] == "IN_SERVICE"


@pytest.mark.parametrize(("days", "kept"), [(89, 1), (91, 0)])
def test_answers_are_kept_for_ninety_days(cast, time_machine, days, kept):
    came(cast.own)
    time_machine.move_to(NOW + days * DAY, tick=False)
    assert tasks.receipts_prune() == 1 - kept
    assert len(of_clinic(cast.own, ScanReceipt)) == kept
