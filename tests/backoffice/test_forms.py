"""Forms write through the services; what a service refuses is an error of the form."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from appointments.models import BusyTime
from clinics.models import (
    Clinic,
    Doctor,
    Membership,
    Patient,
    ScheduleException,
)
from clinics.services.memberships import membership_add, membership_end
from core import tenancy
from tests.backoffice.table import (
    clinic_form,
    exception_form,
    location_form,
    membership_form,
    new_doctor_form,
    patient_form,
    proxy_form,
    room_form,
    service_form,
    template_form,
)
from tests.backoffice.world import (
    FOREIGN,
    World,
    acts,
    announced,
    at_the_desk,
    complaints,
    fresh,
    page,
    text,
    visit_in,
)
from tests.backoffice.writing import (
    CHANGE_IDS,
    CHANGES,
    NEW,
    NEW_IDS,
    WRITTEN,
    Values,
    added,
    opened,
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
    assert str(row.pk) in {event.payload["id"] for event in announced(action)}


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


# --- Forged ids -----------------------------------------------------------------------------------

FORGED_NEW = [
    ("clinics_room", room_form, "location"),
    ("clinics_doctor", new_doctor_form, "member"),
    ("clinics_patientproxy", proxy_form, "patient"),
    ("clinics_scheduletemplate", template_form, "doctor"),
    ("clinics_scheduletemplate", template_form, "location"),
    ("clinics_scheduletemplate", template_form, "services"),
    ("clinics_scheduleexception", exception_form, "doctor"),
    ("clinics_scheduleexception", exception_form, "location"),
]


@pytest.mark.parametrize(("name", "form", "field"), FORGED_NEW)
def test_a_foreign_thing_cannot_be_chosen(
    name: str, form: Callable[[Any], Values], field: str, home: World, abroad: World
) -> None:
    """It is as little a choice as one that does not exist, and is not named."""
    forged = {"member": abroad.memberships["therapist"], "services": abroad.service}
    foreign = forged[field] if field in forged else getattr(abroad, field)
    before = written()
    answer = added(at_the_desk(home.clinic_admin), name, form(home) | {field: foreign.pk})
    assert answer.status_code == 200
    assert "Select a valid choice" in complaints(answer)
    assert FOREIGN not in text(answer).lower()
    assert written() == before


@pytest.mark.parametrize(("name", "form"), [row[:2] for row in NEW if row[0] != "clinics_doctor"])
def test_a_forged_clinic_is_not_read(
    name: str, form: Callable[[Any], Values], home: World, abroad: World
) -> None:
    """With one clinic the form has no field for it: the row lands in one's own."""

    def theirs() -> int:
        with tenancy.scope(tenancy.SYSTEM):
            return WRITTEN[name]._default_manager.filter(clinic=abroad.clinic).count()

    before = theirs()
    answer = added(at_the_desk(home.clinic_admin), name, form(home) | {"clinic": abroad.clinic.pk})
    assert answer.status_code == 302
    assert theirs() == before


@pytest.mark.parametrize(
    ("name", "attribute", "field"),
    [
        ("clinics_room", "room", "location"),
        ("clinics_scheduletemplate", "template", "location"),
        ("clinics_scheduletemplate", "template", "services"),
    ],
)
def test_a_row_cannot_be_moved_to_what_is_foreign(
    name: str, attribute: str, field: str, home: World, abroad: World
) -> None:
    row, before = getattr(home, attribute), written()
    foreign = abroad.service if field == "services" else getattr(abroad, field)
    answer = saved(at_the_desk(home.clinic_admin), name, row, **{field: foreign.pk})
    assert answer.status_code == 200
    assert "Select a valid choice" in complaints(answer)
    assert written() == before


@pytest.mark.parametrize(
    ("name", "attribute", "forged"),
    [
        ("clinics_patient", "patient", {"user": "nurse", "merged_into": "neighbour"}),
        ("clinics_patientproxy", "proxy", {"user": "nurse", "patient": "patient"}),
        ("clinics_scheduletemplate", "template", {"doctor": "doctor"}),
        ("clinics_membership", "membership", {"user": "clinic_admin", "clinic": "clinic"}),
        ("clinics_doctor", "doctor", {"user": "nurse"}),
        ("clinics_location", "location", {"clinic": "clinic"}),
    ],
)
def test_what_a_form_does_not_offer_cannot_be_posted(
    name: str, attribute: str, forged: dict[str, str], home: World, abroad: World
) -> None:
    row = getattr(home, attribute)
    values = {field: getattr(abroad, source).pk for field, source in forged.items()}
    before = {field: getattr(fresh(row), f"{field}_id") for field in forged}
    assert saved(at_the_desk(home.clinic_admin), name, row, **values).status_code == 302
    assert {field: getattr(fresh(row), f"{field}_id") for field in forged} == before


