"""`make check`: everything that can be said about the code without running its tests.

    check [--write-schema]

`--write-schema` only rewrites the OpenAPI snapshot (`make schema`).
"""

import difflib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploy.local.console import say, warn
from deploy.local.process import LaunchError
from deploy.local.services import throwaway_services

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "openapi.yaml"
#: False while the catalogs are being translated: the check says how much is left, and passes.
TRANSLATIONS_COMPLETE = True
SHOWN = 60  # lines of what a failed check says
BIN = Path(sys.executable).parent


def _tool(name: str) -> str:
    return str(BIN / name)


def _run(name: str, command: list[str], env: dict[str, str]) -> bool:
    """Run one check, showing its output only when it fails."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return _report(name, started, done.returncode == 0, done.stdout)


def _report(name: str, started: float, ok: bool, output: str) -> bool:
    say(f"  {'✓' if ok else '✗'} {name:<44}{time.monotonic() - started:6.1f} s")
    if not ok:
        lines = output.strip().splitlines()
        say("\n".join("      " + line for line in lines[:SHOWN]))
        if len(lines) > SHOWN:
            say(f"      … and {len(lines) - SHOWN} lines more")
    return ok


def _production_env(services: dict[str, str]) -> dict[str, str]:
    """The least that a production installation sets, for Django's deployment checks."""
    return (
        os.environ
        | services
        | {
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_urlsafe(64),
            "ALLOWED_HOSTS": "kairos.example",
        }
    )


def _generate_schema(path: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "spectacular", "--fail-on-warn", "--file", str(path)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def check_schema(env: dict[str, str]) -> bool:
    """Whether the committed OpenAPI document is what the code says."""
    started = time.monotonic()
    name = "docs/openapi.yaml is up to date (make schema)"
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "openapi.yaml"
        done = _generate_schema(fresh, env)
        if done.returncode or not fresh.exists():
            return _report(name, started, False, done.stdout + done.stderr)
        new = fresh.read_text(encoding="utf-8").splitlines()
    old = SCHEMA.read_text(encoding="utf-8").splitlines() if SCHEMA.exists() else []
    difference = list(difflib.unified_diff(old, new, "committed", "generated", lineterm="", n=1))
    return _report(name, started, not difference, "\n".join(difference))


def check_translations(env: dict[str, str]) -> bool:
    """Whether every catalog says what the sources say (see `core.translations.checking`)."""
    name = "translations are complete (make messages)"
    command = [sys.executable, "manage.py", "check_translations"]
    if TRANSLATIONS_COMPLETE:
        return _run(name, command, env)
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--count-only"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    ok = _report(name, started, done.returncode == 0, done.stdout + done.stderr)
    if ok:
        say("\n".join("      " + line for line in done.stdout.splitlines()))
    return ok


def write_schema() -> int:
    """Rewrite the snapshot. Returns the exit code."""
    with throwaway_services() as services:
        SCHEMA.parent.mkdir(exist_ok=True)
        done = _generate_schema(SCHEMA, os.environ | services)
    if done.returncode:
        warn(done.stdout + done.stderr)
    else:
        say(f"{SCHEMA.relative_to(ROOT)} written")
    return done.returncode


def run_checks() -> int:
    """Every check, also after one has failed. Returns the exit code."""
    with throwaway_services() as services:
        env = os.environ | services
        manage = [sys.executable, "manage.py"]
        results = [
            _run("ruff format", [_tool("ruff"), "format", "--check", "."], env),
            _run("ruff check", [_tool("ruff"), "check", "."], env),
            _run("import contracts", [_tool("lint-imports")], env),
            _run("mypy", [_tool("mypy"), "."], env),
            _run("database migrates from nothing", [*manage, "migrate", "--verbosity=0"], env),
            _run(
                "no migration is missing",
                [*manage, "makemigrations", "--check", "--dry-run"],
                env,
            ),
            _run(
                "deployment checks",
                [*manage, "check", "--deploy", "--fail-level", "WARNING"],
                _production_env(services),
            ),
            check_schema(env),
            check_translations(env),
        ]
    failed = results.count(False)
    say(f"{failed} of {len(results)} checks failed" if failed else "all checks passed")
    return 1 if failed else 0


def main() -> int:
    try:
        return write_schema() if "--write-schema" in sys.argv[1:] else run_checks()
    except LaunchError as error:
        warn(f"The checks cannot run: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
