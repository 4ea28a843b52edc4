"""What the launcher says: short lines with how long each step took."""

import contextlib
import sys
import time
from collections.abc import Iterator


def say(text: str = "") -> None:
    """Print a line. A closed terminal must not keep the launcher from cleaning up."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


def warn(text: str) -> None:
    """Print a line to the error stream."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Time a step and report it once it has succeeded."""
    started = time.monotonic()
    yield
    say(f"  ✓ {name:<44}{time.monotonic() - started:6.1f} s")
