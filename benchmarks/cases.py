"""What is measured: for each case an endless supply of realistic, valid requests of many users."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from benchmarks.asking import Asking
from benchmarks.population import People

#: How many free times are set aside for each second of a booking run.
BOOKINGS_A_SECOND = 1000


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


def book(people: People, seconds: float) -> list[Asking]:
    """Each booking is of a free time of another doctor; every one must succeed."""
    return people.bookings.take(round(seconds * BOOKINGS_A_SECOND))


def book_hot(people: People, _seconds: float) -> list[Asking]:
    """Every booking is of the same doctor, day after day: all wait in one queue."""
    return people.bookings.of_one_doctor()


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
