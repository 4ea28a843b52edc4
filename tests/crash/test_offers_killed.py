"""A worker killed in the middle of a batch of offers: nothing twice, nothing missed."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from core import clock, outbox, tenancy
from core.models import OutboxEvent
from core.tasks import outbox_relay
from followups import tasks
from followups.models import CarePolicy, OpeningCause, WaitlistOffer, WaitlistOpening
from followups.services import offer_jobs
from followups.services.offer_rows import OFFERED
from followups.services.openings import opening_make
from followups.services.waitlist import entry_create
from tests.appointments.scene import House, house
from tests.support.http_stand_in import StandIn, standing_in
from tests.support.polling import eventually
from tests.support.processes import ROOT, running_celery

pytestmark = pytest.mark.django_db(transaction=True)
OPENINGS, SIZE = 8, 3
FIRST = datetime.now(tz=UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=5)
#: Sends offers until it stands in the middle of the fourth batch, written and not yet committed.
SENDER = """
import os, threading, django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
from followups.services import offer_jobs

whole, batches = offer_jobs.offers_write, []

def write(*args, **kwargs):
    made = whole(*args, **kwargs)
    batches.append(made)
    if len(batches) == 4:
        print("in the middle", flush=True)
        threading.Event().wait()
    return made

offer_jobs.offers_write = write
offer_jobs.offers_send_due()
"""


@pytest.fixture
def gateway(monkeypatch, settings) -> Iterator[StandIn]:
    """Known to workers by their environment, which is set before they start."""
    with standing_in() as found:
        monkeypatch.setenv("SMS_URL", f"{found.url}/send")
        monkeypatch.setenv("SMS_TOKEN", "sesame")
        monkeypatch.setenv("PUBLIC_URL", "https://kairos.example")
        settings.SMS_URL, settings.PUBLIC_URL = f"{found.url}/send", "https://kairos.example"
        yield found


@pytest.fixture
def ground() -> House:
    """Freed times, and people who can be sent messages; at whatever time of day."""
    made = house("ground")
    with tenancy.scope([made.clinic.id]):
        CarePolicy.objects.create(
            clinic=made.clinic,
            offer_batch_size=SIZE,
            offer_from=time(0),
            offer_until=time.max,
        )
    for number in range(OPENINGS * SIZE):
        chart = made.add_chart()
        with tenancy.scope(tenancy.SYSTEM):
            chart.phone = f"+4917012{number:05}"
            chart.save(update_fields=["phone"])
        with tenancy.scope(()):
            entry_create(by=made.reception.principal(), patient=chart.id, service=made.service.id)
    for number in range(OPENINGS):
        starts = FIRST + number * timedelta(minutes=30)
        with tenancy.scope([made.clinic.id]):
            opening_make(
                clinic=made.clinic.id,
                doctor=made.doctor.id,
                location=made.location.id,
                starts_at=starts,
                ends_at=starts + timedelta(minutes=30),
                cause=OpeningCause.CANCELLED,
            )
    return made


def batches() -> list[int]:
    """How many were asked about each opening that somebody was asked about."""
    with tenancy.scope(tenancy.SYSTEM):
        rows = WaitlistOffer.objects.values_list("opening_id", "entry_id")
        assert len(set(rows)) == len(rows)
        return sorted(Counter(opening for opening, _ in rows).values())


def announced() -> list[str]:
    with tenancy.scope(tenancy.SYSTEM):
        return sorted(
            event["offer"]
            for event in OutboxEvent.objects.filter(topic=OFFERED).values_list("payload", flat=True)
        )


def ledger() -> list[Any]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(WaitlistOffer.objects.order_by("id"))


def test_killed_between_writing_a_batch_and_committing_it(ground: House) -> None:
    """Three batches are done with all that follows from them; the fourth never was."""
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER], cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True
    )
    try:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "in the middle\n"
        assert batches() == [SIZE] * 3
        os.kill(sender.pid, signal.SIGKILL)
    finally:
        sender.kill()
        sender.wait(timeout=10)
    eventually(lambda: offer_jobs.offers_send_due() or batches() == [SIZE] * OPENINGS, timeout=20)
    assert batches() == [SIZE] * OPENINGS
    assert announced() == sorted(str(offer.id) for offer in ledger())
    assert len({offer.entry_id for offer in ledger()}) == OPENINGS * SIZE, "each person once"
    with tenancy.scope(tenancy.SYSTEM):
        assert {row.batch for row in WaitlistOpening.objects.all()} == {1}


def test_a_worker_killed_while_it_tells_people(
    ground: House, gateway: StandIn, tmp_path, monkeypatch
) -> None:
    """Everybody is told by one message: what is sent again has the key of what was sent."""
    with running_celery(log=tmp_path / "first.log"):
        tasks.offers_send_due.delay()
        eventually(lambda: batches() == [SIZE] * OPENINGS, timeout=60)
        outbox_relay.delay()
        eventually(lambda: len(gateway.asked) >= 4, timeout=60)
    # Killed with the end of the block. What it held is sent again, five minutes later.
    lost = [offer.id for offer in ledger() if offer.sent_at is None]
    assert lost, "the kill was felt"
    later = clock.now() + timedelta(minutes=6)
    with running_celery(log=tmp_path / "second.log"):
        outbox.relay()
        monkeypatch.setattr("core.clock.now", lambda: later)
        for clinic, offer in offer_jobs.offers_untold():
            tasks._tell(clinic=str(clinic), offer=str(offer), what=OFFERED)
        monkeypatch.undo()
        eventually(lambda: all(offer.sent_at for offer in ledger()), timeout=60)
    keys = {message.json["id"] for message in gateway.asked}
    assert keys == {f"{OFFERED}:{offer.id}" for offer in ledger()}
    by_key = {(message.json["id"], json.dumps(message.json)) for message in gateway.asked}
    assert len(by_key) == OPENINGS * SIZE, "the same key is the same message"
