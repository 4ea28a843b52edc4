"""Patients' charts: opening and changing them, and who looked."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from clinics.models import Clinic, Patient
from clinics.services.changes import apply_changes, create_row
from clinics.services.contact import phone_in
from core import journal, locks
from core.errors import ErrorCode, KairosError

#: What a patient may change of their own chart.
CONTACT_FIELDS = frozenset({"phone", "email", "language", "contact_preferences"})
_MRN_DIGITS = 8


def patient_create(*, clinic: Clinic, fields: Mapping[str, Any]) -> Patient:
    """A new chart; its record number is made here when none is given.

    Raises VALIDATION_ERROR, and CONFLICT when the record number or outside id is taken.
    """
    values = _cleaned(clinic, fields)
    if not values.get("mrn"):
        values["mrn"] = mrn_reserve(clinic_id=clinic.id)
    return create_row(Patient, {"clinic": clinic, **values}, action="patient.created")


def patient_update(
    *,
    patient: Patient,
    fields: Mapping[str, Any],
    expected_version: int | None,
    contact_only: bool,
) -> Patient:
    """Change a chart. With `contact_only` (patients themselves) only contact data.

    Raises PERMISSION_DENIED for another field, NOT_FOUND, PRECONDITION_FAILED, VALIDATION_ERROR,
    CONFLICT (also for a chart that was merged into another).
    """
    if patient.merged_into_id is not None:
        raise KairosError(ErrorCode.CONFLICT, _("This chart was merged into another."))
    fields = _cleaned(patient.clinic, fields)
    if contact_only:
        # What is repeated unchanged, as in a PUT of the whole chart, is not a change.
        refused = sorted(
            name
            for name, value in fields.items()
            if name not in CONTACT_FIELDS and getattr(patient, name) != value
        )
        if refused:
            raise KairosError(
                ErrorCode.PERMISSION_DENIED, f"Only the clinic changes {', '.join(refused)}."
            )
    return apply_changes(
        Patient,
        patient.id,
        fields,
        expected_version=expected_version,
        action="patient.changed",
    )


def mrn_reserve(*, clinic_id: UUID) -> str:
    """A record number that nobody in the clinic has, held for the open transaction.

    Eight random digits and a Luhn check digit (ISO/IEC 7812-1): short enough for the phone, and one
    mistyped digit is never another patient. Whoever draws a number locks it before looking, so two
    at once cannot both find it free.
    """
    while True:
        mrn = _mrn_drawn()
        locks.advisory([f"mrn:{clinic_id}:{mrn}"])
        if not Patient.objects.filter(clinic_id=clinic_id, mrn=mrn).exists():
            return mrn


def mrns_reserve(*, clinic_id: UUID, count: int) -> list[str]:
    """`count` record numbers that nobody in the clinic has, of the form of `mrn_reserve`.

    Nothing is locked, since a lock for each would be more than the server has room for. When
    somebody else draws one of them in the same moment, the constraint refuses the slower of the
    two, and an import writes its chunk again.
    """
    found: list[str] = []
    while len(found) < count:
        drawn = {_mrn_drawn() for _ in range(count - len(found))}
        taken = Patient.objects.filter(clinic_id=clinic_id, mrn__in=drawn)
        free = drawn - set(taken.values_list("mrn", flat=True)) - set(found)
        found += sorted(free)
    return found


def _mrn_drawn() -> str:
    digits = f"{secrets.randbelow(10**_MRN_DIGITS):0{_MRN_DIGITS}d}"
    return digits + _check_digit(digits)


def patients_read(patients: Iterable[Patient], *, action: str) -> None:
    """Write down that these charts were shown: one act for each clinic, one for a single chart."""
    by_clinic: dict[UUID, list[UUID]] = {}
    for patient in patients:
        by_clinic.setdefault(patient.clinic_id, []).append(patient.id)
    single = action == "patient.read"
    journal.record_many(
        journal.Act(action, "clinics.patient", shown[0] if single else None, clinic_id, shown)
        for clinic_id, shown in by_clinic.items()
    )


def _cleaned(clinic: Clinic, fields: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(fields)
    if "phone" in values:
        values["phone"] = phone_in(clinic.country, values["phone"])
    if values.get("external_id") == "":
        values["external_id"] = None
    if values.get("notes") is None:  # null is what a reader without the right was shown
        values.pop("notes", None)
    return values


def _check_digit(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)
