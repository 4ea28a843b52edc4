"""The servers a run measures against, and the data in them: built once, cloned for each run."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.valkey import EmbeddedValkey

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "kairos"


@dataclass(frozen=True)
class World:
    """Running servers with a fresh clone of the shape, and the environment that leads there."""

    folder: Path
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    env: dict[str, str]

    @property
    def url(self) -> str:
        """The database as its owner."""
        return self.postgres.url()


def _production(postgres: EmbeddedPostgres, valkey: EmbeddedValkey, folder: Path) -> dict[str, str]:
    """The environment of production; only the rate limits are out of reach (they still count)."""
    return {
        "DEBUG": "false",
        "SECRET_KEY": hashlib.sha256(os.urandom(32)).hexdigest(),
        "ALLOWED_HOSTS": "127.0.0.1,testserver",
        "SECURE_SSL": "false",
        "DATABASE_URL": postgres.url(),
        "REDIS_URL": valkey.url(),
        "DATA_DIR": str(folder),
        "ACCESS_TOKEN_MINUTES": "15",
        "RATE_LIMIT_SCALE": "100000",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
        "OUTBOX_KICK": "true",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def _fingerprint(shape: str) -> str:
    """Changes with the schema and with the way the data is made."""
    state = hashlib.sha256(shape.encode())
    files = [*ROOT.glob("*/migrations/*.py"), *ROOT.glob("*/sql/*.sql")]
    files += [ROOT / "benchmarks" / f"{name}.py" for name in ("shape", "people", "filling")]
    for path in sorted(files):
        state.update(path.read_bytes())
    return f"shape_{shape.lower()}_{state.hexdigest()[:12]}"


def _at(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def _build(url: str, template: str, shape: str, env: dict[str, str]) -> None:
    """Migrate and fill a database under another name, then name it: half of one is never used."""
    with psycopg.connect(_at(url, "postgres"), autocommit=True) as admin:
        for (old,) in admin.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'shape\\_%'"
        ).fetchall():
            admin.execute(f'DROP DATABASE "{old}" WITH (FORCE)')
        admin.execute("CREATE DATABASE shape_unfinished")
        there = os.environ | env | {"DATABASE_URL": _at(url, "shape_unfinished")}
        for command in (["manage.py", "migrate", "-v", "0"], ["-m", "benchmarks.building", shape]):
            subprocess.run([sys.executable, *command], cwd=ROOT, env=there, check=True)
        admin.execute(f"ALTER DATABASE shape_unfinished RENAME TO {template}")


def _clone(url: str, template: str, shape: str, env: dict[str, str]) -> None:
    with psycopg.connect(_at(url, "postgres"), autocommit=True) as admin:
        found = admin.execute("SELECT FROM pg_database WHERE datname = %s", [template]).fetchone()
    if found is None:
        print(f"building shape {shape} …", file=sys.stderr, flush=True)
        _build(url, template, shape, env)
    with psycopg.connect(_at(url, "postgres"), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {template} STRATEGY FILE_COPY")
        admin.execute("CHECKPOINT")


@contextlib.contextmanager
def opened(shape: str, keep: Path | None) -> Iterator[World]:
    """Servers on disk, every commit flushed, with a fresh clone of the shape.

    With `keep` the folder, and the shape in it, stay for the next run.
    """
    with contextlib.ExitStack() as cleaning:
        if keep is None:
            folder = Path(
                cleaning.enter_context(tempfile.TemporaryDirectory(prefix="kairos-bench-"))
            )
        else:
            folder = keep.absolute()
            folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            folder.chmod(0o711)  # PostgreSQL runs as nobody and has to pass through
        postgres = EmbeddedPostgres(folder / "postgres", durable=True)
        shutil.rmtree(folder / "valkey", ignore_errors=True)  # begins empty
        valkey = EmbeddedValkey(folder / "valkey", durable=True)
        cleaning.callback(valkey.stop)
        cleaning.callback(postgres.stop)
        valkey.start()
        postgres.start()
        env = _production(postgres, valkey, folder)
        _clone(postgres.url(), _fingerprint(shape), shape, env)
        yield World(folder, postgres, valkey, env)
