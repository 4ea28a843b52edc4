"""Devices: paired once with a code, known by a token, lent for a shift, revoked at once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from checkin.device_auth import COOKIE, DeviceAuthentication
from checkin.models import CheckInDevice, DeviceKind, PointMode
from checkin.services import devices
from clinics.models import Location
from core import clock, context, tenancy
from core.api.views import Endpoint
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent, OutboxEvent
from tests.appointments.moments import NOW
from tests.appointments.scene import House, Person, Scene
from tests.checkin.arrivals import point


@pytest.fixture(autouse=True)
def _from_an_address() -> None:
    context.begin("a-test", "192.0.2.9")


@pytest.fixture
def own(cast: Scene) -> House:
    return cast.own


def made(house: House, by: Person | None = None, **fields: Any) -> tuple[CheckInDevice, str]:
    """A device, and its pairing code."""
    values = {"kind": DeviceKind.KIOSK, "name": "Tablet", "location": house.location} | fields
    with tenancy.scope([house.clinic.id]):
        principal = (by or house.admin).principal()
        return devices.device_make(by=principal, clinic=house.clinic, **values)


def paired(house: House, **fields: Any) -> tuple[CheckInDevice, str]:
    """A live device, and its token."""
    return devices.device_pair(pairing_code=made(house, **fields)[1])


def live(token: str) -> CheckInDevice:
    with tenancy.scope(()):
        return devices.device_by_token(token)


def refusal(act: Any) -> KairosError:
    with pytest.raises(KairosError) as caught, tenancy.scope(()):
        act()
    return caught.value


def in_system(device: CheckInDevice | UUID) -> CheckInDevice:
    with tenancy.scope(tenancy.SYSTEM):
        return CheckInDevice.objects.get(pk=getattr(device, "pk", device))


def test_the_code_pairs_once_and_the_token_opens_its_clinic_alone(cast: Scene) -> None:
    device, code = made(cast.own)
    assert len(code) == devices.PAIRING_LENGTH
    assert not set(code) & set("01OI")

    same, token = devices.device_pair(pairing_code=f" {code[:4].lower()}-{code[4:]} ")

    assert same.pk == device.pk
    with tenancy.scope(()):
        found = devices.device_by_token(token)
        assert (found.pk, found.clinic, found.location) == (
            device.pk,
            cast.own.clinic,
            cast.own.location,
        )
        assert set(CheckInDevice.objects.values_list("clinic_id", flat=True)) == {
            cast.own.clinic.id
        }
    assert refusal(lambda: devices.device_pair(pairing_code=code)).code == "INVALID_CREDENTIALS"


@pytest.mark.parametrize("why", ["wrong", "over", "used", "revoked", "closed", "odd"])
def test_codes_that_pair_nothing_are_answered_alike(cast: Scene, why: str) -> None:
    device, code = made(cast.own)
    if why == "wrong":
        code = "2" * devices.PAIRING_LENGTH
    elif why == "used":
        devices.device_pair(pairing_code=code)
    elif why == "revoked":
        with tenancy.scope([cast.own.clinic.id]):
            devices.device_revoke(by=cast.own.admin.principal(), device_id=device.id)
    elif why == "closed":
        with tenancy.scope(tenancy.SYSTEM):
            type(cast.own.location).objects.filter(pk=cast.own.location.pk).update(is_active=False)
    elif why == "odd":
        code = "\x00💥" + "A" * 4000
    later = NOW + (devices.PAIRING_LASTS if why == "over" else timedelta(seconds=1))
    with time_machine.travel(later, tick=False):
        found = refusal(lambda: devices.device_pair(pairing_code=code))
    assert (found.code, found.status) == (ErrorCode.INVALID_CREDENTIALS, 401)
    assert "Ask for a new one" in found.detail


def test_guessing_pairing_codes_is_counted_for_the_address(cast: Scene, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"pairing": 3}
    context.begin("a-test", "192.0.2.77")
    seen = [refusal(lambda: devices.device_pair(pairing_code="WRONG")).code for _ in range(5)]
    assert seen == ["INVALID_CREDENTIALS"] * 3 + ["RATE_LIMIT_EXCEEDED"] * 2


def test_neither_code_nor_token_is_kept_or_told(cast: Scene) -> None:
    device, code = made(cast.own)
    _, token = devices.device_pair(pairing_code=code)
    row = in_system(device)
    kept = [str(value) for value in vars(row).values()]
    with tenancy.scope(tenancy.SYSTEM):
        told = [
            str(list(model.objects.filter(clinic_id=cast.own.clinic.id).values()))
            for model in (AuditEvent, OutboxEvent)
        ]
        acts = set(AuditEvent.objects.filter(entity_id=device.id).values_list("action", flat=True))
    assert acts == {"checkin_device.made", "checkin_device.paired"}
    for text in (*kept, *told):
        assert code not in text
        assert token not in text
    assert row.pairing_hash is None
    assert row.token_hash is not None


def _token_of(clinic: UUID, device: UUID) -> str:
    return devices._new_token(clinic, device)


def test_dead_tokens_are_answered_alike(cast: Scene) -> None:
    device, token = paired(cast.own)
    other, other_token = paired(cast.other)
    raw = devices.token_read(token)
    assert raw is not None
    dead = [
        "",
        "x" * 5000,
        "\x00",
        token[:-4] + "AAAA",
        token + "=",
        token.swapcase(),
        _token_of(cast.own.clinic.id, device.id),
        _token_of(cast.other.clinic.id, device.id),
        _token_of(device.id, device.id),
    ]
    for text in dead:
        found = refusal(lambda text=text: devices.device_by_token(text))
        assert (found.code, found.status) == (ErrorCode.DEVICE_REVOKED, 401), text
    assert live(token).pk == device.pk
    assert live(other_token).pk == other.pk


def test_revoking_holds_from_the_next_request_on(cast: Scene) -> None:
    device, token = paired(cast.own)
    assert live(token).pk == device.pk
    with tenancy.scope([cast.own.clinic.id]):
        devices.device_revoke(by=cast.own.admin.principal(), device_id=device.id)
    assert refusal(lambda: devices.device_by_token(token)).code == ErrorCode.DEVICE_REVOKED
    assert in_system(device).revoked_by_id == cast.own.admin.id
    with tenancy.scope([cast.own.clinic.id]):  # twice is as good as once
        again = devices.device_revoke(by=cast.own.admin.principal(), device_id=device.id)
    assert again.version == in_system(device).version


def test_a_new_code_keeps_the_old_pairing_until_it_is_used(cast: Scene) -> None:
    device, token = paired(cast.own)
    with tenancy.scope([cast.own.clinic.id]):
        _, code = devices.device_code_renew(by=cast.own.admin.principal(), device_id=device.id)
    assert live(token).pk == device.pk
    _, newer = devices.device_pair(pairing_code=code)
    assert live(newer).pk == device.pk
    assert refusal(lambda: devices.device_by_token(token)).code == ErrorCode.DEVICE_REVOKED


def test_a_lent_phone_scans_for_a_shift_and_ends(cast: Scene) -> None:
    own = cast.own
    with tenancy.scope([own.clinic.id]):
        device, token = devices.device_lend(
            by=own.reception.principal(), clinic=own.clinic, location=own.location
        )
    assert device.kind == DeviceKind.SCANNER
    with time_machine.travel(NOW + devices.LENT_FOR - timedelta(seconds=1), tick=False):
        assert live(token).pk == device.pk
    with time_machine.travel(NOW + devices.LENT_FOR, tick=False):
        assert refusal(lambda: devices.device_by_token(token)).code == ErrorCode.DEVICE_REVOKED
    with tenancy.scope([own.clinic.id]):  # who lent it may end it, and pairs no other with it
        devices.device_revoke(by=own.reception.principal(), device_id=device.id)
        found = refusal(
            lambda: devices.device_code_renew(by=own.admin.principal(), device_id=device.id)
        )
    assert found.code in {ErrorCode.CONFLICT, ErrorCode.NOT_FOUND}


def test_it_is_seen_at_most_once_a_minute(cast: Scene) -> None:
    device, token = paired(cast.own)
    with CaptureQueriesContext(
        connection,
    ) as first:
        live(token)
    assert not any("last_seen_at =" in query["sql"] for query in first.captured_queries)
    context.begin("a-test", "198.51.100.4")
    with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
        live(token)
        live(token)
        row = in_system(device)
        assert (row.last_seen_at, row.last_address) == (clock.now(), "198.51.100.4")
    assert row.version == live(token).version


def test_who_may(cast: Scene) -> None:
    own, other = cast.own, cast.other
    device, _ = made(own)
    here = {"clinic": own.clinic, "location": own.location}

    def denied(act: Any, by: Any, **wanted: Any) -> bool:
        with pytest.raises(KairosError) as caught, tenancy.scope([own.clinic.id]):
            act(by=by, **wanted)
        return caught.value.code == ErrorCode.PERMISSION_DENIED

    for person in (own.reception, own.patient, other.admin):
        by = _principal(person)
        assert denied(devices.device_make, by, kind="KIOSK", name="x", **here)
        assert denied(devices.device_revoke, by, device_id=device.id)
        assert denied(devices.device_code_renew, by, device_id=device.id)
    for person in (own.patient, other.reception):
        assert denied(devices.device_lend, _principal(person), **here)


def _principal(person: Person) -> Any:
    with tenancy.scope(()):
        return person.principal()


def test_a_device_is_made_of_what_belongs_together(cast: Scene) -> None:
    own, other = cast.own, cast.other
    foreign = point(other, mode=PointMode.ROTATING)
    assert refusal(lambda: made(own, location=other.location)).code == ErrorCode.NOT_FOUND
    assert refusal(lambda: made(own, point=foreign)).code == ErrorCode.NOT_FOUND
    away = point(own, location=another_location(own), mode=PointMode.ROTATING)
    assert "point" in (refusal(lambda: made(own, point=away)).errors or {})
    with pytest.raises(ValidationError):
        made(own, kind="TOASTER")


def another_location(house: House) -> Location:
    with tenancy.scope([house.clinic.id]):
        return Location.objects.create(clinic=house.clinic, name="Branch", timezone="Europe/Berlin")


class _Scanning(Endpoint):
    """An endpoint as the scans' is: open to devices."""

    authentication_classes = (DeviceAuthentication,)
    needs = {"say": None}
    limit_class = {"say": "write"}

    def say(self, request: Any) -> Response:
        return Response({"device": str(request.device.id), "user": str(request.auth.user_id)})


