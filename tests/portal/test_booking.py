"""From the clinic's page to a booked visit, without JavaScript: guest, patient, proxy, newcomer."""

from datetime import timedelta

import pytest
import time_machine
from django.core import signing

from appointments.models import Appointment, BusyTime, Claim
from clinics.models import Patient, PatientProxy
from core import tenancy
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import House, Scene
from tests.portal.visitor import PERSON, Visitor, count, latest, text


def holds(house: House) -> int:
    """Times that are held in the clinic now."""
    with tenancy.scope([house.clinic.id]):
        return BusyTime.objects.filter(clinic=house.clinic, kind=Claim.HELD).count()


def chart_of(visit: Appointment) -> Patient:
    with tenancy.scope([visit.clinic_id]):
        return Patient.objects.get(pk=visit.patient_id)


def test_a_guest_books(guest: Visitor, cast: Scene) -> None:
    first = guest.open(guest.url("clinic", guest.slug))
    assert "Visit" in text(first)
    assert "Dr First" in text(first)
    assert "09:00" in text(guest.times())
    held = guest.pick(berlin(1, 9))
    assert "Kept for you until 07:05" in text(guest.open(held["Location"]))
    answer = guest.book(held["Location"])
    page = text(guest.open(answer["Location"]))
    assert "Booked. See you then!" in page
    assert "Tuesday, 5 June 2035" in page
    visit = latest(cast.own)
    assert (visit.status, visit.booked_by_id, visit.source) == ("SCHEDULED", None, "PATIENT")
    chart = chart_of(visit)
    assert (chart.full_name, chart.user_id) == ("Amal Haddad", None)
    assert chart.birth_date is not None
    assert chart.birth_date.isoformat() == "1991-03-07"
    assert holds(cast.own) == 0


def test_anyone_who_is_free_is_found(guest: Visitor, cast: Scene) -> None:
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    cast.own.book(berlin(1, 9))
    held = guest.pick(berlin(1, 9), doctor=None)
    guest.book(held["Location"])
    assert latest(cast.own).doctor_id == second.id


def test_where_the_clinic_approves_it_is_asked_for(guest: Visitor, cast: Scene) -> None:
    cast.own.policy(requires_approval=True)
    held = guest.pick(berlin(1, 9))
    assert "Ask for this visit" in text(guest.open(held["Location"]))
    answer = guest.book(held["Location"])
    assert "the clinic will confirm" in text(guest.open(answer["Location"]))
    assert latest(cast.own).status == "PENDING"


def test_the_same_form_twice_is_one_visit(guest: Visitor, cast: Scene) -> None:
    held = guest.pick(berlin(1, 9))
    first = guest.book(held["Location"])
    again = guest.book(held["Location"], given_name="Another")
    back = guest.open(held["Location"])
    assert first["Location"] == again["Location"] == back["Location"]
    assert count(cast.own) == 1


def test_a_double_click_on_a_time_is_one_hold(cast: Scene) -> None:
    """Two requests of one page, neither of which knows of a session."""
    seed = signing.dumps("018f4ea0-0000-7000-8000-000000000001", salt="portal.guest")
    one, two = Visitor(cast.own), Visitor(cast.own)
    answers = [who.pick(berlin(1, 9), doctor=None, seed=seed)["Location"] for who in (one, two)]
    assert answers[0] == answers[1]
    assert holds(cast.own) == 1
    forged = Visitor(cast.own).pick(berlin(1, 9), seed=f"{seed}x")
    assert forged.status_code == 409


def test_a_third_time_gives_the_first_back(guest: Visitor, cast: Scene) -> None:
    for hour in (9, 10, 11):
        assert guest.pick(berlin(1, hour)).status_code == 302
    assert holds(cast.own) == 2
    assert Visitor(cast.own).pick(berlin(1, 9)).status_code == 302


def test_a_time_is_given_back(guest: Visitor, cast: Scene) -> None:
    once = guest.pick(berlin(1, 9))["Location"].rpartition("hold=")[2]
    where = guest.url("release", guest.slug)
    stranger = Visitor(cast.own)
    assert stranger.client.post(where, {"hold": once}).status_code == 204
    assert holds(cast.own) == 1
    assert guest.client.post(where, {"hold": once}).status_code == 204
    assert holds(cast.own) == 0
    again = guest.client.post(where, {"hold": once, "service": str(cast.own.service.id)})
    assert again.status_code == 302


