"""What stands on the board: hours, leave, holds, visits and free times, and of others nothing."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import time_machine
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appointments.models import Verb
from appointments.selectors.slots import slots_find
from appointments.services.booking import appointment_book
from appointments.services.holds import hold_create
from appointments.services.leave import exception_create
from appointments.services.status import appointment_move
from clinics.models import ExceptionKind, Membership
from core import tenancy
from tests.appointments.moments import BERLIN, NOW, berlin
from tests.appointments.scene import House, Scene
from tests.dashboard.calendars import (
    TODAY,
    Offer,
    board_of,
    cards,
    column,
    day,
    free,
    offers,
    shades,
    times,
    week,
)


def closed(house: House, kind: ExceptionKind, **fields: Any) -> None:
    """An exception of today, entered by the administrator."""
    values = {"start_date": TODAY, "end_date": TODAY, "doctor": house.doctor} | fields
    with tenancy.scope(()):
        exception_create(by=house.admin.principal(), clinic=house.clinic, kind=kind, **values)


def moved(house: House, visit: dict[str, Any], verb: Verb, reason: str = "") -> None:
    with tenancy.scope(()):
        by = house.admin.principal()
        appointment_move(appointment_id=visit["id"], verb=verb, by=by, reason=reason)


def at(hour: int, minute: int = 0, *, days: int = 0) -> datetime:
    return berlin(days, hour, minute)


# --- Hours, closures, leave -----------------------------------------------------------------------


def test_a_day_has_its_hours_its_free_times_and_nothing_else(calendars: Scene) -> None:
    own = calendars.own
    answer = day(own)
    assert shades(answer, own.doctor, "open") == [("h8 m0 lh9 lm0", "")]
    assert times(answer, own.doctor)[:3] == ["08:00", "08:30", "09:00"]
    assert times(answer, own.doctor)[-1] == "16:30"
    assert cards(answer, own.doctor) == []
    assert board_of(answer).scale.range_class == "from-8 to-17"
    assert [one.doctor for one in board_of(answer).columns] == [own.doctor.id]


def test_closures_leave_and_other_hours_are_as_the_slots_see_them(calendars: Scene) -> None:
    own = calendars.own
    closed(own, ExceptionKind.CLOSED, start_time=time(12), end_time=time(13), doctor=None)
    closed(own, ExceptionKind.LEAVE, start_time=time(15), end_time=time(16))
    answer = day(own)
    assert shades(answer, own.doctor, "closed") == [("h12 m0 lh1 lm0", "Closed")]
    assert shades(answer, own.doctor, "leave") == [("h15 m0 lh1 lm0", "Leave")]
    left = times(answer, own.doctor)
    assert not {"12:00", "12:30", "15:00", "15:30"} & set(left)
    assert {"11:30", "13:00", "14:30", "16:00"} <= set(left)


def test_other_hours_take_the_place_of_the_weekly_ones(calendars: Scene) -> None:
    own = calendars.own
    closed(
        own,
        ExceptionKind.HOURS,
        location=own.location,
        start_time=time(19),
        end_time=time(21),
        slot_minutes=60,
    )
    answer = day(own)
    assert shades(answer, own.doctor, "open") == [("h19 m0 lh2 lm0", "")]
    assert times(answer, own.doctor) == ["19:00", "20:00"]
    assert board_of(answer).scale.range_class == "from-19 to-21"


def test_a_whole_day_of_leave_says_so_and_offers_nothing(calendars: Scene) -> None:
    own = calendars.own
    closed(own, ExceptionKind.LEAVE)
    answer = day(own)
    assert times(answer, own.doctor) == []
    assert [text for _, text in shades(answer, own.doctor, "leave")] == ["Leave"]


def test_who_is_not_in_stands_at_the_end(calendars: Scene) -> None:
    own = calendars.own
    absent = own.add_doctor()
    answer = day(own)
    assert [one.doctor for one in board_of(answer).columns] == [own.doctor.id, absent.id]
    assert column(answer, absent).is_absent
    assert "not in" in answer.content.decode()


def test_visits_and_their_buffers_stand_where_they_are(calendars: Scene) -> None:
    own = calendars.own
    service = own.add_service(
        buffer_before_minutes=10, buffer_after_minutes=5, modes=["VIDEO_CALL"]
    )
    doctor = own.add_doctor()
    own.add_hours(doctor, modes=["VIDEO_CALL"])
    fields = {"doctor": doctor.id, "service": service.id, "type": "VIDEO_CALL"}
    visit = own.book(at(9, 30), priority="URGENT", **fields)
    answer = day(own)
    (card,) = cards(answer, doctor)
    assert (card.place, card.minute, card.time) == ("h9 m30 lh0 lm30", 570, "09:30")
    assert (card.status, card.urgent, card.version) == ("SCHEDULED", True, visit["version"])
    assert card.mode_label == "Video call"
    assert [place for place, _ in shades(answer, doctor, "buffer")] == [
        "h9 m20 lh0 lm10",
        "h10 m0 lh0 lm5",
    ]
    assert not {"09:00", "09:30", "10:00"} & set(times(answer, doctor))
    body = answer.content.decode()
    assert body.count(f'id="v{visit["id"]}"') == 1
    assert "urgent" in body


def test_at_the_same_time_they_stand_beside_one_another(calendars: Scene) -> None:
    own = calendars.own
    doctor = own.add_doctor()
    own.add_hours(doctor, capacity=3)
    for _ in range(2):
        own.book(at(9), doctor=doctor.id, patient=own.add_chart().id)
    answer = day(own)
    assert {card.place for card in cards(answer, doctor)} == {
        "h9 m0 lh0 lm30 lane-0 of-2",
        "h9 m0 lh0 lm30 lane-1 of-2",
    }
    assert "09:00" not in times(answer, doctor), "the third place is reached from a card"
    assert next(one for one in free(answer, doctor) if one.time == "09:30").remaining == 3


def test_a_visit_over_midnight_is_on_both_days(calendars: Scene) -> None:
    own = calendars.own
    doctor = own.add_doctor()
    own.add_hours(doctor, time(20), time(0), weekdays=[1])
    own.add_hours(doctor, time(0), time(4), weekdays=[2])
    body = own.request(at(23, 30), doctor=doctor.id, service=...)
    with tenancy.scope(()):
        by = own.admin.principal()
        appointment_book(
            by=by,
            doctor=doctor.id,
            patient=body["patient"],
            location=own.location.id,
            starts_at=at(23, 30),
            ends_at=at(0, 30, days=1),
            override_reason="the night shift",
        )
    (first,) = cards(day(own), doctor)
    (second,) = cards(day(own, TODAY + timedelta(days=1)), doctor)
    assert first.place == "h23 m30 lh0 lm30"
    assert (second.place, second.time) == ("h0 m0 lh0 lm30", "23:30")
    assert first.id == second.id
    assert board_of(day(own, TODAY + timedelta(days=1))).scale.first == 0


# --- Free times are what can be booked ------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    opens = draw(st.integers(7, 10))
    return {
        "opens": time(opens, draw(st.sampled_from([0, 20]))),
        "closes": time(opens + draw(st.integers(2, 5))),
        "step": draw(st.sampled_from([15, 20, 45])),
        "capacity": draw(st.integers(1, 2)),
        "duration": draw(st.sampled_from([15, 25, 60])),
        "after": draw(st.sampled_from([0, 10])),
        "booked": draw(st.lists(st.integers(0, 200), max_size=3)),
        "exception": draw(
            st.sampled_from([None, ExceptionKind.LEAVE, ExceptionKind.CLOSED, ExceptionKind.HOURS])
        ),
        "hold": draw(st.booleans()),
        "for_service": draw(st.booleans()),
    }


@given(plan=plans())
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_free_times_are_the_slots_and_every_one_can_be_booked(
    calendars: Scene, plan: dict[str, Any]
) -> None:
    own = calendars.own
    with transaction.atomic():
        doctor = own.add_doctor()
        own.add_hours(
            doctor,
            plan["opens"],
            plan["closes"],
            slot_minutes=plan["step"],
            capacity=plan["capacity"],
        )
        service = own.add_service(
            duration_minutes=plan["duration"], buffer_after_minutes=plan["after"]
        )
        _fill(own, doctor, service, plan)
        query = {"doctor": str(doctor.id)}
        if plan["for_service"]:
            query["service"] = str(service.id)
        answer = day(own, **query)
        shown = list(offers(answer))
        taken = {card.minute for card in cards(answer, doctor)}
        with tenancy.scope([own.clinic.id]):
            slots = slots_find(
                clinics=[own.clinic.id],
                doctors=[doctor.id],
                start=at(0),
                end=at(0, days=1),
                service=service.id if plan["for_service"] else None,
                patient_rules=False,
            )
        offered = {slot.starts_at: slot.ends_at for slot in slots}
        in_reach = {one for one in offered if (one - at(0)).total_seconds() // 60 not in taken}
        assert {one.starts_at for one in shown} == in_reach
        assert len(shown) == len(in_reach), "none is there twice"
        for one in shown:
            assert one.doctor == doctor.id
            assert _can_be_booked(own, one, offered[one.starts_at]), (one, plan)
        transaction.set_rollback(True)


def _fill(own: House, doctor: Any, service: Any, plan: dict[str, Any]) -> None:
    start = datetime.combine(TODAY, plan["opens"], BERLIN)
    with tenancy.scope(()):
        by = own.admin.principal()
        fields = {"doctor": doctor.id, "location": own.location.id, "service": service.id}
        for minutes in sorted(plan["booked"]):
            appointment_book(
                by=by,
                patient=own.add_chart().id,
                starts_at=start + timedelta(minutes=minutes),
                override_reason="there was a need",
                **fields,
            )
            by = own.admin.principal()
        if plan["hold"]:
            slots = slots_find(
                clinics=[own.clinic.id],
                doctors=[doctor.id],
                start=start,
                end=at(0, days=1),
                service=service.id,
                patient_rules=False,
                limit=1,
            )
            if slots:
                hold_create(by=by, starts_at=slots[0].starts_at, **fields)
    if plan["exception"] is not None:
        closed(
            own,
            plan["exception"],
            doctor=doctor,
            location=own.location if plan["exception"] == ExceptionKind.HOURS else None,
            start_time=time(9, 10),
            end_time=time(11),
        )


def _can_be_booked(own: House, offer: Offer, until: datetime) -> bool:
    """Booked, and taken back again."""
    with transaction.atomic():
        with tenancy.scope(()):
            by = own.reception.principal()
            visit = appointment_book(
                by=by,
                doctor=offer.doctor,
                patient=own.chart.id,
                location=offer.location,
                service=offer.service,
                starts_at=offer.starts_at,
                ends_at=None if offer.service else until,
            )
        transaction.set_rollback(True)
    return visit.starts_at == offer.starts_at


def test_times_that_have_passed_are_not_offered(calendars: Scene) -> None:
    own = calendars.own
    with time_machine.travel(at(12, 10), tick=False):
        assert times(day(own), own.doctor)[0] == "12:30"
        assert times(day(own, TODAY - timedelta(days=1)), own.doctor) == []


def test_a_held_time_says_until_when_and_comes_back(calendars: Scene) -> None:
    own = calendars.own
    with tenancy.scope(()):
        hold_create(
            by=own.reception.principal(),
            doctor=own.doctor.id,
            starts_at=at(10),
            location=own.location.id,
            service=own.service.id,
        )
    answer = day(own)
    assert shades(answer, own.doctor, "held") == [("h10 m0 lh0 lm30", "Held until 07:05")]
    assert "10:00" not in times(answer, own.doctor)
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        answer = day(own)
        assert shades(answer, own.doctor, "held") == []
        assert "10:00" in times(answer, own.doctor)


# --- Other clinics --------------------------------------------------------------------------------


def test_of_a_doctors_other_clinic_only_that_they_are_busy(calendars: Scene) -> None:
    own, other = calendars.own, calendars.other
    other.doctor_of(own.doctor)
    other.add_hours(own.doctor, time(18), time(20))
    secret = other.add_service(name="Very private consultation", buffer_after_minutes=15)
    kolkata = datetime.combine(TODAY, time(18), ZoneInfo("Asia/Kolkata"))
    visit = other.book(kolkata, doctor=own.doctor.id, service=secret.id, notes="other clinic's")
    with tenancy.scope(()):
        hold_create(
            by=other.reception.principal(),
            doctor=own.doctor.id,
            starts_at=kolkata + timedelta(hours=1),
            location=other.location.id,
            service=secret.id,
        )
    for who in (own.reception, own.admin, own.doctor_user):
        answer = day(own, who=who)
        assert [text for _, text in shades(answer, own.doctor, "elsewhere")] == [
            "Busy elsewhere",
            "Busy elsewhere",
        ]
        assert [place for place, _ in shades(answer, own.doctor, "elsewhere")] == [
            "h14 m30 lh0 lm45",
            "h15 m30 lh0 lm45",
        ], "what is the other clinic's buffer is not told apart"
        assert cards(answer, own.doctor) == []
        assert not {"14:30", "15:00", "15:30", "16:00"} & set(times(answer, own.doctor))
        bodies = [answer.content.decode()]
        bodies += [week(own, who=who, doctor=str(own.doctor.id)).content.decode()]
        bodies += [day(own, who=who, view="list").content.decode()]
        for body in bodies:
            for word in (
                visit["id"],
                other.clinic.id,
                other.clinic.name,
                other.clinic.slug,
                other.location.id,
                other.chart.id,
                other.chart.family_name or "Pat ",
                secret.id,
                secret.name,
            ):
                assert str(word) not in body, word


def test_the_other_clinic_sees_its_own_visit_and_of_us_nothing(calendars: Scene) -> None:
    own, other = calendars.own, calendars.other
    other.doctor_of(own.doctor)
    other.add_hours(own.doctor, time(18), time(20))
    mine = own.book(at(14, 30))
    answer = day(other)
    assert mine["id"] not in answer.content.decode()
    (elsewhere,) = shades(answer, own.doctor, "elsewhere")
    assert elsewhere == ("h18 m0 lh0 lm30", "Busy elsewhere")


def test_ones_other_clinic_does_not_leak_through_ones_own_rights(calendars: Scene) -> None:
    """Somebody who works in both sees on each board the one clinic of its address."""
    own, other = calendars.own, calendars.other
    other.doctor_of(own.doctor)
    other.add_hours(own.doctor, time(18), time(20))
    kolkata = datetime.combine(TODAY, time(18), ZoneInfo("Asia/Kolkata"))
    visit = other.book(kolkata, doctor=own.doctor.id)
    body = day(own, who=own.doctor_user).content.decode()
    assert visit["id"] not in body
    assert visit["id"] in day(other, who=own.doctor_user).content.decode()


def test_a_visit_whose_doctor_has_left_is_still_on_the_day(calendars: Scene) -> None:
    own = calendars.own
    visit = own.book(at(9))
    with tenancy.scope(tenancy.SYSTEM):
        Membership.objects.filter(clinic=own.clinic, user_id=own.doctor.user_id).update(
            is_active=False
        )
    found = day(own)
    assert [card.time for card in cards(found, own.doctor)] == ["09:00"]
    assert times(found, own.doctor) == [], "nobody books them any more"
    assert [str(row.id) for row in day(own, view="list").context["rows"]] == [visit["id"]]
