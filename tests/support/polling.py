"""Waiting for something that another process does. The only place in the tests that waits."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
INTERVAL = 0.02


def eventually(fn: Callable[[], T], timeout: float = 5) -> T:
    """Call `fn` until it returns something true without a failed assertion, and return that.

    After `timeout` seconds the last AssertionError is raised as it is, or one that says what `fn`
    returned last. Any other exception is raised at once.
    """
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        failure: AssertionError | None = None
        value: T | None = None
        try:
            value = fn()
        except AssertionError as error:
            failure = error
        if failure is None and value:
            return value
        if time.monotonic() >= deadline:
            raise failure or AssertionError(f"still {value!r} after {timeout} s")
        pause.wait(INTERVAL)
