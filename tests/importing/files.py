"""Small files with the dirt of real ones, their mappings, and what an import made of them."""

import csv
import io
import random
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from core import tenancy

COLUMNS = ("PatientId", "AppointmentID", "Gender", "ScheduledDay", "AppointmentDay", "Age",
           "Neighbourhood", "No-show")  # fmt: skip

# Days without times, no doctors.
DAYS = """
system = "register"
location = "Old town"

[row]
id = { column = "AppointmentID", pattern = "[0-9]+" }

[patient]
external_id = { column = "PatientId", pattern = "[0-9]+" }
mrn_prefix = "R-"
given_name = { template = "Patient {PatientId}" }
sex = { column = "Gender", values = { F = "female", M = "male" } }
birth_date = { from_age = "Age", at = "AppointmentDay" }
region = "Neighbourhood"

[visit]
date = "AppointmentDay"
booked_at = "ScheduledDay"
status = { column = "No-show", values = { Yes = "NO_SHOW", No = "COMPLETED", Open = "SCHEDULED" } }

[spread]
opens = "08:00"
closes = "12:00"
slot_minutes = 30

[roster]
doctors = 3
name = "Register {number}"
by = "PatientId"
"""

# Times, and doctors by name.
TIMES = """
system = "desk"
location = "Old town"

[row]
id = "id"

[patient]
external_id = "patient"
given_name = "name"

[visit]
starts_at = { column = "starts", zone = "ZONE" }
minutes = 30
status = "status"
doctor = "doctor"
reason = "reason"
"""


def line(
    number: int,
    *,
    patient: str = "",
    gender: str = "F",
    scheduled: str = "2016-04-01T09:00:00Z",
    day: str = "2016-04-29T00:00:00Z",
    age: str = "40",
    region: str = "CENTRO",
    no_show: str = "No",
) -> dict[str, str]:
    """One sound row of the register, with `number` as its id."""
    cells = (patient or f"90{number}", str(number), gender, scheduled, day, age, region, no_show)
    return dict(zip(COLUMNS, cells, strict=True))


def text(rows: list[dict[str, str]], delimiter: str = ",") -> str:
    """The rows as a CSV file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def register(rows: int, *, patients: int, seed: int = 1) -> list[dict[str, str]]:
    """A register with several visits of a patient on one day, and every fault of the real one."""
    rng = random.Random(seed)
    found = []
    for number in range(1, rows + 1):
        day = date(2016, 4, 25) + timedelta(days=rng.choice((0, 1, 2, 3, 7, 8)))
        booked = day - timedelta(days=rng.choice((0, 0, 1, 5, 30)))
        found.append(
            line(
                number,
                patient=str(5000 + rng.randrange(patients)),
                gender=rng.choice("FM"),
                scheduled=f"{booked}T{rng.randrange(9, 18):02d}:08:27Z",
                day=f"{day}T00:00:00Z",
                age=str(rng.randrange(0, 95)),
                region=rng.choice(("CENTRO", "JARDIM CAMBURÍ", "ANDORINHAS")),
                no_show=rng.choice(("No", "No", "No", "Yes")),
            )
        )
    found[7]["PatientId"] = "9377952927E-5"
    found[11]["Age"] = "-1"
    found[13] |= {"ScheduledDay": "2016-05-05T09:00:00Z", "AppointmentDay": "2016-05-04T00:00:00Z"}
    return found


@dataclass(frozen=True)
class Outcome:
    """What the command printed and what its report says: line, id, code, reason."""

    printed: str
    refused: list[tuple[str, str, str, str]]

    @property
    def codes(self) -> dict[str, str]:
        """The code by row id."""
        return {row[1]: row[2] for row in self.refused}


class Importer:
    """Runs the command on files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = folder / "refused.csv"

    def write(self, content: str | bytes, name: str = "visits.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def mapping(self, content: str = DAYS) -> Path:
        return self.write(content, "mapping.toml")

    def __call__(
        self, content: str | bytes, mapping: str = DAYS, *, clinic: str = "old-town", **options
    ) -> Outcome:
        out = io.StringIO()
        call_command(
            "import_appointments",
            str(self.write(content)),
            mapping=str(self.mapping(mapping)),
            clinic=clinic,
            report=str(self.report),
            **{"create_clinic": True, "timezone": "America/Sao_Paulo"} | options,
            stdout=out,
        )
        with self.report.open(newline="") as handle:
            rows = [tuple(row) for row in csv.reader(handle)]
        return Outcome(out.getvalue(), rows[1:])


PICTURE = """
    SELECT i.external_id, a.starts_at, a.ends_at, a.status, d.display_name, p.mrn, p.birth_date,
           p.sex, p.region, p.given_name, a.created_at, count(e.id),
           min(e.at) FILTER (WHERE e.verb = 'book')
    FROM appointments_importedrow i
    JOIN appointments_appointment a ON a.id = i.appointment_id
    JOIN clinics_patient p ON p.id = a.patient_id
    JOIN clinics_doctor d ON d.id = a.doctor_id
    JOIN clinics_clinic c ON c.id = a.clinic_id
    JOIN appointments_appointmentevent e ON e.appointment_id = a.id
    WHERE c.slug = %s
    GROUP BY i.external_id, a.id, d.id, p.id
    ORDER BY i.external_id
"""
OVERLAPS = """
    SELECT count(*) FROM appointments_appointment a
    JOIN appointments_appointment b
      ON a.id < b.id AND (a.doctor_id = b.doctor_id OR a.patient_id = b.patient_id)
     AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
"""


def picture(clinic: str = "old-town") -> list[tuple]:
    """Everything that an import made of the file's rows, without ids."""
    with tenancy.scope(tenancy.SYSTEM), connection.cursor() as cursor:
        cursor.execute(PICTURE, [clinic])
        return cursor.fetchall()


def overlaps() -> int:
    """Pairs of visits of one doctor, or one patient, at the same time."""
    with tenancy.scope(tenancy.SYSTEM), connection.cursor() as cursor:
        cursor.execute(OVERLAPS)
        return cursor.fetchone()[0]