def asked(method: str = "post", cookie: str = "", **headers: str) -> Response:
    request = getattr(APIRequestFactory(), method)("/", headers=headers)
    if cookie:
        request.COOKIES[COOKIE] = cookie
    answer = _Scanning.as_view({"post": "say", "get": "say"})(request)
    answer.render() if hasattr(answer, "render") and not answer.is_rendered else None
    return answer


def test_the_api_knows_a_device_by_its_header_or_its_cookie(cast: Scene) -> None:
    device, token = paired(cast.own)
    said = {"device": str(device.id), "user": str(device.id)}
    ours = {"X-Kairos-Device": "1"}

    assert asked(Authorization=f"Device {token}").data == said
    assert asked(cookie=token, **ours).data == said
    assert asked("get", cookie=token).data == said
    # A foreign site makes the browser send the cookie, but cannot add the header.
    assert asked(cookie=token).status_code == 401
    assert asked().status_code == 401

    for answer in (asked(Authorization="Device nothing"), asked(cookie="nothing", **ours)):
        assert (answer.status_code, answer.data["code"]) == (401, "DEVICE_REVOKED")
        assert answer.headers["WWW-Authenticate"] == "Device"


def test_pairing_in_a_browser(cast: Scene) -> None:
    device, code = made(cast.own)
    browser = Client()
    assert browser.get("/kiosk/").headers["Location"] == "/pair"
    assert browser.get("/pair").status_code == 200

    wrong = browser.post("/pair", {"code": "NOTTHECODE"})
    assert wrong.status_code == 401
    assert "Ask for a new one" in wrong.content.decode()
    assert COOKIE not in wrong.cookies

    right = browser.post("/pair", {"code": code})
    assert (right.status_code, right.headers["Location"]) == (302, "/kiosk/")
    cookie = right.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert device.name in browser.get("/pair").content.decode()
    # A kiosk is not ended by who stands before it.
    assert browser.post("/pair/end").status_code == 403

    with tenancy.scope([cast.own.clinic.id]):
        devices.device_revoke(by=cast.own.admin.principal(), device_id=device.id)
    assert browser.get("/kiosk/").headers["Location"] == "/pair"
    told = browser.get("/kiosk/", headers={"X-Kairos-Device": "1"})
    assert told.status_code == 401
    assert device.name not in browser.get("/pair").content.decode()


def test_a_lent_phone_is_given_back_from_the_phone(cast: Scene) -> None:
    own = cast.own
    with tenancy.scope([own.clinic.id]):
        device, token = devices.device_lend(
            by=own.reception.principal(), clinic=own.clinic, location=own.location
        )
    browser = Client()
    browser.cookies[COOKIE] = token
    assert browser.get("/kiosk/").headers["Location"] == "/scan/"  # its own page
    assert browser.post("/pair/end").status_code == 302
    assert in_system(device).revoked_at is not None
