"""The outbox with a real worker, and with Valkey dead."""

from datetime import UTC, datetime, timedelta

import pytest

from core import outbox, tenancy
from core.models import OutboxEvent
from core.tasks import outbox_relay
from tests.appointments.scene import house
from tests.support.polling import eventually
from tests.support.processes import running_celery

pytestmark = pytest.mark.django_db(transaction=True)
SOON = datetime.now(tz=UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=3)


def undelivered() -> int:
    with tenancy.scope(tenancy.SYSTEM):
        return OutboxEvent.objects.filter(delivered_at=None).count()


def test_a_booking_reaches_the_worker(celery_worker_process):
    ground = house("ground")
    ground.book(SOON)
    assert eventually(lambda: undelivered() == 0, timeout=20)


def test_valkey_dead_bookings_go_on_and_the_sweep_delivers_later(valkey_server, tmp_path):
    ground = house("ground")
    valkey_server.kill()
    made = [
        ground.book(SOON + timedelta(hours=number), patient=ground.add_chart().id)
        for number in range(4)
    ]
    assert ground.reception.api.get("appointments").json()["results"] == [row | {} for row in made]
    assert undelivered() >= 4
    valkey_server.start()
    with running_celery(log=tmp_path / "celery.log"):
        outbox_relay.delay()  # what beat does every 30 s
        assert eventually(lambda: undelivered() == 0, timeout=20)
    assert outbox.waiting() == {"waiting": 0, "failed": 0}
