"""Where the time of a request goes: sampled in this process against the real database.

Samples are of processor time: what other programs do on the machine, and the waiting for the
database, stay out of it. The statements are timed by themselves (`statements.costs_of`).
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType

from benchmarks.asking import Asking, ask
from benchmarks.statements import costs_of
from benchmarks.world import ROOT

_INTERVAL = 0.001  # seconds of this process's processor time between samples
_OURS = ("core", "accounts", "clinics", "appointments", "checkin", "config")


class _Sampler:
    """Looks at the main thread's stack at every tick."""

    def __init__(self) -> None:
        self.ticks = 0
        self.by_area: Counter[str] = Counter()
        self.own: Counter[str] = Counter()  # the innermost frame
        self.ours: Counter[str] = Counter()  # our functions, with all below them
        self.library: Counter[str] = Counter()  # libraries' functions, with all below them

    def tick(self, _signal: int, frame: FrameType | None) -> None:
        self.ticks += 1
        seen: set[str] = set()
        first = True
        while frame is not None:
            name, area = _named(frame)
            if area == "benchmarks":
                break
            if first:
                self.by_area[area] += 1
                self.own[name] += 1
                first = False
            if name not in seen:  # recursion counts once
                seen.add(name)
                (self.ours if area in _OURS else self.library)[name] += 1
            frame = frame.f_back


_names: dict[CodeType, tuple[str, str]] = {}  # looking one up must cost next to nothing


def _named(frame: FrameType) -> tuple[str, str]:
    """The function of a frame, and the package it belongs to."""
    code = frame.f_code
    if code not in _names:
        path = Path(code.co_filename)
        inner = path.parts[-1:]
        if "site-packages" in path.parts:
            inner = path.parts[path.parts.index("site-packages") + 1 :]
        elif path.is_relative_to(ROOT):
            inner = path.relative_to(ROOT).parts
        area = inner[0].removesuffix(".py") if len(inner) > 1 else "standard library"
        _names[code] = f"{'/'.join(inner)}:{code.co_firstlineno} {code.co_qualname}", area
    return _names[code]


def profile(askings: Sequence[Asking], say: Callable[[str], None], *, top: int = 45) -> None:
    """Make the requests, first unobserved for their true cost, then sampled; print the tables."""
    half = len(askings) // 2
    for asking in askings[:20]:
        ask(asking)
    wall, processor = time.perf_counter(), time.process_time()
    for asking in askings[20:half]:
        ask(asking)
    count = half - 20
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    each = wall / count * 1e6

    costs = costs_of(askings[half : half + 100])
    sampler = _Sampler()
    signal.signal(signal.SIGPROF, sampler.tick)
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)
    try:
        for asking in askings[half + 100 :]:
            ask(asking)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    say(
        f"one request: {each:.0f} µs, of them {processor / count * 1e6:.0f} of processor here"
        f" and {sum(cost.microseconds * cost.calls for cost in costs) / 100:.0f} in statements"
    )
    say("\nstatements (µs each, calls in 100 requests)")
    for cost in costs:
        say(f"{cost.microseconds:8.0f}  {cost.calls:5d}  {cost.text[:150]}")
    each = processor / count * 1e6
    share = each / max(1, sampler.ticks)
    for title, counter in (
        ("by package, innermost frame", sampler.by_area),
        ("own time", sampler.own),
        ("our functions, cumulative", sampler.ours),
        ("libraries, cumulative", sampler.library),
    ):
        say(f"\n{title} (µs of processor time a request)")
        for name, ticks in counter.most_common(top):
            if ticks * share < each / 200:
                break
            say(f"{ticks * share:8.0f}  {name}")
