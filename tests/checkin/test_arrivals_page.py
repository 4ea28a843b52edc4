"""The desk's page of arrivals: places, posters, devices, alerts, and a phone that is lent."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from checkin.device_auth import COOKIE
from checkin.models import AlertKind, CheckInAlert, CheckInDevice, CheckInLocation, DeviceKind
from core import clock, context, tenancy
from core.ids import uuid7
from tests.appointments.scene import House, Person, Scene
from tests.backoffice.world import at_the_desk
from tests.checkin.arrivals import device, of_clinic, point


@pytest.fixture(autouse=True)
def _from_an_address() -> None:
    context.begin("a-test", "192.0.2.9")


class Desk:
    """Somebody's browser at the arrivals of a clinic, without JavaScript."""

    def __init__(self, house: House, person: Person) -> None:
        self.house, self.client = house, at_the_desk(person.user)
        self.base = f"/desk/{house.clinic.slug}/arrivals"

    def get(self, path: str = "") -> Any:
        return self.client.get(self.base + path)

    def post(self, path: str, **data: Any) -> Any:
        return self.client.post(self.base + path, data)

    def page(self, path: str = "") -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.content[:400]
        return str(answer.content.decode())


@pytest.fixture
def admin(cast: Scene) -> Desk:
    return Desk(cast.own, cast.own.admin)


@pytest.fixture
def reception(cast: Scene) -> Desk:
    return Desk(cast.own, cast.own.reception)


def test_an_empty_clinic_is_told_what_to_do(admin: Desk, reception: Desk) -> None:
    page = admin.page()
    assert "There is none yet" in page
    assert "/arrivals/places/new" in page
    assert "None is paired yet" in page
    page = reception.page()
    assert "/arrivals/places/new" not in page
    assert "An administrator of the clinic adds it." in page


def test_a_place_is_made_changed_turned_over_and_removed(cast: Scene, admin: Desk) -> None:
    house = cast.own
    sent = {
        "location": str(house.location.id),
        "name": "Main entrance",
        "mode": "STATIC",
        "geofence_policy": "REFUSE",
    }
    made = admin.post("/places/new", **sent)
    assert made.status_code == 302, made.content.decode()[:2000]
    (place,) = of_clinic(house, CheckInLocation)
    here = f"/places/{place.id}"
    assert made.headers["Location"].endswith(here)
    page = admin.page(here)
    assert f"/api/v1/appointments/locations/{house.location.id}/poster.pdf?size=a4" in page
    assert "Main entrance" in admin.page()

    twice = admin.post("/places/new", **sent)
    assert twice.status_code == 400
    assert "has a check-in place of this name" in twice.content.decode()

    stale = admin.post(here, **sent | {"name": "Side entrance", "version": 99})
    assert stale.status_code == 400
    assert "Somebody else changed this" in stale.content.decode()
    lonely = admin.post(here, **sent | {"latitude": "52.5", "version": place.version})
    assert lonely.status_code == 400
    assert "Latitude and longitude go together." in lonely.content.decode()
    kept = sent | {"name": "Side entrance", "version": place.version, "is_active": "on"}
    assert admin.post(here, **kept).status_code == 302
    (place,) = of_clinic(house, CheckInLocation)
    assert (place.name, place.is_active) == ("Side entrance", True)

    assert admin.post(f"{here}/turn", version=place.version).status_code == 302
    (turned,) = of_clinic(house, CheckInLocation)
    assert turned.generation == place.generation + 1
    assert admin.post(f"{here}/turn", version=place.version).status_code == 412
    assert admin.post(f"{here}/turn", version="x").status_code == 400

    assert admin.post(f"{here}/delete", version=turned.version).status_code == 302
    assert admin.get(here).status_code == 404
    assert admin.post(f"{here}/delete", version=turned.version).status_code == 302
    assert "Side entrance" not in admin.page()


def test_the_pairing_code_is_shown_once_and_pairs(cast: Scene, admin: Desk) -> None:
    house = cast.own
    form = {
        "name": "Tablet at the door",
        "kind": "KIOSK",
        "location": str(house.location.id),
        "once": str(uuid7()),
    }
    shown = admin.post("/devices/new", **form)
    assert shown.status_code == 201, shown.content.decode()[:2000]
    found = re.search(r'class="pair-code"[^>]*>([^<]+)<', shown.content.decode())
    assert found is not None

    again = admin.post("/devices/new", **form)  # the same form, sent twice
    assert again.status_code == 302
    assert len(of_clinic(house, CheckInDevice)) == 1
    page = admin.page()
    assert found[1] not in page
    assert "Waits to be paired" in page

    tablet = Client()
    assert tablet.post("/pair", {"code": found[1]}).headers["Location"] == "/kiosk/"
    assert "✓ Paired" in admin.page()

    (kiosk,) = of_clinic(house, CheckInDevice)
    renewed = admin.post(f"/devices/{kiosk.id}/code", version=kiosk.version)
    assert renewed.status_code == 201
    assert admin.post(f"/devices/{kiosk.id}/end").status_code == 302
    assert "✕ Revoked" in admin.page()
    assert tablet.get("/kiosk/").headers["Location"] == "/pair"


