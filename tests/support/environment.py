"""The servers of a test run, and the environment that Django's settings are read from.

`prepare()` runs while `tests/conftest.py` is imported, before Django reads its settings. One
PostgreSQL serves the whole run: `make test` brings it, a bare `pytest` starts one here. Each pytest
process, that is each xdist worker, has a database of its own in it and a Valkey of its own: keys,
queues and also the channel layer's messages, which know no database numbers, cannot meet.
"""

import atexit
import contextlib
import os
from pathlib import Path
from urllib.parse import urlsplit

import django
import django.conf
import pytest

from core.translations.catalogs import compile_all
from deploy.local.services import running_services
from deploy.local.valkey import EmbeddedValkey

GIVEN = "KAIROS_TEST_SERVICES"  # the folder of the servers that are there for this run
SETTINGS = "config.settings"

_cleaning = contextlib.ExitStack()
_valkey: EmbeddedValkey | None = None


def worker_name() -> str:
    """`gw0`, `gw1`, … under xdist, `main` without it and in its controller."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def database_name() -> str:
    """The database of this pytest process."""
    return f"kairos_test_{worker_name()}"


def database_url(name: str) -> str:
    """The URL, as the superuser, of a database on the run's PostgreSQL."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def valkey() -> EmbeddedValkey:
    """The Valkey of this pytest process."""
    if _valkey is None:
        raise RuntimeError("tests.support.environment.prepare() has not run")
    return _valkey


def prepare() -> None:
    """Start what is missing and set the environment. Raises pytest.UsageError when too late."""
    global _valkey  # noqa: PLW0603 - one per process, like the environment it fills
    if _valkey is not None:
        return
    if django.conf.settings.configured:
        raise pytest.UsageError(
            "Django's settings were read before the test servers were known: remove "
            "DJANGO_SETTINGS_MODULE from pytest's configuration, tests/conftest.py sets it"
        )
    atexit.register(_cleaning.close)
    if GIVEN not in os.environ:
        services = _cleaning.enter_context(running_services())
        os.environ.update(services.env)
        os.environ[GIVEN] = str(services.folder)
    folder = Path(os.environ[GIVEN])
    _valkey = EmbeddedValkey(folder / f"valkey-{worker_name()}", durable=False)
    _cleaning.callback(_valkey.stop)
    _valkey.start()
    os.environ["DEBUG"] = "true"
    os.environ["DATABASE_URL"] = database_url(database_name())
    os.environ["REDIS_URL"] = _valkey.url()
    os.environ["DATA_DIR"] = str(folder / f"data-{worker_name()}")
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    compile_all()
    django.setup()  # now, so that conftests and fixture modules may import models at their top


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """The workers inherit the environment, and pytest-django would read the settings at once, with
    the controller's database, if it found this one."""
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_unconfigure() -> None:
    _cleaning.close()


@pytest.fixture(scope="session")
def valkey_server() -> EmbeddedValkey:
    """This process's Valkey, to be killed and started by tests of what happens without it."""
    return valkey()


@pytest.fixture(autouse=True)
def _empty_valkey():
    """Every test begins with an empty, living Valkey."""
    yield
    server = valkey()
    if server.process is None or server.process.poll() is not None:
        server.start()
    server.flush()
