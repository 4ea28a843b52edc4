"""Finding patients' charts."""

import re
from collections.abc import Iterable, Sequence
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


_LIKE = """
SELECT p.id FROM clinics_patient p
WHERE p.merged_into_id IS NULL AND p.is_active AND p.id IS DISTINCT FROM %(itself)s AND p.id IN (
    SELECT id FROM clinics_patient_search(%(clinics)s::uuid[], %(name)s, '', NULL, 200)
    WHERE %(name)s <> ''
    UNION ALL
    SELECT id FROM clinics_patient_search(%(clinics)s::uuid[], '', %(digits)s, NULL, 200)
    WHERE %(digits)s <> ''
    UNION ALL
    SELECT e.id FROM clinics_patient e
    WHERE %(email)s <> '' AND e.clinic_id = ANY (%(clinics)s::uuid[])
      AND lower(e.email) = lower(%(email)s)
) AND (%(birth)s::date IS NULL OR p.birth_date IS NULL OR p.birth_date = %(birth)s::date)
AND (
    (%(phone)s <> '' AND p.phone = %(phone)s)
    OR (%(email)s <> '' AND lower(p.email) = lower(%(email)s))
    OR btrim(clinics_fold(p.given_name || ' ' || p.family_name)) IN (
        btrim(clinics_fold(%(given)s || ' ' || %(family)s)),
        btrim(clinics_fold(%(family)s || ' ' || %(given)s)))
)
ORDER BY p.id LIMIT %(limit)s
"""


def patients_like(
    clinic: UUID,
    *,
    given_name: str,
    family_name: str = "",
    birth_date: date | None = None,
    phone: str = "",
    email: str = "",
    itself: UUID | None = None,
    limit: int = 5,
) -> list[Patient]:
    """Charts of the clinic that may be of the same person; a warning, not a verdict.

    The same phone (E.164), email or name, in either order and whatever its accents and case; unless
    both birth dates are known and differ: families share a phone. `itself` is a chart to leave out.
    """
    values = {
        "clinics": [clinic],
        "name": f"{given_name} {family_name}".strip(),
        "given": given_name,
        "family": family_name,
        "digits": re.sub(r"\D", "", phone),
        "phone": phone,
        "email": email.strip(),
        "birth": birth_date,
        "itself": itself,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LIKE, values)
        order = {row[0]: place for place, row in enumerate(cursor.fetchall())}
    found = Patient.objects.filter(id__in=list(order))
    return sorted(found, key=lambda patient: order[patient.id])


# The same verdict for many at once: the clinic's charts are read once and compared by equality.
_LIKE_EACH = """
WITH asked AS (
    SELECT * FROM unnest(%(itself)s::uuid[], %(given)s::text[], %(family)s::text[],
                         %(phone)s::text[], %(email)s::text[], %(birth)s::date[])
        AS a(itself, given, family, phone, email, birth)
), chart AS MATERIALIZED (
    SELECT id, phone, lower(email) AS email, birth_date AS birth,
           -- Folding is slow: only of whom the birth date lets through.
           CASE WHEN birth_date IS NULL OR birth_date = ANY (%(birth)s::date[])
                     OR array_position(%(birth)s::date[], NULL) IS NOT NULL
                THEN btrim(clinics_fold(given_name || ' ' || family_name)) END AS name
    FROM clinics_patient
    WHERE clinic_id = %(clinic)s AND is_active AND merged_into_id IS NULL
), alike AS (
    SELECT a.itself, a.birth, c.id, c.birth AS born
    FROM asked a JOIN chart c ON c.phone = a.phone WHERE a.phone <> ''
    UNION
    SELECT a.itself, a.birth, c.id, c.birth FROM asked a JOIN chart c ON c.email = lower(a.email)
    WHERE a.email <> ''
    UNION
    SELECT a.itself, a.birth, c.id, c.birth FROM asked a
    CROSS JOIN LATERAL (
        VALUES (a.given || ' ' || a.family), (a.family || ' ' || a.given)) AS n(name)
    JOIN chart c ON c.name = btrim(clinics_fold(n.name))
)
SELECT itself, id FROM (
    SELECT itself, id, row_number() OVER (PARTITION BY itself ORDER BY id) AS place
    FROM alike WHERE id <> itself AND (birth IS NULL OR born IS NULL OR birth = born)
) AS placed WHERE place <= %(limit)s ORDER BY itself, id
"""


def patients_like_each(
    clinic: UUID, patients: Sequence[Patient], *, limit: int = 3
) -> dict[UUID, list[Patient]]:
    """As `patients_like`, for several charts of the clinic at once: at most `limit` for each.

    Two queries, however many charts. A chart that is like no other is left out.
    """
    if not patients:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _LIKE_EACH,
            {
                "clinic": clinic,
                "limit": limit,
                "itself": [patient.id for patient in patients],
                "given": [patient.given_name for patient in patients],
                "family": [patient.family_name for patient in patients],
                "phone": [patient.phone for patient in patients],
                "email": [patient.email for patient in patients],
                "birth": [patient.birth_date for patient in patients],
            },
        )
        pairs = cursor.fetchall()
    found = {one.id: one for one in Patient.objects.filter(id__in={like for _of, like in pairs})}
    alike: dict[UUID, list[Patient]] = {}
    for patient, like in pairs:
        if like in found:
            alike.setdefault(patient, []).append(found[like])
    return alike
