"""What the figures were taken on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg

from benchmarks.loading import client_name
from benchmarks.serving import OPTIONS
from benchmarks.world import World


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine(world: World) -> dict[str, str]:
    """Processor, memory, versions and the server's command."""
    with psycopg.connect(world.url) as database:
        row = database.execute("SHOW server_version").fetchone()
    packages = ("Django", "djangorestframework", "psycopg", "granian")
    return {
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                f"PostgreSQL {row[0] if row else '?'}",
                *(f"{name} {version(name)}" for name in packages),
            ]
        ),
        "server": f"granian {' '.join(OPTIONS)} config.wsgi:application",
        "client": client_name(),
        "load": f"{os.getloadavg()[0]:.1f} before the run",
    }
