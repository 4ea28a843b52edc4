"""Finding patients' charts."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.roles import Permission
from clinics.models import Patient
from clinics.principal import Principal

_PHONE_LIKE = re.compile(r"[+\d][\d\s()./-]*")
_DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y")


def patients_visible_to(principal: Principal) -> QuerySet[Patient]:
    """Charts that the principal may read: whole clinics, and their own."""
    if principal.is_super_admin:
        return Patient.objects.all()
    return Patient.objects.filter(
        Q(clinic_id__in=principal.clinics_with(Permission.PATIENT_READ))
        | Q(id__in=principal.own_patients())
    )


def clinical_text_of(principal: Principal, patients: Iterable[Patient]) -> set[UUID]:
    """Which of these charts' notes the principal may read: the staff's words among themselves."""
    return {
        patient.id
        for patient in patients
        if principal.may(Permission.APPOINTMENT_CLINICAL, patient.clinic_id)
        or principal.may_own(Permission.APPOINTMENT_CLINICAL, patient.clinic_id)
    }


def parse_birth_date(text: str) -> date | None:
    """A date as people type it (year first, or day first); None when it is not one."""
    for pattern in _DATE_FORMATS:
        try:
            return datetime.strptime(text.strip(), pattern).date()  # noqa: DTZ007 - a calendar date
        except ValueError:
            continue
    return None


def patients_search(
    clinics: list[UUID], text: str, *, birth_date: date | None = None, limit: int = 20
) -> list[Patient]:
    """Patients who fit what was typed, best first; at most `limit`.

    A name with typos, the end of a phone number (3 digits or more), the start of a record number,
    or a birth date. The search runs in a definer function, because the indexes it needs are not
    used under row security; it is given the caller's clinics and returns ids, read under security.
    """
    text = text.strip()
    birth = birth_date or parse_birth_date(text)
    digits = re.sub(r"\D", "", text) if _PHONE_LIKE.fullmatch(text) and birth is None else ""
    words = "" if birth is not None and birth_date is None else text
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM clinics_patient_search(%s::uuid[], %s, %s, %s::date, %s)",
            [clinics, words, digits, birth, limit],
        )
        order = {row[0]: place for place, row in enumerate(cursor.fetchall())}
    found = Patient.objects.filter(id__in=list(order))
    return sorted(found, key=lambda patient: order[patient.id])
