"""Clinics, their places and staff, and the directory that anyone may read."""

import threading
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts.models import User
from accounts.roles import Permission, Role, codenames
from clinics.models import Clinic, ClinicGroupPermission, Doctor, Location, Membership, Service
from clinics.services.memberships import membership_add, membership_end
from core import tenancy
from core.errors import KairosError
from tests.casts import Cast, build_cast, build_super_admin, build_user, signed_in

JSON: dict[str, Any] = {"content_type": "application/json"}


def test_the_directory_is_public_and_cacheable(cast: Cast) -> None:
    for path in (
        f"clinics/{cast.clinic.id}",
        f"clinics/by-app-name/{cast.clinic.slug}",
        "clinics",
        "doctors",
        f"doctors/{cast.doctor.id}",
        f"clinics/{cast.clinic.id}/doctors",
    ):
        answer = Client().get(f"/api/v1/{path}")
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"].startswith("public")
        assert {"Authorization", "Cookie"} <= set(answer.headers["Vary"].split(", "))
        again = Client().get(f"/api/v1/{path}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_public_sees_no_policy_and_no_accounts(cast: Cast) -> None:
    clinic = Client().get(f"/api/v1/clinics/{cast.clinic.id}").json()
    assert "reception_may_override" not in clinic
    doctor = Client().get(f"/api/v1/doctors/{cast.doctor.id}").json()
    assert "user" not in doctor
    assert doctor["clinics"] == [str(cast.clinic.id)]


def test_who_manages_sees_and_changes_the_policy(cast: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    shown = client.get(f"/api/v1/clinics/{cast.clinic.id}")
    assert shown.json()["hold_minutes"] == 5
    assert shown.headers["Cache-Control"] == "private, no-cache"
    changed = client.put(
        f"/api/v1/clinics/{cast.clinic.id}",
        shown.json() | {"hold_minutes": 9, "phone": "030 901820"},
        headers={"If-Match": shown.headers["ETag"]},
        **JSON,
    )
    assert changed.status_code == 200, changed.json()
    assert (changed.json()["hold_minutes"], changed.json()["phone"]) == (9, "+4930901820")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"hold_minutes": 0}, "hold_minutes"),
        ({"hold_minutes": 10**12}, "hold_minutes"),
        ({"timezone": "Mars"}, "timezone"),
        ({"colour": "red"}, "colour"),
        ({"slug": "a b"}, "slug"),
        ({"website": "javascript:alert(1)"}, "website"),
    ],
)
def test_settings_refuse(cast: Cast, body: dict[str, Any], field: str) -> None:
    answer = signed_in(cast.clinic_admin).patch(f"/api/v1/clinics/{cast.clinic.id}", body, **JSON)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_only_the_installation_closes_and_reopens_a_clinic(cast: Cast) -> None:
    admin, root = signed_in(cast.clinic_admin), signed_in(build_super_admin())
    path = f"/api/v1/clinics/{cast.clinic.id}"
    assert admin.patch(path, {"is_active": False}, **JSON).status_code == 403
    assert root.delete(path).status_code == 204
    assert Client().get(path).status_code == 404
    assert admin.get("/api/v1/clinics/mine").json()["results"] == []
    assert signed_in(cast.receptionist).get("/api/v1/patients").status_code == 403
    assert root.patch(path, {"is_active": True}, **JSON).status_code == 200
    assert signed_in(cast.receptionist).get("/api/v1/patients").status_code == 200


def test_a_clinic_is_opened_with_its_groups(db: None) -> None:
    root = signed_in(build_super_admin())
    body = {"name": "New", "slug": "brand-new", "timezone": "Asia/Kolkata"}
    made = root.post("/api/v1/clinics", body, **JSON)
    assert made.status_code == 201, made.json()
    taken = root.post("/api/v1/clinics", body, **JSON)
    assert taken.json()["code"] == "CONFLICT"
    with tenancy.scope(tenancy.SYSTEM):
        held = ClinicGroupPermission.objects.filter(content_object_id=made.json()["id"])
        assert {row.permission.codename for row in held} >= codenames(Role.RECEPTIONIST)


@pytest.mark.parametrize(
    ("name", "valid", "available"),
    [
        ("green-valley", True, True),
        ("api", True, False),
        ("Green", False, False),
        ("-x-", False, False),
        ("x", False, False),
        ("", False, False),
    ],
)
def test_app_names(db: None, name: str, valid: bool, available: bool) -> None:
    answer = Client().post("/api/v1/clinics/validate-app-name", {"app_name": name}, **JSON).json()
    assert (answer["valid"], answer["available"]) == (valid, available)


def test_mine(cast: Cast, outsider: Cast) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=outsider.clinic, user=cast.nurse, role=Role.NURSE)
        membership_add(clinic=outsider.clinic, user=cast.nurse, role=Role.RECEPTIONIST)
    mine = signed_in(cast.nurse).get("/api/v1/clinics/mine").json()["results"]
    assert {one["id"]: one["roles"] for one in mine} == {
        str(cast.clinic.id): ["NURSE"],
        str(outsider.clinic.id): ["NURSE", "RECEPTIONIST"],
    }
    (chart,) = signed_in(cast.patient_user).get("/api/v1/clinics/mine").json()["results"]
    assert chart["patients"] == [str(cast.patient.id)]


