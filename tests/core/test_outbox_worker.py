"""The outbox with a real worker. (With Valkey dead: tests/crash.)"""

from datetime import UTC, datetime, timedelta

import pytest

from core import tenancy
from core.models import OutboxEvent
from tests.appointments.scene import house
from tests.support.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True)
SOON = datetime.now(tz=UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=3)


def undelivered() -> int:
    with tenancy.scope(tenancy.SYSTEM):
        return OutboxEvent.objects.filter(delivered_at=None).count()


def test_a_booking_reaches_the_worker(celery_worker_process):
    ground = house("ground")
    ground.book(SOON)
    assert eventually(lambda: undelivered() == 0, timeout=40)
