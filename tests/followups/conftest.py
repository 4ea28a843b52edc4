"""The clinic and the outsider's, as the tests of appointments have them."""

import pytest

from tests.appointments.conftest import _stage, cast  # noqa: F401 - fixtures
from tests.appointments.scene import House, Scene


@pytest.fixture
def own(cast: Scene) -> House:  # noqa: F811 - the fixture
    """The clinic under test."""
    return cast.own


@pytest.fixture
def other(cast: Scene) -> House:  # noqa: F811 - the fixture
    """The outsider's clinic: the same people and things, none of which may be seen."""
    return cast.other
