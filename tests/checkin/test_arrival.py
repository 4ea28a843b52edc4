"""The rules of checking in, through the one service, as a scanner of the clinic meets them."""

from datetime import timedelta

import pytest

from appointments.models import Appointment
from checkin.codes import Kind, code_of
from checkin.models import CheckIn, CheckInAttempt, CheckInMethod, QueueEntry
from checkin.services.arrival import check_in_by_force, check_in_by_hand
from checkin.sources import guest_source, patient_source
from clinics.models import PatientProxy
from clinics.principal import guest
from core import clock, ids, tenancy
from core.errors import ErrorCode, KairosError
from tests.checkin.arrivals import (
    device,
    nonce,
    of_clinic,
    pass_of,
    point,
    poster_of,
    scan,
    visit,
)


def test_a_pass_checks_its_visit_in(cast):
    came = visit(cast.own, 10)
    answer = scan(device(cast.own), pass_of(came))
    assert (answer["outcome"], answer["code"]) == ("CHECKED_IN", None)
    (told,) = answer["visits"]
    assert (told["token"], told["position"]) == ("A001", 1)
    assert told["patient"] == came.patient.full_name
    (row,) = of_clinic(cast.own, CheckIn)
    assert (row.pk, row.method, row.forced) == (came.id, CheckInMethod.QR_STAFF, False)
    (entry,) = of_clinic(cast.own, QueueEntry)
    assert (entry.appointment_id, entry.state) == (came.id, "WAITING")
    (stands,) = of_clinic(cast.own, Appointment, pk=came.id)
    assert stands.status == "CHECKED_IN"
    (attempt,) = of_clinic(cast.own, CheckInAttempt)
    assert (attempt.outcome, attempt.reason_code) == ("CHECKED_IN", "")
    assert bytes(attempt.code_digest) != pass_of(came).encode()


@pytest.mark.parametrize(
    ("minutes", "fields", "code"),
    [
        (31, {}, "TOO_EARLY"),
        (-121, {}, "TOO_LATE"),
        (-24 * 60, {}, "APPOINTMENT_EXPIRED"),
        (3 * 24 * 60, {}, "TOO_EARLY"),
        (0, {"type": "VIDEO_CALL", "location": None}, "VIDEO_APPOINTMENT"),
        (0, {"type": "HOME_VISIT"}, "VIDEO_APPOINTMENT"),
        (0, {"status": "CANCELLED"}, "INVALID_TRANSITION"),
        (0, {"status": "PENDING"}, "INVALID_TRANSITION"),
        (0, {"status": "CHECKED_IN"}, "ALREADY_CHECKED_IN"),
        (0, {"status": "COMPLETED"}, "ALREADY_CHECKED_IN"),
    ],
)
def test_what_is_refused_is_said_and_written_down(cast, minutes, fields, code):
    came = visit(cast.own, minutes, **fields)
    answer = scan(device(cast.own), pass_of(came))
    assert (answer["outcome"], answer["code"]) == ("REFUSED", code)
    (attempt,) = of_clinic(cast.own, CheckInAttempt)
    assert (attempt.outcome, attempt.reason_code) == ("REFUSED", code)
    assert of_clinic(cast.own, CheckIn) == of_clinic(cast.own, QueueEntry) == []


@pytest.mark.parametrize(("minutes", "came"), [(30, True), (-120, True), (0, True)])
def test_the_window_includes_its_ends(cast, minutes, came):
    assert scan(device(cast.own), pass_of(visit(cast.own, minutes)))["code"] is None


def test_a_point_may_have_a_window_of_its_own(cast):
    wide = device(cast.own, point=point(cast.own, opens_minutes=90))
    came = visit(cast.own, 60)
    assert scan(device(cast.own), pass_of(came))["code"] == "TOO_EARLY"
    assert scan(wide, pass_of(came))["outcome"] == "CHECKED_IN"


def test_another_location_is_the_wrong_one(cast):
    came = visit(cast.own)
    there = device(cast.own, location=cast.own.add_location())
    assert scan(there, pass_of(came))["code"] == "WRONG_LOCATION"


@pytest.mark.parametrize(
    "text", ["", "5901234123457", "https://shop.example/x", "Ä" * 76, "A" * 76]
)
def test_what_is_no_code_of_ours_is_invalid(cast, text):
    answer = scan(device(cast.own), text)
    assert (answer["code"], answer["visits"]) == ("INVALID_QR_CODE", [])


