"""Make the virtual environment if it is missing, stale or broken, then run a module with it.

    python3 deploy/local/bootstrap.py [--dev] [MODULE [ARGUMENT …]]

Runs before anything is installed, so it uses the standard library alone, and its syntax is one that
Python 3.6 to 3.10 can still read, to be refused with a sentence instead of a traceback.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is the one file that meets an older Python
    sys.exit(
        f"Kairos needs Python 3.11 or newer; this is {sys.version.split()[0]}. "
        "Name another one like this: make PYTHON=python3.11 run"
    )

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "kairos-installed.json"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _fingerprint(*, dev: bool) -> str:
    """Changes whenever the set of packages to install would."""
    digest = hashlib.sha256()
    for name in ("requirements.txt", "requirements-dev.txt")[: 2 if dev else 1]:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _read_stamp() -> dict[str, str]:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _is_ready(*, dev: bool) -> bool:
    """Whether nothing has to be done. Reads two small files, so that a warm start costs nothing."""
    stamp = _read_stamp()
    return (
        stamp.get("path") == str(VENV)
        and stamp.get("python") == sys.version
        and stamp.get("dev" if dev else "runtime") == _fingerprint(dev=dev)
        and PYTHON.exists()
    )


def _is_sound() -> bool:
    """Whether an interpreter of this version works here and the folder was made at this path.

    A moved or copied environment still starts, but its scripts point to where it came from.
    """
    stamp = _read_stamp()
    if stamp:
        home = stamp.get("path")
    else:
        try:
            text = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
        except OSError:
            return False
        commands = [line for line in text.splitlines() if line.startswith("command =")]
        home = commands[0].rsplit(" ", 1)[-1] if commands else None
    if home != str(VENV):
        return False
    probe = "import sys, pip; print(sys.version); print(sys.prefix)"
    try:
        answer = subprocess.run(
            [PYTHON, "-I", "-c", probe], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.rstrip() == f"{sys.version}\n{VENV}"


def _create() -> None:
    """A new virtual environment. Raises SystemExit with the remedy when Python lacks the parts."""
    try:
        import ensurepip  # noqa: F401, PLC0415 - probing for Debian's separate package
        import venv  # noqa: F401, PLC0415 - same
    except ImportError:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        sys.exit(
            "This Python cannot make virtual environments (venv or ensurepip is missing).\n"
            f"On Debian or Ubuntu: apt install python{version}-venv"
        )
    if VENV.exists() or VENV.is_symlink():
        _say("  the virtual environment is stale or came from elsewhere: making a new one")
        try:
            if VENV.is_symlink():
                VENV.unlink()
            else:
                shutil.rmtree(VENV)
        except OSError as error:
            sys.exit(f"{VENV} cannot be replaced ({error}). Remove it and try again.")
    _run([sys.executable, "-m", "venv", str(VENV)], "The virtual environment could not be made")


def _run(command: list[str], problem: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PIP_USER"}
    }
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        _say(done.stdout.strip())
        sys.exit(f"{problem} (exit code {done.returncode}; the reason is above).")


def _install(*, dev: bool) -> None:
    files = ["requirements.txt", "requirements-dev.txt"][: 2 if dev else 1]
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-compile", "--prefer-binary"]
    for name in files:
        command += ["--requirement", name]
    _run(command, "The packages could not be installed")
    stamp = _read_stamp() | {"path": str(VENV), "python": sys.version}
    stamp["runtime"] = _fingerprint(dev=False)
    if dev:
        stamp["dev"] = _fingerprint(dev=True)
    fresh = STAMP.with_suffix(".new")
    fresh.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    fresh.replace(STAMP)


def ensure(*, dev: bool) -> None:
    """Bring the virtual environment up to date. Raises SystemExit with a readable reason."""
    if _is_ready(dev=dev):
        return
    # The lock is on the folder itself: it leaves no file behind and dies with its process.
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("  waiting for another installation in this checkout to finish …")
            fcntl.flock(folder, fcntl.LOCK_EX)
        if _is_ready(dev=dev):
            return
        if not os.access(ROOT, os.W_OK):
            sys.exit(f"{ROOT} is not writable for this user, so .venv cannot be made there.")
        # Root's database runs as another user, who must be able to read the binaries.
        previous_umask = os.umask(0o022)
        try:
            started = time.monotonic()
            if not _is_sound():
                _say("  making the virtual environment …")
                _create()
            which = "runtime and development" if dev else "runtime"
            _say(f"  installing the {which} packages (the first time takes a while) …")
            _install(dev=dev)
            _say(f"  installed in {time.monotonic() - started:.0f} s")
        finally:
            os.umask(previous_umask)
    finally:
        os.close(folder)


def main(arguments: list[str]) -> None:
    dev = arguments[:1] == ["--dev"]
    if dev:
        arguments = arguments[1:]
    try:
        ensure(dev=dev)
    except KeyboardInterrupt:
        sys.exit("Interrupted; the next start goes on from here.")
    if arguments:
        os.chdir(ROOT)
        # Packages are installed without byte code; unless the first import may keep what it
        # compiles, every later start pays for it again.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.stdout.flush()
        os.execv(PYTHON, [str(PYTHON), "-m", *arguments])  # noqa: S606 - replaces this process


if __name__ == "__main__":
    main(sys.argv[1:])
