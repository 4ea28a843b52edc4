"""Which server command is best: the same cases under several, in turns."""

import importlib.util
import sys
from collections.abc import Callable, Sequence

from benchmarks.cases import CASES
from benchmarks.measuring import Figures, once_over
from benchmarks.population import People
from benchmarks.serving import OPTIONS, WORKERS, served
from benchmarks.world import World

CASES_COMPARED = ("slots", "day", "book")


def _with_threads(count: int) -> tuple[str, ...]:
    kept = [option for option in OPTIONS if not option.startswith("--blocking-threads=")]
    return (*kept, f"--blocking-threads={count}")


def variants() -> dict[str, tuple[Sequence[str], Sequence[str] | None]]:
    """Name → granian options, or a whole other command."""
    found: dict[str, tuple[Sequence[str], Sequence[str] | None]] = {
        f"granian, {count} threads": (_with_threads(count), None) for count in (1, 2, 3, 4, 8)
    }
    kept = [option for option in OPTIONS if not option.startswith("--backpressure=")]
    found["granian, no back pressure set"] = (kept, None)
    found["granian, multi-threaded runtime"] = ((*OPTIONS, "--runtime-mode=mt"), None)
    if importlib.util.find_spec("gunicorn"):
        for count in (2, 4, 8):
            command = [sys.executable, "-m", "gunicorn", "config.wsgi:application"]
            command += [f"--workers={WORKERS}", "--worker-class=gthread", f"--threads={count}"]
            command += ["--bind=127.0.0.1:PORT", "--keep-alive=30", "--log-level=warning"]
            found[f"gunicorn gthread, {count} threads"] = ((), command)
    return found


def server_choice(
    world: World, people: People, say: Callable[[str], None], *, seconds: float, repeat: int
) -> None:
    """Print what each command reaches: accepted requests a second (median), p95, processor time."""
    say(f"{'command':<36}" + "".join(f"{name:>30}" for name in CASES_COMPARED))
    say(f"{'':<36}" + f"{'ok/s':>10}{'p95 ms':>10}{'http ms':>10}" * len(CASES_COMPARED))
    for title, (options, command) in variants().items():
        line = f"{title:<36}"
        with served(world, options=options, command=command) as server:
            for name in CASES_COMPARED:
                case, figures = CASES[name], Figures(name, name)
                once_over(Figures("", ""), world, server, case.make(people, 1), 1, once=case.once)
                for _ in range(repeat):
                    askings = case.make(people, seconds)
                    once_over(figures, world, server, askings, seconds, once=case.once)
                line += f"{figures.rate:10.0f}{figures.latency('p95'):10.1f}"
                line += f"{figures.cpu('http'):10.2f}"
        say(line)
