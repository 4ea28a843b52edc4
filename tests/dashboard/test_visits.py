"""A visit's card: who sees what, which steps it offers, and what becomes of them."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import signing

from accounts.resume import COOKIE
from accounts.roles import Role
from appointments.models import Appointment, AppointmentEvent, Verb
from appointments.services.reschedule import appointment_reschedule
from appointments.services.status import appointment_move
from clinics.services.memberships import membership_add
from core import tenancy
from tests.appointments.moments import berlin
from tests.backoffice.test_budgets import statements
from tests.backoffice.world import (
    NOTES,
    PATIENT,
    REASON,
    World,
    acting,
    acts,
    fresh,
    visit_in,
)
from tests.dashboard.desk import Desk, desk_of, signed_out, told
from tests.support.forms import forms_of

#: Steps that each role may make with a visit that is scheduled for today.
_OFFERED = {
    "receptionist": {"confirm", "check_in", "no_show", "cancel", "move", "edit", "undo"},
    "clinic_admin": {"confirm", "check_in", "no_show", "cancel", "move", "edit", "undo"},
    "doctor_user": {"confirm", "no_show", "cancel", "move", "edit", "undo"},
    "nurse": {"check_in"},
    "finance": set(),
    "support": set(),
}


def offered(answer: Any) -> set[str]:
    """What the card offers: forms and links by the last part of their address."""
    body = answer.content.decode()
    found = {form.attributes.get("action", "").rsplit("/", 1)[-1] for form in forms_of(body)}
    links = {name for name in ("move", "edit") if f'/{name}" data-panel' in body}
    return (found | links) & (set(Verb.values) | {"move", "edit", "undo"})


def moved(world: World, who: str, visit: Appointment, verb: Verb, reason: str = "") -> Appointment:
    return appointment_move(
        appointment_id=visit.id, verb=verb, by=acting(world.user(who)), reason=reason
    )


def events_of(visit: Appointment) -> list[AppointmentEvent]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(AppointmentEvent.objects.filter(appointment=visit).order_by("id"))


# --- Reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", _OFFERED)
def test_the_card_offers_what_this_person_may_do(home: World, who: str) -> None:
    expected = _OFFERED[who] - {"undo"}  # nothing has been done with it yet
    answer = desk_of(home, who).get("desk-visit", visit_id=home.visit.id)
    assert answer.status_code == 200
    assert offered(answer) == expected
    assert f"Berger{home.word}" in answer.content.decode()


@pytest.mark.parametrize(
    ("who", "reads"),
    [("receptionist", True), ("doctor_user", True), ("nurse", True), ("finance", False)],
)
def test_clinical_text_is_for_whom_it_is(home: World, who: str, reads: bool) -> None:
    body = desk_of(home, who).get("desk-visit", visit_id=home.visit.id).content.decode()
    assert (REASON in body) is reads
    assert (NOTES in body) is reads


def test_a_colleague_sees_the_shared_day_without_its_text_and_without_steps(home: World) -> None:
    answer = desk_of(home, "therapist").get("desk-visit", visit_id=home.visit.id)
    assert answer.status_code == 200
    assert REASON not in answer.content.decode()
    assert offered(answer) == set()
    with tenancy.scope(tenancy.SYSTEM):
        type(home.clinic).objects.filter(pk=home.clinic.pk).update(shared_calendars=False)
    assert desk_of(home, "therapist").get("desk-visit", visit_id=home.visit.id).status_code == 404


def test_who_has_no_business_here_is_refused(home: World) -> None:
    assert desk_of(home, "pharmacist").get("desk-visit", visit_id=home.visit.id).status_code == 403
    assert desk_of(home, PATIENT).get("desk-visit", visit_id=home.visit.id).status_code == 404


_PAGES = (
    "desk-visit",
    "desk-visit-move",
    "desk-visit-edit",
    "desk-visit-undo",
    "desk-visit-link",
)


@pytest.mark.parametrize("name", _PAGES)
def test_the_outsider_finds_no_visit_of_another_clinic(
    home: World, abroad: World, name: str
) -> None:
    for desk in (desk_of(abroad), desk_of(abroad, at=home.clinic)):
        for answer in (
            desk.get(name, visit_id=home.visit.id),
            desk.post(name, {"version": 1, "at_once": "1"}, visit_id=home.visit.id),
            desk.step(home.visit, "check_in"),
        ):
            assert answer.status_code == 404
            assert home.word not in answer.content.decode().replace(home.clinic.slug, "")
    assert fresh(home.visit).version == home.visit.version


def test_who_works_in_both_clinics_finds_each_visit_at_its_own_desk(
    home: World, abroad: World
) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=abroad.clinic, user=home.receptionist, role=Role.RECEPTIONIST)
    here, there = desk_of(home), desk_of(home, at=abroad.clinic)
    assert here.get("desk-visit", visit_id=home.visit.id).status_code == 200
    assert there.get("desk-visit", visit_id=abroad.visit.id).status_code == 200
    assert here.get("desk-visit", visit_id=abroad.visit.id).status_code == 404
    assert there.step(home.visit, "check_in").status_code == 404


def test_reading_a_card_is_written_down_once(home: World) -> None:
    before = len(acts("appointment.read", home.visit.id))
    desk_of(home).get("desk-visit", visit_id=home.visit.id)
    found = acts("appointment.read", home.visit.id)
    assert len(found) == before + 1
    assert found[-1].actor_id == home.receptionist.id
    assert found[-1].subjects == [home.patient.id]


def test_the_history_says_who_did_what_and_why(home: World) -> None:
    visit = moved(home, "receptionist", home.visit, Verb.CONFIRM)
    moved(home, "clinic_admin", visit, Verb.NO_SHOW, "Rang nobody")
    body = desk_of(home).get("desk-visit", visit_id=visit.id).content.decode()
    assert "marked as no-show" in body
    assert f"Clinic Admin Of {home.word}" in body
    assert "Rang nobody" in body
    assert "Rang nobody" not in (
        desk_of(home, "finance").get("desk-visit", visit_id=visit.id).content.decode()
    )


def test_a_card_asks_the_same_however_long_its_history(home: World) -> None:
    desk, counts = desk_of(home), []
    visit = home.visit
    for rounds in (1, 3, 10):
        for number in range(rounds):
            visit = appointment_reschedule(
                appointment_id=visit.id,
                by=acting(home.user("clinic_admin" if number % 2 else "receptionist")),
                starts_at=berlin(0, 10 if visit.starts_at == berlin(0, 9, 30) else 9, 30),
            )
        answer, asked = statements(desk.client, desk.address("desk-visit", visit_id=visit.id))
        assert answer.content.decode().count("<del>") >= rounds
        counts.append(len(asked))
    assert counts[0] == counts[1] == counts[2], counts
    assert counts[0] <= 16, counts


def test_the_patients_link_is_given_to_who_may_book_and_written_down(home: World) -> None:
    answer = desk_of(home).get("desk-visit-link", visit_id=home.visit.id)
    link = re.search(r'value="http://testserver(/visit/[^"]+)"', answer.content.decode())
    assert link is not None
    opened = signed_out().get(link[1])
    assert opened.status_code == 200
    assert acts("appointment.link_given", home.visit.id)[-1].actor_id == home.receptionist.id
    assert desk_of(home, "nurse").get("desk-visit-link", visit_id=home.visit.id).status_code == 403


# --- Steps ----------------------------------------------------------------------------------------


def test_a_visit_goes_its_way_by_plain_forms(home: World) -> None:
    reception, doctor = desk_of(home), desk_of(home, "doctor_user")
    for desk, verb, status in (
        (reception, "confirm", "CONFIRMED"),
        (reception, "check_in", "CHECKED_IN"),
        (doctor, "start", "IN_PROGRESS"),
        (doctor, "complete", "COMPLETED"),
    ):
        answer = desk.step(fresh(home.visit), verb)
        assert answer.status_code == 302, answer.content.decode()[:500]
        assert answer.headers["Location"] == desk.address("desk-visit", visit_id=home.visit.id)
        assert fresh(home.visit).status == status


def test_in_an_open_page_a_step_is_an_event_that_offers_its_undo(home: World) -> None:
    found = told(desk_of(home).step(home.visit, "check_in", htmx=True))
    assert re.fullmatch(r"Checked in. Token A\d{3}\.", found["said"])
    assert found["undo"]["id"] == str(home.visit.id)
    assert found["undo"]["version"] == home.visit.version + 1


def test_a_nurse_checks_in_and_is_offered_no_undo(home: World) -> None:
    assert "undo" not in told(desk_of(home, "nurse").step(home.visit, "check_in", htmx=True))


@pytest.mark.parametrize(
    ("who", "verb"),
    [
        ("nurse", "confirm"),
        ("finance", "check_in"),
        ("receptionist", "start"),
        ("support", "cancel"),
    ],
)
def test_a_step_that_a_role_may_not_make_is_refused(home: World, who: str, verb: str) -> None:
    answer = desk_of(home, who).step(home.visit, verb, reason="because")
    assert answer.status_code == 403
    assert fresh(home.visit).version == home.visit.version


def test_an_unknown_step_is_not_found(home: World) -> None:
    assert desk_of(home).step(home.visit, "reschedule").status_code == 404
    assert desk_of(home).step(home.visit, "abolish").status_code == 404


def test_a_cancellation_asks_why_in_place(home: World) -> None:
    desk = desk_of(home)
    answer = desk.step(home.visit, "cancel")
    assert answer.status_code == 400
    assert "Choose a reason, or write one." in answer.content.decode()
    assert fresh(home.visit).status == "SCHEDULED"
    answer = desk.step(
        home.visit, "cancel", usual="The patient feels better", reason="phoned at eight 🙂"
    )
    assert answer.status_code == 302
    visit = fresh(home.visit)
    assert visit.status == "CANCELLED"
    assert visit.cancel_reason == "The patient feels better – phoned at eight 🙂"


def test_a_reason_of_a_thousand_letters_is_said_so_and_kept(home: World) -> None:
    desk = desk_of(home)
    assert desk.step(home.visit, "cancel", usual="x" * 1000).status_code == 400
    answer = desk.step(home.visit, "cancel", reason="ي" * 1000)
    assert answer.status_code == 400
    assert "ي" * 1000 in answer.content.decode()
    assert fresh(home.visit).status == "SCHEDULED"


@pytest.mark.parametrize("version", ["", "zero", "0", "99999999999999", "-1"])
def test_a_form_without_its_version_is_refused(home: World, version: str) -> None:
    answer = desk_of(home).step(home.visit, "check_in", version=version)
    assert answer.status_code == 400
    assert fresh(home.visit).status == "SCHEDULED"


def test_a_call_is_not_checked_in_but_started(home: World) -> None:
    call = visit_in(home, "SCHEDULED", type="PHONE", location=None)
    assert "start" in offered(desk_of(home, "doctor_user").get("desk-visit", visit_id=call.id))
    assert "check_in" not in offered(desk_of(home).get("desk-visit", visit_id=call.id))
    answer = desk_of(home).step(call, "check_in")
    assert answer.status_code == 409
    assert "Not a visit in person" in answer.content.decode()


# --- Twice, and too late --------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [True, False])
def test_a_second_click_does_nothing_more_and_is_no_error(home: World, htmx: bool) -> None:
    desk = desk_of(home)
    first = desk.step(home.visit, "check_in", htmx=htmx)
    again = desk.step(home.visit, "check_in", htmx=htmx)
    assert again.status_code == first.status_code == (204 if htmx else 302)
    assert again.headers.get("HX-Trigger") == first.headers.get("HX-Trigger")
    assert [one.verb for one in events_of(home.visit)] == ["book", "check_in"]


def test_the_same_step_by_somebody_else_is_no_second_click(home: World) -> None:
    moved(home, "nurse", home.visit, Verb.CHECK_IN)
    answer = desk_of(home).step(home.visit, "check_in")
    assert answer.status_code == 412
    assert f"Nurse Of {home.word}" in answer.content.decode()


def test_a_stale_step_says_who_did_what_and_keeps_what_was_typed(home: World) -> None:
    moved(home, "clinic_admin", home.visit, Verb.CONFIRM)
    desk = desk_of(home)
    answer = desk.step(home.visit, "cancel", reason="The bus did not come")
    body = answer.content.decode()
    assert answer.status_code == 412
    trouble = body[body.index('id="trouble"') : body.index("visit-when")]
    assert "has changed since you opened it" in trouble
    assert "confirmed" in trouble
    assert f"Clinic Admin Of {home.word}" in trouble
    assert fresh(home.visit).status == "CONFIRMED"
    form = next(one for one in forms_of(body) if one.attributes["action"].endswith("/cancel"))
    assert form.values["reason"] == ["The bus did not come"]
    assert form.values["version"] == [str(home.visit.version + 1)]
    again = desk.client.post(form.attributes["action"], {k: v[0] for k, v in form.values.items()})
    assert again.status_code == 302
    assert fresh(home.visit).cancel_reason == "The bus did not come"


def test_words_for_a_step_that_is_gone_are_shown_nevertheless(home: World) -> None:
    moved(home, "clinic_admin", home.visit, Verb.CANCEL, "Moved away")
    answer = desk_of(home).step(home.visit, "no_show", reason="Waited twenty minutes")
    body = answer.content.decode()
    assert answer.status_code == 412
    assert "What you asked for is not possible" in body
    assert "You had written:" in body
    assert "Waited twenty minutes" in body
    assert "Cancelled" in body


@pytest.mark.parametrize(
    ("name", "parts", "data"),
    [
        ("desk-visit-step", {"verb": "cancel"}, {"reason": "Ill in bed"}),
        ("desk-visit-edit", {}, {"reason": "Ill in bed"}),
        ("desk-visit-move", {}, {"reason": "Ill in bed", "day": "2035-06-11"}),
    ],
)
def test_what_was_typed_when_the_session_ended_is_there_after_signing_in(
    home: World, name: str, parts: dict[str, str], data: dict[str, str]
) -> None:
    desk = Desk(home.clinic, None)
    signer = signing.get_cookie_signer(salt=COOKIE + "kairos.last-user")
    desk.client.cookies[COOKIE] = signer.sign(str(home.receptionist.pk))
    sent = {"version": home.visit.version, **data}
    ended = desk.post(name, sent, visit_id=home.visit.id, **parts)
    assert ended.status_code == 302
    back = parse_qs(urlsplit(ended.headers["Location"]).query)["next"][0]
    desk.client.force_login(home.receptionist, "accounts.backends.EmailOrPhoneBackend")
    answer = desk.client.get(back)
    assert answer.status_code == 200, back
    assert 'value="Ill in bed"' in answer.content.decode()
    assert fresh(home.visit).version == home.visit.version


# --- Undo -----------------------------------------------------------------------------------------


def test_the_card_names_the_step_that_an_undo_takes_back(home: World) -> None:
    visit = moved(home, "receptionist", home.visit, Verb.CHECK_IN)
    desk = desk_of(home)
    body = desk.get("desk-visit", visit_id=visit.id).content.decode()
    assert "Take back the check-in" in body
    data = {"version": visit.version, "usual": "Pressed by mistake"}
    assert desk.post("desk-visit-undo", data, visit_id=visit.id).status_code == 302
    assert fresh(visit).status == "SCHEDULED"
    assert events_of(visit)[-1].reason == "Pressed by mistake"


def test_an_undo_at_once_needs_no_words_and_says_what_was_taken_back(home: World) -> None:
    desk = desk_of(home)
    undo = told(desk.step(home.visit, "check_in", htmx=True))["undo"]
    data = {"version": undo["version"], "at_once": "1"}
    found = told(desk.post("desk-visit-undo", data, htmx=True, visit_id=undo["id"]))
    assert found["said"] == "The check-in is taken back."
    assert "undo" not in found
    again = told(desk.post("desk-visit-undo", data, htmx=True, visit_id=undo["id"]))
    assert again["said"] == found["said"]
    assert [one.verb for one in events_of(home.visit)] == ["book", "check_in", "undo"]
    assert events_of(home.visit)[-1].reason == "Taken back at once"


def test_an_undo_after_somebody_elses_step_takes_nothing_back(home: World) -> None:
    desk = desk_of(home)
    undo = told(desk.step(home.visit, "confirm", htmx=True))["undo"]
    moved(home, "nurse", fresh(home.visit), Verb.CHECK_IN)
    data = {"version": undo["version"], "at_once": "1"}
    answer = desk.post("desk-visit-undo", data, htmx=True, visit_id=undo["id"])
    assert answer.status_code == 412
    assert f"Nurse Of {home.word}" in answer.content.decode()
    assert fresh(home.visit).status == "CHECKED_IN"


def test_an_undo_asks_for_a_reason_and_for_the_right(home: World) -> None:
    visit = moved(home, "receptionist", home.visit, Verb.CHECK_IN)
    data = {"version": visit.version}
    assert desk_of(home).post("desk-visit-undo", data, visit_id=visit.id).status_code == 400
    nurse = desk_of(home, "nurse").post(
        "desk-visit-undo", {**data, "reason": "no"}, visit_id=visit.id
    )
    assert nurse.status_code == 403
    assert fresh(visit).status == "CHECKED_IN"


def test_where_nothing_was_done_nothing_is_taken_back(home: World) -> None:
    data = {"version": home.visit.version, "reason": "why not"}
    answer = desk_of(home).post("desk-visit-undo", data, visit_id=home.visit.id)
    assert answer.status_code == 409
    assert "You had written:" in answer.content.decode()
