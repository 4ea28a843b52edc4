"""What people are sent about their offers, once each; the desk tells the others."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from core import tenancy
from core.models import OutboxEvent
from followups import tasks
from followups.models import WaitlistOffer
from followups.offer_links import offer_link
from followups.services.offer_rows import LOST, OFFERED, REFUSED
from followups.services.offers import offer_told
from tests.appointments.scene import Api, House
from tests.followups.waitlist_scene import (
    MORNING,
    at,
    cancelled,
    fresh,
    heard,
    offers,
    path_of,
    send,
    waiting,
)
from tests.support.http_stand_in import StandIn, standing_in


@pytest.fixture
def gateway(settings, monkeypatch) -> Iterator[StandIn]:
    """A gateway that listens; the task runs here instead of in a worker."""
    with standing_in() as found:
        settings.SMS_URL, settings.SMS_TOKEN = f"{found.url}/send", "sesame"
        settings.PUBLIC_URL = "https://kairos.example"
        monkeypatch.setattr(
            tasks.offer_tell, "apply_async", lambda kwargs, **_: tasks.offer_tell(**kwargs)
        )
        yield found


def reachable(own: House, **fields) -> None:
    chart = own.add_chart()
    with tenancy.scope(tenancy.SYSTEM):
        for name, value in {"phone": "+491701234567", **fields}.items():
            setattr(chart, name, value)
        chart.save()
    waiting(own, chart)


def test_the_offer_is_sent_with_its_link(own, gateway):
    reachable(own)
    cancelled(own)
    send()
    with at(MORNING):
        heard()
    (offer,) = offers(own)
    (message,) = gateway.asked
    assert message.json["to"] == "+491701234567"
    assert f"https://kairos.example/offer/{offer_link(offer)}" in message.json["text"]
    assert "6 Jun 2035, 10:00" in message.json["text"]
    assert message.json["id"] == f"{OFFERED}:{offer.id}"
    assert (offer.sent_at, offer.sent_by) == (MORNING, "SMS")


def test_a_message_delivered_again_is_the_same_message(own, gateway):
    """A worker that died between the gateway and its note: the same key is the same message."""
    reachable(own)
    cancelled(own)
    send()
    (offer,) = offers(own)
    with at(MORNING):
        heard()
        with tenancy.scope(tenancy.SYSTEM):
            WaitlistOffer.objects.filter(pk=offer.id).update(sent_at=None, sent_by="")
        tasks.offer_tell(clinic=str(own.clinic.id), offer=str(offer.id), what=OFFERED)
        tasks.offer_tell(clinic=str(own.clinic.id), offer=str(offer.id), what=OFFERED)
    assert len({message.json["id"] for message in gateway.asked}) == 1
    assert len(gateway.asked) == 2, "and who is noted as told is not told again"


@pytest.mark.parametrize(
    ("fields", "public_url"),
    [
        ({"phone": ""}, "https://kairos.example"),
        ({"contact_preferences": {"sms": False}}, "https://kairos.example"),
        ({}, ""),
    ],
)
def test_who_cannot_be_sent_one_is_told_by_the_desk(own, gateway, settings, fields, public_url):
    settings.PUBLIC_URL = public_url
    reachable(own, **fields)
    cancelled(own)
    send()
    with at(MORNING):
        heard()
    (offer,) = offers(own)
    assert gateway.asked == []
    assert (offer.sent_at, offer.sent_by) == (None, "")
    with at(MORNING), tenancy.scope(()):
        offer_told(by=own.reception.principal(), offer_id=offer.id)
    assert (fresh(offer).sent_at, fresh(offer).sent_by) == (MORNING, "DESK")


def test_losers_are_told_kindly_when_they_were_asked_by_message(own, gateway):
    reachable(own)
    reachable(own, phone="+491701234568", language="de")
    waiting(own)  # no phone: asked by nobody, told by nobody
    cancelled(own)
    send()
    with at(MORNING):
        heard()
        first = offers(own)[0]
        assert Api(None).post(path_of(first, "/accept")).status_code == 200
        heard()
    told = [message.json for message in gateway.asked if message.json["id"].startswith(LOST)]
    assert [message["to"] for message in told] == ["+491701234568"]
    assert "still on our waitlist" in told[0]["text"]


def test_a_gateway_that_refuses_the_number_leaves_it_to_the_desk(own, gateway):
    gateway.statuses(400)
    reachable(own)
    cancelled(own)
    send()
    with at(MORNING):
        heard()
    (offer,) = offers(own)
    assert (offer.sent_at, offer.sent_by) == (None, REFUSED)
    with at(MORNING + timedelta(minutes=6)):
        tasks.offers_send_due()
    assert len(gateway.asked) == 1, "nor is it tried again"


def test_a_message_that_a_killed_worker_took_along_is_sent_again(own, gateway):
    """The event was delivered and the task published; nothing came of it."""
    reachable(own)
    cancelled(own)
    send()
    with tenancy.scope(tenancy.SYSTEM):
        OutboxEvent.objects.filter(topic=OFFERED).update(delivered_at=MORNING)
    for minutes, told in ((4, 0), (6, 1), (7, 1)):
        with at(MORNING + timedelta(minutes=minutes)):
            tasks.offers_send_due()
        assert len(gateway.asked) == told
    assert offers(own)[0].sent_by == "SMS"
