"""Free times to book, each with a patient who has nothing then and a desk that books it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from appointments.selectors.slots import slots_find
from benchmarks.asking import Asking
from core import clock, tenancy

if TYPE_CHECKING:
    from benchmarks.population import People, Staff

#: Days ahead. First where the diary is about as full as it gets; further only when that is used up.
_SPANS = ((0, 35), (35, 100), (100, 170))

# Which of these visits a patient cannot make, by their place in the list.
_CLASHES = """
SELECT DISTINCT wanted.place
FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[])
    WITH ORDINALITY AS wanted (patient, starts_at, ends_at, place)
JOIN appointments_busytime b ON b.patient_id = wanted.patient
    AND b.visit && tstzrange(wanted.starts_at, wanted.ends_at)
"""


@dataclass(frozen=True, slots=True)
class Booking:
    """One booking that must succeed."""

    clinic: UUID
    doctor: UUID
    location: UUID
    service: UUID
    patient: UUID
    starts_at: datetime
    ends_at: datetime
    desk: Staff

    def asking(self) -> Asking:
        """As a request, with a fresh token and key."""
        body = {
            "doctor": str(self.doctor),
            "patient": str(self.patient),
            "location": str(self.location),
            "service": str(self.service),
            "type": "IN_PERSON",
            "starts_at": self.starts_at.isoformat(),
            "reason": "Persistent cough",
        }
        return Asking(
            "/api/v1/appointments",
            self.desk.token,
            "POST",
            json.dumps(body).encode(),
            str(uuid4()),
        )


class Bookings:
    """The free times of the run; each is given out once."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._free: list[Booking] = []
        clinics = list(people.doctors_of)
        people.random.shuffle(clinics)
        self._unseen = [(clinic, span) for span in _SPANS for clinic in clinics]
        # Set apart for `of_one_doctor`: a quarter of each clinic's doctors.
        self._hot = {clinic: own[: len(own) // 4] for clinic, own in people.doctors_of.items()}

    def take_plain(self, count: int) -> list[Booking]:
        """`count` bookings, neighbours of different doctors. Fewer when no more are free."""
        while len(self._free) < count * 2 and self._unseen:
            clinic, span = self._unseen.pop(0)
            hot = set(self._hot[clinic])
            doctors = [one for one in self._people.doctors_of[clinic] if one not in hot]
            self._free += self._find(clinic, doctors, span, half=0)
        self._people.random.shuffle(self._free)
        taken, self._free = self._free[:count], self._free[count:]
        return taken

    def take(self, count: int) -> list[Asking]:
        """As requests."""
        return [booking.asking() for booking in self.take_plain(count)]

    def of_one_doctor(self) -> list[Asking]:
        """Every free time of one doctor, one after the other."""
        clinic = max(self._hot, key=lambda one: len(self._hot[one]))
        doctor = self._hot[clinic].pop()
        span = (0, _SPANS[-1][1])
        return [booking.asking() for booking in self._find(clinic, [doctor], span, half=1)]

    def _find(
        self, clinic: UUID, doctors: list[UUID], span: tuple[int, int], *, half: int
    ) -> list[Booking]:
        people = self._people
        desks, service = people.desks_of[clinic], people.consultation[clinic]
        now = clock.now() + timedelta(hours=2)  # nothing that begins while the run goes on
        with tenancy.scope([clinic], statement_timeout_ms=60_000):
            free = slots_find(
                clinics=[clinic],
                doctors=doctors,
                start=now + timedelta(days=span[0]),
                end=now + timedelta(days=span[1]),
                service=service,
                mode="IN_PERSON",
                patient_rules=False,
                limit=1_000_000,
            )
        # Patients take turns, so that neighbouring bookings are for different ones; the hot
        # doctor's are not those of the others.
        turns = cycle(people.patients_of(clinic)[half::2])
        found = [
            Booking(
                clinic,
                slot.doctor,
                slot.location,
                service,
                patient,
                slot.starts_at,
                slot.ends_at,
                desks[number % len(desks)],
            )
            for number, (slot, patient) in enumerate(zip(free, turns, strict=False))
            if slot.location is not None
        ]
        clashes = people.database.execute(
            _CLASHES,
            [
                [one.patient for one in found],
                [one.starts_at for one in found],
                [one.ends_at for one in found],
            ],
        )
        gone = {place - 1 for (place,) in clashes}
        return [one for number, one in enumerate(found) if number not in gone]
