"""One cast a module, in a transaction never committed; each test in a savepoint of it."""

import copy
from collections.abc import Iterator

import pytest
import time_machine
from django.db import connection, transaction

from checkin.selectors.habits import habits_forget
from tests.appointments.moments import NOW
from tests.appointments.scene import Scene, scene
from tests.checkin.arrivals import point, poster_of
from tests.checkin.patients import Phone
from tests.checkin.talking import DeviceApi, paired


@pytest.fixture(scope="module")
def _stage(django_db_setup, django_db_blocker) -> Iterator[Scene]:
    with django_db_blocker.unblock(), time_machine.travel(NOW, tick=False), transaction.atomic():
        yield scene()
        transaction.set_rollback(True)


@pytest.fixture
def cast(_stage: Scene) -> Iterator[Scene]:
    """The clinic and the outsider's. What a test writes is rolled back, its claims are checked."""
    habits_forget()
    with transaction.atomic():
        yield copy.deepcopy(_stage)
        if not connection.needs_rollback:
            connection.check_constraints()
        transaction.set_rollback(True)


@pytest.fixture
def patient(cast: Scene) -> Phone:
    """The phone of the patient, signed in."""
    return Phone(cast.own, cast.own.patient.user)


@pytest.fixture
def guest(cast: Scene) -> Phone:
    """A phone on which nobody is signed in."""
    return Phone(cast.own)


@pytest.fixture
def outsider(cast: Scene) -> Phone:
    """A patient of another clinic, at this clinic's door."""
    return Phone(cast.own, cast.other.patient.user)


@pytest.fixture
def poster(cast: Scene) -> str:
    """The code of the clinic's poster."""
    return poster_of(point(cast.own))


@pytest.fixture
def scanner(cast: Scene) -> DeviceApi:
    """The API as a paired scanner of the clinic."""
    return paired(cast.own)[1]
