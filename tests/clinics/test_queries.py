"""A list costs the same number of statements for 1, 3 and 30 rows."""

from collections.abc import Callable
from datetime import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.roles import Role
from clinics.models import Clinic, Doctor, Location, Room, ScheduleTemplate, Service
from clinics.services.memberships import membership_add
from core import tenancy
from tests.casts import Cast, build_patient, build_user, signed_in


def more_patients(cast: Cast, number: int) -> None:
    build_patient(cast.clinic, f"Given {number}", "Family")


def more_rooms(cast: Cast, number: int) -> None:
    Room.objects.create(clinic=cast.clinic, location=cast.location, name=f"R{number}")


def more_locations(cast: Cast, number: int) -> None:
    Location.objects.create(clinic=cast.clinic, name=f"L{number}", timezone="UTC")


def more_services(cast: Cast, number: int) -> None:
    Service.objects.create(clinic=cast.clinic, name=f"S{number}", duration_minutes=10)


def more_doctors(cast: Cast, number: int) -> None:
    user = build_user(f"doctor-{number}")
    membership_add(clinic=cast.clinic, user=user, role=Role.DOCTOR)
    Doctor.objects.create(user=user, display_name=f"Dr {number}")


def more_hours(cast: Cast, number: int) -> None:
    template = ScheduleTemplate.objects.create(
        clinic=cast.clinic,
        doctor=cast.doctor,
        location=cast.location,
        weekday=2 + number % 6,
        start_time=time(8 + number // 6),
        end_time=time(9 + number // 6),
    )
    template.services.add(cast.service)


def more_clinics(cast: Cast, number: int) -> None:
    Clinic.objects.create(name=f"C{number}", slug=f"c{number}")


LISTS: dict[str, tuple[str, Callable[[Cast, int], None], int]] = {
    # name: (path, what makes one more row, statements at most, the caller's scope included)
    "patients": ("patients", more_patients, 5),
    "patient search": ("patients?q=family", more_patients, 6),
    "clinic patients": ("clinics/{clinic}/patients", more_patients, 6),
    "rooms": ("rooms", more_rooms, 4),
    "locations": ("clinic-locations", more_locations, 4),
    "services": ("services", more_services, 4),
    "doctors": ("doctors", more_doctors, 6),
    "clinic doctors": ("clinics/{clinic}/doctors", more_doctors, 12),
    "members": ("clinics/{clinic}/members", more_doctors, 5),
    "hours": ("schedule-templates", more_hours, 5),
    "clinics": ("clinics", more_clinics, 4),
    "mine": ("clinics/mine", more_clinics, 4),
}


@pytest.mark.parametrize("name", LISTS)
def test_statements_do_not_grow_with_rows(name: str, cast: Cast) -> None:
    path, more, budget = LISTS[name]
    client = signed_in(cast.clinic_admin)
    counts: dict[int, int] = {}
    made = 0
    for rows in (1, 3, 30):
        with tenancy.scope(tenancy.SYSTEM):
            while made < rows:
                more(cast, made)
                made += 1
        url = f"/api/v1/{path.format(clinic=cast.clinic.id)}"
        with CaptureQueriesContext(
            connection,
        ) as captured:
            answer: Any = client.get(url, {"limit": 100} if "?" not in url else None)
        assert answer.status_code == 200
        counts[rows] = len([q for q in captured if "SAVEPOINT" not in q["sql"]])
    assert len(set(counts.values())) == 1, counts
    assert counts[30] <= budget + 2, counts  # two more here: the test's transaction nests the scope
