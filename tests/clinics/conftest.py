"""The cast of these tests: a clinic and the outsider's."""

import pytest

from tests.casts import Cast, build_cast


@pytest.fixture
def cast(db) -> Cast:
    return build_cast("home")


@pytest.fixture
def outsider(db) -> Cast:
    return build_cast("away")
