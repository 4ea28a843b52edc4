"""The part that runs before anything is installed."""

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.polling import eventually

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "local" / "bootstrap.py"


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout without requirements, so that installing them needs no network."""
    folder = tmp_path / "checkout"
    target = folder / "deploy" / "local" / "bootstrap.py"
    target.parent.mkdir(parents=True)
    target.write_text(SCRIPT.read_text())
    for name in ("requirements.txt", "requirements-dev.txt"):
        (folder / name).write_text("# nothing\n")
    (folder / "hello.py").write_text("import sys; print('hello', sys.prefix, *sys.argv[1:])\n")
    return folder


def load(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "bootstrap_under_test", checkout / "deploy" / "local" / "bootstrap.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(checkout: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "deploy/local/bootstrap.py", *arguments],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_at_once_then_once_more_then_moved(checkout):
    """One flow, as a virtual environment takes seconds to make."""
    first, second = start(checkout, "hello", "1"), start(checkout, "--dev", "hello", "2")
    outputs = [process.communicate(timeout=120) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], outputs
    assert outputs[0][0] == f"hello {checkout}/.venv 1\n"
    assert sum("making the virtual environment" in error for _, error in outputs) == 1

    again = start(checkout, "--dev", "hello")
    assert again.communicate(timeout=60) == (f"hello {checkout}/.venv \n".replace(" \n", "\n"), "")

    moved = checkout.with_name("moved")
    checkout.rename(moved)
    elsewhere = start(moved, "hello")
    output, errors = elsewhere.communicate(timeout=120)
    assert output == f"hello {moved}/.venv\n"
    assert "came from elsewhere" in errors


def test_changed_requirements_are_noticed(checkout):
    module = load(checkout)
    module.STAMP.parent.mkdir()
    module.PYTHON.parent.mkdir()
    module.PYTHON.touch()
    stamp = {"path": str(module.VENV), "python": sys.version}
    stamp["runtime"] = module._fingerprint(dev=False)
    module.STAMP.write_text(json.dumps(stamp))
    assert module._is_ready(dev=False)
    assert not module._is_ready(dev=True)
    (checkout / "requirements.txt").write_text("# something else\n")
    assert not module._is_ready(dev=False)


def test_packages_that_do_not_exist_give_a_reason_and_no_stamp(checkout):
    (checkout / "requirements.txt").write_text("./no-such-package-here\n")
    process = start(checkout, "hello")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "could not be installed" in errors
    assert not load(checkout).STAMP.exists()


def test_it_waits_for_another_installation(checkout):
    folder = os.open(checkout, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    process = start(checkout, "hello")
    assert process.stderr is not None
    assert "waiting for another installation" in process.stderr.readline()
    process.kill()
    eventually(lambda: process.poll() is not None)
    process.communicate()
    os.close(folder)
