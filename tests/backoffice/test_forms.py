"""Forms write through the services; what a service refuses is an error of the form."""

from collections.abc import Callable
from typing import Any

import pytest

from clinics.models import (
    Clinic,
    Membership,
    Patient,
)
from core import tenancy
from tests.backoffice.filled import (
    clinic_form,
    entry_form,
    exception_form,
    location_form,
    membership_form,
    new_doctor_form,
    patient_form,
    plan_form,
    proxy_form,
    room_form,
    rules_form,
    service_form,
    template_form,
)
from tests.backoffice.world import (
    World,
    acts,
    announced,
    at_the_desk,
    complaints,
    fresh,
    page,
    text,
)
from tests.backoffice.writing import (
    CHANGE_IDS,
    CHANGES,
    NEW,
    NEW_IDS,
    WRITTEN,
    Values,
    added,
    saved,
    written,
)
from tests.casts import build_super_admin
from tests.support.forms import form_of

# --- Through the services -------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "attribute", "changes", "action"), CHANGES, ids=CHANGE_IDS)
def test_saving_a_form_as_it_was_opened_writes_nothing(
    name: str, attribute: str, changes: Values, action: str, home: World
) -> None:
    before, row = written(), getattr(home, attribute)
    stored = {field.attname: getattr(fresh(row), field.attname) for field in row._meta.fields}
    assert saved(at_the_desk(home.clinic_admin), name, row).status_code == 302
    after = {field.attname: getattr(fresh(row), field.attname) for field in row._meta.fields}
    assert after == stored
    assert written() == before


@pytest.mark.parametrize(("name", "attribute", "changes", "action"), CHANGES, ids=CHANGE_IDS)
def test_a_change_is_saved_by_its_service(
    name: str, attribute: str, changes: Values, action: str, home: World
) -> None:
    row = getattr(home, attribute)
    answer = saved(at_the_desk(home.clinic_admin), name, row, **changes)
    assert answer.status_code == 302
    assert fresh(row).version == row.version + 1
    (act,) = acts(action, row.pk)
    assert act.actor_id == home.clinic_admin.pk
    assert set(act.changes) == set(changes)
    told = [set(event.payload.values()) for event in announced(action)]
    assert any(str(row.pk) in values for values in told)


@pytest.mark.parametrize(("name", "form", "action"), NEW, ids=NEW_IDS)
def test_a_new_row_is_made_by_its_service(
    name: str, form: Callable[[Any], Values], action: str, home: World
) -> None:
    known = {act.pk for act in acts(action)}
    answer = added(at_the_desk(home.clinic_admin), name, form(home))
    assert answer.status_code == 302, complaints(answer)
    (act,) = [act for act in acts(action) if act.pk not in known]
    assert act.actor_id == home.clinic_admin.pk
    with tenancy.scope(tenancy.SYSTEM):
        made = WRITTEN[name]._default_manager.get(pk=act.entity_id)
    if name != "clinics_doctor":
        assert (made.clinic_id, act.clinic_id) == (home.clinic.pk, home.clinic.pk)


def test_a_clinic_is_opened_with_its_first_administrator() -> None:
    form = clinic_form("Third", "third") | {"admin_email": "first@third.test"}
    admin = build_super_admin()
    assert added(at_the_desk(admin), "clinics_clinic", form).status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        clinic = Clinic.objects.get(slug="third")
        (member,) = Membership.objects.filter(clinic=clinic).select_related("user")
    assert (member.role, member.user.email) == ("CLINIC_ADMIN", "first@third.test")
    assert at_the_desk(member.user).get(page("index")).status_code == 200
    (act,) = acts("clinic.created", clinic.pk)
    assert act.actor_id == admin.pk


@pytest.mark.parametrize(
    ("name", "attribute", "action"),
    [
        ("clinics_scheduletemplate", "template", "schedule_template.removed"),
        ("clinics_scheduleexception", "exception", "schedule.exception_removed"),
        ("clinics_patientproxy", "proxy", "patient_proxy.ended"),
        ("clinics_room", "room", "room.removed"),
    ],
)
def test_a_row_that_nothing_needs_is_removed_by_its_service(
    name: str, attribute: str, action: str, home: World
) -> None:
    row = getattr(home, attribute)
    client = at_the_desk(home.clinic_admin)
    assert client.get(page(f"{name}_delete", row.pk)).status_code == 200
    assert fresh(row) is not None  # asking is not removing
    answer = client.post(page(f"{name}_delete", row.pk), {"post": "yes"})
    assert answer.status_code == 302
    assert fresh(row) is None
    (act,) = acts(action, row.pk)
    assert act.actor_id == home.clinic_admin.pk


