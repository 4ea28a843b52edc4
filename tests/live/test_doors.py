"""Whom the live calendar lets in, and when it puts them out."""

import asyncio
import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.sessions.models import Session
from websockets.exceptions import InvalidStatus

from accounts import tokens
from accounts.models import RefreshSession
from accounts.services.sessions import session_close
from clinics import sockets
from clinics.models import Membership
from clinics.services.memberships import membership_add, membership_end
from config.asgi import application
from core import clock, ids, tenancy
from tests.appointments.scene import Scene, person, scene
from tests.live.ears import cookie_of, listening, opened

pytestmark = pytest.mark.django_db(transaction=True)
SIGNED_OUT, FORBIDDEN, NOT_FOUND = 4401, 4403, 4404


@pytest.fixture
def stage(live_asgi) -> Scene:
    return scene()


def test_a_foreign_clinic_is_refused_like_an_unknown_one(live_asgi, stage):
    for clinic in (stage.own.clinic.id, ids.uuid7()):
        with opened(live_asgi, clinic, by=stage.other.admin) as ear:
            assert ear.closed() == NOT_FOUND


def test_a_super_admin_is_told_of_every_clinic_that_there_is(live_asgi, stage):
    boss = person("boss")
    boss.user.is_superuser = True
    boss.user.save(update_fields=["is_superuser"])
    with listening(live_asgi, stage.own, by=boss):
        pass
    with opened(live_asgi, ids.uuid7(), by=boss) as ear:
        assert ear.closed() == NOT_FOUND


def test_a_patient_does_not_hear_the_calendar(live_asgi, stage):
    with opened(live_asgi, stage.own.clinic.id, by=stage.own.patient) as ear:
        assert ear.closed() == NOT_FOUND


def test_staff_without_the_right_is_refused(live_asgi, stage):
    pharmacist = person("pharmacist")
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=stage.own.clinic, user=pharmacist.user, role="PHARMACIST")
    with opened(live_asgi, stage.own.clinic.id, by=pharmacist) as ear:
        assert ear.closed() == FORBIDDEN


def test_without_proof_nobody_is_let_in(live_asgi, stage):
    clinic, user = stage.own.clinic.id, stage.own.reception
    gone = cookie_of(user.user)
    Session.objects.filter(session_key=gone).delete()
    for shown in ({}, {"cookie": "no-such-session"}, {"cookie": gone}, {"token": "not.a.token"}):
        with opened(live_asgi, clinic, **shown) as ear:
            assert ear.closed() == SIGNED_OUT, shown
    token = user.token
    RefreshSession.objects.filter(id=user.session).update(revoked_at=clock.now())
    with opened(live_asgi, clinic, token=token) as ear:
        assert ear.closed() == SIGNED_OUT


def test_a_token_that_has_run_out_does_not_open(live_asgi, stage, monkeypatch):
    past = clock.now() - timedelta(hours=1)
    with monkeypatch.context() as patch:
        patch.setattr(tokens.clock, "now", lambda: past)
        token = stage.own.reception.token
    with opened(live_asgi, stage.own.clinic.id, token=token) as ear:
        assert ear.closed() == SIGNED_OUT


def test_a_changed_password_ends_the_page_session(live_asgi, stage):
    user = stage.own.reception.user
    cookie = cookie_of(user)
    user.set_password("correct horse battery staple")
    user.save(update_fields=["password"])
    with opened(live_asgi, stage.own.clinic.id, cookie=cookie) as ear:
        assert ear.closed() == SIGNED_OUT
    assert Session.objects.filter(session_key=cookie).exists(), "a socket only reads"


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", None])
def test_another_site_cannot_listen_with_our_cookie(live_asgi, stage, origin):
    cookie = cookie_of(stage.own.reception.user)
    with (
        pytest.raises(InvalidStatus) as refused,
        opened(live_asgi, stage.own.clinic.id, cookie=cookie, origin=origin),
    ):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("path", ["/ws/", "/ws/appointments/7", "/ws/appointments/{clinic}/more"])
