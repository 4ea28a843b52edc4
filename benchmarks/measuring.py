"""One case, several times: rates, latencies, processor time and statements a request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.asking import Asking
from benchmarks.loading import Load, run_load
from benchmarks.serving import ProcessorTime, Served, processor_time
from benchmarks.world import World

CONNECTIONS = 16


@dataclass(slots=True)
class Figures:
    """What the runs of one case came to. `floor` is in requests, or transactions, a second."""

    name: str
    what: str
    runs: list[Load] = field(default_factory=list)
    processor: list[ProcessorTime] = field(default_factory=list)  # seconds a request
    statements: float | None = None
    floor: float | None = None
    floor_name: str = ""
    aim: int | None = None

    @property
    def rate(self) -> float:
        return median(run.rate for run in self.runs)

    @property
    def range(self) -> tuple[float, float]:
        return min(run.rate for run in self.runs), max(run.rate for run in self.runs)

    @property
    def refused(self) -> int:
        return sum(run.refused for run in self.runs)

    def latency(self, share: str) -> float:
        return median(run.latency[share] for run in self.runs)

    def cpu(self, which: str) -> float:
        """Milliseconds of processor time a request: `http`, `postgres` or `valkey`."""
        return median(getattr(used, which) for used in self.processor) * 1000


def once_over(
    figures: Figures,
    world: World,
    server: Served,
    askings: Sequence[Asking],
    seconds: float,
    *,
    once: bool,
    connections: int = CONNECTIONS,
) -> int:
    """One run, added to `figures`; how many requests it made."""
    raw = [asking.raw() for asking in askings]
    before = processor_time(world, server.process)
    load = run_load(server.port, raw, seconds=seconds, connections=connections, once=once)
    used = processor_time(world, server.process) - before
    made = load.ok + load.refused
    if not made:
        raise RuntimeError(f"{figures.name}: nothing was answered")
    figures.runs.append(load)
    figures.processor.append(
        ProcessorTime(used.http / made, used.postgres / made, used.valkey / made)
    )
    return made
