"""Who waits, what becomes free, and who was asked: the steps of the waitlist's tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import time_machine

from clinics.models import Patient
from core import outbox, tenancy
from core.models import OutboxEvent
from followups.models import CarePolicy, WaitlistEntry, WaitlistOffer, WaitlistOpening
from followups.offer_links import offer_link
from followups.services import offer_jobs
from followups.services.waitlist import entry_create
from tests.appointments.moments import berlin
from tests.appointments.scene import House

#: Inside the sending hours of the day of the tests.
MORNING = berlin(0, 9)
TIME = berlin(2, 10)


def waiting(house: House, chart: Patient | None = None, **wishes: Any) -> WaitlistEntry:
    """Somebody on the waitlist, put there by the reception; a new chart unless one is given."""
    fields = {
        "patient": (chart or house.add_chart()).id,
        "service": house.service.id,
    } | wishes
    with tenancy.scope(()):
        return entry_create(by=house.reception.principal(), **fields)


def cancelled(house: House, starts_at: datetime = TIME, **fields: Any) -> dict[str, Any]:
    """A visit that was booked and cancelled; the outbox has told of it."""
    booked = house.book(starts_at, **({"patient": house.add_chart().id} | fields))
    answer = house.reception.api.post(f"appointments/{booked['id']}/cancel", {"reason": "ill"})
    assert answer.status_code == 200, answer.content
    heard()
    return booked


def heard() -> None:
    """The outbox has told everybody, and nobody has failed at it."""
    outbox.relay()
    with tenancy.scope(tenancy.SYSTEM):
        assert list(OutboxEvent.objects.exclude(last_error="").values("topic", "last_error")) == []


def policy(house: House, **rules: Any) -> None:
    """The clinic's rules."""
    with tenancy.scope([house.clinic.id]):
        CarePolicy.objects.update_or_create(clinic=house.clinic, defaults=rules)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """The present is that moment."""
    with time_machine.travel(moment, tick=False):
        yield


def send(moment: datetime = MORNING) -> int:
    """What the minutely job does at a moment."""
    with at(moment):
        return offer_jobs.offers_send_due()


def openings(house: House, **wanted: Any) -> list[WaitlistOpening]:
    with tenancy.scope([house.clinic.id]):
        found = WaitlistOpening.objects.filter(clinic=house.clinic, **wanted)
        return list(found.order_by("starts_at", "id"))


def offers(house: House, **wanted: Any) -> list[WaitlistOffer]:
    """The ledger, in the order in which people were asked."""
    with tenancy.scope([house.clinic.id]):
        found = WaitlistOffer.objects.filter(clinic=house.clinic, **wanted)
        return list(found.select_related("opening", "entry").order_by("batch", "place", "id"))


def fresh(row: Any) -> Any:
    """The row as it stands now."""
    with tenancy.scope(tenancy.SYSTEM):
        return type(row)._default_manager.get(pk=row.pk)


def offered(house: House, count: int = 1, starts_at: datetime = TIME) -> list[WaitlistOffer]:
    """A freed time that has been offered to so many people at once."""
    policy(house, offer_batch_size=count)
    for _ in range(count):
        waiting(house)
    cancelled(house, starts_at)
    assert send() == count
    return offers(house)


def path_of(offer: WaitlistOffer, step: str = "") -> str:
    return f"waitlist-offers/{offer_link(offer)}{step}"


HALF_HOUR = timedelta(minutes=30)