def test_other_addresses_are_refused(live_asgi, stage, path):
    with (
        pytest.raises(InvalidStatus) as refused,
        opened(live_asgi, stage.own.clinic.id, by=stage.own.reception, path=path),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_signing_out_on_the_page_closes_its_sockets_and_no_others(live_asgi, stage, client):
    user = stage.own.reception.user
    client.force_login(user)
    cookie = client.cookies["sessionid"].value
    with (
        opened(live_asgi, stage.own.clinic.id, cookie=cookie) as page,
        listening(live_asgi, stage.own) as device,
    ):
        assert page.next()["type"] == "snapshot"
        assert client.post("/sign-out").status_code == 302
        assert page.closed() == SIGNED_OUT
        device.socket.send('{"type": "ping"}')
        assert device.next()["type"] == "ping"


def test_signing_a_device_out_closes_its_sockets(live_asgi, stage):
    who = stage.own.reception
    with listening(live_asgi, stage.own, by=who) as ear:
        session_close(session_id=who.session, user_id=who.id)
        assert ear.closed() == SIGNED_OUT


def test_an_ended_membership_closes_the_socket(live_asgi, stage):
    own = stage.own
    with listening(live_asgi, own) as ear, listening(live_asgi, own, by=own.admin) as other:
        with tenancy.scope(tenancy.SYSTEM):
            row = Membership.objects.get(clinic=own.clinic, user=own.reception.user)
            membership_end(clinic=own.clinic, membership_id=row.id)
        assert ear.closed() == FORBIDDEN
        other.socket.send('{"type": "ping"}')
        assert other.next()["type"] == "ping"


def test_a_ping_is_answered_and_other_messages_are_ignored(live_asgi, stage):
    with listening(live_asgi, stage.own) as ear:
        for text in ('{"type": "subscribe", "clinic": "all"}', "[]", "7", '"ping"', '{"type": 1}'):
            ear.socket.send(text)
        ear.socket.send('{"type": "ping"}')
        assert ear.next() == {"type": "ping", "version": 1}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{", 1007),
        ("\x00", 1007),
        (b"\x00\x01", 1003),
        (json.dumps({"type": "ping", "more": "x" * 300}), 1009),
    ],
)
def test_what_is_no_message_closes_the_socket(live_asgi, stage, said, code):
    with listening(live_asgi, stage.own) as ear:
        ear.socket.send(said)
        assert ear.closed() == code


def test_a_flood_closes_the_socket(live_asgi, stage):
    with listening(live_asgi, stage.own) as ear:
        for _ in range(121):
            ear.socket.send('{"type": "ping"}')
        assert ear.closed() == 1008


# --- What nobody announced is found by asking again ---------------------------------------------


class Inside(ApplicationCommunicator):
    """An open socket of the application in this process."""

    def __init__(self, clinic, cookie: str) -> None:
        headers = [(b"cookie", f"sessionid={cookie}".encode()), (b"origin", b"http://localhost")]
        path = f"/ws/appointments/{clinic}"
        super().__init__(application, {"type": "websocket", "path": path, "headers": headers})

    async def next(self) -> dict:
        sent = await self.receive_output(timeout=5)
        assert sent["type"] == "websocket.send", sent
        return json.loads(sent["text"])


def in_process(clinic, cookie: str, story) -> None:
    """Run `story` with a socket that hears."""

    async def run() -> None:
        socket = Inside(clinic, cookie)
        await socket.send_input({"type": "websocket.connect"})
        assert (await socket.receive_output(timeout=5))["type"] == "websocket.accept"
        assert (await socket.next())["type"] == "snapshot"
        await story(socket)
        await socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.wait(timeout=5)

    asyncio.run(run())


def test_a_session_that_was_removed_behind_our_back_closes_the_socket(monkeypatch):
    monkeypatch.setattr(sockets, "RECHECK_SECONDS", 0.2)
    own = scene().own
    cookie = cookie_of(own.reception.user)

    async def story(socket) -> None:
        await sync_to_async(Session.objects.filter(session_key=cookie).delete)()
        assert await socket.receive_output(timeout=5) == {
            "type": "websocket.close",
            "code": SIGNED_OUT,
        }

    in_process(own.clinic.id, cookie, story)


def test_calendars_no_longer_shared_narrow_an_open_socket(monkeypatch):
    monkeypatch.setattr(sockets, "RECHECK_SECONDS", 0.2)
    own = scene().own
    colleague = own.add_doctor()
    own.add_hours(colleague)
    start = clock.now().replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=3)

    async def story(socket) -> None:
        await sync_to_async(own.policy)(shared_calendars=False)
        while len(narrowed := _groups_of_everyone()) > 3:
            await asyncio.sleep(0.02)
        assert any(group.endswith(own.doctor.id.hex) for group in narrowed)
        await sync_to_async(own.book)(start, doctor=colleague.id)
        await sync_to_async(own.book)(start + timedelta(hours=1))
        heard = await socket.next()
        assert [change["doctor"] for change in heard["changes"]] == [str(own.doctor.id)]

    in_process(own.clinic.id, cookie_of(own.doctor_user.user), story)


def test_a_new_doctor_is_heard_after_the_next_look(monkeypatch):
    monkeypatch.setattr(sockets, "RECHECK_SECONDS", 0.2)
    stage = scene()
    own, other = stage.own, stage.other

    async def story(socket) -> None:
        await sync_to_async(own.doctor_of)(other.doctor)
        assert (await socket.next())["type"] == "snapshot"
        start = clock.now().replace(hour=8, minute=0, second=0, microsecond=0)
        await sync_to_async(other.book)(start + timedelta(days=3))
        heard = await socket.next()
        assert [change["doctor"] for change in heard["changes"]] == [str(other.doctor.id)]

    in_process(own.clinic.id, cookie_of(own.reception.user), story)


def _groups_of_everyone() -> set[str]:
    return set(sockets.hub()._members)
