"""One cast a module, in a transaction never committed; each test in a savepoint of it."""

import copy
from collections.abc import Iterator

import pytest
import time_machine
from django.db import connection, transaction

from tests.appointments.moments import NOW
from tests.appointments.scene import House, Scene, scene


@pytest.fixture(scope="module")
def _stage(django_db_setup, django_db_blocker) -> Iterator[Scene]:
    with django_db_blocker.unblock(), time_machine.travel(NOW, tick=False), transaction.atomic():
        yield scene()
        transaction.set_rollback(True)


@pytest.fixture
def cast(_stage: Scene) -> Iterator[Scene]:
    """The clinic and the outsider's. What a test writes is rolled back, its claims are checked."""
    with transaction.atomic():
        yield copy.deepcopy(_stage)
        if not connection.needs_rollback:
            connection.check_constraints()
        transaction.set_rollback(True)


@pytest.fixture
def own(cast: Scene) -> House:
    """The clinic under test."""
    return cast.own


@pytest.fixture
def other(cast: Scene) -> House:
    """The outsider's clinic: the same people and things, none of which may be seen."""
    return cast.other
