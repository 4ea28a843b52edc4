"""A waiting room whose patients want to be told, and the way from a change to a task."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import time_machine

from appointments.models import Appointment
from checkin import tasks
from checkin.models import PushSubscription, QueueEntry
from checkin.push import vapid
from checkin.services import push, queue
from checkin.services.arrival import check_in_by_hand
from core import outbox, tenancy
from tests.appointments.scene import House, Scene, scene
from tests.checkin.browser_stand_in import Subscriber

HOST = "push.example.org"
MORNING = datetime(2027, 3, 10, 8, 0, tzinfo=UTC)  # 9:00 in Berlin, a Wednesday
PRIVATE = vapid.new_private_key()


@contextmanager
def morning(settings: Any) -> Iterator[None]:
    """Web Push is set up, Firebase is not, and the relay runs when a test says so."""
    settings.OUTBOX_KICK = False
    settings.VAPID_PRIVATE_KEY, settings.VAPID_SUBJECT = PRIVATE, "mailto:it@example.org"
    settings.PUSH_HOSTS = []
    settings.FCM_CREDENTIALS = ""
    with time_machine.travel(MORNING):
        yield


def build_scene() -> Scene:
    """The clinic and the outsider, each with a "Room 3"."""
    found = scene()
    for house in (found.own, found.other):
        with tenancy.scope(tenancy.SYSTEM):
            house.room.name = "Room 3"
            house.room.save(update_fields=["name"])
    return found


def wait_in(house: House, count: int, **more: Any) -> list[Appointment]:
    """So many visits, checked in, in the order of their times."""
    visits = []
    first = MORNING + timedelta(hours=1)
    if house.zone != "Europe/Berlin":
        first = MORNING + timedelta(minutes=30)
    for number in range(count):
        chart = house.add_chart()
        made = house.book(first + timedelta(minutes=30 * number), patient=chart.id, **more)
        with tenancy.scope(tenancy.SYSTEM):
            by = house.admin.principal()
            visits.append(
                check_in_by_hand(appointment_id=UUID(made["id"]), by=by, reason="they are here")
            )
    return visits


def subscribe(visit: Appointment, browser: Subscriber | None = None, **more: Any) -> UUID:
    browser = browser or Subscriber()
    with tenancy.scope([visit.clinic_id]):
        fields = {"endpoint": f"https://{HOST}/{uuid4().hex}", **browser.keys} | more
        return push.subscription_add(appointment=visit, **fields).id


def entry_of(visit: Appointment) -> QueueEntry:
    with tenancy.scope([visit.clinic_id]):
        return QueueEntry.objects.get(appointment_id=visit.id)


def call(house: House, visit: Appointment, *, room: bool = True) -> None:
    entry = entry_of(visit)
    with tenancy.scope(tenancy.SYSTEM):
        queue.entry_call(
            by=house.reception.principal(),
            entry_id=entry.id,
            room=house.room.id if room else None,
        )


def told(subscription: UUID) -> str:
    with tenancy.scope(tenancy.SYSTEM):
        return PushSubscription.objects.get(pk=subscription).told


def send(task: dict[str, Any]) -> None:
    tasks.push_send(**{name: value for name, value in task.items() if name != "countdown"})


def relay(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks that the waiting events lead to."""
    before = len(given)
    outbox.relay()
    return given[before:]


def exists(subscription: UUID) -> bool:
    with tenancy.scope(tenancy.SYSTEM):
        return PushSubscription.objects.filter(pk=subscription).exists()
