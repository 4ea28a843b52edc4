"""Staff, their devices and accounts, and their leave, through the forms of the back office."""

from typing import Any

import pytest

from accounts.models import User
from appointments.models import BusyTime
from clinics.models import (
    Doctor,
    Membership,
    ScheduleException,
)
from clinics.services.memberships import membership_add, membership_end
from core import tenancy
from tests.backoffice.filled import exception_form, membership_form
from tests.backoffice.world import (
    FOREIGN,
    World,
    acts,
    at_the_desk,
    complaints,
    fresh,
    page,
    text,
    visit_in,
)
from tests.backoffice.writing import (
    Values,
    added,
    opened,
    saved,
    written,
)
from tests.casts import build_super_admin

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
