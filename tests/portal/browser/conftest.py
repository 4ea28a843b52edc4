"""A clinic over real servers, and browsers that complain of nothing."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clinics.models import Location, Service
from clinics.services.changes import apply_changes
from core import clock, tenancy
from tests.appointments.scene import House, house
from tests.support.browser_watch import watched_page

ZONE = "Europe/Berlin"
#: The answers of pages that say no are told by the browser's console as well.
EXPECTED = tuple(f"the server responded with a status of {status}" for status in (400, 404, 409))


def build_clinic() -> House:
    """A clinic with two doctors, two services and a phone, whose patient has an account."""
    made = house("harbour", hours=False, zone=ZONE, cancel_cutoff_minutes=60)
    made.policy(name="Harbour Street Clinic", phone="+4930901820000", colour="#e8b923")
    _change(Service, made.service, name="First visit", description="Bring your insurance card.")
    _change(Location, made.location, name="Main house", address="Harbour Street 12", city="Kiel")
    made.add_service(name="Vaccination", duration_minutes=15, modes=["IN_PERSON", "PHONE"])
    for doctor in (made.doctor, made.add_doctor()):
        made.add_hours(doctor, time(8), time(12), weekdays=range(1, 7))
    return made


def _change(model: Any, row: Any, **fields: Any) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        apply_changes(model, row.id, fields, expected_version=None, action="test.changed")


def morning(days: int = 7, hour: int = 9) -> datetime:
    """A time at which the clinic is open, some days from now (never a Sunday)."""
    day = clock.now().astimezone(ZoneInfo(ZONE)) + timedelta(days=days)
    if day.isoweekday() == 7:
        day += timedelta(days=1)
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(ZONE))


@pytest.fixture
def _wide_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits on guests of one address are tested elsewhere."""
    monkeypatch.setenv("RATE_LIMIT_SCALE", "100")


@pytest.fixture
def server(_wide_limits: None, live_wsgi: str) -> str:
    """The servers, started with those limits."""
    return live_wsgi


@pytest.fixture
def clinic(server: str) -> House:
    """The clinic."""
    return build_clinic()


@pytest.fixture
def page(browser: Any, server: str, clinic: House) -> Iterator[Any]:
    """A guest's browser."""
    with watched_page(browser, server, expected=EXPECTED) as found:
        yield found