@pytest.mark.parametrize(
    ("name", "attribute"), [("clinics_location", "location"), ("clinics_service", "service")]
)
def test_what_is_referred_to_stays_and_the_page_says_why(
    name: str, attribute: str, home: World
) -> None:
    row, before = getattr(home, attribute), written()
    answer = at_the_desk(home.clinic_admin).post(
        page(f"{name}_delete", row.pk), {"post": "yes"}, follow=True
    )
    assert "make it inactive instead" in text(answer)
    assert answer.redirect_chain[-1][0] == page(f"{name}_change", row.pk)
    assert fresh(row) is not None
    assert written() == before


# --- Refusals -------------------------------------------------------------------------------------


def twin(form: Callable[[Any], Values], **fields: Any) -> Callable[[World], Values]:
    """That form, with fields that are looked up in the world where they are callables."""
    return lambda world: (
        form(world)
        | {name: value(world) if callable(value) else value for name, value in fields.items()}
    )


REFUSED_NEW: list[tuple[str, Callable[[World], Values], str]] = [
    ("clinics_patient", twin(patient_form, mrn=lambda w: w.patient.mrn), "this record number"),
    ("clinics_patient", twin(patient_form, phone="0"), "Not a phone number"),
    ("clinics_patient", twin(patient_form, phone="call me"), "Not a phone number"),
    ("clinics_patient", twin(patient_form, given_name=""), "required"),
    ("clinics_patient", twin(patient_form, birth_date="31/31/31"), "valid date"),
    ("clinics_patient", twin(patient_form, email="nobody"), "valid email"),
    ("clinics_patient", twin(patient_form, contact_preferences="{"), "valid JSON"),
    ("clinics_location", twin(location_form, name=lambda w: w.location.name), "of this name"),
    ("clinics_location", twin(location_form, timezone="Mars/Olympus"), "zone"),
    ("clinics_location", twin(location_form, latitude="91"), "less than or equal to 90"),
    ("clinics_room", twin(room_form, name=lambda w: w.room.name), "of this name"),
    ("clinics_room", twin(room_form, location=""), "required"),
    ("clinics_service", twin(service_form, name=lambda w: w.service.name), "of this name"),
    ("clinics_service", twin(service_form, duration_minutes="1"), "greater than or equal to 5"),
    ("clinics_service", twin(service_form, colour="red"), "colour"),
    ("clinics_service", twin(service_form, modes=[]), "required"),
    ("clinics_service", twin(service_form, modes=["TELEPATHY"]), "valid choice"),
    ("clinics_doctor", twin(new_doctor_form, member=""), "required"),
    ("clinics_scheduletemplate", twin(template_form, weekday=1), "overlap"),
    ("clinics_scheduletemplate", twin(template_form, end_time="08:00"), "after the start"),
    (
        "clinics_scheduletemplate",
        twin(template_form, valid_from="2035-07-01", valid_to="2035-06-01"),
        "after the first",
    ),
    ("clinics_scheduleexception", twin(exception_form, end_date="2035-09-01"), "after the first"),
    ("clinics_scheduleexception", twin(exception_form, end_date="2037-09-01"), "days at once"),
    ("clinics_scheduleexception", twin(exception_form, kind="LEAVE", doctor=""), "needs a doctor"),
    ("clinics_scheduleexception", twin(exception_form, start_time="10:00"), "both times"),
    ("clinics_membership", twin(membership_form, email=""), "email or a phone"),
    ("clinics_membership", twin(membership_form, email="", phone="0"), "not a phone number"),
    ("clinics_membership", twin(membership_form, role="SUPER_ADMIN"), "valid choice"),
    ("clinics_membership", twin(membership_form, role="PATIENT"), "valid choice"),
    ("clinics_patientproxy", twin(proxy_form, login="no@one.test"), "Nobody signs in"),
    (
        "clinics_patientproxy",
        twin(
            proxy_form, patient=lambda w: w.neighbour.pk, login=lambda w: w.cast.patient_user.email
        ),
        "already",
    ),
    ("followups_followupplan", twin(plan_form, scheduled_for="2035-06-04"), "day to come"),
    ("followups_followupplan", twin(plan_form, scheduled_for="2036-02-30"), "valid date"),
    ("followups_followupplan", twin(plan_form, days_after=3), "not both"),
    ("followups_followupplan", twin(plan_form, service=""), "a service or a length"),
    ("followups_followupplan", twin(plan_form, tests="one\n" * 51), "At most 50 entries"),
    ("followups_followupplan", twin(plan_form, tests="x" * 201), "at most 200 letters"),
    ("followups_followupplan", twin(plan_form, patient=""), "Say for whom"),
    ("followups_waitlistentry", twin(entry_form, latest="2035-06-01"), "before the first"),
    ("followups_waitlistentry", twin(entry_form, patient=""), "Say for whom"),
    ("followups_waitlistentry", twin(entry_form, service=""), "Say what for"),
    ("followups_waitlistentry", twin(entry_form, weekdays=["8"]), "valid choice"),
    ("followups_waitlistentry", twin(entry_form, patient=lambda w: w.patient.pk), "waits for this"),
    ("followups_carepolicy", rules_form, "has its rules already"),
]


