"""Arrival in the back office: codes shown once, buttons that go through the services, lists."""

import re
from datetime import timedelta
from typing import Any

from django.test import Client

from checkin.models import CheckInDevice, CheckInLocation, QueueEntry
from checkin.services.devices import device_pair
from clinics.models import Patient
from core import context, tenancy
from tests.appointments.moments import NOW
from tests.backoffice.filled import device_form
from tests.backoffice.sight import listed
from tests.backoffice.world import World, acts, at_the_desk, doctor_elsewhere, fresh, page, text
from tests.backoffice.writing import added

_CODE = re.compile(r"Pairing code: ([2-9A-Z]{4}-[2-9A-Z]{4})")


def press(client: Client, name: str, row: Any, version: int = 0) -> Any:
    return client.post(page(name, row.pk), {"version": version})


def found(client: Client, name: str, query: str = "") -> set[Any]:
    """The ids that the list shows."""
    answer = client.get(page(f"{name}_changelist") + query)
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


def told_code(client: Client) -> str | None:
    """The pairing code on the next page, if there is one."""
    shown = _CODE.search(text(client.get(page("checkin_checkindevice_changelist"))))
    return shown[1] if shown else None


def test_a_devices_code_is_told_once_and_pairs_it(home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    assert added(client, "checkin_checkindevice", device_form(home)).status_code == 302
    code = told_code(client)
    assert code is not None
    assert told_code(client) is None
    context.begin("a-device")
    paired, _token = device_pair(pairing_code=code)
    assert (paired.name, paired.clinic_id) == ("New scanner", home.clinic.pk)


def test_a_new_code_ends_the_old_one(home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    before = bytes(fresh(home.scanner).pairing_hash)
    answer = press(client, "checkin_checkindevice_renew", home.scanner, home.scanner.version)
    assert answer.status_code == 302
    assert told_code(client) is not None
    assert bytes(fresh(home.scanner).pairing_hash) != before


def test_a_code_is_not_renewed_for_who_read_an_older_row(home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    answer = press(client, "checkin_checkindevice_renew", home.scanner, home.scanner.version + 7)
    assert answer.status_code == 412
    assert told_code(client) is None


def test_a_revoked_device_leaves_the_list_and_is_found_among_the_ended(home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    assert press(client, "checkin_checkindevice_revoke", home.scanner).status_code == 302
    assert fresh(home.scanner).revoked_by_id == home.clinic_admin.pk
    assert home.scanner.pk not in listed(client, CheckInDevice)
    assert home.scanner.pk in found(client, "checkin_checkindevice", "?state=ended")
    shown = text(client.get(page("checkin_checkindevice_change", home.scanner.pk)))
    assert "Revoked" in shown
    assert "/revoke/" not in shown


def test_turning_a_code_over_is_one_press_on_what_was_read(home: World) -> None:
    client, name = at_the_desk(home.clinic_admin), "checkin_checkinlocation_turn"
    assert press(client, name, home.point, home.point.version).status_code == 302
    assert fresh(home.point).generation == home.point.generation + 1
    assert press(client, name, home.point, home.point.version).status_code == 412
    assert client.post(page(name, home.point.pk), {"version": "²"}).status_code == 400
    assert fresh(home.point).generation == home.point.generation + 1
    assert len(acts("checkin_point.rotated", home.point.pk)) == 1


def test_a_place_leads_to_its_poster_which_is_printed(home: World) -> None:
    client = at_the_desk(home.receptionist)
    shown = client.get(page("checkin_checkinlocation_change", home.point.pk))
    links = [tool.href for tool in shown.context["tools"]]
    assert [tool.version for tool in shown.context["tools"]] == [None, None, None]
    assert all(str(home.point.pk) in link for link in links)
    assert client.get(links[0]).headers["Content-Type"] == "application/pdf"


def test_a_place_that_was_taken_away_is_not_shown_any_more(home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    answer = client.post(page("checkin_checkinlocation_delete", home.point.pk), {"post": "yes"})
    assert answer.status_code == 302
    assert fresh(home.point).deleted_at is not None
    assert home.point.pk not in listed(client, CheckInLocation)
    gone = client.get(page("checkin_checkinlocation_change", home.point.pk))
    assert gone.status_code == 404


def test_an_alert_is_marked_once(home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    shown = text(client.get(page("checkin_checkinalert_changelist")))
    assert "Too early to check in: 20" in shown
    for _ in range(2):
        assert press(client, "checkin_checkinalert_see", home.alert).status_code == 302
    assert fresh(home.alert).seen_by_id == home.clinic_admin.pk
    assert len(acts("checkin_alert.seen", home.alert.pk)) == 1
    assert found(client, "checkin_checkinalert", "?state=open") == set()


def test_attempts_are_found_by_visit_device_code_and_day(home: World) -> None:
    client, name = at_the_desk(home.receptionist), "checkin_checkinattempt"
    day = NOW.date()
    for query in (
        f"?q={home.confirmed.pk}",
        f"?q={home.scanner.pk}",
        "?code=TOO_EARLY&outcome__exact=REFUSED",
        f"?from={day}&to={day}",
    ):
        assert found(client, name, query) == {home.attempt.pk}, query
    for query in (
        f"?q={home.visit.pk}",
        "?q=nonsense",
        "?code=TOO_LATE",
        f"?from={day + timedelta(days=1)}",
        f"?to={day - timedelta(days=1)}",
    ):
        assert found(client, name, query) == set(), query


def test_the_patients_of_a_list_are_in_the_trail(home: World) -> None:
    client = at_the_desk(home.receptionist)
    for name, action, patient in (
        ("checkin_checkin", "checkin.read", home.confirmed.patient_id),
        ("checkin_checkinattempt", "checkin.read", home.confirmed.patient_id),
        ("checkin_queueentry", "queue.read", home.spare.pk),
    ):
        known = {act.pk for act in acts(action)}
        assert found(client, name)
        (act,) = [act for act in acts(action) if act.pk not in known]
        assert (act.actor_id, act.subjects) == (home.receptionist.pk, [patient]), name


def test_the_queue_is_todays_unless_asked(home: World) -> None:
    client, name = at_the_desk(home.nurse), "checkin_queueentry"
    with tenancy.scope(tenancy.SYSTEM):
        QueueEntry.objects.filter(pk=home.entry.pk).update(local_day=NOW.date() - timedelta(days=1))
    assert found(client, name) == set()
    for query in ("?day=yesterday", "?day=week", "?q=Spare", f"?to={NOW.date()}"):
        assert found(client, name, query) == {home.entry.pk}, query


def test_a_doctor_sees_who_waits_for_them_alone(home: World) -> None:
    other = doctor_elsewhere(home)
    with tenancy.scope(tenancy.SYSTEM):
        theirs = QueueEntry.objects.create(
            clinic=home.clinic,
            location=home.location,
            patient=Patient.objects.get(pk=home.patient.pk),
            doctor=other,
            local_day=NOW.date(),
            prefix="B",
            number=1,
            due_at=NOW,
            arrived_at=NOW,
        )
    assert listed(at_the_desk(home.doctor_user), QueueEntry) == {home.entry.pk}
    assert listed(at_the_desk(home.therapist), QueueEntry) == {theirs.pk}
    assert listed(at_the_desk(home.nurse), QueueEntry) == {home.entry.pk, theirs.pk}
