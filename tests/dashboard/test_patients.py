"""The patient's card and list: what is shown, to whom, and that it is written down."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.models import Verb
from appointments.services.merging import patients_merge
from appointments.services.status import appointment_move
from clinics.models import Patient, PatientProxy
from clinics.services.changes import create_row
from core import tenancy
from core.models import AuditEvent
from tests.appointments.moments import berlin
from tests.casts import Cast, build_patient
from tests.dashboard.care import AtDesk, acting, booked, more_hours, text_of

CHART_NOTES = "chartnotestext"


@pytest.fixture
def berger(house: Cast) -> Patient:
    """A chart with everything on it."""
    more_hours(
        house, house.doctor, (2, 3, 4, 5), house.template.start_time, house.template.end_time
    )
    return build_patient(
        house.clinic,
        "Berta",
        "Berger-Lindqvist",
        birth_date="1980-06-05",
        phone="+4930901820009",
        email="berta@example.test",
        language="es",
        insurance="AOK",
        contact_preferences={"sms": True, "email": False},
        notes=CHART_NOTES,
    )


def card(user: str, cast: Cast, patient: Patient, **query: str):
    return AtDesk(cast.user(user), cast).get("desk-patient", query, patient_id=patient.id)


def audits(action: str) -> list[AuditEvent]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(AuditEvent.objects.filter(action=action).order_by("id"))


def test_the_card_says_who_it_is_and_how_to_reach_them(house: Cast, berger: Patient):
    with tenancy.scope(tenancy.SYSTEM):
        proxy = {
            "clinic": house.clinic,
            "patient": berger,
            "user": house.patient_user,
            "relation": PatientProxy.Relation.CARER,
        }
        create_row(PatientProxy, proxy, action="test.made")
    answer = card("receptionist", house, berger)
    assert answer.status_code == 200
    seen = text_of(answer)
    for words in (
        "Berta Berger-Lindqvist",
        berger.mrn,
        "5 Jun 1980 (54 years)",
        'href="tel:+4930901820009"',
        "berta@example.test",
        "Español",
        "AOK",
        "Text message: wanted",
        "Email: not wanted",
        "Carer",
        CHART_NOTES,
    ):
        assert words in seen, words


def test_visits_to_come_and_earlier_ones_stand_apart_and_are_counted(house: Cast, berger: Patient):
    coming = booked(house, berlin(days=7), berger)
    off = [booked(house, berlin(days=0, hour=hour), berger) for hour in (9, 10)]
    with tenancy.scope(tenancy.SYSTEM):
        by = acting(house.receptionist)
        for visit, verb in zip(off, (Verb.NO_SHOW, Verb.CANCEL), strict=True):
            appointment_move(appointment_id=visit.id, verb=verb, by=by, reason="said so")
    answer = card("receptionist", house, berger)
    assert [visit.id for visit in answer.context["coming"]] == [coming.id]
    assert [visit.id for visit in answer.context["before"].visits] == [off[1].id, off[0].id]
    seen = text_of(answer)
    assert "<strong>1</strong> no-show" in seen
    assert "<strong>1</strong> late cancellation" in seen
    assert f"/visits/{coming.id}" in seen


def test_older_visits_come_page_by_page_none_twice(house: Cast, berger: Patient):
    visits = [booked(house, berlin(days=7 * week), berger) for week in range(1, 13)]
    with tenancy.scope(tenancy.SYSTEM):
        by = acting(house.receptionist)
        for visit in visits:
            appointment_move(appointment_id=visit.id, verb=Verb.CANCEL, by=by, reason="all off")
    seen, query = [], {}
    while True:
        before = card("receptionist", house, berger, **query).context["before"]
        seen += [visit.id for visit in before.visits]
        if before.older is None:
            break
        query = {"older": before.older}
    assert seen == [visit.id for visit in reversed(visits)]


@pytest.mark.parametrize("older", ["x", "2035-01-01_x", "2035-01-01T00:00:00_" + "0" * 32])
def test_a_place_that_is_none_is_refused(house: Cast, berger: Patient, older: str):
    assert card("receptionist", house, berger, older=older).status_code == 400


@pytest.mark.parametrize(
    ("user", "notes", "edits", "books"),
    [
        ("clinic_admin", True, True, True),
        ("receptionist", True, True, True),
        ("doctor_user", True, True, True),
        ("nurse", True, True, False),
        ("finance", False, False, False),
        ("support", False, False, False),
    ],
)
def test_each_role_sees_and_may_do_what_is_theirs(
    house: Cast, berger: Patient, user: str, notes: bool, edits: bool, books: bool
):
    booked(house, berlin(days=7), berger)
    seen = text_of(card(user, house, berger))
    assert (CHART_NOTES in seen) is notes
    assert (f"/patients/{berger.id}/edit" in seen) is edits
    assert (f"/next?patient={berger.id}" in seen) is books
    # A visit's own words stand on its card, not here.
    assert "sorekneereason" not in seen
    assert "visitnotestext" not in seen


@pytest.mark.parametrize("user", ["pharmacist", "lab", "patient_user"])
def test_who_has_no_part_in_the_day_is_refused(house: Cast, berger: Patient, user: str):
    expected = 404 if user == "patient_user" else 403
    assert card(user, house, berger).status_code == expected
    assert AtDesk(house.user(user), house).get("desk-patients").status_code == expected


def test_the_outsider_finds_nothing(house: Cast, outsider: Cast, berger: Patient):
    stranger = AtDesk(outsider.receptionist, house)
    for name, parts in (("desk-patients", {}), ("desk-patient", {"patient_id": berger.id})):
        assert stranger.get(name, **parts).status_code == 404
    at_home = AtDesk(outsider.receptionist, outsider)
    assert at_home.get("desk-patient", patient_id=berger.id).status_code == 404
    assert at_home.get("desk-patient-edit", patient_id=berger.id).status_code == 404
    assert "Lindqvist" not in text_of(at_home.get("desk-patients", {"q": "Zzyzx"}))
    found = at_home.get("desk-patients", {"q": "Berger-Lindqvist"}).context["rows"]
    assert [row["patient"].id for row in found] == [outsider.patient.id]  # another Berger, theirs


def test_reading_is_written_down(house: Cast, berger: Patient):
    card("receptionist", house, berger)
    (read,) = audits("patient.read")
    assert (read.entity_id, read.subjects) == (berger.id, [berger.id])
    assert read.actor_id == house.receptionist.id
    AtDesk(house.receptionist, house).get("desk-patients", {"q": "Lindqvist"})
    (searched,) = audits("patient.searched")
    assert searched.subjects == [berger.id]


@pytest.mark.parametrize(
    "text", ["Lindqist", "berta", "820009", "1980-06-05", "5.6.1980", "Berger Lindquist"]
)
def test_patients_are_found_as_people_type(house: Cast, berger: Patient, text: str):
    found = AtDesk(house.receptionist, house).get("desk-patients", {"q": text})
    assert berger.id in [row["patient"].id for row in found.context["rows"]]


def test_a_record_number_is_found(house: Cast, berger: Patient):
    found = AtDesk(house.receptionist, house).get("desk-patients", {"q": berger.mrn})
    assert [row["patient"].id for row in found.context["rows"]] == [berger.id]


@pytest.mark.parametrize(
    "text", ["👍", "\u0627" * 200, "%_\\", "a\x00b", "\u200f", "'; --", " " * 50]
)
def test_whatever_is_typed_is_answered(house: Cast, text: str):
    for name in ("desk-patients", "desk-search"):
        answer = AtDesk(house.receptionist, house).get(name, {"q": text})
        assert answer.status_code == 200


def test_before_anything_is_typed_the_patients_of_today(house: Cast, berger: Patient):
    desk = AtDesk(house.receptionist, house)
    assert "Nobody has a visit today" in text_of(desk.get("desk-patients"))
    booked(house, berlin(days=0), berger)
    booked(house, berlin(days=0, hour=10), house.neighbour)
    booked(house, berlin(days=7), house.patient)
    rows = desk.get("desk-patients").context["rows"]
    assert [row["patient"].id for row in rows] == [berger.id, house.neighbour.id]


def test_a_merged_chart_leads_to_the_one_that_was_kept(house: Cast, berger: Patient):
    double = build_patient(house.clinic, "Berta", "Berger")
    with tenancy.scope(tenancy.SYSTEM):
        patients_merge(
            by=acting(house.receptionist), keep=berger.id, duplicate=double.id, reason="same person"
        )
    gone = text_of(card("receptionist", house, double))
    assert "merged into another" in gone
    assert f"/patients/{berger.id}" in gone
    assert "/edit" not in gone
    assert "?patient=" not in gone
    assert double.mrn in text_of(card("receptionist", house, berger))


def form(patient: Patient, **changes: str) -> dict[str, str]:
    return {
        "version": str(patient.version),
        "given_name": patient.given_name,
        "family_name": patient.family_name,
        "birth_date": "1980-06-05",
        "sex": patient.sex,
        "phone": patient.phone,
        "email": patient.email,
        "language": patient.language,
        "insurance": patient.insurance,
        "channel_sms": "yes",
        "channel_email": "no",
    } | changes


def test_contact_data_is_changed_once_and_checked(house: Cast, berger: Patient):
    desk = AtDesk(house.receptionist, house)
    changed = form(berger, phone="030 901820 77", channel_sms="", channel_post="yes")
    answer = desk.post("desk-patient-edit", changed, patient_id=berger.id)
    assert answer.status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        now = Patient.objects.get(pk=berger.pk)
    assert now.phone == "+493090182077"
    assert now.contact_preferences == {"email": False, "post": True}
    assert now.notes == CHART_NOTES
    assert now.version == berger.version + 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"phone": "not a number"}, 400),
        ({"given_name": ""}, 400),
        ({"email": "nobody"}, 400),
        ({"version": "0"}, 412),
        ({"version": "x"}, 400),
        ({"channel_fax": "yes", "given_name": "x" * 201}, 400),
    ],
)
def test_a_refused_form_comes_back_with_what_was_typed(
    house: Cast, berger: Patient, changes: dict[str, str], status: int
):
    sent = form(berger, insurance="typedbefore", **changes)
    answer = AtDesk(house.receptionist, house).post("desk-patient-edit", sent, patient_id=berger.id)
    assert answer.status_code == status
    assert "typedbefore" in text_of(answer)
    with tenancy.scope(tenancy.SYSTEM):
        assert Patient.objects.get(pk=berger.pk).insurance == "AOK"


def test_a_stale_form_is_refused_and_says_so(house: Cast, berger: Patient):
    first = AtDesk(house.receptionist, house)
    second = AtDesk(house.clinic_admin, house)
    assert (
        first.post("desk-patient-edit", form(berger, email="a@x.test"), patient_id=berger.id)
    ).status_code == 302
    late = second.post("desk-patient-edit", form(berger, email="b@x.test"), patient_id=berger.id)
    assert late.status_code == 412
    assert "Somebody else changed this" in text_of(late)
    assert "b@x.test" in text_of(late)


def test_arabic_names_of_two_hundred_letters_and_emoji_are_kept(house: Cast, berger: Patient):
    name = "مُحَمَّد" * 25
    sent = form(berger, given_name=name[:200], family_name="👩‍⚕️")
    answer = AtDesk(house.receptionist, house).post("desk-patient-edit", sent, patient_id=berger.id)
    assert answer.status_code == 302
    seen = text_of(card("receptionist", house, berger))
    assert name[:200] in seen
    assert "👩‍⚕️" in seen


def test_who_may_not_write_charts_is_refused(house: Cast, berger: Patient):
    desk = AtDesk(house.finance, house)
    assert desk.get("desk-patient-edit", patient_id=berger.id).status_code == 403
    answer = desk.post("desk-patient-edit", form(berger, email="c@x.test"), patient_id=berger.id)
    assert answer.status_code == 403


def test_statements_do_not_grow_with_the_rows(house: Cast, berger: Patient):
    desk = AtDesk(house.receptionist, house)

    def counted(name: str, query: dict[str, str] | None = None, **parts: object) -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert desk.get(name, query, **parts).status_code == 200
        return len(seen)

    booked(house, berlin(days=0), berger)
    booked(house, berlin(days=7), berger)
    desk.get("desk-patients")
    before = [
        counted("desk-patients"),
        counted("desk-patients", {"q": "Berger"}),
        counted("desk-patient", patient_id=berger.id),
        counted("desk-search", {"q": "Berger"}),
    ]
    for number in range(4):
        other = build_patient(house.clinic, f"Cora{number}", "Berger")
        booked(
            house, berlin(days=0, hour=9 + (number + 1) // 2, minute=30 * ((number + 1) % 2)), other
        )
        booked(house, berlin(days=14 + 7 * number), berger)
    after = [
        counted("desk-patients"),
        counted("desk-patients", {"q": "Berger"}),
        counted("desk-patient", patient_id=berger.id),
        counted("desk-search", {"q": "Berger"}),
    ]
    assert after == before
    assert max(after) <= 22, after
