"""The accounts of the shape, and what they ask about."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from random import Random
from uuid import UUID

import psycopg

from accounts.tokens import issue_access
from benchmarks.asking import Asking
from benchmarks.bookings import Bookings
from core import clock

_READS = 4000  # prepared requests of a read; then again from the first


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

    @cached_property
    def bookings(self) -> Bookings:
        """The free times of everyone in the weeks that have appointments."""
        return Bookings(self)

    def patients_of(self, clinic: UUID) -> list[UUID]:
        """Every chart of a clinic, in no particular order."""
        found = self.database.execute(
            "SELECT id FROM clinics_patient WHERE clinic_id = %s ORDER BY md5(id::text)", [clinic]
        )
        return [row[0] for row in found]

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
