"""Whom a board lets in, and when it puts them out."""

from datetime import timedelta

import pytest

from accounts.models import RefreshSession
from appointments.models import BusyTime
from appointments.services.links import visit_link
from checkin.device_auth import COOKIE
from checkin.live import patient_changed
from checkin.models import DeviceKind
from checkin.services.devices import device_revoke
from clinics.models import Membership
from clinics.services.memberships import membership_add, membership_end
from core import clock, ids, tenancy
from tests.appointments.scene import Scene, person, scene
from tests.checkin.arrivals import visit
from tests.checkin.live.boards import board, comes, page_cookie, paired, tokens, watching
from tests.live.ears import cookie_of

pytestmark = pytest.mark.django_db(transaction=True)
SIGNED_OUT, FORBIDDEN, NOT_FOUND = 4401, 4403, 4404


@pytest.fixture
def stage(live_asgi) -> Scene:
    return scene()


def closed(base, location, **how) -> int:
    with board(base, location, **how) as ear:
        return ear.closed()


def opens(base, location, **how) -> bool:
    with board(base, location, **how) as ear:
        return ear.next()["type"] == "snapshot"


# --- Staff --------------------------------------------------------------------------------------


def test_staff_who_may_read_the_queue_see_it_by_token_and_by_page(live_asgi, stage):
    own = stage.own
    for who in (own.admin, own.reception, own.nurse, own.doctor_user):
        assert opens(live_asgi, own.location.id, shown=("bearer", who.token)), who
    cookie = page_cookie(cookie_of(own.reception.user))
    assert opens(live_asgi, own.location.id, cookies=cookie)


def test_the_outsider_is_refused_as_if_there_were_no_such_location(live_asgi, stage):
    own, other = stage.own, stage.other
    _, wall = paired(other)
    link = visit_link(visit(other))
    for location in (own.location.id, ids.uuid7()):
        for who in (other.admin, other.reception, other.doctor_user, other.patient):
            assert closed(live_asgi, location, shown=("bearer", who.token)) == NOT_FOUND
        assert closed(live_asgi, location, shown=("device", wall)) == NOT_FOUND
        assert closed(live_asgi, location, cookies={COOKIE: wall}, shown=("device",)) == NOT_FOUND
        assert closed(live_asgi, location, shown=("visit", link)) == NOT_FOUND


def test_staff_without_the_right_is_refused(live_asgi, stage):
    clerk = person("clerk")
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=stage.own.clinic, user=clerk.user, role="FINANCE_BILLING")
    assert closed(live_asgi, stage.own.location.id, shown=("bearer", clerk.token)) == FORBIDDEN


def test_without_a_proof_or_with_a_false_one_nobody_is_let_in(live_asgi, stage):
    own = stage.own
    _, token = paired(own)
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    gone = own.nurse.token
    RefreshSession.objects.filter(id=own.nurse.session).update(revoked_at=clock.now())
    for how in (
        {},
        {"shown": ("bearer", "no.such.token")},
        {"shown": ("bearer", gone)},
        {"shown": ("bearer",)},
        {"shown": ("device", forged)},
        {"shown": ("device", "x" * 300)},
        {"shown": ("device",)},
        {"shown": ("visit", "forged.link")},
        {"shown": ("visit",)},
        {"shown": ("guess", token)},
        {"cookies": {COOKIE: token}},  # a page says which of its proofs counts
    ):
        assert closed(live_asgi, own.location.id, **how) == SIGNED_OUT, how


def test_an_ended_role_closes_the_socket(live_asgi, stage):
    own = stage.own
    with watching(live_asgi, own) as ear:
        with tenancy.scope(tenancy.SYSTEM):
            row = Membership.objects.get(clinic=own.clinic, user=own.reception.user)
            membership_end(clinic=own.clinic, membership_id=row.id)
        assert ear.closed() == FORBIDDEN


