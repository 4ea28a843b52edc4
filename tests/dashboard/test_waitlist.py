"""The waitlist at the desk: wishes, freed times, offers by hand, and what people answer."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.roles import Role
from appointments.models import Verb
from appointments.services.status import appointment_move
from core import tenancy
from followups.models import (
    OfferStatus,
    OpeningCause,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
    WaitlistStatus,
)
from followups.services.offers import offer_by_hand
from followups.services.openings import opening_make
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Person, Scene
from tests.dashboard.calendars import at_desk, opened
from tests.dashboard.continuing import TODAY, colleague, entry_now, visit_now, waits
from tests.dashboard.desk import told
from tests.dashboard.test_columns import statements
from tests.support.forms import form_of


@pytest.fixture
def own(calendars: Scene) -> House:
    return calendars.own


def page(house: House, who: Person | None = None, **query: Any) -> Any:
    return opened(at_desk(house, who).get("desk-waitlist", query))


def shown(answer: Any) -> list[UUID]:
    return [row.id for row in answer.context["rows"]]


def freed(house: House, at: datetime) -> WaitlistOpening:
    """A time that became free."""
    with tenancy.scope(tenancy.SYSTEM):
        made = opening_make(
            clinic=house.clinic.id,
            doctor=house.doctor.id,
            location=house.location.id,
            starts_at=at,
            ends_at=at + timedelta(minutes=30),
            cause=OpeningCause.CANCELLED,
        )
    assert made is not None
    return made


def offered(house: House, entry: WaitlistEntry, at: datetime) -> WaitlistOffer:
    """One person was offered a time by hand."""
    with tenancy.scope(tenancy.SYSTEM):
        return offer_by_hand(
            by=house.reception.principal(),
            entry_id=entry.id,
            doctor=house.doctor.id,
            location=house.location.id,
            starts_at=at,
        )


def offer_now(offer: WaitlistOffer) -> WaitlistOffer:
    with tenancy.scope(tenancy.SYSTEM):
        return WaitlistOffer.objects.select_related("entry").get(pk=offer.pk)


# --- Who waits ------------------------------------------------------------------------------------


def test_who_waits_is_in_the_order_of_asking_with_their_wishes(own: House) -> None:
    first = waits(
        own, weekdays=[2, 4], time_from=time(9), time_to=time(12), doctors=[own.doctor.id]
    )
    urgent = waits(own, own.add_chart(), urgency="URGENT", note="rings the bell")
    answer = page(own)
    assert shown(answer) == [urgent.id, first.id]
    body = answer.content.decode()
    for words in ("Tue, Thu", "from 09:00 to 12:00", "Dr First", "rings the bell", "Not offered"):
        assert words in body, words


def test_an_empty_list_says_what_will_be_there(own: House) -> None:
    body = page(own).content.decode()
    assert "Nobody waits for an earlier time." in body
    assert "No time became free." in body


def test_filters_narrow_it(own: House) -> None:
    other = own.add_service()
    mine = waits(own, doctors=[own.doctor.id])
    theirs = waits(own, own.add_chart())
    with tenancy.scope(tenancy.SYSTEM):
        WaitlistEntry.objects.filter(pk=theirs.pk).update(
            service=other, doctors=[own.add_doctor().id]
        )
    assert shown(page(own, service=str(other.id))) == [theirs.id]
    assert shown(page(own, doctor=str(own.doctor.id))) == [mine.id]
    assert shown(page(own, status="WITHDRAWN")) == []
    desk = at_desk(own)
    for query in ({"service": str(uuid4())}, {"doctor": "x"}, {"status": "x"}):
        assert desk.get("desk-waitlist", query).status_code == 404
    assert desk.get("desk-waitlist", {"after": "x"}).status_code == 400


def test_long_lists_have_pages(own: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.views.waitlist.PER_PAGE", 2)
    made = [waits(own, own.add_chart()) for _ in range(3)]
    first = page(own)
    assert shown(first) == [one.id for one in made[:2]]
    after = first.context["next"].removeprefix("after=")
    assert shown(page(own, after=after)) == [made[2].id]


def test_it_asks_as_much_at_1_3_and_30_rows(own: House) -> None:
    desk, taken, made = at_desk(own), set(), 0
    for number in (1, 3, 30):
        while made < number:
            entry = waits(own, own.add_chart())
            offered(own, entry, berlin(1 + made // 16, 8) + timedelta(minutes=30 * (made % 16)))
            made += 1
        taken.add(len(statements(lambda: desk.get("desk-waitlist"))))
    assert len(taken) == 1, taken


# --- A wish ---------------------------------------------------------------------------------------


def wish(house: House, **more: Any) -> dict[str, Any]:
    values = {
        "once": str(uuid4()),
        "who": "chosen",
        "patient": house.chart.id,
        "service": house.service.id,
        "mode": "IN_PERSON",
        "urgency": "HIGH",
        "earliest": TODAY.isoformat(),
        "latest": (TODAY + timedelta(days=20)).isoformat(),
        "time_from": "08:00",
        "time_to": "",
        "weekdays": ["1", "3"],
        "note": "mornings",
    } | more
    return {name: value for name, value in values.items() if value is not ...}


def entries() -> list[WaitlistEntry]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(WaitlistEntry.objects.order_by("id"))


def test_a_wish_is_entered_once_however_often_it_is_sent(own: House) -> None:
    desk, data = at_desk(own), wish(own)
    first, second = (desk.post("desk-waitlist-new", data) for _ in range(2))
    assert first.status_code == 302
    assert first.headers["Location"] == second.headers["Location"]
    made = entries()
    assert len(made) == 1
    assert (made[0].weekdays, made[0].urgency, made[0].note) == ([1, 3], "HIGH", "mornings")
    card = opened(desk.client.get(first.headers["Location"])).content.decode()
    assert "Free times that fit" in card


def test_beside_the_list_it_is_said(own: House) -> None:
    answer = at_desk(own).post("desk-waitlist-new", wish(own), htmx=True)
    assert told(answer)["said"] == "Pat is on the waitlist."


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"patient": ..., "who": "find"}, "Choose the patient."),
        ({"earliest": "2035-02-30"}, "Enter a valid date"),
        ({"latest": "2035-06-01"}, "The last day is not before the first."),
        ({"time_from": "12:00", "time_to": "09:00"}, "The time of day ends after it begins."),
        ({"weekdays": ["9"]}, "Select a valid choice"),
        ({"service": str(uuid4())}, "Select a valid choice"),
        ({"note": "x" * 501}, "at most 500"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(own: House, more: dict[str, Any], words: str) -> None:
    answer = at_desk(own).post("desk-waitlist-new", wish(own, **more))
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert entries() == []


def test_who_waits_already_is_told_so(own: House) -> None:
    waits(own)
    answer = at_desk(own).post("desk-waitlist-new", wish(own))
    assert answer.status_code == 409
    assert "The patient waits for this already." in answer.content.decode()


def test_an_earlier_time_is_wished_from_the_visit(own: House) -> None:
    visit = own.book(berlin(9, 10))
    desk = at_desk(own)
    card = opened(desk.get("desk-visit", visit_id=visit["id"])).content.decode()
    assert f"/waitlist/new?visit={visit['id']}" in card
    answer = opened(desk.get("desk-waitlist-new", {"visit": visit["id"]}))
    assert "That visit is kept until a better time is accepted." in answer.content.decode()
    values = form_of(answer, form_id="wish")
    assert desk.post("desk-waitlist-new", values).status_code == 302
    assert entries()[0].appointment_id == UUID(visit["id"])


def test_taken_off_the_list_offers_are_withdrawn(own: House) -> None:
    entry = waits(own)
    offer = offered(own, entry, berlin(1, 9))
    desk = at_desk(own)
    stale = desk.post("desk-waitlist-withdraw", {"version": 99}, entry_id=entry.id)
    assert stale.status_code == 412
    answer = desk.post(
        "desk-waitlist-withdraw", {"version": entry_now(entry).version}, entry_id=entry.id
    )
    assert answer.status_code == 302
    assert entry_now(entry).status == WaitlistStatus.WITHDRAWN
    assert offer_now(offer).status == OfferStatus.WITHDRAWN


# --- Freed times ----------------------------------------------------------------------------------


def test_a_freed_time_has_its_candidates_in_order_and_one_click_offers_it(own: House) -> None:
    plain, urgent = waits(own, own.add_chart()), waits(own, own.add_chart(), urgency="URGENT")
    elsewhere = waits(own, own.add_chart(), earliest=TODAY + timedelta(days=30))
    opening = freed(own, berlin(1, 9))
    assert [one.id for one in page(own).context["openings"]] == [opening.id]
    desk = at_desk(own)
    card = opened(desk.get("desk-waitlist-opening", opening_id=opening.id))
    people = card.context["people"]
    assert [one["row"].id for one in people] == [urgent.id, plain.id]
    assert elsewhere.id not in {one["row"].id for one in people}
    answer = desk.post("desk-waitlist-offer", {"pick": people[0]["pick"]}, entry_id=urgent.id)
    assert answer.status_code == 302
    body = page(own).content.decode()
    assert "to be called" in body
    assert "Accepted by phone" in body


def test_an_offer_that_cannot_be_made_says_why(own: House) -> None:
    entry = waits(own)
    own.book(berlin(1, 9), patient=own.add_chart().id)
    pick = f"{own.doctor.id}|{own.location.id}|{berlin(1, 9).isoformat()}"
    desk = at_desk(own)
    taken = desk.post("desk-waitlist-offer", {"pick": pick}, entry_id=entry.id)
    assert taken.status_code == 409
    assert "This time is taken" in taken.content.decode()
    damaged = desk.post("desk-waitlist-offer", {"pick": "x"}, entry_id=entry.id)
    assert damaged.status_code == 400


def test_free_times_that_fit_are_offered_from_the_entry(own: House) -> None:
    entry = waits(own, time_from=time(14))
    desk = at_desk(own)
    card = opened(desk.get("desk-waitlist-entry", entry_id=entry.id))
    times = card.context["times"]
    assert times
    assert all(one["local"].time() >= time(14) for one in times)
    answer = desk.post("desk-waitlist-offer", {"pick": times[0]["value"]}, entry_id=entry.id)
    assert answer.status_code == 302
    body = opened(desk.get("desk-waitlist-entry", entry_id=entry.id)).content.decode()
    assert "/offer/" in body, "the link to hand out"


# --- Answers --------------------------------------------------------------------------------------


def test_accepted_by_phone_the_visit_is_booked(own: House) -> None:
    entry = waits(own)
    offer = offered(own, entry, berlin(1, 9))
    answer = at_desk(own).post("desk-waitlist-accept", offer_id=offer.id)
    now = entry_now(entry)
    assert answer.status_code == 302
    assert now.status == WaitlistStatus.BOOKED
    assert answer.headers["Location"].endswith(f"/visits/{now.booked_id}")
    assert visit_now(now.booked_id or "").starts_at == berlin(1, 9)


def test_a_visit_that_they_have_is_moved(own: House) -> None:
    visit = own.book(berlin(9, 10))
    entry = waits(own, appointment=UUID(visit["id"]))
    offer = offered(own, entry, berlin(1, 9))
    assert at_desk(own).post("desk-waitlist-accept", offer_id=offer.id).status_code == 302
    assert visit_now(visit["id"]).starts_at == berlin(1, 9)


def test_the_second_who_says_yes_is_told_kindly_and_waits_on(own: House) -> None:
    first, second = waits(own, own.add_chart()), waits(own, own.add_chart())
    offers = [offered(own, one, berlin(1, 9)) for one in (first, second)]
    desk = at_desk(own)
    assert desk.post("desk-waitlist-accept", offer_id=offers[0].id).status_code == 302
    answer = desk.post("desk-waitlist-accept", offer_id=offers[1].id)
    assert answer.status_code in {409, 410}
    assert 'role="alert"' in answer.content.decode()
    assert entry_now(second).status == WaitlistStatus.WAITING


def test_declined_they_wait_on(own: House) -> None:
    entry = waits(own)
    offer = offered(own, entry, berlin(1, 9))
    answer = at_desk(own).post("desk-waitlist-decline", offer_id=offer.id, htmx=True)
    assert told(answer)["said"] == "Pat does not want this time, and waits on."
    assert offer_now(offer).status == OfferStatus.DECLINED
    assert entry_now(entry).status == WaitlistStatus.WAITING


def test_told_by_the_desk_it_is_no_more_to_be_called(own: House) -> None:
    offer = offered(own, waits(own), berlin(1, 9))
    assert "to be called" in page(own).content.decode()
    assert at_desk(own).post("desk-waitlist-told", offer_id=offer.id).status_code == 302
    body = page(own).content.decode()
    assert "to be called" not in body
    assert "by the desk at" in body


# --- Who may --------------------------------------------------------------------------------------


def test_who_may_not_book_is_refused_and_has_no_link(own: House) -> None:
    entry = waits(own)
    offer = offered(own, entry, berlin(1, 9))
    for who in (
        own.nurse,
        colleague(own, Role.FINANCE_BILLING),
        colleague(own, Role.SUPPORT_STAFF),
    ):
        desk = at_desk(own, who)
        assert desk.get("desk-waitlist").status_code == 403
        assert desk.get("desk-waitlist-entry", entry_id=entry.id).status_code == 403
        assert desk.post("desk-waitlist-accept", offer_id=offer.id).status_code == 403
        assert desk.post("desk-waitlist-decline", offer_id=offer.id).status_code == 403
        assert "/waitlist" not in opened(desk.get("desk-today")).content.decode()
    assert offer_now(offer).status == OfferStatus.OPEN


def test_doctors_see_who_waits_for_them(own: House) -> None:
    mine, anybody = waits(own, doctors=[own.doctor.id]), waits(own, own.add_chart())
    answer = page(own, own.doctor_user)
    assert shown(answer) == [mine.id]
    desk = at_desk(own, own.doctor_user)
    assert desk.get("desk-waitlist-entry", entry_id=anybody.id).status_code == 404


def test_the_outsider_finds_nothing(own: House, calendars: Scene) -> None:
    entry = waits(own)
    offer, opening = offered(own, entry, berlin(1, 9)), freed(own, berlin(2, 9))
    desk = at_desk(calendars.other)
    assert shown(page(calendars.other)) == []
    assert desk.get("desk-waitlist-entry", entry_id=entry.id).status_code == 404
    assert desk.get("desk-waitlist-opening", opening_id=opening.id).status_code == 404
    data = {"pick": f"{own.doctor.id}|{own.location.id}|{berlin(2, 9).isoformat()}"}
    assert desk.post("desk-waitlist-offer", data, entry_id=entry.id).status_code == 404
    withdrawn = desk.post("desk-waitlist-withdraw", {"version": 1}, entry_id=entry.id)
    assert withdrawn.status_code == 404
    for name in ("accept", "decline", "told"):
        assert desk.post(f"desk-waitlist-{name}", offer_id=offer.id).status_code == 404
    assert offer_now(offer).status == OfferStatus.OPEN
    assert entry_now(entry).status == WaitlistStatus.WAITING


def test_a_cancelled_visit_is_not_offered_from_its_card(own: House) -> None:
    visit = own.book(berlin(3, 10))
    with tenancy.scope(tenancy.SYSTEM):
        appointment_move(
            appointment_id=UUID(visit["id"]),
            verb=Verb.CANCEL,
            by=own.reception.principal(),
            expected_version=visit["version"],
            reason="ill",
        )
    card = opened(at_desk(own).get("desk-visit", visit_id=visit["id"])).content.decode()
    assert "/waitlist/new" not in card
