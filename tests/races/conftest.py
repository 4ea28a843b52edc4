"""One production server over committed data for all races: each test brings a clinic of its own."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from tests.appointments.scene import Scene, scene
from tests.races.volley import Volley
from tests.support.databases import databases
from tests.support.processes import running_wsgi


@pytest.fixture(scope="package")
def arena(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[str]:
    """Base URL of granian with two workers. What tests commit stays until the package is done."""
    log = tmp_path_factory.mktemp("races") / "wsgi.log"
    with django_db_blocker.unblock():
        databases.is_dirty = False
        with running_wsgi(log=log, env={"RATE_LIMIT_SCALE": "1000"}) as url:
            yield url
        connection.close()
    databases.is_dirty = True


@pytest.fixture
def cast(arena) -> Scene:
    """A clinic and the outsider's, committed."""
    return scene()


@pytest.fixture(scope="package")
def volley(arena) -> Iterator[Callable[..., list]]:
    """Fires requests at the server all at once; see `Volley.fire`."""
    with Volley(arena) as crew:
        yield crew
