"""`python -m benchmarks backoffice`: statements and time of every page of the back office.

Time is of one request after the other through the production server, so it has no queue in it: what
somebody waits for a page on a calm machine, besides the network. The statements are counted, and
their time summed up, in this process.
"""

import http.client
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from django.core.management import call_command
from django.db import connection

from benchmarks.asking import Asking, ask
from benchmarks.backoffice_pages import Page, Person, floor_page, pages, persons
from benchmarks.plans import WARM_UP, Plan, large_tables, plans_of
from benchmarks.population import People
from benchmarks.serving import Served, served
from benchmarks.world import World

STATEMENTS = 12  # fewer than this
P95 = 300.0  # ms
#: A statement should not look at more rows than this, by whatever kind of scan.
ROWS_READ = 25_000  # as many as a clinic has at shape S
_REQUESTS = 10  # of each page, a repetition
_WARM_UP = 6
_HEAD = (
    f"{'page':<50} {'SQL':>4} {'SQL ms':>7} {'p50':>7} {'p95':>7} {'ratio':>6} {'KB':>6}  missed"
)

Say = Callable[[str], None]


@dataclass(slots=True)
class Seen:
    """What one page took. Milliseconds; `missed` names the aims that were not reached."""

    person: str
    name: str
    statements: int = 0
    sql_ms: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    ratio: float = 0.0
    kilobytes: float = 0.0
    missed: list[str] = field(default_factory=list)

    def line(self) -> str:
        return (
            f"{self.name:<50.50} {self.statements:4d} {self.sql_ms:7.1f} {self.p50:7.1f}"
            f" {self.p95:7.1f} {self.ratio:6.1f} {self.kilobytes:6.0f}  {', '.join(self.missed)}"
        )


def backoffice(world: World, people: People, say: Say, *, repeat: int) -> list[dict[str, Any]]:
    """Measure and print every page as both persons; the figures for programs."""
    _collect_static()
    large = large_tables(people)
    found: list[Seen] = []
    with served(world) as server:
        for person in persons(people):
            where = "one clinic" if person.clinic else "all clinics"
            say(f"\nas {person.name}, {where}; milliseconds; {_REQUESTS * repeat} requests each")
            say(_HEAD)
            found += _as(person, people, server, large, say, repeat=repeat)
    missed = [one for one in found if one.missed]
    say(
        f"\n{len(found)} pages, {len(missed)} with a miss"
        f" (aims: fewer than {STATEMENTS} statements, p95 below {P95:.0f} ms,"
        f" no large table read whole, no statement that looks at more than {ROWS_READ:,} rows)"
    )
    return [{name: getattr(one, name) for name in Seen.__slots__} for one in found]


def _collect_static() -> None:
    """Pages name their files by content, as production does, so the files must be in place."""
    call_command("collectstatic", interactive=False, verbosity=0)


def _as(
    person: Person, people: People, server: Served, large: frozenset[str], say: Say, *, repeat: int
) -> list[Seen]:
    floor = 0.0
    found = []
    refused = []
    for page in [floor_page(person), *pages(people, person)]:
        status = _status(page.askings[0])
        if status in {403, 404}:  # named below, so that no page goes missing unseen
            refused.append(page.name)
            continue
        seen = Seen(person.name, page.name)
        if status == 200:
            _measure(seen, page, server, large, repeat)
            floor = floor or seen.p50
            seen.ratio = seen.p50 / floor
        else:
            seen.missed.append(f"status {status}")
        say(seen.line())
        found.append(seen)
    if refused:
        say(f"not for this person: {', '.join(refused)}")
    return found


def _status(asking: Asking) -> int:
    """The status of one request in this process."""
    try:
        ask(asking)
    except RuntimeError as error:
        found = re.search(r": (\d{3}) ", str(error))
        return int(found[1]) if found else 500
    return 200


def _measure(seen: Seen, page: Page, server: Served, large: frozenset[str], repeat: int) -> None:
    seen.statements, seen.sql_ms = _statements(page.askings)
    times, size = _times(server, page.askings, _REQUESTS * repeat)
    seen.p50, seen.p95 = median(times), sorted(times)[len(times) * 95 // 100]
    seen.kilobytes = size / 1024
    if seen.statements >= STATEMENTS:
        seen.missed.append("statements")
    if seen.p95 >= P95:
        seen.missed.append("p95")
    seen.missed += sorted({flag for plan in _plans(page, large) for flag in flags_of(plan)})


def _statements(askings: Sequence[Asking]) -> tuple[int, float]:
    """The most statements of these requests, BEGIN and COMMIT included; and the median of their
    summed time in milliseconds."""
    counts, sums = [], []
    spent: list[float] = []

    def timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append(time.perf_counter() - started)

    ask(askings[0])
    for asking in askings:
        spent.clear()
        with connection.execute_wrapper(timed):
            ask(asking)
        counts.append(len(spent) + 2)
        sums.append(sum(spent) * 1000)
    return max(counts), median(sums)


def _times(server: Served, askings: Sequence[Asking], count: int) -> tuple[list[float], int]:
    """Milliseconds of each of `count` requests in turn on one connection, and the last one's size.

    Raises RuntimeError for any answer but a 200.
    """
    times = []
    size = 0
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        for turn in range(_WARM_UP + count):
            asking = askings[turn % len(askings)]
            headers = {
                "Cookie": asking.cookie or "",
                "Accept": asking.accept,
                "Accept-Encoding": "gzip",
            }
            started = time.perf_counter()
            client.request("GET", asking.path, headers=headers)
            answer = client.getresponse()
            size = len(answer.read())
            times.append((time.perf_counter() - started) * 1000)
            if answer.status != 200:
                raise RuntimeError(f"{asking.path}: {answer.status}")
    finally:
        client.close()
    return times[_WARM_UP:], size


def _plans(page: Page, large: frozenset[str]) -> list[Plan]:
    """The plans of the last request, once the statements have the plans that they keep."""
    askings = [page.askings[turn % len(page.askings)] for turn in range(WARM_UP + 1)]
    return plans_of(askings, large)


def flags_of(plan: Plan) -> list[str]:
    """What is wrong with a plan: large tables read whole, and scans that look at many rows."""
    read = 0.0
    # A scan's rows, and what its filter threw away, are told for one loop on average.
    for rows, loops, below in re.findall(
        r"Scan[^\n]*\(actual [^)]*?rows=([\d.]+) loops=(\d+)\)((?:\n(?! *->)[^\n]*)*)", plan.text
    ):
        removed = sum(float(n) for n in re.findall(r"Rows Removed by [^:]*: (\d+)", below))
        read = max(read, (float(rows) + removed) * int(loops))
    # A sequential scan that a LIMIT stops early reads no more than it needs.
    where = f" of {', '.join(plan.scanned)}, read whole" if plan.scanned else ""
    return [f"looks at {read:,.0f} rows{where}"] if read > ROWS_READ else []


def backoffice_plans(people: People, say: Say) -> bool:
    """Print the plans of every page that has something wrong; whether there is none."""
    _collect_static()
    large = large_tables(people)
    clean = True
    for person in persons(people):
        for page in pages(people, person):
            if _status(page.askings[0]) != 200:
                continue
            for plan in _plans(page, large):
                if flags := flags_of(plan):
                    clean = False
                    say(f"\n=== {page.name} ({person.name}): {', '.join(flags)}")
                    say(f"--- {plan.milliseconds:.1f} ms\n{plan.statement[:3000]}\n{plan.text}")
    say("\nno page reads a large table whole" if clean else "\nsee above")
    return clean
