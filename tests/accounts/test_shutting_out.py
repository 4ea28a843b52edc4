"""Ending somebody else's sessions, and shutting a user out: at once, and written down."""

import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import RefreshSession, User
from accounts.services.sessions import session_revoke
from accounts.services.users import user_deactivate, user_reactivate
from clinics.principal import principal_open
from clinics.services.memberships import member_session_revoke, membership_end
from core import tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent
from tests.casts import (
    Cast,
    build_cast,
    build_session,
    build_super_admin,
    build_user,
    signed_in,
)


@pytest.fixture
def cast(db: None) -> Cast:
    return build_cast("home")


@pytest.fixture
def outsider(db: None) -> Cast:
    return build_cast("away")


def revoke(by: User, session_id: Any) -> ErrorCode | None:
    with tenancy.scope(()):
        principal = principal_open(by.id, None, write=True)
        assert principal is not None
        try:
            member_session_revoke(by=principal, session_id=session_id)
        except KairosError as refusal:
            return refusal.code
    return None


def ended(session: RefreshSession) -> bool:
    return RefreshSession.objects.get(pk=session.pk).revoked_at is not None


def acts(action: str) -> list[AuditEvent]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(AuditEvent.objects.filter(action=action).order_by("id"))


def test_an_admin_signs_a_member_out(cast: Cast) -> None:
    client = signed_in(cast.nurse)
    assert client.get("/api/v1/users/me").status_code == 200
    session = RefreshSession.objects.get(user=cast.nurse)
    assert revoke(cast.clinic_admin, session.id) is None
    assert client.get("/api/v1/users/me").status_code == 401
    (act,) = acts("session.revoked")
    assert (act.entity_id, act.clinic_id) == (session.id, cast.clinic.id)
    assert act.changes == {"user": [str(cast.nurse.id), None]}
    moment = RefreshSession.objects.get(pk=session.id).revoked_at
    assert revoke(cast.clinic_admin, session.id) is None
    assert RefreshSession.objects.get(pk=session.id).revoked_at == moment
    assert len(acts("session.revoked")) == 1


@pytest.mark.parametrize("role", ["receptionist", "doctor_user", "nurse", "patient_user"])
def test_others_of_the_clinic_may_not(cast: Cast, role: str) -> None:
    session = build_session(cast.support)
    assert revoke(cast.user(role), session.id) == ErrorCode.NOT_FOUND
    assert not ended(session)


def test_nobody_signs_out_who_does_not_work_for_them(cast: Cast, outsider: Cast) -> None:
    foreign = build_session(outsider.nurse)
    patient = build_session(cast.patient_user)
    with tenancy.scope([cast.clinic.id]):
        membership_end(clinic=cast.clinic, membership_id=cast.memberships["lab"].id)
    former = build_session(cast.lab)
    for session_id in (foreign.id, patient.id, former.id, uuid4()):
        assert revoke(cast.clinic_admin, session_id) == ErrorCode.NOT_FOUND
    assert not [session for session in (foreign, patient, former) if ended(session)]
    assert acts("session.revoked") == []


def test_an_administrator_of_the_installation_signs_anybody_out(cast: Cast) -> None:
    by = build_super_admin()
    session = build_session(cast.patient_user)
    assert revoke(by, session.id) is None
    assert ended(session)
    assert revoke(by, uuid4()) == ErrorCode.NOT_FOUND
    with tenancy.scope(tenancy.SYSTEM), pytest.raises(KairosError):
        session_revoke(session_id=uuid4())


def test_deactivated_a_user_is_out_and_reactivated_signs_in_anew(cast: Cast) -> None:
    client = signed_in(cast.nurse)
    build_session(cast.nurse)
    with tenancy.scope(tenancy.SYSTEM):
        assert user_deactivate(user_id=cast.nurse.id, reason="left").is_active is False
    assert client.get("/api/v1/users/me").status_code == 401
    assert RefreshSession.objects.filter(user=cast.nurse, revoked_at=None).count() == 0
    (act,) = acts("user.deactivated")
    assert act.entity_id == cast.nurse.id
    assert act.changes == {
        "is_active": [True, False],
        "reason": [None, "left"],
        "signed_in_devices": [2, 0],
    }
    with tenancy.scope(tenancy.SYSTEM):
        user_deactivate(user_id=cast.nurse.id)
        assert user_reactivate(user_id=cast.nurse.id).is_active
        user_reactivate(user_id=cast.nurse.id)
    assert len(acts("user.deactivated")) == len(acts("user.reactivated")) == 1
    assert client.get("/api/v1/users/me").status_code == 401
    assert signed_in(cast.nurse).get("/api/v1/users/me").status_code == 200


def test_unknown_users_are_not_found(db: None) -> None:
    for service in (user_deactivate, user_reactivate):
        with tenancy.scope(tenancy.SYSTEM), pytest.raises(KairosError) as refusal:
            service(user_id=uuid4())
        assert refusal.value.code == ErrorCode.NOT_FOUND


def test_the_last_administrator_stays(db: None) -> None:
    admin, second = build_super_admin(), build_super_admin()
    with tenancy.scope(tenancy.SYSTEM):
        user_deactivate(user_id=second.id)
    with tenancy.scope(tenancy.SYSTEM), pytest.raises(KairosError) as refusal:
        user_deactivate(user_id=admin.id)
    assert refusal.value.code == ErrorCode.CONFLICT
    assert User.objects.get(pk=admin.id).is_active
    with tenancy.scope(tenancy.SYSTEM):  # somebody else still goes
        assert not user_deactivate(user_id=build_user("someone").id).is_active


@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_shut_each_other_out() -> None:
    admins = [build_super_admin(), build_super_admin()]
    barrier = threading.Barrier(2, timeout=20)
    refused: list[ErrorCode] = []

    def shut_out(user: User) -> None:
        try:
            with tenancy.scope(tenancy.SYSTEM):
                barrier.wait()
                user_deactivate(user_id=user.id)
        except KairosError as refusal:
            refused.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=shut_out, args=[user]) for user in admins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert refused == [ErrorCode.CONFLICT]
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1