def add(cast: Cast, **body: Any) -> Any:
    return signed_in(cast.clinic_admin).post(
        f"/api/v1/clinics/{cast.clinic.id}/members", body, **JSON
    )


def test_a_member_who_is_new_gets_an_account_without_a_password(cast: Cast) -> None:
    answer = add(cast, email="new@example.test", role="NURSE", given_name="Nina")
    assert answer.status_code == 201
    user = User.objects.get(email="new@example.test")
    assert not user.has_usable_password()
    assert signed_in(user).get("/api/v1/patients").status_code == 200


def test_a_member_by_national_phone_number(cast: Cast) -> None:
    user = build_user("known", phone="+4930901820")
    answer = add(cast, phone="030 901820", role="SUPPORT_STAFF")
    assert answer.json()["user"] == str(user.id)


@pytest.mark.parametrize(
    "body",
    [
        {"role": "NURSE"},
        {"email": "x", "role": "NURSE"},
        {"phone": "1", "role": "NURSE"},
        {"email": "a@b.test", "role": "SUPER_ADMIN"},
        {"email": "a@b.test", "role": "PATIENT"},
        {"email": "a@b.test", "phone": "+4930901820", "role": "NURSE"},
    ],
)
def test_members_refuse(cast: Cast, body: dict[str, Any]) -> None:
    assert add(cast, **body).status_code == 400


def test_a_role_ends_at_once(cast: Cast) -> None:
    nurse = signed_in(cast.nurse)
    assert nurse.get("/api/v1/patients").status_code == 200
    path = f"/api/v1/clinics/{cast.clinic.id}/members/{cast.membership.id}"
    assert signed_in(cast.clinic_admin).delete(path).status_code == 204
    assert nurse.get("/api/v1/patients").status_code == 403
    assert add(cast, email=cast.nurse.email, role="NURSE").status_code == 201
    assert nurse.get("/api/v1/patients").status_code == 200


def test_the_last_administrator_stays(cast: Cast) -> None:
    membership = cast.memberships["clinic_admin"]
    answer = signed_in(cast.clinic_admin).delete(
        f"/api/v1/clinics/{cast.clinic.id}/members/{membership.id}"
    )
    assert answer.status_code == 409


def end_membership(
    cast: Cast, membership: Membership, ready: threading.Barrier, refused: list[KairosError]
) -> None:
    """In a thread of its own, together with another."""
    try:
        ready.wait(5)
        with tenancy.scope([cast.clinic.id]):
            membership_end(clinic=cast.clinic, membership_id=membership.id)
    except KairosError as error:
        refused.append(error)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_two_administrators_do_not_remove_each_other() -> None:
    for _ in range(3):
        cast = build_cast("home")
        with tenancy.scope(tenancy.SYSTEM):
            second = membership_add(
                clinic=cast.clinic, user=build_user("second"), role=Role.CLINIC_ADMIN
            )
        ready = threading.Barrier(2)
        refused: list[KairosError] = []

        threads = [
            threading.Thread(target=end_membership, args=(cast, membership, ready, refused))
            for membership in (cast.memberships["clinic_admin"], second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [error.code for error in refused] == ["CONFLICT"]
        with tenancy.scope([cast.clinic.id]):
            assert Membership.objects.filter(role=Role.CLINIC_ADMIN, is_active=True).count() == 1


def test_a_doctor_needs_a_bookable_role_in_that_clinic(cast: Cast, outsider: Cast) -> None:
    client = signed_in(cast.clinic_admin)

    def make(user: User, clinic: Clinic = cast.clinic) -> Any:
        return client.post(
            "/api/v1/doctors",
            {"clinic": str(clinic.id), "user": str(user.id), "display_name": "D"},
            **JSON,
        )

    answers = [make(cast.nurse), make(outsider.therapist), make(cast.therapist, outsider.clinic)]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert make(cast.therapist).status_code == 201
    assert make(cast.therapist).status_code == 409
    with tenancy.scope(tenancy.SYSTEM):
        assert Doctor.objects.filter(user=cast.therapist).count() == 1


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"specialty": "cardiology"}, True),
        ({"specialty": "surgery"}, False),
        ({"language": "de", "insurance": "AOK"}, True),
        ({"language": "de", "insurance": "TK"}, False),
        ({"region": "Berlin", "profession": "DOCTOR"}, True),
        ({"profession": "DENTIST"}, False),
    ],
)
def test_doctors_are_filtered(cast: Cast, query: dict[str, str], is_found: bool) -> None:
    changed = signed_in(cast.clinic_admin).patch(
        f"/api/v1/doctors/{cast.doctor.id}",
        {
            "specialties": ["cardiology"],
            "languages": ["de", "en"],
            "accepted_insurances": ["AOK"],
            "licensed_regions": ["Berlin"],
        },
        **JSON,
    )
    assert changed.status_code == 200, changed.json()
    at = {"clinic": str(cast.clinic.id)}
    answer = Client().get("/api/v1/doctors", query | at).json()
    assert [one["id"] for one in answer["results"]] == ([str(cast.doctor.id)] if is_found else [])
    assert Client().get("/api/v1/doctors", {"clinic": str(uuid4())}).json()["results"] == []


