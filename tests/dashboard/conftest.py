"""Two clinics a module, in a transaction never committed; each test in a savepoint of it.

`home` and `abroad` have a row in every table; `house` and `outsider` are bare: a cast with hours on
Mondays from nine to twelve; `calendars` works every day. Time stands still on a Monday morning,
years ahead of the database's own clock.
"""

import copy
from collections.abc import Iterator
from datetime import time, timedelta

import pytest
import time_machine
from django.db import connection, transaction

from clinics.models import Doctor
from core import context
from tests.appointments.moments import NOW
from tests.appointments.scene import House, Scene, scene
from tests.backoffice.stage import _stage, abroad, home, worlds  # noqa: F401 - fixtures
from tests.casts import Cast, build_cast
from tests.dashboard.care import ALL_WEEK, another_doctor, more_hours


@pytest.fixture(scope="module")
def _houses(django_db_setup, django_db_blocker) -> Iterator[dict[str, Cast]]:
    with django_db_blocker.unblock(), time_machine.travel(NOW, tick=False), transaction.atomic():
        yield {name: build_cast(name) for name in ("house", "outsider")}
        transaction.set_rollback(True)


@pytest.fixture
def houses(_houses: dict[str, Cast]) -> Iterator[dict[str, Cast]]:
    """Both bare clinics. What a test writes is rolled back."""
    with transaction.atomic():
        context.begin("a-test")
        yield copy.deepcopy(_houses)
        transaction.set_rollback(True)


@pytest.fixture
def house(houses: dict[str, Cast]) -> Cast:
    """A clinic in which nothing is booked yet."""
    return houses["house"]


@pytest.fixture
def outsider(houses: dict[str, Cast]) -> Cast:
    """Its outsider's."""
    return houses["outsider"]


@pytest.fixture(scope="module")
def _calendars(django_db_setup, django_db_blocker) -> Iterator[Scene]:
    with django_db_blocker.unblock(), time_machine.travel(NOW, tick=False), transaction.atomic():
        yield scene()
        transaction.set_rollback(True)


@pytest.fixture
def calendars(_calendars: Scene) -> Iterator[Scene]:
    """A clinic with hours from eight to five every day, and the outsider's (in Kolkata). What a
    test writes is rolled back, its claims are checked."""
    with transaction.atomic():
        context.begin("a-test")
        yield copy.deepcopy(_calendars)
        if not connection.needs_rollback:
            connection.check_constraints()
        transaction.set_rollback(True)


@pytest.fixture
def waiting(calendars: Scene) -> Iterator[House]:
    """The clinic of the calendars at half past eight, where check-in opens five hours before."""
    calendars.own.policy(checkin_opens_minutes=300)
    with time_machine.travel(NOW + timedelta(minutes=90), tick=False):
        yield calendars.own


@pytest.fixture
def other(house: Cast) -> Doctor:
    """A second doctor; both work in the morning, every day."""
    found = another_doctor(house, "Dr Other")
    more_hours(house, house.doctor, range(2, 8), time(9), time(12))
    more_hours(house, found, ALL_WEEK, time(9), time(12))
    return found
