"""The shape of the demonstration content: everything about it that is not drawn at random.

Local wall-clock times and minutes throughout; weekdays as in ISO 8601. All people are invented.
"""

from dataclasses import dataclass
from datetime import time

from accounts.roles import Role
from appointments.demo.names import Names
from clinics.models import Profession, VisitMode

PASSWORD = "kairos-demo"  # noqa: S105 - a documented password of accounts that DEBUG alone allows
ADMINISTRATOR = "admin@demo.kairos"

IN_PERSON = VisitMode.IN_PERSON.value
VIDEO = VisitMode.VIDEO_CALL.value
PHONE = VisitMode.PHONE.value
HOME = VisitMode.HOME_VISIT.value
WEEKDAYS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    name: str
    minutes: int
    modes: tuple[str, ...] = (IN_PERSON,)
    before: int = 0
    after: int = 0
    capacity: int | None = None
    colour: str = "#4477aa"


@dataclass(frozen=True, slots=True)
class HoursSpec:
    """Working hours on several weekdays; `shifts` leave out the lunch break."""

    clinic: str
    location: int
    weekdays: tuple[int, ...]
    shifts: tuple[tuple[time, time], ...]
    services: tuple[str, ...]
    slot_minutes: int = 15
    modes: tuple[str, ...] = (IN_PERSON,)
    capacity: int = 1
    room: str | None = None


@dataclass(frozen=True, slots=True)
class DoctorSpec:
    """`clinics` maps a clinic's slug to the role held there."""

    given: str
    family: str
    email: str
    profession: Profession
    specialties: tuple[str, ...]
    languages: tuple[str, ...]
    clinics: tuple[tuple[str, Role], ...]
    hours: tuple[HoursSpec, ...]
    regions: tuple[str, ...] = ()
    insurances: tuple[str, ...] = ()
    daily_cap: int | None = None
    weekly_cap: int | None = None


@dataclass(frozen=True, slots=True)
class LocationSpec:
    name: str
    address: str
    city: str
    latitude: str
    longitude: str
    rooms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClinicSpec:
    """`phones` are prefixes of numbers that ring nowhere; `free_digits` complete one."""

    slug: str
    name: str
    timezone: str
    country: str
    colour: str
    names: Names
    patients: int
    phones: tuple[str, ...]
    free_digits: int
    regions: tuple[str, ...]
    insurances: tuple[str, ...]
    language: str
    locations: tuple[LocationSpec, ...]
    services: tuple[ServiceSpec, ...]
    staff: tuple[tuple[str, str, str, Role], ...]
    patient_account: tuple[str, str, str] | None = None
    requires_approval: bool = False


MAIN, OTHER, THIRD = "riverside", "harbour", "sangam"


def shift(start: str, end: str) -> tuple[time, time]:
    return time.fromisoformat(start), time.fromisoformat(end)


def day(start: str, lunch: str, back: str, end: str) -> tuple[tuple[time, time], ...]:
    return shift(start, lunch), shift(back, end)