def test_a_foreign_visit_is_like_one_that_never_was(cast):
    foreign = visit(cast.other)
    scanner = device(cast.own)
    unknown = code_of(Kind.PASS, clinic=cast.own.clinic.id, subject=ids.uuid7())
    answers = [scan(scanner, pass_of(foreign), nonce="same-nonce"), scan(scanner, unknown)]
    assert [one["code"] for one in answers] == ["NO_APPOINTMENT_FOUND"] * 2
    assert [one["visits"] for one in answers] == [[], []]
    assert of_clinic(cast.other, CheckInAttempt) == of_clinic(cast.other, CheckIn) == []


def test_staff_scan_passes_and_not_posters(cast):
    here = point(cast.own)
    assert scan(device(cast.own), poster_of(here))["code"] == "INVALID_QR_CODE"


def test_one_nonce_has_one_answer(cast):
    scanner, came = device(cast.own), visit(cast.own)
    first = scan(scanner, pass_of(came), nonce="abcdefgh")
    again = scan(scanner, pass_of(came), nonce="abcdefgh")
    assert again == first | {"replayed": True}
    assert len(of_clinic(cast.own, CheckInAttempt)) == 1
    other = device(cast.own)
    assert scan(other, pass_of(came), nonce="abcdefgh")["code"] == "ALREADY_CHECKED_IN"


def test_a_nonce_is_looked_up_before_anything_else(cast):
    scanner = device(cast.own)
    refused = scan(scanner, "nonsense", nonce="abcdefgh")
    assert scan(scanner, "nonsense", nonce="abcdefgh") == refused | {"replayed": True}
    with pytest.raises(KairosError) as error:
        scan(scanner, pass_of(visit(cast.own)), nonce="abcdefgh")
    assert error.value.code == ErrorCode.IDEMPOTENCY_MISMATCH


@pytest.mark.parametrize("text", ["short", "x" * 65, "white space", "ünïcode-nonce"])
def test_a_nonce_has_its_form(cast, text):
    with pytest.raises(KairosError) as error:
        scan(device(cast.own), "x", nonce=text)
    assert error.value.code == ErrorCode.VALIDATION_ERROR


# --- Several visits, families ---------------------------------------------------------------------


def test_several_visits_are_offered_and_chosen(cast):
    chart = cast.own.add_chart()
    first, second = visit(cast.own, 0, chart=chart), visit(cast.own, 25, chart=chart)
    scanner = device(cast.own)
    asked = scan(scanner, pass_of(first))
    assert (asked["outcome"], asked["code"]) == ("CHOOSE", "MULTIPLE_APPOINTMENTS")
    assert [one["appointment"] for one in asked["visits"]] == [str(first.id), str(second.id)]
    assert of_clinic(cast.own, CheckIn) == []
    done = scan(scanner, pass_of(first), appointment_ids=(second.id,))
    assert [one["appointment"] for one in done["visits"]] == [str(second.id)]
    assert [row.pk for row in of_clinic(cast.own, CheckIn)] == [second.id]


def family(cast):
    parent, child = cast.own.chart, cast.own.add_chart()
    with tenancy.scope(tenancy.SYSTEM):
        PatientProxy.objects.create(
            clinic=cast.own.clinic, patient=child, user=cast.own.patient.user, relation="PARENT"
        )
    return visit(cast.own, 0, chart=parent), visit(cast.own, 15, chart=child)


def test_a_family_is_checked_in_with_one_scan(cast):
    own, child = family(cast)
    answer = scan(device(cast.own), pass_of(own), everyone=True)
    assert [one["token"] for one in answer["visits"]] == ["A001", "A002"]
    assert {row.pk for row in of_clinic(cast.own, CheckIn)} == {own.id, child.id}


def test_a_pass_never_checks_somebody_else_in_by_itself(cast):
    own, child = family(cast)
    scanner = device(cast.own)
    scan(scanner, pass_of(own), appointment_ids=(own.id,))
    again = scan(scanner, pass_of(own))
    assert (again["outcome"], [one["appointment"] for one in again["visits"]]) == (
        "CHOOSE",
        [str(child.id)],
    )


def test_a_childs_pass_does_not_open_the_parents_visit(cast):
    own, child = family(cast)
    answer = scan(device(cast.own), pass_of(child), appointment_ids=(own.id,))
    assert answer["code"] == "NO_APPOINTMENT_FOUND"


