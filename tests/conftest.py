"""Servers first: they have to be there, and known, before Django reads its settings."""

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
