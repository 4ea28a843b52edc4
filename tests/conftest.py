"""Servers first: they have to be there, and known, before Django reads its settings."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.support")

from tests.support import environment  # noqa: E402 - pytest has to rewrite its assertions

environment.prepare()

pytest_plugins = [
    "tests.support.environment",
    "tests.support.databases",
    "tests.support.processes",
    "tests.support.browser",
]


@pytest.fixture(autouse=True)
def _scope_ends_with_the_test() -> Iterator[None]:
    """Reading somebody's rights enters their scope, as a request does, which ends it too."""
    yield
    from core import tenancy  # noqa: PLC0415 - Django's settings come with the environment

    tenancy.assume(())
