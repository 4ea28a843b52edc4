"""One's own follow-ups and waitlist, signed in: what is read, chosen, entered and withdrawn."""

import re
from datetime import date, time, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import tenancy
from followups.models import PlanStatus, WaitlistEntry, WaitlistStatus
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene
from tests.portal.care import fresh, offered, planned, visits, waiting
from tests.portal.visitor import Visitor, text


def slots(page: Any) -> list[str]:
    found = re.findall(r'name="slot" value="([^"]+)"', page.content.decode())
    return [unescape(one) for one in found]


def entries(cast: Scene) -> list[WaitlistEntry]:
    with tenancy.scope([cast.own.clinic.id]):
        return list(WaitlistEntry.objects.order_by("id"))


# --- Plans ------------------------------------------------------------------------------------


def test_plans_stand_there_with_what_to_do(patient: Visitor, cast: Scene):
    planned(
        cast.own,
        instructions="Come without breakfast",
        medications=["Metformin 500 mg"],
        tests=["Blood count"],
        restrictions=["No alcohol"],
    )
    planned(cast.own, chart=cast.own.add_chart(), instructions="Somebody else's")
    page = patient.open("/my/follow-ups")
    said = text(page)
    for words in (
        "Come without breakfast",
        "Metformin 500 mg",
        "Blood count",
        "No alcohol",
        "Not before Monday, 11 June 2035",
        "Choose a time",
    ):
        assert words in said, (words, said)
    assert "Somebody else" not in said
    assert "no-store" in page["Cache-Control"]


def test_choosing_a_time_books_it(patient: Visitor, cast: Scene):
    plan = planned(cast.own).plan
    here = patient.url("my-follow-up-time", plan.id)
    page = patient.open(here)
    times = slots(page)
    assert times[0].startswith("20350611T0600Z")  # that day's first
    assert all(one.endswith(str(cast.own.doctor.id)) for one in times)
    early = slots(patient.open(here, **{"from": "2035-06-05"}))
    assert early[0] == times[0]
    answer = patient.client.post(here, {"slot": times[3]})
    assert answer.status_code == 302, text(answer)
    assert "Booked. See you then!" in text(patient.open(answer["Location"]))
    (visit,) = visits(cast.own)
    assert (visit.source, visit.booked_by_id) == ("FOLLOW_UP", cast.own.patient.id)
    assert fresh(plan).status == PlanStatus.COMPLETED
    again = patient.client.post(here, {"slot": times[4]})
    assert again["Location"] == "/my/follow-ups"
    assert len(visits(cast.own)) == 1
    listed = text(patient.open("/my/follow-ups"))
    assert "Booked and earlier ones" in listed


def test_never_before_its_day_and_only_with_its_doctor(patient: Visitor, cast: Scene):
    plan = planned(cast.own).plan
    other = cast.own.add_doctor()
    cast.own.add_hours(other)
    here = patient.url("my-follow-up-time", plan.id)
    before = patient.client.post(here, {"slot": patient.slot(berlin(3, 9))})
    assert before.status_code == 400
    assert "Not before" in text(before)
    another = patient.client.post(here, {"slot": patient.slot(berlin(8, 9), doctor=other.id)})
    assert another["Location"] == here
    foreign = patient.client.post(here, {"slot": patient.slot(berlin(8, 9), cast.other)})
    assert foreign.status_code in {302, 404}
    cast.own.book(berlin(8, 9), patient=cast.own.add_chart().id)
    taken = patient.client.post(here, {"slot": patient.slot(berlin(8, 9))})
    assert taken.status_code == 409
    assert "This time has just gone." in text(taken)
    assert slots(taken)
    assert fresh(plan).status == PlanStatus.SCHEDULED


def test_what_the_clinic_books_itself_cannot_be_chosen(patient: Visitor, cast: Scene):
    inside = cast.own.add_service(is_public=False)
    longer = planned(cast.own, duration_minutes=60).plan
    hidden = planned(cast.own, service=inside.id).plan
    page = patient.open("/my/follow-ups")
    assert "Choose a time" not in text(page)
    assert text(page).count("The clinic books this visit.") == 2
    for plan in (longer, hidden):
        here = patient.url("my-follow-up-time", plan.id)
        assert patient.open(here)["Location"] == "/my/follow-ups"
        sent = patient.client.post(here, {"slot": patient.slot(berlin(8, 9))})
        assert sent["Location"] == "/my/follow-ups"
    assert visits(cast.own) == []


