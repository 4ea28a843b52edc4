"""The patients' pages as a guest, a patient, a proxy and an outsider open them.

One scene a module, in a transaction never committed, with time standing still (see
tests/appointments/conftest.py); races and browsers bring committed data of their own.
"""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction

from tests.appointments.moments import NOW
from tests.appointments.scene import Scene
from tests.portal.visitor import Visitor, portal_scene


@pytest.fixture(scope="module")
def _stage(django_db_setup, django_db_blocker) -> Iterator[Scene]:
    with django_db_blocker.unblock(), time_machine.travel(NOW, tick=False), transaction.atomic():
        yield portal_scene()
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def _without_limits(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)


@pytest.fixture
def cast(_stage: Scene) -> Iterator[Scene]:
    """The clinic and the outsider's. What a test writes is rolled back, its claims are checked."""
    with transaction.atomic():
        yield copy.deepcopy(_stage)
        if not connection.needs_rollback:
            connection.check_constraints()
        transaction.set_rollback(True)


@pytest.fixture
def guest(cast: Scene) -> Visitor:
    """Somebody without an account."""
    return Visitor(cast.own)


@pytest.fixture
def patient(cast: Scene) -> Visitor:
    """The clinic's patient, signed in."""
    return Visitor(cast.own, cast.own.patient.user)


@pytest.fixture
def outsider(cast: Scene) -> Visitor:
    """A patient of another clinic."""
    return Visitor(cast.own, cast.other.patient.user)
