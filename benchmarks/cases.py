"""What is measured: for each case an endless supply of realistic, valid requests of many users."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg

from accounts.tokens import issue_access
from benchmarks.asking import Asking
from core import clock

_READS = 4000  # prepared requests of a read; then again from the first
BOOK_WEEKS = 5
#: The seconds of a booking run times this is how many free times are looked up for it.
BOOKINGS_A_SECOND = 1200


@dataclass(frozen=True)
class Staff:
    """Someone who signs in, with the one clinic they belong to."""

    user: UUID
    session: UUID
    clinic: UUID

    @property
    def token(self) -> str:
        """A fresh access token."""
        return issue_access(self.user, self.session)


class People:
    """The accounts of the shape, and what they ask about; read once as the owner."""

    def __init__(self, url: str) -> None:
        self.random = Random(7)
        self.database = psycopg.connect(url, autocommit=True)
        self.desks = self._staff("RECEPTIONIST")
        self.doctors = self._staff("DOCTOR")
        self.patients = [
            Staff(*row)
            for row in self.database.execute(
                "SELECT s.user_id, s.id, p.clinic_id FROM accounts_refreshsession s"
                " JOIN clinics_patient p ON p.user_id = s.user_id ORDER BY s.id"
            )
        ]
        self.desks_of: dict[UUID, list[Staff]] = defaultdict(list)
        for desk in self.desks:
            self.desks_of[desk.clinic].append(desk)
        self.doctors_of: dict[UUID, list[UUID]] = defaultdict(list)
        for clinic, doctor in self.database.execute(
            "SELECT DISTINCT clinic_id, doctor_id FROM clinics_scheduletemplate ORDER BY 2"
        ):
            self.doctors_of[clinic].append(doctor)
        self.consultation: dict[UUID, UUID] = dict(
            self.database.execute(
                "SELECT clinic_id, id FROM clinics_service WHERE name = 'Consultation'"
            ).fetchall()
        )

    def _staff(self, role: str) -> list[Staff]:
        return [
            Staff(*row)
            for row in self.database.execute(
                "SELECT DISTINCT ON (s.id) s.user_id, s.id, m.clinic_id"
                " FROM accounts_refreshsession s JOIN clinics_membership m USING (user_id)"
                " WHERE m.role = %s ORDER BY s.id, m.id",
                [role],
            )
        ]

    def working_day(self, *, back: int = 0, ahead: int = 28) -> date:
        """A weekday between `back` days ago and `ahead` days from now."""
        while True:
            offset = self.random.randint(-back, ahead)
            day = clock.now().date() + timedelta(days=offset)
            if day.isoweekday() <= 5:
                return day

    def several(self, make: Callable[[], Asking]) -> list[Asking]:
        return [make() for _ in range(_READS)]


def slots_one(people: People, _seconds: float) -> list[Asking]:
    """Free times of one doctor on one day, for a service; asked by the front desk."""
    tokens = {desk: desk.token for desk in people.desks}

    def make() -> Asking:
        desk = people.random.choice(people.desks)
        doctor = people.random.choice(people.doctors_of[desk.clinic])
        day = people.working_day(back=-1)
        service = people.consultation[desk.clinic]
        return Asking(
            f"/api/v1/appointments/doctor/{doctor}/availability?date={day}&service={service}",
            tokens[desk],
        )

    return people.several(make)


def slots_many(people: People, _seconds: float) -> list[Asking]:
    """The first free times of every doctor of a clinic in two weeks; asked by patients."""
    tokens = {patient: patient.token for patient in people.patients}

    def make() -> Asking:
        patient = people.random.choice(people.patients)
        day = people.working_day(back=-1, ahead=14)
        return Asking(
            f"/api/v1/slots?clinic={patient.clinic}&from={day}&to={day + timedelta(days=13)}"
            f"&service={people.consultation[patient.clinic]}&limit=100",
            tokens[patient],
        )

    return people.several(make)


def day(people: People, _seconds: float) -> list[Asking]:
    """The first page of a clinic's day."""
    tokens = {desk: desk.token for desk in people.desks}

    def make() -> Asking:
        desk = people.random.choice(people.desks)
        chosen = people.working_day(back=28)
        return Asking(f"/api/v1/appointments?clinic={desk.clinic}&date={chosen}", tokens[desk])

    return people.several(make)


def mine(people: People, _seconds: float) -> list[Asking]:
    """The caller's own appointments: three patients for each doctor."""
    patients = [patient.token for patient in people.patients]
    doctors = [doctor.token for doctor in people.doctors]

    def make() -> Asking:
        group = patients if people.random.random() < 0.75 else doctors
        return Asking("/api/v1/appointments/my-appointments", people.random.choice(group))

    return people.several(make)


def _mistyped(name: str, random: Random) -> str:
    """One letter left out, doubled, or swapped with the next."""
    at = random.randrange(1, max(2, len(name) - 1))
    return random.choice(
        (
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
            name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
        )
    )


