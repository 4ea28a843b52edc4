"""A clinic's administrator at the import page, and the outsider's."""

import pytest

from tests.backoffice.transfer.desk import Desk
from tests.casts import Cast, build_cast


@pytest.fixture
def cast(db) -> Cast:
    return build_cast("home")


@pytest.fixture
def outsider(db) -> Cast:
    return build_cast("away")


@pytest.fixture
def desk(cast: Cast) -> Desk:
    return Desk(cast)
