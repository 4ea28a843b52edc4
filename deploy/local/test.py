"""`make test`: throw-away servers, the test suite over both cores, and nothing left behind."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from deploy.local.browser_libraries import ensure_or_warn
from deploy.local.console import warn
from deploy.local.process import LaunchError, spawn, stop_all
from deploy.local.services import throwaway_services

ROOT = Path(__file__).resolve().parents[2]
INTERRUPTED = 130
STOP_TIMEOUT = 20


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run_tests(arguments: list[str]) -> int:
    """Run pytest over throw-away servers with `arguments` on top. Returns its exit code."""
    ensure_or_warn()
    with throwaway_services() as services:
        # conftest.py starts servers of its own unless it is told that these are for it.
        env = os.environ | services | {"KAIROS_TEST_SERVICES": services["DATA_DIR"]}
        process = spawn(
            [sys.executable, "-m", "pytest", "-n", "auto", *arguments],
            env=env,
            cwd=ROOT,
            death_signal=signal.SIGINT,
        )
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # pytest's own way to stop and report
            stop_all([process], timeout=STOP_TIMEOUT)
            return INTERRUPTED


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return run_tests(sys.argv[1:])
    except LaunchError as error:
        warn(f"The tests cannot run: {error}")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