def test_an_inactive_doctor_is_seen_by_who_manages_the_staff(cast: Cast, outsider: Cast) -> None:
    path = f"/api/v1/doctors/{cast.doctor.id}"
    client = signed_in(cast.clinic_admin)
    assert client.patch(path, {"is_active": False}, **JSON).status_code == 200
    assert Client().get(path).status_code == 404
    assert signed_in(outsider.clinic_admin).get(path).status_code == 404
    assert client.patch(path, {"is_active": True}, **JSON).status_code == 200


def test_patients_see_what_they_may_book(cast: Cast) -> None:
    with tenancy.scope([cast.clinic.id]):
        Service.objects.create(
            clinic=cast.clinic, name="Internal", duration_minutes=15, is_public=False
        )
    seen = signed_in(cast.patient_user).get("/api/v1/services").json()["results"]
    assert [one["name"] for one in seen] == ["Visit"]
    assert len(signed_in(cast.nurse).get("/api/v1/services").json()["results"]) == 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"weekday": 1, "start_time": "11:00", "end_time": "13:00"}, 409),
        ({"weekday": 1, "start_time": "12:00", "end_time": "13:00"}, 201),
        ({"weekday": 2, "start_time": "22:00", "end_time": "00:00"}, 201),
        ({"weekday": 2, "start_time": "12:00", "end_time": "11:00"}, 400),
        ({"weekday": 8}, 400),
        ({"slot_minutes": 1}, 400),
        ({"modes": ["TELEPATHY"]}, 400),
        ({"valid_from": "2030-02-01", "valid_to": "2030-01-01", "weekday": 3}, 400),
        ({"services": [str(uuid4())], "weekday": 3}, 404),
    ],
)
def test_working_hours(cast: Cast, changes: dict[str, Any], status: int) -> None:
    body = {
        "location": str(cast.location.id),
        "doctor": str(cast.doctor.id),
        "weekday": 4,
        "start_time": "09:00",
        "end_time": "12:00",
    } | changes
    answer = signed_in(cast.doctor_user).post("/api/v1/schedule-templates", body, **JSON)
    assert answer.status_code == status, answer.json()


def test_working_hours_change_with_their_services(cast: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    path = f"/api/v1/schedule-templates/{cast.template.id}"
    changed = client.patch(path, {"services": [str(cast.service.id)], "capacity": 2}, **JSON)
    assert changed.json()["services"] == [str(cast.service.id)]
    assert changed.headers["ETag"] == f'"{changed.json()["version"]}"'
    assert client.get(path).json() == changed.json()
    moved = client.patch(path, {"doctor": str(uuid4())}, **JSON)
    assert moved.status_code == 404
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_a_foreign_reference_is_like_an_unknown_one(cast: Cast, outsider: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    bodies = []
    for location in (outsider.location.id, uuid4()):
        answer = client.patch(f"/api/v1/rooms/{cast.room.id}", {"location": str(location)}, **JSON)
        assert answer.status_code == 404
        body = answer.json()
        body.pop("request_id")
        bodies.append(body)
    assert bodies[0] == bodies[1]


def test_nothing_of_a_clinic_is_removed(cast: Cast) -> None:
    client = signed_in(cast.clinic_admin)
    path = f"/api/v1/clinic-locations/{cast.location.id}"
    assert client.delete(path).status_code == 204
    assert client.get(path).json()["is_active"] is False
    with tenancy.scope([cast.clinic.id]):
        assert Location.objects.filter(id=cast.location.id).exists()


def test_create_clinic_command(db: None) -> None:
    out = StringIO()
    options = {
        "name": "Valley",
        "slug": "valley",
        "timezone": "Asia/Kolkata",
        "admin_email": "boss@example.test",
    }
    call_command("create_clinic", stdout=out, **options)
    assert "changepassword boss@example.test" in out.getvalue()
    boss = User.objects.get(email="boss@example.test")
    (mine,) = signed_in(boss).get("/api/v1/clinics/mine").json()["results"]
    assert (mine["slug"], mine["roles"]) == ("valley", ["CLINIC_ADMIN"])
    for wrong in ({"slug": "valley"}, {"slug": "x y"}, {"slug": "v2", "timezone": "Mars"}):
        with pytest.raises(CommandError):
            call_command("create_clinic", stdout=out, **(options | wrong))


def test_sync_roles_command_brings_back_what_the_matrix_says(cast: Cast) -> None:
    client = signed_in(cast.nurse)
    with tenancy.scope(tenancy.SYSTEM):
        ClinicGroupPermission.objects.filter(permission__codename=Permission.PATIENT_READ).delete()
    assert client.get("/api/v1/patients").status_code == 403
    call_command("sync_roles", stdout=StringIO())
    assert client.get("/api/v1/patients").status_code == 200
