"""Leave at the desk: who enters it, whom it affects, and where the visits go."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.core import signing

from accounts.resume import COOKIE
from clinics.models import Doctor, ExceptionKind, ScheduleException
from core import tenancy
from tests.appointments.moments import berlin
from tests.casts import Cast
from tests.dashboard.care import (
    TUESDAY,
    WEDNESDAY,
    AtDesk,
    booked,
    fresh,
    leave_of,
    listed,
    sent,
    text_of,
)
from tests.support.forms import form_of


def leaves() -> list[ScheduleException]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(ScheduleException.objects.filter(kind=ExceptionKind.LEAVE).order_by("id"))


def entry(doctor: Doctor, **more: Any) -> dict[str, Any]:
    return {
        "doctor": str(doctor.id),
        "start_date": TUESDAY.isoformat(),
        "end_date": WEDNESDAY.isoformat(),
        "reason": "Training",
        "step": "preview",
    } | more


def entered(desk: AtDesk, data: dict[str, Any]) -> Any:
    """Both steps, as the page asks for them."""
    looked = desk.post("desk-leave-new", data)
    assert looked.status_code == 200, text_of(looked)
    return desk.post("desk-leave-new", form_of(looked, form_id="leave-form") | {"step": "enter"})


# --- Entering it ----------------------------------------------------------------------------------


def test_leave_is_entered_in_two_steps_and_leads_to_whom_it_affects(house: Cast, other: Doctor):
    visit = booked(house, berlin())
    desk = AtDesk(house.clinic_admin, house)
    looked = desk.post("desk-leave-new", entry(house.doctor))
    assert [one.id for one in looked.context["affected"]] == [visit.id]
    assert leaves() == []  # the first step keeps nothing
    answer = entered(desk, entry(house.doctor))
    (made,) = leaves()
    assert (made.doctor_id, made.start_date, made.reason) == (house.doctor.id, TUESDAY, "Training")
    assert answer.headers["Location"] == desk.address("desk-leave-affected", exception_id=made.id)
    assert fresh(visit).starts_at == berlin()  # it stays until somebody moves it


def test_leave_that_affects_nobody_leads_to_the_list(house: Cast, other: Doctor):
    desk = AtDesk(house.clinic_admin, house)
    answer = entered(desk, entry(house.doctor))
    assert answer.headers["Location"] == desk.address("desk-leave")
    seen = text_of(desk.get("desk-leave"))
    assert "Training" in seen
    assert house.doctor.display_name in seen


def test_a_form_sent_twice_enters_one_leave(house: Cast, other: Doctor):
    desk = AtDesk(house.clinic_admin, house)
    looked = desk.post("desk-leave-new", entry(house.doctor))
    sent = form_of(looked, form_id="leave-form") | {"step": "enter"}
    first, second = desk.post("desk-leave-new", sent), desk.post("desk-leave-new", sent)
    assert first.status_code == second.status_code == 302
    assert len(leaves()) == 1


def test_days_changed_after_the_look_are_looked_at_again(house: Cast, other: Doctor):
    visit = booked(house, berlin(days=2))
    desk = AtDesk(house.clinic_admin, house)
    short = entry(house.doctor, end_date=TUESDAY.isoformat())
    looked = desk.post("desk-leave-new", short)
    assert looked.context["affected"] == []
    sent = form_of(looked, form_id="leave-form") | {"step": "enter", "end_date": "2035-06-06"}
    again = desk.post("desk-leave-new", sent)
    assert again.status_code == 200
    assert [one.id for one in again.context["affected"]] == [visit.id]
    assert leaves() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"end_date": "2035-06-01"},
        {"end_date": "2037-06-06"},
        {"start_date": "31.31.2035"},
        {"start_time": "10:00"},
        {"start_time": "10:00", "end_time": "09:00"},
        {"doctor": "x"},
        {"doctor": ""},
        {"reason": "x" * 201},
        {"once": "x"},
    ],
)
def test_a_wrong_form_comes_back_with_what_was_typed(
    house: Cast, other: Doctor, wrong: dict[str, str]
):
    answer = AtDesk(house.clinic_admin, house).post(
        "desk-leave-new", entry(house.doctor) | {"reason": "typedbefore"} | wrong
    )
    assert answer.status_code == 400
    assert leaves() == []
    if "reason" not in wrong:
        assert "typedbefore" in text_of(answer)


def test_a_doctor_enters_their_own_leave_and_no_others(house: Cast, other: Doctor):
    desk = AtDesk(house.doctor_user, house)
    assert [one.id for one in desk.get("desk-leave-new").context["doctors"]] == [house.doctor.id]
    assert desk.post("desk-leave-new", entry(other)).status_code == 400
    assert entered(desk, entry(house.doctor)).status_code == 302
    assert len(leaves()) == 1


@pytest.mark.parametrize(
    ("user", "reads", "writes"),
    [
        ("clinic_admin", 200, 200),
        ("receptionist", 200, 403),
        ("doctor_user", 200, 200),
        ("nurse", 403, 403),
        ("finance", 403, 403),
        ("pharmacist", 403, 403),
        ("patient_user", 404, 404),
    ],
)
def test_who_may_look_and_who_may_enter(house: Cast, user: str, reads: int, writes: int):
    desk = AtDesk(house.user(user), house)
    assert desk.get("desk-leave").status_code == reads
    assert desk.get("desk-leave-new").status_code == writes
    assert desk.post("desk-leave-new", {}).status_code == (400 if writes == 200 else writes)


def test_the_outsider_reaches_none_of_it(house: Cast, outsider: Cast, other: Doctor):
    booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    stranger = AtDesk(outsider.clinic_admin, outsider)
    assert stranger.get("desk-leave-affected", exception_id=leave.id).status_code == 404
    gone = stranger.post("desk-leave-remove", {"version": "1"}, exception_id=leave.id)
    assert gone.status_code == 302
    assert leaves() == [leave]
    assert stranger.get("desk-leave").context["rows"] == []
    assert stranger.post("desk-leave-new", entry(house.doctor)).status_code == 400
    assert AtDesk(outsider.clinic_admin, house).get("desk-leave").status_code == 404


def test_leave_is_taken_back_at_its_version_by_who_may(house: Cast, other: Doctor):
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    part = {"exception_id": leave.id}
    reception, admin = AtDesk(house.receptionist, house), AtDesk(house.clinic_admin, house)
    assert reception.post("desk-leave-remove", {"version": "1"}, **part).status_code == 403
    assert admin.post("desk-leave-remove", {"version": "7"}, **part).status_code == 412
    assert leaves() == [leave]
    assert admin.post("desk-leave-remove", {"version": "1"}, **part).status_code == 302
    assert leaves() == []
    # The second click finds it gone, which is what was wanted.
    assert admin.post("desk-leave-remove", {"version": "1"}, **part).status_code == 302


# --- A session that ended -------------------------------------------------------------------------


def signed_out(desk: AtDesk, house: Cast) -> None:
    """The session has ended; the device remembers whose it was."""
    desk.client.logout()
    signer = signing.get_cookie_signer(salt=f"{COOKIE}kairos.last-user")
    desk.client.cookies[COOKIE] = signer.sign(str(house.clinic_admin.pk))


def back(desk: AtDesk, house: Cast, answer: Any) -> Any:
    """Signed in again, and back where the sign-in leads to."""
    leads_to = parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]
    session = desk.client.session
    kept = dict(session.items())
    desk.client.force_login(house.clinic_admin, settings.AUTHENTICATION_BACKENDS[0])
    session = desk.client.session
    session.update({name: value for name, value in kept.items() if not name.startswith("_")})
    session.save()
    return desk.client.get(leads_to)


def test_what_was_typed_and_chosen_is_there_after_signing_in_again(house: Cast, other: Doctor):
    desk = AtDesk(house.clinic_admin, house)
    signed_out(desk, house)
    answer = desk.post("desk-leave-new", entry(house.doctor, reason="typedbefore"))
    again = back(desk, house, answer)
    assert "typedbefore" in text_of(again)
    assert again.context["form"]["start_date"].value() == "2035-06-05"
    visit = booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    values = sent(listed(desk, leave)) | {f"to-{visit.id}": "cancel", "cancel_reason": "whyso"}
    signed_out(desk, house)
    answer = desk.post("desk-leave-affected", values, exception_id=leave.id)
    again = back(desk, house, answer)
    assert again.context["rows"][0].chosen == "cancel"
    assert "whyso" in text_of(again)
    assert fresh(visit).status == "SCHEDULED"
