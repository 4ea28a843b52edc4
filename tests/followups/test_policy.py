"""The rules of continuing care: defaults until somebody saves them, and who may."""

from datetime import time
from typing import Any

import pytest

from clinics.principal import Principal
from core import ids, tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent
from followups.models import CarePolicy
from followups.services.policy import DEFAULTS, policies_of, policy_of, policy_save
from tests.appointments.scene import House, Person


def save(by: Person, clinic: Any, version: int | None = DEFAULTS, **fields: Any) -> CarePolicy:
    """Within the person's own scope, as a request."""
    with tenancy.scope(()):
        return policy_save(by=by.principal(), clinic_id=clinic, expected_version=version, **fields)


def refused(by: Person, clinic: Any, version: int | None = DEFAULTS, **fields: Any) -> KairosError:
    with pytest.raises(KairosError) as refusal:
        save(by, clinic, version, **fields)
    return refusal.value


def now(house: House) -> CarePolicy:
    with tenancy.scope(tenancy.SYSTEM):
        return policy_of(house.clinic.id)


def test_a_clinic_without_a_row_has_the_defaults(own: House, other: House) -> None:
    save(own.admin, own.clinic.id, offer_batch_size=7)
    with tenancy.scope(tenancy.SYSTEM):
        found = policies_of([own.clinic.id, other.clinic.id])
    assert found[own.clinic.id].offer_batch_size == 7
    assert found[other.clinic.id].offer_batch_size == 3
    assert found[other.clinic.id].version == DEFAULTS
    assert found[other.clinic.id].clinic_id == other.clinic.id


def test_the_first_change_makes_the_row_and_the_next_changes_it(own: House) -> None:
    first = save(own.admin, own.clinic.id, offer_from=time(9))
    assert (first.version, first.offer_from, first.offer_until) == (1, time(9), time(20))
    second = save(own.admin, own.clinic.id, 1, offer_until=time(17))
    assert (second.id, second.version) == (first.id, 2)
    assert (now(own).offer_from, now(own).offer_until) == (time(9), time(17))
    with tenancy.scope(tenancy.SYSTEM):
        acts = AuditEvent.objects.filter(entity_id=first.id).order_by("id")
        assert [act.action for act in acts] == ["care_policy.created", "care_policy.changed"]


@pytest.mark.parametrize("version", [DEFAULTS, 2, 9])
def test_a_version_that_is_not_the_rows_is_refused(version: int, own: House) -> None:
    save(own.admin, own.clinic.id, offer_batch_size=7)
    refusal = refused(own.admin, own.clinic.id, version, offer_batch_size=8)
    assert refusal.code == ErrorCode.PRECONDITION_FAILED
    assert now(own).offer_batch_size == 7


def test_without_a_row_a_version_is_refused(own: House) -> None:
    assert refused(own.admin, own.clinic.id, 1).code == ErrorCode.PRECONDITION_FAILED
    assert now(own).version == DEFAULTS


def test_without_a_version_it_is_saved(own: House) -> None:
    assert save(own.admin, own.clinic.id, None, offer_batch_size=7).version == 1
    assert save(own.admin, own.clinic.id, None, offer_batch_size=8).version == 2


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"offer_until": time(8)}, "offer_until"),
        ({"offer_until": time(7)}, "offer_until"),
        ({"offer_from": time(20)}, "offer_until"),
        ({"offer_batch_size": 0}, "offer_batch_size"),
        ({"offer_batch_size": 51}, "offer_batch_size"),
        ({"offer_delay_minutes": 0}, "offer_delay_minutes"),
        ({"invitation_times": None}, "invitation_times"),
        ({"id": None}, "id"),
        ({"created_at": None}, "created_at"),
    ],
)
def test_rules_that_cannot_be_are_refused(fields: dict[str, Any], named: str, own: House) -> None:
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - two kinds, of one shape to the caller
        save(own.admin, own.clinic.id, **fields)
    found = refusal.value
    errors = found.errors if isinstance(found, KairosError) else found.message_dict
    assert named in errors
    assert now(own).version == DEFAULTS


@pytest.mark.parametrize("name", ["reception", "doctor_user", "nurse"])
def test_only_who_runs_the_clinic_changes_them(name: str, own: House) -> None:
    refusal = refused(getattr(own, name), own.clinic.id, offer_batch_size=7)
    assert refusal.code == ErrorCode.PERMISSION_DENIED


def test_a_foreign_clinic_is_one_that_does_not_exist(own: House, other: House) -> None:
    for clinic in (own.clinic.id, ids.uuid7()):
        assert refused(other.admin, clinic, offer_batch_size=7).code == ErrorCode.NOT_FOUND
    assert now(own).version == DEFAULTS


def test_an_installation_is_not_a_clinic(own: House) -> None:
    """Whoever runs the installation may change each clinic's, and none that is not there."""
    everywhere = Principal(
        user_id=own.admin.id,
        session_id=None,
        is_super_admin=True,
        locale="en",
        timezone="UTC",
        doctor_id=None,
    )
    with tenancy.scope(tenancy.SYSTEM):
        assert policy_save(by=everywhere, clinic_id=own.clinic.id, expected_version=None)
        with pytest.raises(KairosError) as refusal:
            policy_save(by=everywhere, clinic_id=ids.uuid7(), expected_version=None)
    assert refusal.value.code == ErrorCode.NOT_FOUND
