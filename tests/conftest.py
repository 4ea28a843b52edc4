"""Servers first: they have to be there, and known, before Django reads its settings."""

import gc
from collections.abc import Iterator

import pytest

# Reference counts free nearly all that a test makes; the collector's walks find next to nothing.
gc.set_threshold(100_000, 20, 100)
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