def test_a_day_past_the_horizon_says_when_to_come_back(patient: Visitor, cast: Scene):
    cast.own.policy(horizon_days=30)
    plan = planned(cast.own, scheduled_for=date(2035, 8, 20)).plan
    said = text(patient.open(patient.url("my-follow-up-time", plan.id)))
    assert "You can choose a time from Saturday, 21 July 2035 on." in said


def test_plans_are_ones_own(patient: Visitor, outsider: Visitor, guest: Visitor, cast: Scene):
    mine, theirs = planned(cast.own).plan, planned(cast.other).plan
    stranger = planned(cast.own, chart=cast.own.add_chart()).plan
    for plan in (theirs, stranger):
        assert patient.open(patient.url("my-follow-up-time", plan.id)).status_code == 404
        sent = patient.client.post(
            patient.url("my-follow-up-time", plan.id), {"slot": patient.slot(berlin(8, 9))}
        )
        assert sent.status_code == 404
    assert outsider.open(outsider.url("my-follow-up-time", mine.id)).status_code == 404
    assert guest.open(guest.url("my-follow-up-time", mine.id))["Location"].startswith("/")
    doctor = Visitor(cast.own, cast.own.doctor_user.user)  # staff have no plans of their own here
    assert "Nothing is waiting" in text(doctor.open("/my/follow-ups"))
    assert doctor.open(doctor.url("my-follow-up-time", mine.id)).status_code == 404
    assert visits(cast.own) == []


def test_many_plans_come_in_pages_at_the_same_price(patient: Visitor, cast: Scene):
    counted = []
    for number in (1, 3, 30):
        while len(counted_plans(cast)) < number:
            planned(cast.own)
        with CaptureQueriesContext(connection) as caught:
            page = patient.open("/my/follow-ups")
        assert page.content.count(b'class="card plan"') == number
        counted.append(len(caught))
    assert len(set(counted)) == 1, counted
    assert counted[0] <= 11, counted
    with tenancy.scope(tenancy.SYSTEM):
        for plan in counted_plans(cast):
            plan.status, plan.cancel_reason = PlanStatus.CANCELLED, "done"
            plan.save(update_fields=["status", "cancel_reason"])
    first = patient.open("/my/follow-ups")
    assert first.content.count(b'class="card plan"') == 20
    older = re.search(rb"\?before=([0-9a-f-]+)", first.content)
    assert older is not None
    second = patient.open("/my/follow-ups", before=older.group(1).decode())
    assert second.content.count(b'class="card plan"') == 10
    assert patient.open("/my/follow-ups", before="x").status_code == 200


def counted_plans(cast: Scene) -> list[Any]:
    from followups.models import FollowUpPlan  # noqa: PLC0415 - after the others' imports

    with tenancy.scope([cast.own.clinic.id]):
        return list(FollowUpPlan.objects.all())


# --- The waitlist -----------------------------------------------------------------------------


def test_a_wish_is_entered_seen_and_withdrawn(patient: Visitor, cast: Scene):
    own = cast.own
    here = patient.url("my-wish", own.clinic.slug)
    assert "Put me on the waitlist" in text(patient.open(here, service=str(own.service.id)))
    form = {
        "service": own.service.id,
        "doctors": [own.doctor.id],
        "weekdays": ["2", "4"],
        "time_from": "08:00",
        "time_to": "12:00",
        "earliest": "2035-06-05",
        "latest": "2035-07-05",
        "note": " By bus ",
    }
    answer = patient.client.post(here, form)
    assert answer.status_code == 302, text(answer)
    said = text(patient.open(answer["Location"]))
    assert "We will tell you when a time becomes free." in said
    assert "Tuesday, Thursday" in said
    (entry,) = entries(cast)
    assert (entry.weekdays, entry.doctors, entry.note) == ([2, 4], [own.doctor.id], "By bus")
    assert (entry.time_from, entry.by_patient) == (time(8), True)
    twice = patient.client.post(here, form)
    assert twice.status_code == 400
    assert "You wait for this already." in text(twice)
    gone = patient.client.post(patient.url("my-wish-withdraw", entry.id))
    assert "You do not wait for this any more." in text(patient.open(gone["Location"]))
    assert fresh(entry).status == WaitlistStatus.WITHDRAWN
    assert patient.client.post(patient.url("my-wish-withdraw", entry.id)).status_code == 302


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"service": ""}, "This field is required."),
        ({"service": "x"}, "Select a valid choice"),
        ({"earliest": "2035-07-01", "latest": "2035-06-20"}, "last day is not before"),
        ({"latest": "2035-02-30"}, "Enter a valid date"),
        ({"latest": "2034-01-01", "earliest": "2033-01-01"}, "That day is over."),
        ({"time_from": "12:00", "time_to": "08:00"}, "time of day ends after it begins"),
        ({"time_from": "08:00", "time_to": "08:10"}, "The visit is longer than that."),
        ({"weekdays": ["9"]}, "Select a valid choice"),
        ({"note": "x" * 501}, "at most 500"),
    ],
)
def test_wishes_that_cannot_be_say_why(
    patient: Visitor, cast: Scene, fields: dict[str, Any], said: str
):
    here = patient.url("my-wish", cast.own.clinic.slug)
    answer = patient.client.post(here, {"service": cast.own.service.id} | fields)
    assert answer.status_code == 400, answer
    assert said in text(answer), text(answer)
    assert entries(cast) == []


