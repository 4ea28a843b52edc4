"""The same POST twice does its work once."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from appointments.models import Appointment
from core import clock, idempotency, tenancy
from core.models import IdempotencyRecord
from tests.appointments.scene import House, Scene, house, scene

pytestmark = pytest.mark.django_db(transaction=True)
SOON = datetime.now(tz=UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=5)


def post(ground: House, key: str, start=SOON, by=None, **fields):
    body = ground.request(start, **fields)
    return (by or ground.reception).api.post("appointments", body, **{"Idempotency-Key": key})


def booked() -> int:
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.count()


def test_the_stored_answer_comes_again_as_it_was():
    ground = house()
    first, second = post(ground, "k1"), post(ground, "k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["ETag"] == second.headers["ETag"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert booked() == 1


def test_another_body_with_the_same_key():
    ground = house()
    post(ground, "k1")
    for other in (
        post(ground, "k1", SOON + timedelta(hours=1)),
        post(ground, "k1", reason="other"),
        ground.reception.api.post(
            "slots/holds", ground.request(SOON, patient=...), **{"Idempotency-Key": "k1"}
        ),
    ):
        assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert booked() == 1


def test_a_key_belongs_to_its_user():
    cast: Scene = scene()
    assert post(cast.own, "k1").status_code == 201
    stranger = post(cast.own, "k1", by=cast.other.reception)
    assert stranger.status_code == 404
    assert "Idempotent-Replayed" not in stranger.headers
    assert post(cast.other, "k1").status_code == 201


def test_a_refusal_is_not_stored_and_may_be_tried_again():
    ground = house()
    late = post(ground, "k1", SOON.replace(hour=23))
    assert late.json()["code"] == "OUTSIDE_WORKING_HOURS"
    with tenancy.scope(tenancy.SYSTEM):
        assert IdempotencyRecord.objects.count() == 0
    ground.add_hours(start=SOON.replace(hour=20).time(), end=SOON.replace(hour=0).time())
    again = post(ground, "k1", SOON.replace(hour=20))
    assert again.status_code == 201


def test_after_a_day_the_key_is_new():
    ground = house()
    first = post(ground, "k1").json()
    with time_machine.travel(clock.now() + timedelta(hours=23, minutes=59)):
        assert post(ground, "k1").json()["id"] == first["id"]
    with time_machine.travel(clock.now() + timedelta(hours=24, seconds=1)):
        again = post(ground, "k1", SOON + timedelta(hours=1))
        assert again.status_code == 201
        assert again.json()["id"] != first["id"]
        assert post(ground, "k1", SOON + timedelta(hours=1)).json()["id"] == again.json()["id"]


def test_what_is_past_its_day_is_forgotten():
    ground = house()
    post(ground, "k1")
    with time_machine.travel(clock.now() + timedelta(hours=20)):
        post(ground, "k2", SOON + timedelta(hours=1))
        assert idempotency.prune() == 0
    with time_machine.travel(clock.now() + timedelta(hours=25)):
        assert idempotency.prune() == 1
    with tenancy.scope(tenancy.SYSTEM):
        assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["k2"]


def test_without_a_key_a_post_is_just_a_post():
    ground = house()
    answers = [
        ground.reception.api.post("appointments", ground.request(SOON)).status_code
        for _ in range(2)
    ]
    assert answers == [201, 409]


def test_the_answer_and_the_work_are_one_transaction(monkeypatch):
    """The answer cannot be stored: the booking is not there either."""
    ground = house()

    def fail(*_):
        raise RuntimeError("disk full")

    monkeypatch.setattr(idempotency, "store", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        post(ground, "k1")
    assert booked() == 0
