"""Entries over the API: who may wait for what, and what is refused."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.roles import Role
from appointments.services.merging import merge_undo, patients_merge
from clinics.models import PatientProxy
from clinics.services.memberships import membership_add
from core import tenancy
from followups.models import OfferStatus, WaitlistEntry, WaitlistStatus
from followups.offer_links import offer_link
from followups.selectors.waitlist import ledger, times_for, waitlist
from tests.appointments.moments import berlin
from tests.appointments.scene import Api, House, person
from tests.followups.waitlist_scene import (
    HALF_HOUR,
    MORNING,
    TIME,
    at,
    cancelled,
    fresh,
    heard,
    offered,
    send,
    waiting,
)

PATH = "waitlist-entries"
TODAY = date(2035, 6, 4)


def said(answer: Any) -> tuple[int, str | None]:
    return answer.status_code, (answer.json() if answer.content else {}).get("code")


def enter(own: House, by: Any = None, **fields: Any) -> Any:
    body = {"patient": own.chart.id, "service": own.service.id} | fields
    return (by or own.reception).api.post(PATH, {k: v for k, v in body.items() if v is not ...})


def test_the_reception_enters_a_wish(own):
    wishes = {
        "doctors": [str(own.doctor.id)],
        "weekdays": [5, 1, 1],
        "time_from": "09:00",
        "time_to": "12:00",
        "earliest": "2035-06-05",
        "latest": "2035-06-30",
        "urgency": "HIGH",
        "note": "mornings",
        "location": str(own.location.id),
    }
    answer = enter(own, **wishes)
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert answer.headers["ETag"] == '"1"'
    expected = wishes | {"weekdays": [1, 5], "time_from": "09:00:00", "time_to": "12:00:00"}
    assert {name: body[name] for name in wishes} == expected
    assert (body["status"], body["by_patient"], body["type"]) == ("WAITING", False, "IN_PERSON")
    assert own.reception.api.get(f"{PATH}/{body['id']}").json() == body


def test_a_patient_enters_their_own(own):
    answer = enter(own, own.patient, patient=...)
    assert answer.status_code == 201, answer.content
    assert answer.json()["by_patient"] is True
    assert answer.json()["earliest"] == str(TODAY)
    assert answer.json()["latest"] == str(TODAY + timedelta(days=1000)), "the clinic's horizon"


def test_a_proxy_enters_for_a_child(own):
    child = own.add_chart()
    with tenancy.scope(tenancy.SYSTEM):
        PatientProxy.objects.create(
            clinic=own.clinic, patient=child, user=own.patient.user, relation="PARENT"
        )
    assert said(enter(own, own.patient, patient=...)) == (400, "VALIDATION_ERROR"), "for whom?"
    assert enter(own, own.patient, patient=child.id).status_code == 201


def test_a_present_visit_says_most(own):
    booked = own.book(TIME, patient=own.chart.id)
    answer = enter(own, own.patient, patient=..., service=..., appointment=booked["id"])
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["patient"], body["service"]) == (str(own.chart.id), str(own.service.id))
    assert body["latest"] == "2035-06-06", "the day of that visit"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"service": ...}, (400, "VALIDATION_ERROR")),
        ({"service": uuid4()}, (404, "NOT_FOUND")),
        ({"patient": uuid4()}, (404, "NOT_FOUND")),
        ({"location": uuid4()}, (404, "NOT_FOUND")),
        ({"doctors": [uuid4()]}, (404, "NOT_FOUND")),
        ({"appointment": uuid4()}, (404, "NOT_FOUND")),
        ({"doctors": [str(uuid4()) for _ in range(21)]}, (400, "VALIDATION_ERROR")),
        ({"type": "PHONE"}, (400, "INVALID_APPOINTMENT_TYPE")),
        ({"type": "FAX"}, (400, "VALIDATION_ERROR")),
        ({"weekdays": [0]}, (400, "VALIDATION_ERROR")),
        ({"weekdays": [8]}, (400, "VALIDATION_ERROR")),
        (
            {"earliest": "2035-06-05", "latest": "2035-06-06", "weekdays": [1]},
            (400, "VALIDATION_ERROR"),
        ),
        ({"earliest": "2035-06-31"}, (400, "VALIDATION_ERROR")),
        ({"earliest": "2035-06-10", "latest": "2035-06-09"}, (400, "VALIDATION_ERROR")),
        ({"earliest": "2035-06-01", "latest": "2035-06-03"}, (400, "VALIDATION_ERROR")),
        ({"latest": "2039-01-01"}, (400, "VALIDATION_ERROR")),
        ({"time_from": "12:00", "time_to": "09:00"}, (400, "VALIDATION_ERROR")),
        ({"time_from": "09:00", "time_to": "09:29"}, (400, "VALIDATION_ERROR")),
        ({"time_from": "25:00"}, (400, "VALIDATION_ERROR")),
        ({"urgency": "NOW"}, (400, "VALIDATION_ERROR")),
        ({"note": "x" * 501}, (400, "VALIDATION_ERROR")),
        ({"note": "a\x00b"}, (400, "VALIDATION_ERROR")),
        ({"rank": 0}, (400, "VALIDATION_ERROR")),
        ({"status": "BOOKED"}, (400, "VALIDATION_ERROR")),
    ],
)
def test_what_cannot_come_true_is_refused(own, fields, code):
    assert said(enter(own, **fields)) == code
    with tenancy.scope(tenancy.SYSTEM):
        assert not WaitlistEntry.objects.filter(clinic=own.clinic).exists()


def test_what_belongs_to_another_clinic_does_not_exist(own, other):
    for fields in (
        {"patient": other.chart.id},
        {"service": other.service.id},
        {"location": other.location.id},
        {"doctors": [other.doctor.id]},
        {"appointment": other.book(TIME)["id"]},
    ):
        assert said(enter(own, **fields)) == (404, "NOT_FOUND"), fields


def test_nobody_waits_twice_for_the_same(own):
    assert enter(own).status_code == 201
    assert said(enter(own)) == (409, "CONFLICT")
    assert enter(own, service=own.add_service().id).status_code == 201


def test_sent_twice_with_a_key_is_one_entry(own):
    body = {"patient": str(own.chart.id), "service": str(own.service.id)}
    first, second = (
        own.reception.api.post(PATH, body, **{"Idempotency-Key": "once"}) for _ in range(2)
    )
    assert (first.status_code, second.json()) == (201, first.json())


@pytest.mark.parametrize(
    ("who", "code"),
    [("nurse", (403, "PERMISSION_DENIED")), ("patient", (403, "PERMISSION_DENIED"))],
)
def test_who_may_not(own, who, code):
    """A nurse books nothing; a patient does not say how urgent it is."""
    assert said(enter(own, getattr(own, who), urgency="URGENT")) == code


def test_a_patient_does_not_enter_a_stranger_nor_what_the_clinic_books(own, other):
    assert said(enter(own, own.patient, patient=own.add_chart().id)) == (404, "NOT_FOUND")
    assert said(enter(own, other.patient)) == (404, "NOT_FOUND")
    inner = own.add_service(is_public=False)
    assert said(enter(own, own.patient, service=inner.id)) == (403, "PERMISSION_DENIED")
    assert said(Api(None).post(PATH, {})) == (401, "NOT_AUTHENTICATED")
    assert said(person("stranger").api.post(PATH, {})) == (403, "PERMISSION_DENIED")


def test_a_clinician_enters_people_for_themselves_alone(own):
    doctor = own.doctor_user
    assert said(enter(own, doctor)) == (403, "PERMISSION_DENIED")
    both = [own.doctor.id, own.add_doctor().id]
    assert said(enter(own, doctor, doctors=both)) == (403, "PERMISSION_DENIED")
    mine = enter(own, doctor, doctors=[own.doctor.id])
    assert mine.status_code == 201
    theirs = waiting(own)
    assert [row["id"] for row in doctor.api.get(PATH).json()["results"]] == [mine.json()["id"]]
    assert said(doctor.api.get(f"{PATH}/{theirs.id}")) == (404, "NOT_FOUND")
    stolen = {"doctors": [str(own.doctor.id)]}
    assert said(doctor.api.patch(f"{PATH}/{theirs.id}", stolen)) == (404, "NOT_FOUND")


def test_a_visit_that_cannot_be_moved_is_not_waited_with(own):
    booked = own.book(TIME, patient=own.chart.id)
    own.reception.api.post(f"appointments/{booked['id']}/cancel", {"reason": "no"})
    assert said(enter(own, appointment=booked["id"])) == (409, "INVALID_TRANSITION")
    other_kind = own.book(TIME, patient=own.chart.id, service=own.add_service().id)
    assert said(enter(own, appointment=other_kind["id"])) == (400, "VALIDATION_ERROR")
    strangers = own.book(TIME + HALF_HOUR, patient=own.add_chart().id)
    assert said(enter(own, appointment=strangers["id"])) == (404, "NOT_FOUND")
    assert said(enter(own, own.patient, appointment=strangers["id"])) == (404, "NOT_FOUND")


def test_put_and_patch_change_what_they_name(own):
    entry = waiting(own, own.chart, weekdays=[1])
    path = f"{PATH}/{entry.id}"
    changed = own.reception.api.patch(path, {"urgency": "URGENT"}, **{"If-Match": '"1"'})
    assert changed.status_code == 200, changed.content
    assert (changed.json()["urgency"], changed.json()["weekdays"]) == ("URGENT", [1])
    assert changed.headers["ETag"] == '"2"'
    assert fresh(entry).rank == 0
    stale = own.reception.api.put(path, {"note": "x"}, **{"If-Match": '"1"'})
    assert said(stale) == (412, "PRECONDITION_FAILED")
    same = own.reception.api.put(path, {"urgency": "URGENT"})
    assert same.headers["ETag"] == '"2"', "a change that changes nothing"
    mine = own.patient.api.patch(path, {"note": "afternoons"})
    assert (mine.status_code, mine.json()["urgency"]) == (200, "URGENT"), "which stays the clinic's"
    assert said(own.patient.api.patch(path, {"urgency": "HIGH"})) == (403, "PERMISSION_DENIED")
    assert said(own.patient.api.patch(path, {"patient": str(uuid4())})) == (400, "VALIDATION_ERROR")
    assert said(own.reception.api.patch(path, {"latest": "2035-06-01"})) == (
        400,
        "VALIDATION_ERROR",
    )


def test_a_withdrawn_entry_takes_its_offers_along(own):
    (offer,) = offered(own)
    path = f"{PATH}/{offer.entry_id}"
    with at(MORNING):
        stale = own.reception.api.delete(path, **{"If-Match": '"7"'})
        assert said(stale) == (412, "PRECONDITION_FAILED")
        answer = own.reception.api.delete(path)
        assert (answer.status_code, answer.json()["status"]) == (200, "WITHDRAWN")
        assert own.reception.api.delete(path).json() == answer.json(), "again is the same"
        assert said(own.reception.api.patch(path, {"note": "x"})) == (409, "INVALID_TRANSITION")
        late = Api(None).post(f"waitlist-offers/{offer_link(offer)}/accept")
        assert said(late) == (410, "OFFER_EXPIRED")
    assert fresh(offer).status == OfferStatus.WITHDRAWN


def test_what_was_won_is_not_withdrawn(own):
    (offer,) = offered(own)
    with at(MORNING):
        Api(None).post(f"waitlist-offers/{offer_link(offer)}/accept")
        answer = own.reception.api.delete(f"{PATH}/{offer.entry_id}")
    assert said(answer) == (409, "INVALID_TRANSITION")


def test_the_outsider_sees_and_changes_nothing(own, other):
    entry = waiting(own, own.chart)
    path = f"{PATH}/{entry.id}"
    for who in (other.reception, other.patient, other.admin):
        assert said(who.api.get(path)) == (404, "NOT_FOUND")
        assert said(who.api.patch(path, {"note": "x"})) == (404, "NOT_FOUND")
        assert said(who.api.delete(path)) == (404, "NOT_FOUND")
        assert who.api.get(PATH).json()["results"] == []
    assert said(own.patient.api.get(f"{PATH}/{uuid4()}")) == (404, "NOT_FOUND")
    neighbour = waiting(own)
    assert said(own.patient.api.get(f"{PATH}/{neighbour.id}")) == (404, "NOT_FOUND")
    assert said(own.patient.api.delete(f"{PATH}/{neighbour.id}")) == (404, "NOT_FOUND")


def test_the_list_is_filtered_and_paged(own):
    rows = [waiting(own, doctors=[own.doctor.id] if n % 2 else []) for n in range(5)]
    ask = own.reception.api.get
    first = ask(PATH, limit=3).json()
    rest = ask(PATH, limit=3, cursor=first["next_cursor"]).json()
    found = [row["id"] for page in (first, rest) for row in page["results"]]
    assert found == [str(row.id) for row in rows]
    assert len(ask(PATH, doctor=own.doctor.id).json()["results"]) == 2
    assert ask(PATH, status="BOOKED").json()["results"] == []
    assert len(ask(PATH, patient=rows[0].patient_id).json()["results"]) == 1
    for bad in ({"doktor": "x"}, {"status": "MAYBE"}, {"doctor": "x"}, {"limit": 0}):
        assert said(ask(PATH, **bad)) == (400, "VALIDATION_ERROR"), bad


def test_the_ledger_is_for_staff(own, other):
    offered(own, 3)
    ask = own.reception.api.get
    rows = ask("waitlist-offers").json()["results"]
    assert {row["status"] for row in rows} == {"OPEN"}
    assert [row["place"] for row in rows] == [3, 2, 1], "latest first"
    one = rows[0]
    assert ask("waitlist-offers", entry=one["entry"]).json()["results"] == [one]
    assert ask("waitlist-offers", status="LOST").json()["results"] == []
    assert said(ask("waitlist-offers", who="me")) == (400, "VALIDATION_ERROR")
    assert other.reception.api.get("waitlist-offers").json()["results"] == []
    assert said(own.patient.api.get("waitlist-offers")) == (403, "PERMISSION_DENIED")
    assert said(own.nurse.api.get("waitlist-offers")) == (403, "PERMISSION_DENIED")
    assert said(Api(None).get("waitlist-offers")) == (401, "NOT_AUTHENTICATED")
    assert own.doctor_user.api.get("waitlist-offers").json()["results"] == []


def test_the_token_is_the_patients_alone(own):
    entry = waiting(own, own.chart)
    cancelled(own)
    send()
    with at(MORNING):
        for who, has in ((own.patient, True), (own.reception, False)):
            (offer,) = who.api.get(f"{PATH}/{entry.id}").json()["offers"]
            assert bool(offer["token"]) is has
    with at(MORNING + timedelta(days=2)):
        assert own.patient.api.get(f"{PATH}/{entry.id}").json()["offers"] == [], "it is over"


def test_staff_who_are_patients_too_see_their_own(own):
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=own.clinic, user=own.patient.user, role=Role.NURSE)
    waiting(own, own.chart)
    waiting(own)
    assert len(own.patient.api.get(PATH).json()["results"]) == 1


@pytest.mark.parametrize("path", [PATH, "waitlist-offers"])
def test_statements_do_not_grow_with_rows(own, path):
    counted, rows = [], 0
    for target in (1, 3, 30):
        for day in range(rows, target):
            entry = waiting(own)
            body = {
                "doctor": own.doctor.id,
                "location": own.location.id,
                "starts_at": TIME + timedelta(days=day),
            }
            made = own.reception.api.post(f"{PATH}/{entry.id}/offers", body)
            assert made.status_code == 201, made.content
        rows = target
        with CaptureQueriesContext(connection) as queries:
            answer = own.reception.api.get(path, limit=100)
        assert len(answer.json()["results"]) == rows
        counted.append(sum("SAVEPOINT" not in query["sql"] for query in queries))
    assert len(set(counted)) == 1, counted


# --- What pages call ------------------------------------------------------------------------------


def test_the_desk_reads_the_list_in_the_order_of_asking(own):
    normal = [waiting(own) for _ in range(3)]
    urgent = waiting(own, urgency="URGENT")
    with tenancy.scope(()):
        by = own.reception.principal()
        with CaptureQueriesContext(connection) as queries:
            page = waitlist(by=by, clinic_id=own.clinic.id, limit=2)
        assert len(queries) == 2
        rest = waitlist(by=by, clinic_id=own.clinic.id, limit=2, after=page.next)
    found = [row.entry.id for row in (*page.rows, *rest.rows)]
    assert found == [urgent.id, *(row.id for row in normal)]
    assert rest.next is None


def test_the_desk_reads_whom_it_has_to_tell(own):
    offered(own, 3)
    with tenancy.scope(()):
        by = own.reception.principal()
        page = ledger(by=by, clinic_id=own.clinic.id, to_be_told=True, limit=2)
        rest = ledger(by=by, clinic_id=own.clinic.id, to_be_told=True, after=page.next)
    assert (len(page.offers), len(rest.offers), rest.next) == (2, 1, None)


def test_times_to_offer_by_hand_are_those_wished_for(own):
    entry = waiting(own, earliest=date(2035, 6, 6), weekdays=[3], latest=date(2035, 6, 20))
    own.book(berlin(2, 8), patient=own.add_chart().id)
    with tenancy.scope(()):
        found = times_for(by=own.reception.principal(), entry_id=entry.id, limit=3)
    assert [one.starts_at for one in found] == [
        berlin(2, 8, 30),
        berlin(2, 9),
        berlin(2, 9, 30),
    ]


def test_entries_go_over_with_a_merged_chart_and_back(own):
    kept, gone = own.add_chart(), own.add_chart()
    both = own.add_service()
    waiting(own, kept, service=both.id)
    twice, once = waiting(own, gone, service=both.id), waiting(own, gone)
    with tenancy.scope(()):
        by = own.admin.principal()
        merge = patients_merge(by=by, keep=kept.id, duplicate=gone.id, reason="same person")
    assert (fresh(once).patient_id, fresh(once).status) == (kept.id, WaitlistStatus.WAITING)
    assert (fresh(twice).patient_id, fresh(twice).status) == (kept.id, WaitlistStatus.WITHDRAWN)
    late = waiting(own, kept, service=own.add_service().id)
    with tenancy.scope(()):
        merge_undo(by=own.admin.principal(), merge=merge.id, reason="not the same")
    assert (fresh(once).patient_id, fresh(late).patient_id) == (gone.id, kept.id)


def test_who_has_come_does_not_wait_for_an_earlier_time(own):
    chart = own.add_chart()
    booked = own.book(berlin(0, 8), patient=chart.id)
    entry = waiting(own, chart, appointment=booked["id"])
    path = f"appointments/{booked['id']}"
    with at(berlin(0, 8)):
        assert own.reception.api.post(f"{path}/check-in").status_code == 200
        assert own.doctor_user.api.post(f"{path}/start").status_code == 200
        answer = own.doctor_user.api.post(f"{path}/complete", {})
        assert answer.status_code == 200, answer.content
        heard()
    assert fresh(entry).status == WaitlistStatus.EXPIRED
