"""Working in one of several clinics: the choice narrows every page; only own ones are offered."""

from typing import Any

import pytest
from django.test import Client

from backoffice.access import CHOICE
from clinics.models import Clinic, Location, Membership
from clinics.services.memberships import membership_add, membership_end
from core import tenancy
from tests.backoffice.filled import location_form
from tests.backoffice.sight import EVERYTHING, TABLES, listed, name_of
from tests.backoffice.world import (
    FOREIGN,
    OWN,
    World,
    acts,
    at_the_desk,
    build_world,
    complaints,
    page,
    text,
)
from tests.backoffice.writing import added
from tests.casts import build_super_admin


def join(world: World, user: Any, role: str) -> Membership:
    with tenancy.scope(tenancy.SYSTEM):
        return membership_add(clinic=world.clinic, user=user, role=role)


def choose(client: Client, clinic: Any) -> Any:
    return client.post(page("clinic_switch"), {"clinic": str(getattr(clinic, "pk", clinic))})


@pytest.fixture
def both(home: World, abroad: World) -> Client:
    """The administrator of both clinics."""
    join(abroad, home.clinic_admin, "CLINIC_ADMIN")
    return at_the_desk(home.clinic_admin)


@pytest.mark.parametrize("model", TABLES, ids=name_of)
def test_lists_show_both_clinics_or_the_one_chosen(
    model: type[Any], home: World, abroad: World, both: Client
) -> None:
    own, other = getattr(home, TABLES[model]).pk, getattr(abroad, TABLES[model]).pk
    assert {own, other} <= listed(both, model)
    assert choose(both, abroad.clinic).status_code == 302
    assert other in listed(both, model)
    assert own not in listed(both, model)
    assert both.get(page(f"{name_of(model)}_change", own)).status_code == 404
    assert choose(both, "").status_code == 302
    assert {own, other} <= listed(both, model)


def test_a_list_of_both_says_whose_each_row_is(home: World, abroad: World, both: Client) -> None:
    for name in ("clinics_patient", "clinics_room", "appointments_appointment"):
        shown = text(both.get(page(f"{name}_changelist") + EVERYTHING.get(name, "")))
        assert home.clinic.name in shown
        assert abroad.clinic.name in shown


def test_the_choice_narrows_forms_and_what_is_chosen_in_them(
    home: World, abroad: World, both: Client
) -> None:
    choose(both, home.clinic)
    query = {"app_label": "clinics", "model_name": "room", "field_name": "location", "term": ""}
    offered = text(both.get(page("autocomplete"), query))
    assert OWN in offered
    assert FOREIGN not in offered
    answer = added(both, "clinics_location", location_form(home) | {"clinic": abroad.clinic.pk})
    assert answer.status_code == 302
    with tenancy.scope(tenancy.SYSTEM):
        assert Location.objects.get(name="New place").clinic_id == home.clinic.pk


def test_the_choice_narrows_searches_and_the_start_page(
    home: World, abroad: World, both: Client
) -> None:
    patients = page("clinics_patient_changelist")
    assert f"Berger{FOREIGN}" in text(both.get(patients, {"q": f"Berger{FOREIGN}"}))
    choose(both, home.clinic)
    found = both.get(patients, {"q": abroad.patient.mrn}).context["cl"].result_list
    assert list(found) == []
    start = text(both.get(page("index")))
    assert home.clinic.name in start
    assert FOREIGN not in start.lower()


@pytest.mark.parametrize("kind", ["foreign", "unknown", "no id", "script"])
def test_a_clinic_that_is_not_theirs_cannot_be_chosen(
    kind: str, home: World, abroad: World
) -> None:
    wanted = {
        "foreign": str(abroad.clinic.pk),
        "unknown": "00000000-0000-7000-8000-000000000000",
        "no id": "x",
        "script": "<script>",
    }[kind]
    client = at_the_desk(home.clinic_admin)
    assert choose(client, wanted).status_code == 404
    assert CHOICE not in client.session
    assert FOREIGN not in text(client.get(page("clinic_switch"))).lower()
    searched = client.get(page("clinic_switch"), {"q": FOREIGN})
    assert list(searched.context["found"]) == []


def test_a_choice_forged_into_the_session_shows_nothing(home: World, abroad: World) -> None:
    client = at_the_desk(home.clinic_admin)
    session = client.session
    session[CHOICE] = str(abroad.clinic.pk)
    session.save()
    answer = client.get(page("clinics_patient_changelist"))
    assert answer.status_code == 200
    assert FOREIGN not in text(answer).lower()