@pytest.mark.parametrize(
    ("name", "form", "sentence"),
    REFUSED_NEW,
    ids=[f"{name.removeprefix('clinics_')}-{sentence}" for name, _, sentence in REFUSED_NEW],
)
def test_a_refused_new_row_says_why_and_leaves_nothing(
    name: str, form: Callable[[World], Values], sentence: str, home: World
) -> None:
    before = written()
    answer = added(at_the_desk(home.clinic_admin), name, form(home))
    assert answer.status_code == 200
    assert sentence in complaints(answer)
    assert written() == before


REFUSED_CHANGES: list[tuple[str, str, Callable[[World], Values], str]] = [
    ("clinics_patient", "patient", lambda w: {"mrn": w.neighbour.mrn}, "this record number"),
    ("clinics_patient", "patient", lambda w: {"mrn": ""}, "required"),
    ("clinics_patient", "patient", lambda w: {"phone": "0"}, "Not a phone number"),
    ("clinics_scheduletemplate", "template", lambda w: {"end_time": "08:00"}, "after the start"),
    ("clinics_doctor", "doctor", lambda w: {"max_daily_appointments": "0"}, "or equal to 1"),
    ("clinics_clinic", "clinic", lambda w: {"hold_minutes": "0"}, "or equal to 1"),
    ("clinics_clinic", "clinic", lambda w: {"phone": "0"}, "hone number"),
    ("clinics_clinic", "clinic", lambda w: {"colour": "teal"}, "colour"),
    ("followups_followupplan", "plan", lambda w: {"scheduled_for": "2035-06-01"}, "day to come"),
    ("followups_followupplan", "plan", lambda w: {"tests": "x" * 201}, "at most 200 letters"),
    ("followups_waitlistentry", "waiting", lambda w: {"time_to": "08:00"}, "after it begins"),
    ("followups_carepolicy", "rules", lambda w: {"offer_until": "08:00"}, "end after they begin"),
    ("followups_carepolicy", "rules", lambda w: {"offer_batch_size": "0"}, "or equal to 1"),
]


@pytest.mark.parametrize(
    ("name", "attribute", "changes", "sentence"),
    REFUSED_CHANGES,
    ids=[f"{row[0].removeprefix('clinics_')}-{row[3]}" for row in REFUSED_CHANGES],
)
def test_a_refused_change_says_why_and_changes_nothing(
    name: str, attribute: str, changes: Callable[[World], Values], sentence: str, home: World
) -> None:
    row, before = getattr(home, attribute), written()
    answer = saved(at_the_desk(home.clinic_admin), name, row, **changes(home))
    assert answer.status_code == 200
    assert sentence in complaints(answer)
    assert fresh(row).version == row.version
    assert written() == before


def test_a_name_in_links_is_not_taken_twice(home: World) -> None:
    client = at_the_desk(build_super_admin())
    before = written()
    for slug in (home.clinic.slug, "admin"):
        form = clinic_form("Third", slug) | {"admin_email": "first@third.test"}
        answer = added(client, "clinics_clinic", form)
        assert answer.status_code == 200, slug
        assert complaints(answer), slug
        assert written() == before


def test_a_phone_without_country_is_read_in_the_clinics(home: World) -> None:
    answer = saved(
        at_the_desk(home.receptionist), "clinics_patient", home.patient, phone="030 90182099"
    )
    assert answer.status_code == 302
    assert fresh(home.patient).phone == "+493090182099"


def test_a_phone_without_country_is_refused_where_the_clinic_has_none(home: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        Clinic.objects.filter(pk=home.clinic.pk).update(country="")
    answer = saved(
        at_the_desk(home.receptionist), "clinics_patient", home.patient, phone="030 90182099"
    )
    assert "with its country" in complaints(answer)
    assert fresh(home.patient).phone == home.patient.phone


def test_a_record_number_is_made_where_none_is_given(home: World) -> None:
    form = patient_form(home) | {"mrn": "", "family_name": "Numberless"}
    assert added(at_the_desk(home.receptionist), "clinics_patient", form).status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        assert Patient.objects.get(family_name="Numberless").mrn


def test_a_form_left_empty_where_it_may_be_is_saved(home: World) -> None:
    """As a browser sends a new chart: empty fields, and the preferences as they were offered."""
    client = at_the_desk(home.receptionist)
    blank = form_of(client.get(page("clinics_patient_add")), form_id="patient_form")
    assert added(client, "clinics_patient", blank | {"given_name": "Only"}).status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        assert Patient.objects.get(given_name="Only").contact_preferences == {}
