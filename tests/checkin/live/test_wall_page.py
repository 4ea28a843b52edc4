"""The wall screen's page, its board over HTTP and its changing code."""

import pytest
from django.test import Client

from checkin import board as board_module
from checkin.codes import PERIOD
from checkin.device_auth import COOKIE
from checkin.models import DeviceKind, PointMode
from checkin.services.devices import device_revoke
from core import clock, tenancy
from tests.appointments.scene import House, Scene, scene
from tests.checkin.arrivals import point
from tests.checkin.live.boards import SECRET, called, comes, paired

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(monkeypatch) -> Scene:
    monkeypatch.setattr(board_module, "_KEPT_SECONDS", 0.0)
    return scene()


def screen(house: House, kind: str = DeviceKind.WALL, **more) -> Client:
    _, token = paired(house, kind, **more)
    client = Client()
    client.cookies[COOKIE] = token
    return client


def test_it_draws_tokens_and_rooms_without_a_script_and_no_name(stage):
    own = stage.own
    wall = screen(own)
    for _ in range(3):
        comes(own, doctor=own.doctor.id, service=own.service.id)
    called(own)
    page = wall.get("/wall/").content.decode()
    for wanted in ("W001", "W002", "W003", own.room.name, own.doctor.display_name):
        assert wanted in page
    assert SECRET not in page
    state = wall.get("/wall/state").json()
    assert [one["token"] for one in state["queue"]["called"]] == ["W001"]
    assert [one["token"] for one in state["queue"]["waiting"]] == ["W002", "W003"]
    assert state.keys() == {"at", "build", "queue"}


def test_it_shows_its_own_location_and_no_other_clinics(stage):
    comes(stage.other)
    elsewhere = stage.own.add_location()
    comes(stage.own)
    for wall in (screen(stage.own, location=elsewhere), screen(scene().own)):
        assert wall.get("/wall/state").json()["queue"]["waiting"] == []


@pytest.mark.parametrize("path", ["/wall/", "/wall/state", "/wall/code.svg"])
def test_only_a_wall_screen_gets_in(stage, path):
    own = stage.own
    assert Client().get(path).headers["Location"] == "/pair"
    assert screen(own, DeviceKind.SCANNER).get(path).headers["Location"] == "/scan/"
    device, token = paired(own)
    wall = Client()
    wall.cookies[COOKIE] = token
    with tenancy.scope(()):
        device_revoke(by=own.admin.principal(), device_id=device.id)
    assert wall.get(path).headers["Location"] == "/pair"
    assert wall.get(path, headers={"X-Kairos-Device": "1"}).status_code == 401


def test_a_changing_code_is_another_in_another_minute(stage, time_machine):
    own = stage.own
    entrance = point(own, mode=PointMode.ROTATING)
    wall = screen(own, point=entrance)
    assert "/wall/code.svg" in wall.get("/wall/").content.decode()
    first = wall.get("/wall/code.svg")
    assert first.headers["Content-Type"] == "image/svg+xml"
    time_machine.move_to(clock.now() + PERIOD)
    assert wall.get("/wall/code.svg").content != first.content


def test_without_a_changing_code_there_is_none_to_be_had(stage):
    own = stage.own
    for wall in (screen(own), screen(own, point=point(own, mode=PointMode.STATIC))):
        assert "/wall/code.svg" not in wall.get("/wall/").content.decode()
        assert wall.get("/wall/code.svg").status_code == 404


def test_a_room_whose_name_is_markup_stays_a_name(stage):
    own = stage.own
    with tenancy.scope(tenancy.SYSTEM):
        own.room.name = "</script><b>Room"
        own.room.save(update_fields=["name"])
    comes(own)
    called(own)
    page = screen(own).get("/wall/").content.decode()
    assert "</script><b>" not in page


def test_as_many_statements_for_thirty_as_for_three(stage, django_assert_max_num_queries):
    own = stage.own
    wall = screen(own)
    comes(own, doctor=own.doctor.id, service=own.service.id)
    wall.get("/wall/")  # learns how long the doctor's visits take, and keeps it
    counts = []
    for more in (0, 2, 27):
        for _ in range(more):
            comes(own, doctor=own.doctor.id, service=own.service.id)
        with django_assert_max_num_queries(30) as seen:
            wall.get("/wall/")
        counts.append(len(seen))
    assert len(set(counts)) == 1, counts
