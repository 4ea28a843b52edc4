"""Two administrators edit one row: the second is told, and nothing of theirs is saved."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from clinics.services.memberships import membership_add
from core import tenancy
from tests.backoffice.world import World, at_the_desk, complaints, fresh, page
from tests.backoffice.writing import CHANGE_IDS, CHANGES, opened, saved
from tests.casts import build_user

SENTENCE = "Somebody else changed this while you had it open. Nothing of yours was saved."
#: What the other one changes meanwhile: another field than the first.
MEANWHILE: dict[str, dict[str, str]] = {
    "checkin_checkinlocation": {"name": "Side door"},
    "followups_followupplan": {"follow_up_type": "urgent"},
    "followups_waitlistentry": {"note": "Meanwhile"},
    "followups_carepolicy": {"recall_lead_days": "21"},
    "clinics_clinic": {"horizon_days": "33"},
    "clinics_location": {"address": "Meanwhile 1"},
    "clinics_room": {"name": "Meanwhile"},
    "clinics_service": {"description": "Meanwhile"},
    "clinics_doctor": {"profession": "DENTIST"},
    "clinics_patient": {"region": "Meanwhile"},
    "clinics_patientproxy": {"valid_until": "2037-07-07"},
    "clinics_scheduletemplate": {"slot_minutes": "20"},
}


@pytest.fixture
def colleague(home: World) -> Client:
    """A second administrator of the clinic."""
    user: User = build_user("colleague")
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=home.clinic, user=user, role="CLINIC_ADMIN")
    return at_the_desk(user)


def columns(row: Any) -> dict[str, Any]:
    now = fresh(row)
    return {field.attname: getattr(now, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.parametrize(("name", "attribute", "changes", "action"), CHANGES, ids=CHANGE_IDS)
def test_the_second_is_told_and_saves_nothing(
    name: str,
    attribute: str,
    changes: dict[str, str],
    action: str,
    home: World,
    colleague: Client,
) -> None:
    row, admin = getattr(home, attribute), at_the_desk(home.clinic_admin)
    mine = opened(admin, name, row) | changes
    assert saved(colleague, name, row, **MEANWHILE[name]).status_code == 302
    between = columns(row)
    answer = admin.post(page(f"{name}_change", row.pk), mine)
    assert answer.status_code == 200
    assert SENTENCE in complaints(answer)
    assert columns(row) == between


@pytest.mark.parametrize(("name", "attribute", "changes", "action"), CHANGES, ids=CHANGE_IDS)
def test_with_the_version_of_now_it_would_be_overwritten(
    name: str,
    attribute: str,
    changes: dict[str, str],
    action: str,
    home: World,
    colleague: Client,
) -> None:
    """The negative control: the same two, the second as if they had read what is there now."""
    row, admin = getattr(home, attribute), at_the_desk(home.clinic_admin)
    mine = opened(admin, name, row) | changes
    assert mine["version_read"] == [str(row.version)]
    assert saved(colleague, name, row, **MEANWHILE[name]).status_code == 302
    between = columns(row)
    mine["version_read"] = [str(fresh(row).version)]
    assert admin.post(page(f"{name}_change", row.pk), mine).status_code == 302
    after = columns(row)
    assert after != between
    lost = set(MEANWHILE[name]) - set(changes)
    assert all(after[field] == getattr(row, field) for field in lost)


@pytest.mark.parametrize(("name", "attribute", "changes", "action"), CHANGES, ids=CHANGE_IDS)
def test_a_form_that_does_not_say_what_it_read_saves_nothing(
    name: str, attribute: str, changes: dict[str, str], action: str, home: World
) -> None:
    row, admin = getattr(home, attribute), at_the_desk(home.clinic_admin)
    mine = opened(admin, name, row) | changes
    mine.pop("version_read")
    before = columns(row)
    assert admin.post(page(f"{name}_change", row.pk), mine).status_code == 200
    assert columns(row) == before


def test_a_role_changed_meanwhile_is_not_changed_again(home: World, colleague: Client) -> None:
    admin, row = at_the_desk(home.clinic_admin), home.membership
    mine = opened(admin, "clinics_membership", row) | {"role": "FINANCE_BILLING"}
    values = opened(colleague, "clinics_membership", row)
    values.pop("is_active")
    address = page("clinics_membership_change", row.pk)
    assert colleague.post(address, values).status_code == 302
    answer = admin.post(address, mine)
    assert SENTENCE in complaints(answer)
    assert not fresh(row).is_active


@pytest.mark.parametrize("version", ["0", "99", "-1"])
def test_a_version_that_is_not_the_rows_is_refused(version: str, home: World) -> None:
    answer = saved(
        at_the_desk(home.clinic_admin),
        "clinics_room",
        home.room,
        name="Other",
        version_read=version,
    )
    assert answer.status_code == 200
    assert SENTENCE in complaints(answer)
    assert fresh(home.room).name == home.room.name


def test_a_refused_form_opened_again_is_saved(home: World, colleague: Client) -> None:
    """As the sentence says: open it again to see the change, then make yours."""
    admin = at_the_desk(home.clinic_admin)
    mine = opened(admin, "clinics_room", home.room) | {"name": "Mine"}
    saved(colleague, "clinics_room", home.room, name="Theirs")
    assert admin.post(page("clinics_room_change", home.room.pk), mine).status_code == 200
    assert saved(admin, "clinics_room", home.room, name="Mine").status_code == 302
    assert fresh(home.room).name == "Mine"
