"""What a form does not offer cannot be sent: foreign ids, another clinic, closed fields."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from clinics.services.memberships import membership_add
from core import tenancy
from tests.backoffice.filled import (
    entry_form,
    exception_form,
    location_form,
    new_doctor_form,
    plan_form,
    proxy_form,
    room_form,
    template_form,
)
from tests.backoffice.world import (
    FOREIGN,
    World,
    at_the_desk,
    complaints,
    fresh,
    text,
)
from tests.backoffice.writing import (
    NEW,
    WRITTEN,
    Values,
    added,
    saved,
    written,
)

FORGED_NEW = [
    ("clinics_room", room_form, "location"),
    ("clinics_doctor", new_doctor_form, "member"),
    ("clinics_patientproxy", proxy_form, "patient"),
    ("clinics_scheduletemplate", template_form, "doctor"),
    ("clinics_scheduletemplate", template_form, "location"),
    ("clinics_scheduletemplate", template_form, "services"),
    ("clinics_scheduleexception", exception_form, "doctor"),
    ("clinics_scheduleexception", exception_form, "location"),
    ("followups_followupplan", plan_form, "patient"),
    ("followups_followupplan", plan_form, "doctor"),
    ("followups_followupplan", plan_form, "appointment"),
    ("followups_waitlistentry", entry_form, "patient"),
    ("followups_waitlistentry", entry_form, "doctors"),
    ("followups_waitlistentry", entry_form, "appointment"),
]


def named(world: World, field: str) -> Any:
    """What a world has for a field of a form."""
    others = {
        "member": world.memberships["therapist"],
        "services": world.service,
        "doctors": world.doctor,
        "appointment": world.visit,
    }
    return others[field] if field in others else getattr(world, field)


@pytest.mark.parametrize(("name", "form", "field"), FORGED_NEW)
def test_a_foreign_thing_cannot_be_chosen(
    name: str, form: Callable[[Any], Values], field: str, home: World, abroad: World
) -> None:
    """It is as little a choice as one that does not exist, and is not named."""
    foreign = named(abroad, field)
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
    foreign = named(abroad, field)
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
