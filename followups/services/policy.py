"""A clinic's rules of continuing care: read with their defaults, saved by an administrator."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.roles import Permission
from clinics.models import Clinic
from clinics.principal import Principal
from clinics.services.changes import apply_changes, create_row
from core.errors import ErrorCode, KairosError, invalid
from followups.models import CarePolicy

#: What `policy_save` takes.
RULES: Final = (
    "offer_batch_size",
    "offer_delay_minutes",
    "offer_from",
    "offer_until",
    "offer_stop_minutes",
    "offers_per_week",
    "recall_lead_days",
    "escalate_after_attempts",
    "escalate_after_days",
    "invitation_days",
    "invitation_times",
)
#: The version of rules that nobody has saved yet.
DEFAULTS: Final = 0


def policy_of(clinic_id: UUID) -> CarePolicy:
    """The rules of a clinic; the defaults, at version `DEFAULTS` and unsaved, where it has none.

    Read each time it is asked for: who needs them more than once holds on to them.
    """
    return policies_of([clinic_id])[clinic_id]


def policies_of(clinics: Iterable[UUID]) -> dict[UUID, CarePolicy]:
    """The rules of several clinics, in one statement."""
    wanted = set(clinics)
    found = {row.clinic_id: row for row in CarePolicy.objects.filter(clinic_id__in=wanted)}
    return {
        clinic_id: found.get(clinic_id) or CarePolicy(clinic_id=clinic_id, version=DEFAULTS)
        for clinic_id in wanted
    }


def policy_save(
    *, by: Principal, clinic_id: UUID, expected_version: int | None, **fields: Any
) -> CarePolicy:
    """Change rules of a clinic (`RULES`); what is not named stays as it is.

    The first change makes the row; `expected_version` is then `DEFAULTS` or None. Raises NOT_FOUND
    for a clinic out of sight, PERMISSION_DENIED, PRECONDITION_FAILED, VALIDATION_ERROR.
    """
    if not by.is_super_admin and not by.is_staff_in(clinic_id):
        raise KairosError(ErrorCode.NOT_FOUND)
    by.require(Permission.CLINIC_MANAGE, clinic_id)
    _refuse_unknown(fields)
    # The clinic's row is the lock: of two first changes one finds the row of the other.
    if not Clinic.objects.select_for_update(no_key=True).filter(id=clinic_id).exists():
        raise KairosError(ErrorCode.NOT_FOUND)
    now = policy_of(clinic_id)
    if expected_version is not None and now.version != expected_version:
        raise KairosError(ErrorCode.PRECONDITION_FAILED)
    _check_hours(now, fields)
    if now.version == DEFAULTS:
        return create_row(
            CarePolicy, {"clinic_id": clinic_id, **fields}, action="care_policy.created"
        )
    return apply_changes(
        CarePolicy, now.id, fields, expected_version=None, action="care_policy.changed"
    )


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    unknown = sorted(set(fields).difference(RULES))
    if unknown:
        raise KairosError(
            ErrorCode.VALIDATION_ERROR, errors={name: [_("unknown")] for name in unknown}
        )


def _check_hours(now: CarePolicy, fields: Mapping[str, Any]) -> None:
    """Sending hours lie within one day."""
    begin, end = (fields.get(name, getattr(now, name)) for name in ("offer_from", "offer_until"))
    if begin is not None and end is not None and end <= begin:
        raise invalid("offer_until", _("The sending hours end after they begin."))
