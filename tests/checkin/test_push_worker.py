"""From a call in the waiting room to the sending, through a real worker."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from checkin.models import PushSubscription
from checkin.push import vapid
from checkin.services import push, queue
from checkin.services.arrival import check_in_by_hand
from core import clock, tenancy
from tests.appointments.scene import house
from tests.checkin.browser_stand_in import Subscriber
from tests.support.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_call_reaches_the_worker(settings, celery_worker_process):
    settings.VAPID_PRIVATE_KEY = vapid.new_private_key()
    now = datetime.now(tz=UTC)
    noon_here = 12 - now.hour  # where the working day is under way, whenever this runs
    ground = house("ground", zone=f"Etc/GMT{-noon_here:+d}")
    starts_at = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    visit = UUID(ground.book(starts_at)["id"])
    with tenancy.scope(tenancy.SYSTEM):
        by = ground.admin.principal()
        arrived = check_in_by_hand(appointment_id=visit, by=by, reason="here")
        found = push.subscription_add(
            appointment=arrived, endpoint="https://push.example.invalid/x", **Subscriber().keys
        )
        queue.entry_call(by=by, entry_id=arrived.queue_entry.id)

    def told() -> str:
        with tenancy.scope(tenancy.SYSTEM):
            return PushSubscription.objects.get(pk=found.pk).told

    assert eventually(lambda: told() == "called:1", timeout=40)
    assert clock.now() < found.expires_at
