"""Patients are told that their turn comes: once, encrypted, and only what others may read too."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
import time_machine
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection
from structlog.testing import capture_logs

from appointments.models import Appointment
from checkin import tasks
from checkin.models import PushSubscription
from checkin.push import vapid
from checkin.selectors.queue import queue_of
from checkin.services import push, queue
from core import clock, outbox, outgoing, tenancy
from core.models import OutboxEvent
from tests.appointments.scene import Scene
from tests.checkin.browser_stand_in import Subscriber
from tests.checkin.push_scene import (
    HOST,
    build_scene,
    call,
    entry_of,
    exists,
    morning,
    relay,
    send,
    subscribe,
    told,
    wait_in,
)
from tests.support.http_stand_in import Answer, StandIn, named_service

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _morning(settings: Any) -> Iterator[None]:
    with morning(settings):
        yield


@pytest.fixture
def service(tmp_path, monkeypatch) -> Iterator[StandIn]:
    """The browser's push service."""
    with named_service(HOST, tmp_path, monkeypatch) as found:
        found.otherwise = Answer(201)
        yield found


@pytest.fixture
def given(monkeypatch) -> list[dict[str, Any]]:
    """The tasks that were handed to Celery, with their `countdown`."""
    kept: list[dict[str, Any]] = []

    def keep(kwargs: dict[str, Any], countdown: int = 0, **_: Any) -> None:
        kept.append({**kwargs, "countdown": countdown})

    monkeypatch.setattr(tasks.push_send, "apply_async", keep)
    return kept


@pytest.fixture
def cast() -> Scene:
    return build_scene()


# --- Whom, and what -------------------------------------------------------------------------------


def test_the_called_patient_is_told_with_token_and_room(cast, service, given):
    visit = wait_in(cast.own, 1)[0]
    outbox.relay()
    browser = Subscriber()
    found = subscribe(visit, browser, endpoint=f"https://{HOST}/send/me?x=1", language="en")
    call(cast.own, visit)
    (task,) = relay(given)
    assert (task["what"], task["subscription"]) == ("called:1", str(found))
    send(task)
    (asked,) = service.asked
    token = entry_of(visit).token
    assert browser.read_json(asked.body) == {
        "title": f"Token {token}",
        "body": "Please come in: Room 3.",
        "tag": asked.headers["topic"],
        "lang": "en",
        "dir": "ltr",
    }
    assert asked.path == "/send/me?x=1"
    assert asked.headers["content-encoding"] == "aes128gcm"
    assert asked.headers["urgency"] == "high"
    assert 0 < int(asked.headers["ttl"]) <= 600
    assert len(asked.headers["topic"]) == 32
    assert told(found) == "called:1"


def test_the_push_service_learns_who_we_are_and_nothing_else(cast, service, given):
    visit = wait_in(cast.own, 1)[0]
    outbox.relay()
    subscribe(visit)
    call(cast.own, visit)
    send(relay(given)[0])
    asked = service.asked[0]
    scheme, _, rest = asked.headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert scheme == "vapid"
    assert parts["k"] == push.push_public_key()
    point = vapid.from_base64url(parts["k"])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    claims = jwt.decode(parts["t"], key, algorithms=["ES256"], audience=f"https://{HOST}")
    assert claims["sub"] == "mailto:it@example.org"
    assert 0 < claims["exp"] - clock.now().timestamp() <= 24 * 3600
    with pytest.raises(InvalidTag):
        Subscriber().read(asked.body)
    seen = json.dumps(dict(asked.headers)).encode() + asked.body
    for secret in (str(visit.id), visit.id.hex, str(visit.patient_id), "Given", "Main", "First"):
        assert secret.encode() not in seen


def test_nothing_on_the_lock_screen_says_who_or_why(cast, service, given):
    visit = wait_in(cast.own, 1, reason="a rash")[0]
    outbox.relay()
    browser = Subscriber()
    subscribe(visit, browser)
    call(cast.own, visit)
    send(relay(given)[0])
    shown = browser.read(service.asked[0].body).decode()
    for private in ("rash", "Given", "Family", "Dr First", "Main", cast.own.clinic.name, "Visit"):
        assert private not in shown