def test_a_hold_that_ran_out_does_not_matter_while_the_time_is_free(
    guest: Visitor, cast: Scene
) -> None:
    held = guest.pick(berlin(1, 9))
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        assert "not kept for you" in text(guest.open(held["Location"]))
        assert guest.book(held["Location"]).status_code == 302
    assert count(cast.own) == 1


def test_a_time_that_went_while_typing(guest: Visitor, cast: Scene) -> None:
    held = guest.pick(berlin(1, 9))
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        cast.own.book(berlin(1, 9))
        seen = guest.open(held["Location"])
        assert "This time has just gone" in text(seen)
        answer = guest.book(held["Location"])
        assert answer.status_code == 409
        page = text(answer)
        assert "What you have typed is still here" in page
        assert 'value="Amal"' in answer.content.decode()
        assert "5 Jun, 08:30" in page
        # One click on an alternative, with what was typed, books it.
        done = guest.book(held["Location"], slot=guest.slot(berlin(1, 8, 30)))
        assert done.status_code == 302
    assert latest(cast.own).starts_at == berlin(1, 8, 30)


def test_a_hold_of_somebody_else_is_of_no_use(guest: Visitor, cast: Scene) -> None:
    held = guest.pick(berlin(1, 9))
    thief = Visitor(cast.own)
    assert thief.book(held["Location"]).status_code == 409
    assert count(cast.own) == 0
    assert guest.book(held["Location"]).status_code == 302


def test_a_patient_says_only_why(patient: Visitor, cast: Scene) -> None:
    held = patient.pick(berlin(1, 9))
    page = patient.open(held["Location"])
    assert "Given name" not in text(page)
    patient.client.post(held["Location"], {"reason": "Knee", "as": "account"})
    visit = latest(cast.own)
    assert (visit.patient_id, visit.booked_by_id) == (cast.own.chart.id, cast.own.patient.id)


def test_a_patient_has_no_two_visits_at_once(patient: Visitor, cast: Scene) -> None:
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    patient.booked(berlin(1, 9))
    held = patient.pick(berlin(1, 9), doctor=second.id)
    answer = patient.book(held["Location"])
    assert answer.status_code == 409
    assert "You have another visit at this time" in text(answer)


def test_a_proxy_says_for_whom(patient: Visitor, cast: Scene) -> None:
    child = cast.own.add_chart()
    with tenancy.scope([cast.own.clinic.id]):
        PatientProxy.objects.create(
            clinic=cast.own.clinic, patient=child, user=cast.own.patient.user, relation="PARENT"
        )
    held = patient.pick(berlin(1, 9))
    assert "For whom?" in text(patient.open(held["Location"]))
    nobody = patient.client.post(held["Location"], {"reason": "", "as": "account"})
    assert nobody.status_code == 400
    stranger = cast.own.add_chart()
    foreign = {"patient": str(stranger.id), "as": "account"}
    assert patient.client.post(held["Location"], foreign).status_code == 400
    answer = patient.client.post(held["Location"], {"patient": str(child.id), "as": "account"})
    assert answer.status_code == 302
    assert latest(cast.own).patient_id == child.id


def test_a_user_who_is_new_here_gets_a_chart_of_their_own(outsider: Visitor, cast: Scene) -> None:
    outsider.booked(berlin(1, 9))
    visit = latest(cast.own)
    assert chart_of(visit).user_id == cast.other.patient.id
    assert visit.booked_by_id == cast.other.patient.id
    # The second visit is for the same chart.
    held = outsider.pick(berlin(2, 9))
    outsider.client.post(held["Location"], {"reason": "", "as": "account"})
    assert latest(cast.own).patient_id == visit.patient_id


def test_who_works_here_books_as_a_patient(cast: Scene) -> None:
    reception = Visitor(cast.own, cast.own.reception.user)
    cast.own.policy(min_notice_minutes=24 * 60 * 3)
    assert reception.pick(berlin(1, 9)).status_code == 409  # patients' notice binds them here
    reception.booked(berlin(4, 9))
    assert chart_of(latest(cast.own)).user_id == cast.own.reception.id


def test_a_session_that_ended_mid_form_loses_nothing(cast: Scene) -> None:
    user, password = cast.own.patient.user, "a-long-enough-passphrase"
    user.set_password(password)
    user.save(update_fields=["password"])
    patient = Visitor(cast.own)
    signed = {"login": user.email, "password": password}
    assert patient.client.post("/sign-in", signed).status_code == 302
    held = patient.pick(berlin(1, 9))
    del patient.client.cookies["sessionid"]
    answer = patient.client.post(held["Location"], {"reason": "My left knee", "as": "account"})
    assert answer["Location"].startswith("/sign-in?next=")
    assert count(cast.own) == 0
    back = patient.client.post(answer["Location"], signed)
    assert "My left knee" in text(patient.open(back["Location"]))
    done = patient.client.post(back["Location"], {"reason": "My left knee", "as": "account"})
    assert done.status_code == 302
    assert latest(cast.own).reason == "My left knee"