def test_a_clinics_administrator_neither_closes_nor_renames_its_links(home: World) -> None:
    answer = saved(
        at_the_desk(home.clinic_admin),
        "clinics_clinic",
        home.clinic,
        is_active="",
        slug="stolen",
        name="Renamed",
    )
    assert answer.status_code == 302
    after = fresh(home.clinic)
    assert (after.is_active, after.slug, after.name) == (True, home.clinic.slug, "Renamed")


# --- Of several clinics, one row stays in one -----------------------------------------------------


@pytest.fixture
def both(home: World, abroad: World) -> Client:
    """The administrator of both clinics, with both in sight."""
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=abroad.clinic, user=home.clinic_admin, role="CLINIC_ADMIN")
    return at_the_desk(home.clinic_admin)


@pytest.mark.parametrize(
    ("name", "attribute", "field"),
    [
        ("clinics_room", "room", "location"),
        ("clinics_scheduletemplate", "template", "location"),
        ("clinics_scheduletemplate", "template", "services"),
    ],
)
def test_a_room_stays_in_its_clinic_though_one_manages_both(
    name: str, attribute: str, field: str, home: World, abroad: World, both: Client
) -> None:
    row, before = getattr(home, attribute), written()
    foreign = abroad.service if field == "services" else getattr(abroad, field)
    answer = saved(both, name, row, **{field: foreign.pk})
    assert answer.status_code == 200
    assert complaints(answer)
    assert written() == before


@pytest.mark.parametrize(
    ("name", "form", "field"),
    [row for row in FORGED_NEW if row[2] != "member"],
)
def test_a_new_row_does_not_mix_clinics_though_one_manages_both(
    name: str,
    form: Callable[[Any], Values],
    field: str,
    home: World,
    abroad: World,
    both: Client,
) -> None:
    foreign = abroad.service if field == "services" else getattr(abroad, field)
    before = written()
    answer = added(both, name, form(home) | {field: foreign.pk})
    assert answer.status_code == 200
    assert complaints(answer)
    assert written() == before


def test_with_several_in_sight_a_new_row_needs_its_clinic(home: World, both: Client) -> None:
    form = location_form(home)
    answer = added(both, "clinics_location", form | {"clinic": ""})
    assert "required" in complaints(answer)
    assert added(both, "clinics_location", form).status_code == 302


# --- Staff ----------------------------------------------------------------------------------------


def test_an_invited_person_becomes_a_member(home: World) -> None:
    form = membership_form(home) | {"given_name": "Nina", "family_name": "New"}
    assert added(at_the_desk(home.clinic_admin), "clinics_membership", form).status_code == 302
    user = User.objects.get(email=form["email"])
    assert (user.full_name, user.has_usable_password()) == ("Nina New", False)
    assert at_the_desk(user).get(page("clinics_patient_changelist")).status_code == 200
    assert acts("user.invited", user.pk)[0].actor_id == home.clinic_admin.pk


def test_somebody_known_is_not_made_twice(home: World, abroad: World) -> None:
    users = User.objects.count()
    form = membership_form(home) | {"email": abroad.nurse.email, "given_name": "Other"}
    assert added(at_the_desk(home.clinic_admin), "clinics_membership", form).status_code == 302
    assert User.objects.count() == users
    assert User.objects.get(pk=abroad.nurse.pk).given_name == abroad.nurse.given_name


def test_a_role_taken_away_ends_at_once_and_can_be_given_again(home: World) -> None:
    admin, nurse = at_the_desk(home.clinic_admin), at_the_desk(home.nurse)
    patients = page("clinics_patient_changelist")
    assert nurse.get(patients).status_code == 200
    values = opened(admin, "clinics_membership", home.membership)
    values.pop("is_active")
    address = page("clinics_membership_change", home.membership.pk)
    assert admin.post(address, values).status_code == 302
    assert nurse.get(patients).status_code == 403
    assert acts("membership.ended", home.membership.pk)[0].actor_id == home.clinic_admin.pk
    assert saved(admin, "clinics_membership", home.membership, is_active="on").status_code == 302
    assert nurse.get(patients).status_code == 200


def test_another_role_ends_the_old_one(home: World) -> None:
    admin = at_the_desk(home.clinic_admin)
    answer = saved(admin, "clinics_membership", home.membership, role="FINANCE_BILLING")
    assert answer.status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        roles = dict(Membership.objects.filter(user=home.nurse).values_list("role", "is_active"))
    assert roles == {"NURSE": False, "FINANCE_BILLING": True}
    answer = at_the_desk(home.nurse).get(page("clinics_patientproxy_changelist"))
    assert answer.status_code == 403


