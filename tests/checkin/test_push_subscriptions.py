"""Who may be told where: checked, once for each device, and only until the day ends."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from checkin.models import PushKind, PushSubscription
from checkin.push import vapid
from checkin.services import push
from core import tenancy
from core.errors import ErrorCode, KairosError
from tests.appointments.scene import Scene
from tests.checkin.browser_stand_in import Subscriber
from tests.checkin.push_scene import HOST, build_scene, exists, morning, subscribe, wait_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _morning(settings: Any) -> Iterator[None]:
    with morning(settings):
        yield


@pytest.fixture
def cast() -> Scene:
    return build_scene()


def test_the_same_device_again_is_one_and_newer(cast):
    visit = wait_in(cast.own, 1)[0]
    endpoint = f"https://{HOST}/same"
    first = subscribe(visit, endpoint=endpoint, language="es")
    browser = Subscriber()
    assert subscribe(visit, browser, endpoint=endpoint, language="xx") == first
    with tenancy.scope([cast.own.clinic.id]):
        row = PushSubscription.objects.get()
        assert (row.p256dh, row.language) == (browser.keys["p256dh"], "")
        push.subscription_remove(appointment=visit, endpoint=endpoint)
        assert not PushSubscription.objects.exists()


def test_a_visit_has_a_handful_of_devices(cast):
    visit = wait_in(cast.own, 1)[0]
    made = [subscribe(visit) for _ in range(push.MAX_DEVICES + 2)]
    with tenancy.scope(tenancy.SYSTEM):
        kept = set(PushSubscription.objects.values_list("id", flat=True))
    assert kept == set(made[2:])


def test_it_ends_with_the_local_day_and_is_pruned(cast):
    visit = wait_in(cast.own, 1)[0]
    found = subscribe(visit)
    with tenancy.scope(tenancy.SYSTEM):
        until = PushSubscription.objects.get(pk=found).expires_at
    assert until == datetime(2027, 3, 10, 23, 0, tzinfo=UTC)
    assert push.push_prune() == 0
    with time_machine.travel(until):
        assert push.push_prune() == 1
    assert not exists(found)


GOOD = Subscriber().keys


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("endpoint", {"endpoint": "http://push.example.org/x"}),
        ("endpoint", {"endpoint": "https://127.0.0.1/x"}),
        ("endpoint", {"endpoint": "https://localhost/x"}),
        ("endpoint", {"endpoint": "https://push.example.org:8080/x"}),
        ("endpoint", {"endpoint": "https://me:word@push.example.org/x"}),
        ("endpoint", {"endpoint": "https://push.example.org/" + "x" * 1000}),
        ("p256dh", {"p256dh": ""}),
        ("p256dh", {"p256dh": GOOD["p256dh"][:-4]}),
        ("p256dh", {"p256dh": vapid.to_base64url(b"\x04" + b"\x01" * 64)}),
        ("p256dh", {"p256dh": GOOD["p256dh"] + "!"}),
        ("p256dh", {"p256dh": GOOD["p256dh"] + "A" * 80}),
        ("auth", {"auth": ""}),
        ("auth", {"auth": vapid.to_base64url(b"x" * 15)}),
        ("auth", {"auth": "ü" * 22}),
        ("kind", {"kind": PushKind.FCM}),
        ("kind", {"kind": "SMS"}),
    ],
)
def test_a_bad_subscription_is_refused_and_leaves_nothing(cast, field, fields):
    visit = wait_in(cast.own, 1)[0]
    with pytest.raises(KairosError) as error:
        subscribe(visit, **fields)
    assert error.value.code == ErrorCode.VALIDATION_ERROR
    assert list(error.value.errors or {}) == [field]
    with tenancy.scope(tenancy.SYSTEM):
        assert not PushSubscription.objects.exists()


def test_only_the_allowed_push_services(cast, settings):
    visit = wait_in(cast.own, 1)[0]
    settings.PUSH_HOSTS = ["example.net"]
    with pytest.raises(KairosError):
        subscribe(visit)
    subscribe(visit, endpoint="https://eu.push.example.net/x")


def test_without_a_key_nobody_can_subscribe(cast, settings):
    visit = wait_in(cast.own, 1)[0]
    assert len(vapid.from_base64url(push.push_public_key())) == 65
    settings.VAPID_PRIVATE_KEY = ""
    assert push.push_public_key() == ""
    with pytest.raises(KairosError) as error:
        subscribe(visit)
    assert list(error.value.errors or {}) == ["kind"]