def test_two_before_them_is_near_and_three_is_not(cast, service, given):
    visits = wait_in(cast.own, 4)
    outbox.relay()
    browsers = [Subscriber() for _ in visits]
    found = [subscribe(*pair) for pair in zip(visits, browsers, strict=True)]
    call(cast.own, visits[0])
    tasks_given = relay(given)
    assert [(task["subscription"], task["what"]) for task in tasks_given] == [
        (str(found[0]), "called:1"),
        (str(found[1]), "near"),
        (str(found[2]), "near"),
        (str(found[3]), "near"),
    ]
    for task in tasks_given:
        send(task)
    assert [
        browser.read_json(asked.body)["body"]
        for browser, asked in zip(browsers, service.asked, strict=True)
    ] == [
        "Please come in: Room 3.",
        "You are next. Please come to the waiting room.",
        "One person is before you. Please come to the waiting room.",
        "2 people are before you. Please come to the waiting room.",
    ]


def test_who_has_three_before_them_hears_nothing_yet(cast, given):
    visits = wait_in(cast.own, 5)
    outbox.relay()
    last = subscribe(visits[4])
    call(cast.own, visits[0])
    assert relay(given) == []
    assert told(last) == ""
    call(cast.own, visits[1])
    assert [task["what"] for task in relay(given)] == ["near"]


def test_each_thing_is_told_once_and_each_call_anew(cast, given):
    visits = wait_in(cast.own, 2)
    outbox.relay()
    subscribe(visits[1])
    call(cast.own, visits[0])
    assert [task["what"] for task in relay(given)] == ["near"]
    call(cast.own, visits[0])
    assert relay(given) == []
    for number in (1, 2):
        call(cast.own, visits[1])
        assert [task["what"] for task in relay(given)] == [f"called:{number}"]
    with tenancy.scope(tenancy.SYSTEM):
        by = cast.own.reception.principal()
        entry = queue.entry_skip(by=by, entry_id=entry_of(visits[1]).id)
        queue.entry_requeue(by=by, entry_id=entry.id)
    assert relay(given) == []


def test_an_event_that_comes_twice_is_heard_once(cast, given):
    visit = wait_in(cast.own, 1)[0]
    outbox.relay()
    subscribe(visit)
    call(cast.own, visit)
    assert len(relay(given)) == 1
    with tenancy.scope(tenancy.SYSTEM):
        OutboxEvent.objects.filter(topic="queue.changed").update(delivered_at=None)
    assert relay(given) == []


def test_two_relays_at_once_tell_once(cast, given):
    """Both hear of a change; the second waits for the first one's note and finds it."""
    visits = wait_in(cast.own, 3)
    outbox.relay()
    found = [subscribe(visit) for visit in visits]
    for visit in visits[:2]:
        call(cast.own, visit)

    def deliver(_: int) -> int:
        try:
            return outbox.relay()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(deliver, range(2))) == 2
    assert sorted((task["subscription"], task["what"]) for task in given) == sorted(
        zip(map(str, found), ["called:1", "called:1", "near"], strict=True)
    )


def test_with_the_broker_away_nothing_is_noted_and_the_event_waits(cast, given, monkeypatch):
    visit = wait_in(cast.own, 1)[0]
    outbox.relay()
    found = subscribe(visit)

    def away(**_: Any) -> None:
        raise ConnectionError("broker away")

    with monkeypatch.context() as broken:
        broken.setattr(tasks.push_send, "apply_async", away)
        call(cast.own, visit)
        assert relay(given) == []
    assert told(found) == ""
    with time_machine.travel(clock.now() + timedelta(minutes=1)):
        assert [task["what"] for task in relay(given)] == ["called:1"]


def test_in_the_language_of_the_subscription(cast, service, given):
    visit = wait_in(cast.own, 1)[0]
    outbox.relay()
    browsers = {language: Subscriber() for language in ("ar", "es")}
    for language, browser in browsers.items():
        subscribe(visit, browser, language=language)
    call(cast.own, visit)
    for task in relay(given):
        send(task)
    shown = [
        browser.read_json(asked.body)
        for browser, asked in zip(browsers.values(), service.asked, strict=True)
    ]
    assert [(one["lang"], one["dir"]) for one in shown] == [("ar", "rtl"), ("es", "ltr")]


