"""The two clinics of the pages' tests as fixtures, for every folder that opens pages."""

import copy
from collections.abc import Iterator

import pytest
import time_machine
from django.db import transaction

from core import context
from tests.appointments.moments import NOW
from tests.backoffice.world import FOREIGN, OWN, World, build_world


@pytest.fixture(scope="module")
def _stage(django_db_setup, django_db_blocker) -> Iterator[dict[str, World]]:
    with django_db_blocker.unblock(), time_machine.travel(NOW, tick=False), transaction.atomic():
        yield {word: build_world(word) for word in (OWN, FOREIGN)}
        transaction.set_rollback(True)


@pytest.fixture
def worlds(_stage: dict[str, World]) -> Iterator[dict[str, World]]:
    """Both. What a test writes is rolled back."""
    with transaction.atomic():
        context.begin("a-test")
        yield copy.deepcopy(_stage)
        transaction.set_rollback(True)


@pytest.fixture
def home(worlds: dict[str, World]) -> World:
    """The clinic under test."""
    return worlds[OWN]


@pytest.fixture
def abroad(worlds: dict[str, World]) -> World:
    """The outsider's clinic."""
    return worlds[FOREIGN]
