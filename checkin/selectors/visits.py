"""The visits that a scan may be about, read under their locks."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection

from appointments.models import Appointment

#: How far around the moment of a scan visits are looked for, when a person is asked for.
AROUND: Final = timedelta(days=1)
AHEAD: Final = timedelta(days=7)
MOST: Final = 50

_FAMILY = """
WITH subject AS (
    SELECT patient_id FROM appointments_appointment WHERE id = %(visit)s AND clinic_id = %(clinic)s
), family AS (
    SELECT patient_id FROM subject
    UNION
    SELECT proxy.patient_id
    FROM subject
    JOIN clinics_patient person ON person.id = subject.patient_id
    JOIN clinics_patientproxy proxy ON proxy.user_id = person.user_id
        AND proxy.clinic_id = %(clinic)s
        AND (proxy.valid_until IS NULL OR proxy.valid_until >= %(today)s)
)
"""
_AROUND = f"""{_FAMILY}, near AS (
    SELECT id FROM appointments_appointment
    WHERE clinic_id = %(clinic)s AND starts_at >= %(from)s AND starts_at < %(to)s
      AND patient_id = ANY (
          %(patients)s::uuid[] || ARRAY(SELECT patient_id FROM family)
      )
    ORDER BY starts_at, id LIMIT %(most)s
)
SELECT id FROM appointments_appointment
WHERE clinic_id = %(clinic)s
  AND id = ANY (%(visits)s::uuid[] || ARRAY(SELECT id FROM near))
ORDER BY id FOR NO KEY UPDATE
"""


def family_of(visit: UUID, *, clinic: UUID, today: date) -> list[UUID]:
    """The patient of the visit, and those whom they act for."""
    with connection.cursor() as cursor:
        cursor.execute(
            _FAMILY + "SELECT patient_id FROM family",
            {"visit": visit, "clinic": clinic, "today": today},
        )
        return [row[0] for row in cursor.fetchall()]


def visits_around_locked(
    *,
    clinic: UUID,
    at: datetime,
    subject: UUID | None = None,
    patients: Collection[UUID] = (),
    visits: Collection[UUID] = (),
) -> list[UUID]:
    """Lock `visits`, and those of these patients from a day before the moment to a week after it.

    With `subject`, a visit, those of its family too (`family_of`). In one statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _AROUND,
            {
                "visit": subject,
                "clinic": clinic,
                "today": at.date(),
                "patients": list(patients),
                "visits": [*visits, subject],
                "from": at - AROUND,
                "to": at + AHEAD,
                "most": MOST,
            },
        )
        return [row[0] for row in cursor.fetchall()]


def visits_locked(ids: Collection[UUID], *, clinics: Collection[UUID]) -> dict[UUID, UUID | None]:
    """Lock these visits of the clinics, in the order of their ids; each with its location.

    All of a transaction's visits are locked before its first token is taken: so two transactions
    never wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, location_id FROM appointments_appointment"
            " WHERE id = ANY (%s) AND clinic_id = ANY (%s) ORDER BY id FOR NO KEY UPDATE",
            [list(ids), list(clinics)],
        )
        return dict(cursor.fetchall())


def visits_read(ids: Collection[UUID], *, clinic: UUID) -> list[Appointment]:
    """These visits with all that is judged and shown, in the order of ids.

    Read after they were locked, not while: who waited for a lock would see the visit as it is now,
    but the arrival as it was before.
    """
    return list(
        Appointment.objects.select_related(
            "clinic", "location", "patient", "doctor", "service", "room", "arrival"
        )
        .filter(pk__in=ids, clinic_id=clinic)
        .order_by("id")
    )