def test_the_outsider_is_not_told_and_cannot_be_reached(cast, given):
    own = wait_in(cast.own, 1)[0]
    foreign = wait_in(cast.other, 1)[0]
    outbox.relay()
    subscribe(foreign)
    call(cast.own, own)
    assert relay(given) == []
    found = subscribe(own)
    call(cast.own, own)
    (task,) = relay(given)
    assert task["clinic"] == str(cast.own.clinic.id)
    with tenancy.scope([cast.other.clinic.id]):
        push.subscription_remove(appointment=own, endpoint="")
        assert not PushSubscription.objects.filter(pk=found).exists()
    answer = push.push_deliver(
        clinic=cast.other.clinic.id, subscription=found, what="called:2", since=clock.now()
    )
    assert answer is None


def test_the_cost_does_not_grow_with_the_queue(cast, given, django_assert_max_num_queries):
    visits = wait_in(cast.own, 6)
    outbox.relay()
    for visit in visits[:5]:
        subscribe(visit)
        subscribe(visit)
    with tenancy.scope([cast.own.clinic.id]):
        queue_of(cast.own.location.id)  # how the doctors work is known for a while
    with tenancy.scope([cast.own.clinic.id]), django_assert_max_num_queries(8):
        push.queue_told(
            outbox.Event(
                uuid4(),
                "queue.changed",
                cast.own.clinic.id,
                {"location": str(cast.own.location.id)},
                "",
            )
        )
    assert len(given) == 6


# --- Sending --------------------------------------------------------------------------------------


@pytest.fixture
def called(cast, given) -> tuple[UUID, dict[str, Any], Appointment]:
    """A subscription, the task to tell it of a call, and the visit."""
    visit = wait_in(cast.own, 1)[0]
    outbox.relay()
    found = subscribe(visit)
    call(cast.own, visit)
    return found, relay(given)[0], visit


@pytest.mark.parametrize("status", [404, 410])
def test_a_device_that_is_gone_is_forgotten(called, service, given, status):
    service.statuses(status)
    send(called[1])
    assert not exists(called[0])
    assert len(given) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_is_tried_again_ever_later(called, service, given, status):
    service.otherwise = Answer(status)
    task = called[1]
    pauses = []
    for _ in range(4):
        send(task)
        task = given[-1]
        pauses.append(task["countdown"])
    assert pauses == [5, 15, 45, 135]
    with time_machine.travel(clock.now() + push.LIFETIME):
        send(task)
    assert len(given) == 5
    assert len(service.asked) == 4
    assert exists(called[0])


def test_the_push_services_own_wish_is_heard(called, service, given):
    service.plan(Answer(429, {"Retry-After": "60"}), Answer(503, {"Retry-After": "86400"}))
    send(called[1])
    assert given[-1]["countdown"] == 60
    send(given[-1])
    assert len(given) == 2


@pytest.mark.parametrize("status", [302, 400, 403, 413])
def test_a_refusal_is_logged_without_the_address(called, service, given, status):
    service.plan(Answer(status, {"Location": "http://127.0.0.1/"}))
    with capture_logs() as lines:
        send(called[1])
    assert [line["event"] for line in lines] == ["push refused"]
    assert HOST not in str(lines)
    assert len(given) == 1
    assert exists(called[0])


def test_what_is_no_longer_true_is_not_sent(called, cast, service, given):
    _, task, visit = called
    call(cast.own, visit)
    (newer,) = relay(given)
    send(task)
    with tenancy.scope(tenancy.SYSTEM):
        queue.entry_skip(by=cast.own.reception.principal(), entry_id=entry_of(visit).id)
    assert relay(given) == []
    send(newer)
    assert service.asked == []


def test_a_name_that_leads_inside_now_is_forgotten_uncalled(called, service, monkeypatch):
    monkeypatch.setattr(outgoing, "resolve", lambda host, port: ["169.254.169.254"])
    send(called[1])
    assert service.asked == []
    assert not exists(called[0])


def test_no_transaction_is_open_while_the_push_service_is_asked(called, service, monkeypatch):
    seen = []
    dial = outgoing.dial

    def look(*arguments: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return dial(*arguments)

    monkeypatch.setattr(outgoing, "dial", look)
    send(called[1])
    assert seen == [False]
