"""This visit, this and the following, or all: changed as one, and cancelled as one."""

from datetime import date, timedelta

import time_machine

from appointments.models import Appointment, AppointmentEvent, BusyTime
from core import tenancy
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import Scene
from tests.appointments.series_acts import change, changed, days, now, path
from tests.appointments.test_series import create, leave, starts
from tests.appointments.traces import nothing_left_behind, refused


def test_only_this_visit_moves(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=3")
    done = changed(cast.own, made, "this", 2, local_time="11:00", reason="later")
    assert now(cast.own, made) == [
        "2035-06-05 09:00",
        "2035-06-12 11:00",
        "2035-06-19 09:00",
    ]
    assert (done["local_time"], done["version"], done["reason"]) == ("09:00:00", 2, "")
    history = cast.own.reception.api.get(f"appointments/{made['visits'][1]['id']}/history").json()
    assert [one["verb"] for one in history["results"]] == ["book", "reschedule", "edit"]
    visit = cast.own.reception.api.get(f"appointments/{made['visits'][1]['id']}").json()
    assert (visit["version"], visit["reason"]) == (3, "later")


def test_this_and_the_following_visits_move_and_the_series_goes_on_so(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=4")
    done = changed(cast.own, made, "following", 3, local_time="14:30")
    assert now(cast.own, made) == [
        *days((6, 5), (6, 12)),
        *days((6, 19), (6, 26), hour=14, minute=30),
    ]
    assert done["local_time"] == "14:30:00"
    assert [one["sequence"] for one in done["changed"]] == [3, 4]


def test_all_go_to_another_doctor_place_room_and_length(cast: Scene):
    ground = cast.own
    second, place = ground.add_doctor(), ground.add_location("Europe/London")
    ground.add_hours(second, location=place)
    made = create(ground, rrule="FREQ=WEEKLY;COUNT=3", room=ground.room.id)
    done = changed(ground, made, "all", doctor=second.id, location=place.id, duration_minutes=45)
    assert (done["doctor"], done["location"], done["room"]) == (str(second.id), str(place.id), None)
    assert (done["timezone"], done["duration_minutes"]) == ("Europe/London", 45)
    assert now(ground, made) == days((6, 5), (6, 12), (6, 19), hour=10)  # 09:00 in London
    with tenancy.scope(tenancy.SYSTEM):
        claims = BusyTime.objects.filter(appointment__series_id=made["id"])
        assert {claim.doctor_id for claim in claims} == {second.id}
        assert {claim.visit.upper - claim.visit.lower for claim in claims} == {
            timedelta(minutes=45)
        }
        assert {claim.room_id for claim in claims} == {None}


def test_another_weekday_for_all(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;BYDAY=TU;COUNT=3")
    done = changed(cast.own, made, "all", shift_days=2)
    assert now(cast.own, made) == days((6, 7), (6, 14), (6, 21))
    assert (done["rrule"], done["start_date"], done["end_date"], done["booked_until"]) == (
        "FREQ=WEEKLY;BYDAY=TH;COUNT=3",
        "2035-06-07",
        "2035-06-21",
        "2035-06-21",
    )


def test_visits_may_take_one_anothers_time(cast: Scene):
    """A daily series a day later: each takes the time of the next, which is given up."""
    made = create(cast.own, rrule="FREQ=DAILY;COUNT=5")
    changed(cast.own, made, "all", shift_days=1)
    assert now(cast.own, made) == days(*((6, day) for day in range(6, 11)))


def test_only_texts_change_no_time(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=3")
    done = changed(cast.own, made, "following", 2, reason="Therapy", priority="HIGH")
    assert now(cast.own, made) == starts(made)
    assert [one["sequence"] for one in done["changed"]] == [2, 3]
    with tenancy.scope(tenancy.SYSTEM):
        reasons = Appointment.objects.filter(series_id=made["id"]).order_by("starts_at")
        assert list(reasons.values_list("reason", flat=True)) == ["", "Therapy", "Therapy"]
    assert done["reason"] == "Therapy"


def test_what_has_begun_is_over_or_done_stays_and_is_told(cast: Scene):
    ground = cast.own
    made = create(ground, rrule="FREQ=WEEKLY;COUNT=4")
    with time_machine.travel(NOW + timedelta(days=15, minutes=105), tick=False):
        answer = ground.reception.api.post(f"appointments/{made['visits'][2]['id']}/check-in")
        assert answer.status_code == 200, answer.content
        done = changed(ground, made, "all", local_time="10:00")
        assert [(one["sequence"], one["code"]) for one in done["kept"]] == [
            (1, "TOO_SOON"),
            (2, "TOO_SOON"),
            (3, "INVALID_TRANSITION"),
        ]
        refused(change(ground, made, "this", 3, local_time="11:00"), 409, "INVALID_TRANSITION")
        body = {"scope": "all", "reason": "moved away"}
        gone = ground.reception.api.delete(path(made), body).json()
    assert [one["sequence"] for one in gone["cancelled"]] == [4]
    assert len(gone["kept"]) == 3
    assert gone["status"] == "CANCELLED"


def test_a_clash_refuses_the_whole_change(cast: Scene):
    ground = cast.own
    made = create(ground, rrule="FREQ=WEEKLY;COUNT=4")
    ground.book(berlin(15, 11), patient=ground.add_chart().id)
    with nothing_left_behind():
        body = refused(change(ground, made, "all", local_time="11:00"), 409, "SERIES_CONFLICT")
    assert [(one["sequence"], one["code"]) for one in body["clashes"]] == [
        (3, "SCHEDULING_CONFLICT")
    ]
    assert body["clashes"][0]["appointment"] == made["visits"][2]["id"]
    assert body["clashes"][0]["alternatives"]
    assert now(ground, made) == starts(made)


def test_or_what_clashes_stays_where_it_was(cast: Scene):
    ground = cast.own
    made = create(ground, rrule="FREQ=WEEKLY;COUNT=4")
    ground.book(berlin(15, 11), patient=ground.add_chart().id)
    done = changed(ground, made, "all", local_time="11:00", policy="skip_conflicts")
    assert [(one["sequence"], one["code"]) for one in done["kept"]] == [(3, "SCHEDULING_CONFLICT")]
    assert now(ground, made) == [
        "2035-06-05 11:00",
        "2035-06-12 11:00",
        "2035-06-19 09:00",
        "2035-06-26 11:00",
    ]


def test_who_cannot_move_is_in_the_way_of_who_would_take_the_time(cast: Scene):
    """A daily series a day later into leave: the last stays, so does the one before it, and so
    on to the first."""
    made = create(cast.own, rrule="FREQ=DAILY;COUNT=4")
    leave(cast.own, date(2035, 6, 9), date(2035, 6, 9))
    answer = change(cast.own, made, "all", shift_days=1, policy="skip_conflicts")
    assert answer.status_code == 200, answer.content
    done = answer.json()
    assert done["changed"] == []
    assert [one["sequence"] for one in done["kept"]] == [1, 2, 3, 4]
    assert now(cast.own, made) == starts(made)


def test_two_visits_that_would_meet_are_a_clash(cast: Scene):
    """The second was moved into the third's week by itself."""
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=3")
    moved = made["visits"][1]["id"]
    cast.own.reception.api.post(
        f"appointments/{moved}/reschedule", {"starts_at": berlin(15, 15).isoformat()}
    )
    body = refused(change(cast.own, made, "all", local_time="10:00"), 409, "SERIES_CONFLICT")
    assert [one["code"] for one in body["clashes"]] == ["PATIENT_CONFLICT"]


def test_a_new_rule_keeps_moves_cancels_and_books(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=4")
    done = changed(cast.own, made, "following", 2, rrule="FREQ=WEEKLY;BYDAY=TU,FR;COUNT=4")
    assert now(cast.own, made) == days((6, 5), (6, 12), (6, 15), (6, 19), (6, 22))
    assert [one["sequence"] for one in done["changed"]] == [4]
    assert [one["sequence"] for one in done["booked"]] == [5]
    assert (done["rrule"], done["start_date"], done["end_date"]) == (
        "FREQ=WEEKLY;BYDAY=TU,FR;COUNT=4",
        "2035-06-12",
        "2035-06-22",
    )
    done = changed(cast.own, made, "all", rrule="FREQ=WEEKLY;BYDAY=WE", end_date="2035-06-27")
    assert now(cast.own, made) == days((6, 6), (6, 13), (6, 20), (6, 27))


def test_a_rarer_rule_cancels_what_it_leaves_out(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=5")
    done = changed(cast.own, made, "all", rrule="FREQ=WEEKLY;INTERVAL=2")
    assert now(cast.own, made) == days((6, 5), (6, 19), (7, 3))
    assert [one["sequence"] for one in done["cancelled"]] == [2, 4]
    assert (done["changed"], done["booked"]) == ([], [])


def test_a_new_rule_without_an_end_ends_when_the_old_one_did(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=4")
    changed(cast.own, made, "all", rrule="FREQ=WEEKLY;BYDAY=MO", local_time="10:00")
    assert now(cast.own, made) == days((6, 11), (6, 18), (6, 25), hour=10)


def test_another_end(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=4")
    second = made["visits"][1]["id"]
    cast.own.reception.api.post(f"appointments/{second}/cancel", {"reason": "ill"})
    done = changed(cast.own, made, "all", end_date="2035-07-10")
    assert [one["sequence"] for one in done["booked"]] == [5, 6]
    assert now(cast.own, made) == days((6, 5), (6, 19), (6, 26), (7, 3), (7, 10))  # not the 12th
    assert done["end_date"] == "2035-07-10"
    done = changed(cast.own, made, "all", end_date="2035-06-20")
    assert now(cast.own, made) == days((6, 5), (6, 19))
    assert (done["end_date"], done["booked_until"]) == ("2035-06-19", "2035-06-20")
    answer = change(cast.own, made, "all", end_date="2039-06-20")
    refused(answer, 400, "VALIDATION_ERROR", rrule="two years")


def test_until_further_notice_and_back(cast: Scene):
    cast.own.policy(horizon_days=28)
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=2")
    done = changed(cast.own, made, "all", open_ended=True)
    assert (done["open_ended"], done["end_date"]) == (True, None)
    assert now(cast.own, made) == days((6, 5), (6, 12), (6, 19), (6, 26), (7, 3))
    done = changed(cast.own, made, "all", end_date="2035-06-12")
    assert (done["open_ended"], done["end_date"]) == (False, "2035-06-12")
    assert now(cast.own, made) == days((6, 5), (6, 12))


def test_new_dates_that_clash_are_written_down_as_left_out(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=2")
    leave(cast.own, date(2035, 6, 18), date(2035, 6, 20))
    answer = change(cast.own, made, "all", end_date="2035-06-26", policy="skip_conflicts")
    assert [(one["sequence"], one["code"]) for one in answer.json()["skips"]] == [
        (3, "DOCTOR_ON_LEAVE")
    ]
    assert now(cast.own, made) == days((6, 5), (6, 12), (6, 26))


def test_cancelling_this_one_the_following_and_all(cast: Scene):
    ground = cast.own
    made = create(ground, rrule="FREQ=WEEKLY;COUNT=5")
    ids = [one["id"] for one in made["visits"]]

    def cancel(scope: str, visit: str | None = None) -> dict:
        body = {"scope": scope, "appointment": visit, "reason": "moved away"}
        answer = ground.reception.api.delete(path(made), body)
        assert answer.status_code == 200, answer.content
        return answer.json()

    gone = cancel("this", ids[1])
    assert ([one["id"] for one in gone["cancelled"]], gone["status"]) == ([ids[1]], "ACTIVE")
    gone = cancel("following", ids[3])
    assert ([one["id"] for one in gone["cancelled"]], gone["status"]) == (ids[3:], "ENDED")
    assert gone["end_date"] == "2035-06-25"
    gone = cancel("all")
    assert [one["id"] for one in gone["cancelled"]] == [ids[0], ids[2]]
    assert (gone["status"], gone["cancel_reason"]) == ("CANCELLED", "moved away")
    assert gone["version"] == 4
    with tenancy.scope(tenancy.SYSTEM):
        assert not BusyTime.objects.filter(appointment__series_id=made["id"]).exists()
        events = AppointmentEvent.objects.filter(appointment_id__in=ids, verb="cancel")
        assert events.count() == 5
        assert {event.reason for event in events} == {"moved away"}
        for visit in Appointment.objects.filter(pk__in=ids):
            assert (visit.status, visit.version) == ("CANCELLED", 2)
            assert visit.cancelled_by_id == ground.reception.id
    undone = ground.reception.api.post(f"appointments/{ids[4]}/undo", {"reason": "stays"})
    assert undone.json()["status"] == "SCHEDULED"


def test_inside_the_cut_off_a_cancellation_is_late(cast: Scene):
    cast.own.policy(cancel_cutoff_minutes=24 * 60)
    made = create(cast.own, start_date="2035-06-04", rrule="FREQ=DAILY;COUNT=3")
    body = {"scope": "all", "reason": "ill"}
    cast.own.reception.api.delete(path(made), body)
    with tenancy.scope(tenancy.SYSTEM):
        rows = Appointment.objects.filter(series_id=made["id"]).order_by("starts_at")
        assert list(rows.values_list("late_cancellation", flat=True)) == [True, False, False]


def test_leave_takes_the_time_that_is_given_up_in_it(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=3")
    leave(cast.own, date(2035, 6, 11), date(2035, 6, 13))  # around the second visit
    blocked = BusyTime.objects.filter(doctor=cast.own.doctor, kind="BLOCKED")
    with tenancy.scope(tenancy.SYSTEM):
        assert not [one for one in blocked.all() if berlin(8, 9) in one.period]
    body = {"scope": "all", "reason": "ill"}
    assert cast.own.reception.api.delete(path(made), body).status_code == 200
    with tenancy.scope(tenancy.SYSTEM):
        taken = [one for one in blocked.all() if one.period.lower == berlin(8, 9)]
        assert [one.period.upper for one in taken] == [berlin(8, 9, 30)]


def test_a_stale_version_changes_nothing(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=3")
    api, stale = cast.own.reception.api, {"If-Match": '"7"'}
    with nothing_left_behind():
        body = {"scope": "all", "local_time": "10:00"}
        refused(api.patch(path(made), body, **stale), 412, "PRECONDITION_FAILED")
        body = {"scope": "all", "reason": "x"}
        refused(api.delete(path(made), body, **stale), 412, "PRECONDITION_FAILED")
    answer = api.put(path(made), {"scope": "all", "local_time": "10:00"}, **{"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