def test_a_choice_ends_with_the_membership(home: World, abroad: World, both: Client) -> None:
    choose(both, abroad.clinic)
    with tenancy.scope(tenancy.SYSTEM):
        join(abroad, abroad.nurse, "CLINIC_ADMIN")
        member = Membership.objects.get(user=home.clinic_admin, clinic=abroad.clinic)
        membership_end(clinic=abroad.clinic, membership_id=member.pk)
    answer = both.get(page("clinics_patient_changelist"))
    assert answer.status_code == 200
    assert home.patient.mrn in text(answer)
    assert FOREIGN not in text(answer).lower()


def test_a_clinic_that_was_closed_is_no_longer_worked_in(
    home: World, abroad: World, both: Client
) -> None:
    choose(both, abroad.clinic)
    with tenancy.scope(tenancy.SYSTEM):
        Clinic.objects.filter(pk=abroad.clinic.pk).update(is_active=False)
    assert FOREIGN not in text(both.get(page("clinics_patient_changelist"))).lower()


def test_rights_are_those_of_each_clinic(home: World, abroad: World) -> None:
    """Administrator here, finance there: neither the rights nor the trail spill over."""
    join(abroad, home.clinic_admin, "FINANCE_BILLING")
    client = at_the_desk(home.clinic_admin)
    theirs = page("clinics_location_change", abroad.location.pk)
    assert client.get(theirs).status_code == 200
    values = {"name": "Taken over", "timezone": "UTC", "version_read": 1}
    assert client.post(theirs, values).status_code == 403
    assert client.post(page("clinics_location_delete", abroad.location.pk)).status_code == 403
    for name, row in (("location", abroad.location), ("patient", abroad.patient)):
        assert client.get(page(f"clinics_{name}_history", row.pk)).status_code == 403, name
    assert client.get(page("clinics_location_history", home.location.pk)).status_code == 200
    assert abroad.audit.pk not in listed(client, type(abroad.audit))
    form = location_form(home) | {"clinic": abroad.clinic.pk}
    answer = added(client, "clinics_location", form)
    assert answer.status_code in {200, 403}
    if answer.status_code == 200:
        assert complaints(answer)
    chart = text(client.get(page("clinics_patient_change", abroad.patient.pk)))
    assert abroad.patient.notes not in chart
    assert home.patient.notes in text(client.get(page("clinics_patient_change", home.patient.pk)))


def test_a_chosen_clinic_gives_no_more_than_its_role(home: World, abroad: World) -> None:
    join(abroad, home.clinic_admin, "FINANCE_BILLING")
    client = at_the_desk(home.clinic_admin)
    choose(client, abroad.clinic)
    assert client.get(page("clinics_membership_changelist")).status_code == 403
    assert client.get(page("clinics_location_add")).status_code == 403
    assert client.get(page("clinics_patient_changelist")).status_code == 200


def test_an_administrator_of_the_installation_sees_all_or_one(home: World, abroad: World) -> None:
    client = at_the_desk(build_super_admin())
    for model, attribute in TABLES.items():
        assert getattr(home, attribute).pk in listed(client, model)
        assert getattr(abroad, attribute).pk in listed(client, model)
    assert choose(client, home.clinic).status_code == 302
    for model, attribute in TABLES.items():
        assert getattr(home, attribute).pk in listed(client, model)
        assert getattr(abroad, attribute).pk not in listed(client, model)
        foreign = client.get(page(f"{name_of(model)}_change", getattr(abroad, attribute).pk))
        assert foreign.status_code == 404
    assert home.clinic.name in text(client.get(page("index")))


def test_the_switch_is_offered_to_who_has_several(home: World, abroad: World) -> None:
    alone = at_the_desk(home.nurse)
    assert page("clinic_switch") not in text(alone.get(page("index")))
    join(abroad, home.nurse, "NURSE")
    assert page("clinic_switch") in text(alone.get(page("index")))


def test_what_is_written_after_a_switch_is_the_chosen_clinics(
    home: World, abroad: World, both: Client
) -> None:
    choose(both, abroad.clinic)
    assert added(both, "clinics_location", location_form(abroad)).status_code == 302
    act = acts("location.created")[-1]
    assert (act.clinic_id, act.actor_id) == (abroad.clinic.pk, home.clinic_admin.pk)


def test_a_third_clinic_stays_out_of_sight(home: World, abroad: World, both: Client) -> None:
    third = build_world("thirdland")
    for model, attribute in TABLES.items():
        assert getattr(third, attribute).pk not in listed(both, model)
    assert "thirdland" not in text(both.get(page("clinic_switch"))).lower()