def test_a_phone_is_lent_and_scans_at_once(cast: Scene, reception: Desk) -> None:
    lent = reception.post("/scanner", location=str(cast.own.location.id))
    assert (lent.status_code, lent.headers["Location"]) == (302, "/scan/")
    assert lent.cookies[COOKIE]["httponly"]
    assert reception.client.get("/scan/").status_code == 200
    (phone,) = of_clinic(cast.own, CheckInDevice)
    assert phone.kind == DeviceKind.SCANNER
    assert phone.paired_by_id == cast.own.reception.id

    foreign = reception.post("/scanner", location=str(cast.other.location.id))
    assert foreign.status_code == 400
    nurse = Desk(cast.own, cast.own.nurse)
    assert nurse.get().status_code == 403
    assert "Scanner" in nurse.page("/scanner")


def test_alerts_are_shown_until_they_are_looked_at(
    cast: Scene, admin: Desk, reception: Desk
) -> None:
    tablet = device(cast.own)
    with tenancy.scope(tenancy.SYSTEM):
        alert = CheckInAlert.objects.create(
            clinic=cast.own.clinic,
            kind=AlertKind.UNKNOWN_CODES,
            device=tablet,
            source_id=tablet.id,
            count=11,
            details={"source": "DEVICE", "codes": {"INVALID_QR_CODE": 11}},
        )
        CheckInAlert.objects.create(
            clinic=cast.own.clinic,
            kind=AlertKind.IMPOSSIBLE_DISTANCE,
            source_id=uuid7(),
            details={"source": "GUEST", "metres": 123_456, "minutes": 3},
        )
    page = admin.page()
    assert "11 attempts were refused." in page
    assert "123 km apart" in page
    seen = f"/alerts/{alert.id}/seen"
    assert seen not in reception.page()
    assert reception.post(seen).status_code == 403
    assert admin.post(seen).status_code == 302
    assert "11 attempts were refused." not in admin.page()


def test_receptionists_read_and_change_nothing(cast: Scene, reception: Desk) -> None:
    place, tablet = point(cast.own), device(cast.own)
    assert place.name in reception.page()
    assert "Its poster" in reception.page(f"/places/{place.id}")
    kept = {"name": "x", "mode": "STATIC", "geofence_policy": "REFUSE", "version": place.version}
    assert reception.post(f"/places/{place.id}", **kept).status_code == 403
    assert reception.post(f"/devices/{tablet.id}/end").status_code == 403
    assert of_clinic(cast.own, CheckInDevice)[0].revoked_at is None


def test_what_is_the_neighbours_is_not_there(cast: Scene, admin: Desk) -> None:
    place, tablet = point(cast.other), device(cast.other)
    page = admin.page()
    assert place.name not in page
    assert tablet.name not in page
    assert admin.get(f"/places/{place.id}").status_code == 404
    assert admin.post(f"/places/{place.id}/turn", version=1).status_code == 404
    assert admin.post(f"/devices/{tablet.id}/end").status_code == 404
    assert admin.post(f"/devices/{tablet.id}/code", version=1).status_code == 404
    assert Desk(cast.own, cast.other.admin).get().status_code == 404


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "TOASTER"},
        {"location": "nowhere"},
        {"once": "not an id"},
        {"name": "n" * 500},
        {"name": "\x00"},
        {"name": " "},
    ],
)
def test_bad_input_is_said(cast: Scene, admin: Desk, bad: dict[str, str]) -> None:
    form = {
        "name": "Tablet",
        "kind": "KIOSK",
        "location": str(cast.own.location.id),
        "once": str(uuid7()),
    }
    assert admin.post("/devices/new", **form | bad).status_code == 400
    assert of_clinic(cast.own, CheckInDevice) == []


def test_the_page_asks_as_much_however_long_it_is(cast: Scene, admin: Desk) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.page()
        return len(captured)

    def more(number: int) -> None:
        for _ in range(number):
            tablet = device(cast.own)
            point(cast.own)
            with tenancy.scope(tenancy.SYSTEM):
                CheckInAlert.objects.create(
                    clinic=cast.own.clinic,
                    kind=AlertKind.MANY_REFUSALS,
                    device=tablet,
                    source_id=tablet.id,
                    created_at=clock.now(),
                )

    more(1)
    asked()
    one = asked()
    more(29)
    assert asked() == one