def test_an_earlier_time_for_a_visit(patient: Visitor, guest: Visitor, cast: Scene):
    held = cast.own.book(berlin(10, 11))
    page = patient.open(patient.url("my-visit", held["id"]))
    here = patient.url("my-earlier", held["id"])
    assert here.encode() in page.content
    assert b"checked" in patient.open(here).content  # the visit's own doctor
    answer = patient.client.post(here, {"doctors": [cast.own.doctor.id]})
    assert answer.status_code == 302, text(answer)
    (entry,) = entries(cast)
    assert str(entry.appointment_id) == held["id"]
    assert entry.latest == date(2035, 6, 14)
    token, _ = offered(cast.own, entry, berlin(2, 9))
    listed = patient.open("/my/waitlist")
    assert "Until then you keep your visit:" in text(listed)
    assert token.encode() in listed.content
    linked = guest.open(guest.link(visits(cast.own)[0]))  # by the link alone nobody is told
    assert b"earlier" not in linked.content
    late = cast.own.book(berlin(0, 7, 30) + timedelta(hours=1), service=cast.own.service.id)
    assert patient.open(patient.url("my-earlier", late["id"])).status_code in {200, 302}


def test_wishes_are_ones_own(patient: Visitor, outsider: Visitor, guest: Visitor, cast: Scene):
    own = cast.own
    mine, stranger = waiting(own), waiting(own, chart=own.add_chart())
    theirs = waiting(cast.other)
    held = own.book(berlin(10, 11))
    for entry in (stranger, theirs):
        assert patient.client.post(patient.url("my-wish-withdraw", entry.id)).status_code == 404
        assert fresh(entry).status == WaitlistStatus.WAITING
    assert outsider.client.post(outsider.url("my-wish-withdraw", mine.id)).status_code == 404
    assert outsider.open(outsider.url("my-wish", own.clinic.slug)).status_code == 404
    assert outsider.open(outsider.url("my-earlier", held["id"])).status_code == 404
    foreign = {"service": cast.other.service.id}
    assert patient.client.post(patient.url("my-wish", own.clinic.slug), foreign).status_code == 400
    for path in ("/my/waitlist", patient.url("my-wish", own.clinic.slug)):
        assert "sign" in guest.open(path)["Location"]
    assert guest.client.get(guest.url("my-wish-withdraw", mine.id)).status_code == 302
    assert fresh(mine).status == WaitlistStatus.WAITING
    said = text(patient.open("/my/waitlist"))
    assert said.count("Do not wait any more") == 1


def test_the_waitlist_costs_the_same_however_long(patient: Visitor, cast: Scene):
    counted = []
    made = 0
    for number in (1, 3, 20):
        while made < number:
            waiting(cast.own, service=cast.own.add_service().id)
            made += 1
        with CaptureQueriesContext(connection) as caught:
            page = patient.open("/my/waitlist")
        assert page.content.count(b'class="card plan"') == number
        counted.append(len(caught))
    assert len(set(counted)) == 1, counted
    assert counted[0] <= 11, counted


def test_a_full_week_leads_to_the_waitlist(patient: Visitor, guest: Visitor, cast: Scene):
    service = cast.own.add_service()
    cast.own.add_hours(cast.own.add_doctor(), weekdays=[], services=[service])
    leave = {
        "clinic": cast.own.clinic.id,
        "kind": "CLOSED",
        "start_date": "2035-06-04",
        "end_date": "2035-09-04",
    }
    assert cast.own.admin.api.post("schedule-exceptions", leave).status_code == 201
    here = patient.url("my-wish", cast.own.clinic.slug)
    assert here.encode() in patient.times().content
    assert here.encode() not in guest.times().content