# --- Devices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DeviceKind.values)
def test_devices_of_the_location_see_its_board_and_no_other(live_asgi, stage, kind):
    own = stage.own
    _, token = paired(own, kind)
    assert opens(live_asgi, own.location.id, shown=("device", token))
    assert opens(live_asgi, own.location.id, shown=("device",), cookies={COOKIE: token})
    elsewhere = own.add_location()
    assert closed(live_asgi, elsewhere.id, shown=("device", token)) == NOT_FOUND


def test_a_revoked_device_is_put_out_at_once_and_the_others_stay(live_asgi, stage):
    own = stage.own
    device, token = paired(own)
    _, other = paired(own)
    with watching(live_asgi, own, token) as ear, watching(live_asgi, own, other) as stays:
        with tenancy.scope(()):
            device_revoke(by=own.admin.principal(), device_id=device.id)
        assert ear.closed(timeout=2) == SIGNED_OUT
        comes(own)
        assert tokens(stays.next()) == ["W001"]
    assert closed(live_asgi, own.location.id, shown=("device", token)) == SIGNED_OUT


# --- Patients -----------------------------------------------------------------------------------


def test_a_patient_sees_the_board_on_the_day_of_a_visit_there(live_asgi, stage):
    own = stage.own
    how = {"shown": ("bearer", own.patient.token)}
    assert closed(live_asgi, own.location.id, **how) == FORBIDDEN, "nothing today"
    visit(own, 60 * 24 * 3, chart=own.chart)
    assert closed(live_asgi, own.location.id, **how) == FORBIDDEN, "in three days"
    visit(own, 0, chart=own.chart)
    assert opens(live_asgi, own.location.id, **how)
    elsewhere = own.add_location()
    assert closed(live_asgi, elsewhere.id, **how) == FORBIDDEN


def test_a_personal_link_opens_the_board_of_its_visits_day_and_place(live_asgi, stage):
    own = stage.own
    today, later = visit(own), visit(own, 60 * 24 * 3)
    assert opens(live_asgi, own.location.id, shown=("visit", visit_link(today)))
    assert closed(live_asgi, own.location.id, shown=("visit", visit_link(later))) == FORBIDDEN
    elsewhere = own.add_location()
    assert closed(live_asgi, elsewhere.id, shown=("visit", visit_link(today))) == NOT_FOUND


def test_a_visit_moved_to_another_day_closes_its_links_socket(live_asgi, stage):
    own = stage.own
    today = visit(own)
    with board(live_asgi, own.location.id, shown=("visit", visit_link(today))) as ear:
        assert ear.next()["type"] == "snapshot"
        with tenancy.scope(tenancy.SYSTEM):
            today.starts_at += timedelta(days=3)
            today.ends_at += timedelta(days=3)
            today.save(update_fields=["starts_at", "ends_at"])
            when = (today.starts_at, today.ends_at)
            BusyTime.objects.filter(appointment=today).update(period=when, visit=when)
            patient_changed(today.patient_id)
        assert ear.closed() == FORBIDDEN


def test_a_patient_hears_that_their_own_visits_changed_and_no_others(live_asgi, stage):
    own = stage.own
    how = {"path": "/ws/me", "shown": ("bearer", own.patient.token)}
    stranger = own.add_chart()
    known = ids.uuid7()
    with board(live_asgi, "", **how) as ear:
        assert ear.next() == {"type": "snapshot", "version": 1}
        with tenancy.scope(tenancy.SYSTEM):
            patient_changed(stranger.id, visit=ids.uuid7())
            patient_changed(stage.other.chart.id, visit=ids.uuid7())
            patient_changed(own.chart.id, visit=known)
        assert ear.next() == {"type": "changed", "version": 2, "changes": [{"visit": str(known)}]}
        with tenancy.scope(tenancy.SYSTEM):
            patient_changed(own.chart.id)
        assert ear.next() == {"type": "snapshot", "version": 3}
    assert closed(live_asgi, "", path="/ws/me", shown=("bearer", own.admin.token)) == FORBIDDEN
    assert closed(live_asgi, "", path="/ws/me") == SIGNED_OUT