# --- Patients themselves --------------------------------------------------------------------------


def test_a_patient_scans_the_poster(cast):
    own = visit(cast.own, 5, chart=cast.own.chart)
    source = patient_source(cast.own.patient.principal())
    answer = scan(source, poster_of(point(cast.own)), method=CheckInMethod.QR_SELF)
    assert answer["outcome"] == "CHECKED_IN"
    assert answer["visits"][0]["patient"] == cast.own.chart.given_name
    assert [row.pk for row in of_clinic(cast.own, CheckIn)] == [own.id]


def test_a_patient_of_another_clinic_has_nothing_here(cast):
    visit(cast.own, chart=cast.own.chart)
    source = patient_source(cast.other.patient.principal())
    answer = scan(source, poster_of(point(cast.own)), method=CheckInMethod.QR_SELF)
    assert (answer["code"], answer["visits"]) == ("NO_APPOINTMENT_FOUND", [])


def test_a_patient_does_not_scan_their_own_pass(cast):
    own = visit(cast.own, chart=cast.own.chart)
    source = patient_source(cast.own.patient.principal())
    answer = scan(source, pass_of(own), method=CheckInMethod.QR_SELF)
    assert answer["code"] == "INVALID_QR_CODE"


def test_a_personal_link_opens_its_visit_alone(cast):
    chart = cast.own.add_chart()
    linked, _ = visit(cast.own, chart=chart), visit(cast.own, 25, chart=chart)
    source = guest_source(guest(ids.uuid7(), visit=linked.id))
    answer = scan(source, poster_of(point(cast.own)), method=CheckInMethod.QR_SELF)
    assert [one["appointment"] for one in answer["visits"]] == [str(linked.id)]


def test_a_no_show_comes_after_all_but_not_by_their_own_hand(cast):
    late = visit(cast.own, -40, chart=cast.own.chart, status="NO_SHOW")
    source = patient_source(cast.own.patient.principal())
    here = poster_of(point(cast.own))
    assert scan(source, here, method=CheckInMethod.QR_SELF)["code"] == "TOO_LATE"
    assert scan(device(cast.own), pass_of(late))["outcome"] == "CHECKED_IN"


# --- By hand --------------------------------------------------------------------------------------


def by_hand(cast, late, who="reception", **fields):
    by = getattr(cast.own, who).principal()
    with tenancy.scope([cast.own.clinic.id]):
        return check_in_by_hand(appointment_id=late.id, by=by, **fields)


def test_the_desk_keeps_to_the_window_unless_it_says_why(cast):
    early = visit(cast.own, 90)
    with pytest.raises(KairosError) as refused:
        by_hand(cast, early)
    assert refused.value.code == ErrorCode.TOO_EARLY
    assert refused.value.extra["opens_at"] == early.starts_at - timedelta(minutes=30)
    by_hand(cast, early, reason="Came with the early bus")
    (row,) = of_clinic(cast.own, CheckIn)
    assert (row.method, row.forced, row.reason) == ("MANUAL", True, "Came with the early bus")
    attempts = of_clinic(cast.own, CheckInAttempt, forced=True)
    assert [one.reason_code for one in attempts] == ["TOO_EARLY"]


def test_a_doctor_checks_nobody_in(cast):
    with pytest.raises(KairosError) as refused:
        by_hand(cast, visit(cast.own), "doctor_user")
    assert refused.value.code == ErrorCode.PERMISSION_DENIED


def test_force_takes_a_reason(cast):
    early = visit(cast.own, 90)
    with tenancy.scope([cast.own.clinic.id]), pytest.raises(KairosError) as refused:
        check_in_by_force(appointment_id=early.id, by=cast.own.reception.principal(), reason="  ")
    assert refused.value.code == ErrorCode.VALIDATION_ERROR


def test_the_outsider_finds_nothing(cast):
    came = visit(cast.own)
    with tenancy.scope([cast.other.clinic.id]), pytest.raises(KairosError) as refused:
        check_in_by_hand(appointment_id=came.id, by=cast.other.reception.principal())
    assert refused.value.code == ErrorCode.APPOINTMENT_NOT_FOUND


def test_nothing_of_a_refusal_is_half_done(cast):
    before = clock.now()
    scan(device(cast.own), pass_of(visit(cast.own, 60)), nonce=nonce())
    assert of_clinic(cast.own, Appointment, checked_in_at__gte=before) == []