def test_a_time_picked_before_signing_in_stays_picked(guest: Visitor, cast: Scene) -> None:
    held = guest.pick(berlin(1, 9))
    guest.client.force_login(cast.own.patient.user, "accounts.backends.EmailOrPhoneBackend")
    assert "Kept for you until" in text(guest.open(held["Location"]))
    answer = guest.client.post(held["Location"], {"reason": "", "as": "account"})
    assert answer.status_code == 302
    assert latest(cast.own).patient_id == cast.own.chart.id
    assert holds(cast.own) == 0


def test_without_public_times_one_signs_in_first(
    guest: Visitor, patient: Visitor, outsider: Visitor, cast: Scene
) -> None:
    cast.own.policy(public_slots=False)
    assert "Sign in" in text(guest.times())
    assert "09:00" not in text(guest.times())
    assert guest.pick(berlin(1, 9))["Location"].startswith("/sign-in")
    assert "09:00" not in text(outsider.times())
    assert outsider.pick(berlin(1, 9))["Location"].startswith("/sign-in")
    assert holds(cast.own) == 0
    assert "09:00" in text(patient.times())
    assert patient.pick(berlin(1, 9)).status_code == 302


def test_without_guest_booking_guests_look_and_sign_in(
    guest: Visitor, outsider: Visitor, cast: Scene
) -> None:
    held = guest.pick(berlin(1, 9))
    cast.own.policy(guest_booking=False)
    page = guest.times()
    assert "09:30" in text(page)
    assert 'name="slot"' not in page.content.decode()
    assert guest.pick(berlin(1, 10))["Location"].startswith("/sign-in")
    assert guest.book(held["Location"])["Location"].startswith("/sign-in")
    assert count(cast.own) == 0
    outsider.booked(berlin(2, 9))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"given_name": ""}, "required"),
        ({"given_name": "a\x00b"}, "Null characters"),
        ({"given_name": "x" * 201}, "at most 200"),
        ({"birth_day": "32"}, "no such date"),
        ({"birth_day": ""}, "Write the day"),
        ({"birth_year": "2036"}, "still to come"),
        ({"birth_year": "91"}, "four digits"),
        ({"birth_year": "9" * 30}, "no such date"),
        ({"phone": ""}, "phone number or an email"),
        ({"phone": "call me"}, "Not a phone number"),
        ({"email": "nobody"}, "valid email"),
        ({"reason": "x" * 501}, "at most 500"),
    ],
)
def test_what_is_wrong_is_said_and_kept(
    guest: Visitor, cast: Scene, wrong: dict[str, str], says: str
) -> None:
    held = guest.pick(berlin(1, 9))
    answer = guest.book(held["Location"], **wrong)
    assert answer.status_code == 400
    assert says in text(answer)
    assert count(cast.own) == 0
    assert guest.book(held["Location"]).status_code == 302


@pytest.mark.parametrize(
    "person",
    [
        {"given_name": "م" * 200, "family_name": "ع" * 200},
        {"given_name": "🙂", "family_name": ""},
        {"phone": "+1 415 555 0123"},
        {"phone": "030 901820009"},
        {"phone": "", "email": "amal@example.org"},
        {"birth_day": "\u0667", "birth_month": "\u0663", "birth_year": "\u0661\u0669\u0669\u0661"},
    ],
)
def test_unusual_people_are_welcome(guest: Visitor, cast: Scene, person: dict[str, str]) -> None:
    visit = guest.booked(berlin(1, 9), **person)
    assert guest.open(guest.link(visit)).status_code == 200


def test_the_trail_knows_the_address_and_no_user(guest: Visitor, cast: Scene) -> None:
    from core.models import AuditEvent  # noqa: PLC0415

    visit = guest.booked(berlin(1, 9))
    with tenancy.scope([cast.own.clinic.id]):
        event = AuditEvent.objects.filter(entity_id=visit.id).get()
    assert (event.action, event.actor_id, event.address) == (
        "appointment.booked",
        None,
        "127.0.0.1",
    )
    assert PERSON["phone"] not in str(event.changes)
