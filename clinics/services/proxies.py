"""Who may act for a patient: a parent for a child, a carer."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from accounts.selectors import user_by_login
from clinics.models import Clinic, Patient, PatientProxy
from clinics.services.changes import (
    apply_changes,
    create_row,
    remove_row,
    require_same_clinic,
)
from core.errors import invalid


def proxy_add(
    *,
    clinic: Clinic,
    patient: Patient,
    login: str,
    relation: str,
    valid_until: date | None = None,
) -> PatientProxy:
    """Let the user who signs in as `login` act for the patient.

    Raises NOT_FOUND for a patient of another clinic, VALIDATION_ERROR for a name that nobody signs
    in with, CONFLICT when the person acts for the patient already.
    """
    require_same_clinic(clinic.id, patient=patient)
    if patient.merged_into_id is not None:
        raise invalid("patient", "This chart was merged into another.")
    user = user_by_login(login)
    if user is None or not user.is_active:
        raise invalid("login", "Nobody signs in with this email or phone number.")
    return create_row(
        PatientProxy,
        {
            "clinic": clinic,
            "patient": patient,
            "user": user,
            "relation": relation,
            "valid_until": valid_until,
        },
        action="patient_proxy.added",
    )


def proxy_change(
    *, proxy_id: UUID, fields: Mapping[str, Any], expected_version: int | None
) -> PatientProxy:
    """Change until when. Raises NOT_FOUND, PRECONDITION_FAILED, VALIDATION_ERROR."""
    return apply_changes(
        PatientProxy,
        proxy_id,
        fields,
        expected_version=expected_version,
        action="patient_proxy.changed",
    )


def proxy_end(*, proxy_id: UUID, expected_version: int | None = None) -> None:
    """Take the right to act for the patient away, at once. Raises NOT_FOUND."""
    remove_row(
        PatientProxy, proxy_id, expected_version=expected_version, action="patient_proxy.ended"
    )
