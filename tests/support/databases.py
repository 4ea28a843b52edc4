"""A database per pytest process, cloned from one migrated template.

Django empties the tables after a test that committed. Here that is impossible by design: tables are
append-only for the runtime role, which cannot truncate, and row-level security hides the rows. So a
database that was written to is dropped and cloned again, before the next test that runs. Tests in
a rolled-back transaction (`django_db`) cost nothing.

| fixture               | gives                                                                    |
|-----------------------|--------------------------------------------------------------------------|
| `owner_connection`    | psycopg, autocommit, as the owner, into this process's database          |
| `catalog_connection`  | the same, read-only: for questions about tables, roles, policies         |
| `clone_database`      | `clone_database()` → URL of one more fresh database                      |
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connections
from django.test import TransactionTestCase

from tests.support.environment import database_name, database_url

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "kairos_template"
TEMPLATE_LOCK = 7_236_154  # any number: only these processes use this server


class Databases:
    """What this process keeps on the run's PostgreSQL."""

    def __init__(self) -> None:
        self.name = database_name()
        self.exists = False
        self.is_dirty = False
        self._admin: psycopg.Connection | None = None

    @property
    def admin(self) -> psycopg.Connection:
        """A connection to a database that nobody clones or drops."""
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(database_url("postgres"), autocommit=True)
        return self._admin

    def ensure_template(self) -> None:
        """Migrate the template, once a run: the first process does, the others wait for it."""
        self.admin.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        try:
            found = self.admin.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]
            ).fetchone()
            if found is None:
                self._make_template()
        finally:
            self.admin.execute("SELECT pg_advisory_unlock(%s)", [TEMPLATE_LOCK])

    def _make_template(self) -> None:
        unfinished = f"{TEMPLATE}_unfinished"
        self.admin.execute(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")
        self.admin.execute(f"CREATE DATABASE {unfinished}")
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0", "--no-input"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database_url(unfinished)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
            raise RuntimeError(f"the migrations failed:\n{reason}")
        self.admin.execute(f"ALTER DATABASE {unfinished} RENAME TO {TEMPLATE}")
        # Nobody may connect: a clone is refused while someone is in its template.
        self.admin.execute(
            f"ALTER DATABASE {TEMPLATE} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"
        )

    def clone(self, name: str) -> None:
        """A fresh database `name`, in place of one of that name."""
        self.drop(name)
        self.admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def renew(self) -> None:
        """Put this process's database back to the state after the migrations."""
        _close_connections()
        self.clone(self.name)
        self.exists, self.is_dirty = True, False

    def close(self) -> None:
        """Remove this process's database at the end of the run."""
        _close_connections()
        self.drop(self.name)
        self.exists = False
        self.admin.close()


def _close_connections() -> None:
    for connection in connections.all(initialized_only=True):
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


databases = Databases()


def _renew_later(self: TransactionTestCase) -> None:
    """In place of Django's flush after a test that committed."""
    databases.is_dirty = True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The database is renewed here, before anything of the next test, so the last pays nothing."""
    if databases.exists and databases.is_dirty:
        databases.renew()


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker) -> Iterator[None]:
    """Replaces pytest-django's: clone the template instead of migrating; never flush."""
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", _renew_later)
    databases.ensure_template()
    databases.renew()
    yield
    databases.close()
    patch.undo()


def pytest_itemcollected(item: pytest.Item) -> None:
    """The `owner` alias passes every guard of the database, so no test gets it by a marker."""
    for marker in item.iter_markers("django_db"):
        wanted = marker.kwargs.get("databases") or ()
        if wanted == "__all__" or "owner" in wanted:
            raise pytest.UsageError(
                f"{item.nodeid}: the database alias 'owner' is not for tests; "
                "use the fixture owner_connection"
            )


@pytest.fixture
def owner_connection(django_db_setup) -> Iterator[psycopg.Connection]:
    """A connection that commits each statement as the owner of everything; the database is renewed
    afterwards. It does not see what a test in a rolled-back transaction has written."""
    databases.is_dirty = True
    with psycopg.connect(database_url(databases.name), autocommit=True) as connection:
        yield connection


@pytest.fixture
def catalog_connection(django_db_setup) -> Iterator[psycopg.Connection]:
    """A read-only connection as the owner, for the catalog and for what others have committed."""
    with psycopg.connect(
        database_url(databases.name),
        autocommit=True,
        options="-c default_transaction_read_only=on",
    ) as connection:
        yield connection


@pytest.fixture
def clone_database(django_db_setup) -> Iterator[Callable[[], str]]:
    """A function that makes one more migrated, empty database and returns its URL."""
    made: list[str] = []

    def clone() -> str:
        name = f"{databases.name}_{len(made)}"
        made.append(name)
        databases.clone(name)
        return database_url(name)

    yield clone
    for name in made:
        databases.drop(name)