@pytest.mark.parametrize("change", ["is_active", "role"])
def test_the_last_administrator_stays(change: str, home: World) -> None:
    admin, before = at_the_desk(home.clinic_admin), written()
    mine = home.memberships["clinic_admin"]
    values = opened(admin, "clinics_membership", mine) | {"role": "CLINIC_ADMIN"}
    if change == "role":
        values["role"] = "NURSE"
    else:
        values.pop("is_active")
    answer = admin.post(page("clinics_membership_change", mine.pk), values)
    assert answer.status_code == 200
    assert "at least one administrator" in complaints(answer)
    assert fresh(mine).is_active
    assert written() == before
    assert admin.get(page("clinics_membership_changelist")).status_code == 200


def test_devices_of_who_has_left_are_not_shown(home: World) -> None:
    admin = at_the_desk(home.clinic_admin)
    device = page("accounts_refreshsession_change", home.session.pk)
    assert admin.get(device).status_code == 200
    with tenancy.scope(tenancy.SYSTEM):
        membership_end(clinic=home.clinic, membership_id=home.memberships["receptionist"].pk)
    assert admin.get(device).status_code == 404


def test_a_device_is_signed_out_at_once(home: World) -> None:
    admin = at_the_desk(home.clinic_admin)
    address = page("accounts_refreshsession_sign_out", home.session.pk)
    assert admin.post(address).status_code == 302
    assert fresh(home.session).revoked_at is not None
    assert acts("session.revoked", home.session.pk)[0].actor_id == home.clinic_admin.pk


def test_an_account_is_closed_and_opened_by_the_installations_administrators(home: World) -> None:
    admin = build_super_admin()
    client, address = at_the_desk(admin), page("accounts_user_switch", home.nurse.pk)
    assert client.post(address).status_code == 302
    assert not fresh(home.nurse).is_active
    assert client.post(address).status_code == 302
    assert fresh(home.nurse).is_active
    own = client.post(page("accounts_user_switch", admin.pk))
    assert own.status_code == 409
    assert fresh(admin).is_active


# --- Leave and exceptions -------------------------------------------------------------------------


def leave(world: World, **fields: Any) -> Values:
    return exception_form(world) | {
        "kind": "LEAVE",
        "start_date": "2035-06-04",
        "end_date": "2035-06-04",
        **fields,
    }


def test_leave_over_visits_asks_first_and_is_saved_after_that(home: World) -> None:
    admin, before = at_the_desk(home.clinic_admin), written()
    asked = added(admin, "clinics_scheduleexception", leave(home))
    assert asked.status_code == 200
    assert "Visits are booked in this time" in complaints(asked)
    shown = text(asked)
    assert home.patient.full_name in shown
    assert home.neighbour.full_name in shown
    assert home.patient.phone in shown
    assert written() == before

    answer = added(admin, "clinics_scheduleexception", leave(home, _affected_seen="1"))
    assert answer.status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        (made,) = ScheduleException.objects.filter(kind="LEAVE")
        assert BusyTime.objects.filter(exception=made, kind="BLOCKED").exists()
    assert fresh(home.visit).status == "SCHEDULED"  # they stay until somebody moves them
    assert acts("schedule.exception_created", made.pk)[0].actor_id == home.clinic_admin.pk


def test_leave_over_nobody_is_saved_at_once(home: World) -> None:
    form = leave(home, start_date="2035-09-03", end_date="2035-09-03")
    answer = added(at_the_desk(home.doctor_user), "clinics_scheduleexception", form)
    assert answer.status_code == 302


def test_whom_leave_affects_is_the_clinics_alone(home: World, abroad: World) -> None:
    """A doctor of both clinics goes on leave: each clinic is shown its own patients."""
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=abroad.clinic, user=home.doctor_user, role="DOCTOR")
        visit_in(abroad, "SCHEDULED", hour=15, doctor=home.doctor)
    asked = added(at_the_desk(home.clinic_admin), "clinics_scheduleexception", leave(home))
    assert "Visits are booked in this time" in complaints(asked)
    assert FOREIGN not in text(asked).lower()


@pytest.mark.parametrize("doctor", ["other", ""])
def test_a_doctor_closes_only_their_own_days(doctor: str, home: World) -> None:
    before = written()
    wanted = home.doctor.pk if doctor == "other" else ""
    form = exception_form(home) | {"doctor": wanted}
    with tenancy.scope(tenancy.SYSTEM):
        Doctor.objects.create(user=home.therapist, display_name="T", profession="THERAPIST")
    answer = added(at_the_desk(home.therapist), "clinics_scheduleexception", form)
    assert answer.status_code == 403
    assert written()["clinics_scheduleexception"] == before["clinics_scheduleexception"]