def search(people: People, _seconds: float) -> list[Asking]:
    """What a front desk types: names with typos, the end of a phone number, a record number."""
    tokens = {desk: desk.token for desk in people.desks}
    charts: dict[UUID, list[Any]] = defaultdict(list)
    for clinic, *chart in people.database.execute(
        "SELECT clinic_id, given_name, family_name, phone, mrn FROM clinics_patient"
        " WHERE abs(hashtext(id::text)) % 20 = 0 ORDER BY id"
    ):
        charts[clinic].append(chart)

    def make() -> Asking:
        desk = people.random.choice(people.desks)
        given, family, phone, mrn = people.random.choice(charts[desk.clinic])
        typed = people.random.choice(
            (
                f"{given}+{_mistyped(family, people.random)}",
                _mistyped(family, people.random),
                f"{given[:3]}+{family}",
                phone[-4:],
                phone[-7:],
                mrn,
                mrn[:-1],
            )
        )
        return Asking(f"/api/v1/patients?q={typed.replace(chr(39), '%27')}", tokens[desk])

    return people.several(make)


# Free times of a clinic's doctors, each with a patient who has nothing then. Patients take turns, so
# that neighbouring bookings are for different ones.
_FREE = """
WITH free AS (
    SELECT s.*, row_number() OVER (ORDER BY s.starts_at, s.doctor_id) AS turn
    FROM appointments_slots(%(clinics)s, %(doctors)s, NULL, %(service)s, NULL, 'IN_PERSON',
        now() + interval '2 hours', now() + make_interval(days => %(days)s), now(), false, NULL,
        NULL, NULL, false, 1000000) s
),
people AS (
    SELECT id, row_number() OVER (ORDER BY md5(id::text)) - 1 AS turn, count(*) OVER () AS count
    FROM clinics_patient WHERE clinic_id = ANY (%(clinics)s)
)
SELECT free.doctor_id, free.location_id, free.starts_at, people.id
FROM free JOIN people ON people.turn = free.turn * 1597 %% people.count
WHERE NOT EXISTS (SELECT FROM appointments_busytime b WHERE b.patient_id = people.id
                  AND b.visit && tstzrange(free.starts_at, free.ends_at))
ORDER BY free.starts_at
"""


def _free(people: People, clinic: UUID, doctors: list[UUID], days: int) -> list[Asking]:
    tokens = [desk.token for desk in people.desks_of[clinic]]
    service = people.consultation[clinic]
    found = people.database.execute(
        _FREE, {"clinics": [clinic], "doctors": doctors, "service": service, "days": days}
    )
    return [
        Asking(
            "/api/v1/appointments",
            tokens[number % len(tokens)],
            "POST",
            json.dumps(
                {
                    "doctor": str(doctor),
                    "patient": str(patient),
                    "location": str(location),
                    "service": str(service),
                    "type": "IN_PERSON",
                    "starts_at": starts_at.isoformat(),
                    "reason": "Persistent cough",
                }
            ).encode(),
            str(uuid4()),
        )
        for number, (doctor, location, starts_at, patient) in enumerate(found)
    ]


def book(people: People, seconds: float) -> list[Asking]:
    """Each booking is of a free time of another doctor; every one must succeed."""
    wanted = round(seconds * BOOKINGS_A_SECOND)
    found: list[Asking] = []
    clinics = list(people.doctors_of)
    people.random.shuffle(clinics)
    for clinic in clinics:
        found += _free(people, clinic, people.doctors_of[clinic], BOOK_WEEKS * 7)
        if len(found) >= wanted * 2:  # twice as many: neighbours then rarely share a doctor
            break
    people.random.shuffle(found)
    return found[:wanted]


def book_hot(people: People, _seconds: float) -> list[Asking]:
    """Every booking is of the same doctor, day after day: all wait in one queue."""
    clinic = people.random.choice(list(people.doctors_of))
    doctor = people.random.choice(people.doctors_of[clinic])
    return _free(people, clinic, [doctor], 170)


@dataclass(frozen=True, slots=True)
class Case:
    """A case; `once` when each of its requests can be made only one time. `aim` in ok/s."""

    name: str
    what: str
    make: Callable[[People, float], list[Asking]]
    once: bool = False
    aim: int | None = None


CASES = {
    case.name: case
    for case in (
        Case("slots", "slots: one doctor, one day", slots_one, aim=800),
        Case("slots-many", "slots: a clinic's doctors, 14 days", slots_many),
        Case("book", "book: distinct doctors", book, once=True, aim=400),
        Case("book-hot", "book: one hot doctor", book_hot, once=True),
        Case("day", "clinic day list, first page", day, aim=600),
        Case("mine", "my-appointments", mine),
        Case("search", "patient search", search),
    )
}
