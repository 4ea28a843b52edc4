"""`python -m benchmarks.pairs --clinicians 500 10000`: clinicians with time for two sessions.

A page of twenty is asked for by region and insurance: as the statement alone, the same through
pgbench, over the API of the production server beside a trivial view, and as a naive search in
Python. Times are of one question after the other.
"""

import argparse
import http.client
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.__main__ import _set_up
from benchmarks.world import World, opened

if TYPE_CHECKING:
    from benchmarks.pairs_data import Network

LIMIT = 20
SQL_MS, API_MS = 100.0, 200.0  # the aims, p95
_WARM_UP, _NAIVE = 12, 4

Say = Callable[[str], None]

_SCRIPT = """\\set region random(0, {regions} - 1)
\\set plan random(0, {insurances} - 1)
SELECT count(*) FROM appointments_pairs(ARRAY['{clinic}']::uuid[], 'R' || :region,
    'Plan ' || :plan, 'PSYCHOLOGIST', NULL, NULL, NULL, NULL, 90, 'IN_PERSON', NULL, now(), 30, 7,
    false, {limit}, 400);
"""


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of single questions, in order of length; `processor` of the server, each."""

    each: list[float]
    processor: float | None = None

    def at(self, share: float) -> float:
        return self.each[min(len(self.each) - 1, int(len(self.each) * share))]

    def line(self, what: str, floor: float | None = None, aim: float | None = None) -> str:
        ratio = f"{median(self.each) / floor:7.1f}" if floor else f"{'':7}"
        used = f"{self.processor:7.1f}" if self.processor is not None else f"{'':7}"
        reached = ""
        if aim is not None:
            reached = f"  p95 below {aim:.0f}: {'reached' if self.at(0.95) < aim else 'missed'}"
        return (
            f"{what:<44} {self.at(0.5):8.1f} {self.at(0.95):8.1f} {self.at(0.99):8.1f}"
            f" {self.each[0]:8.1f} {self.each[-1]:8.1f} {used} {ratio}{reached}"
        )


def pairs(world: World, clinicians: int, say: Say, *, count: int, plans: bool) -> None:
    """Build the network, then measure and print."""
    from benchmarks import pairs_data  # noqa: PLC0415 - models are there only after set-up

    with psycopg.connect(world.url, autocommit=True) as database:
        began = time.monotonic()
        network = pairs_data.network_made(database, clinicians)
        rows = database.execute(
            "SELECT count(*) FROM appointments_busytime WHERE clinic_id = %s", [network.clinic]
        ).fetchone()
    say(
        f"\n{clinicians:,} clinicians, {rows[0] if rows else 0:,} claims, built in"
        f" {time.monotonic() - began:.0f} s"
    )
    say(
        f"{'milliseconds':<44} {'p50':>8} {'p95':>8} {'p99':>8} {'min':>8} {'max':>8} {'pg cpu':>7}"
        f" {'ratio':>7}"
    )
    wanted = list(islice(_questions(), count))
    floor = _pgbench(world, network)
    say(f"{'floor: the same statement through pgbench':<44} {floor:8.1f} (mean)")
    found = _statement(network, wanted)
    say(found.line("the statement, a page of 20", floor, SQL_MS))
    say(_deep(network, wanted).line("the statement, page after page", floor, SQL_MS))
    _api(world, network, wanted, say)
    _compared(network, wanted[:_NAIVE], median(found.each), say)
    if plans:
        _plans(network, wanted, say)


def _questions() -> Iterator[tuple[str, str]]:
    """Regions and insurances, in an order that repeats itself late."""
    from benchmarks.pairs_data import INSURANCES, REGIONS  # noqa: PLC0415 - as above

    every = [(f"R{r}", f"Plan {p}") for r in range(REGIONS) for p in range(INSURANCES)]
    Random(5).shuffle(every)
    return cycle(every)


def _find(network: "Network", region: str, insurance: str, after: Any = None) -> Any:
    from appointments.selectors.pairs import pairs_find  # noqa: PLC0415 - as above

    return pairs_find(
        clinics=[network.clinic],
        region=region,
        insurance=insurance,
        profession="PSYCHOLOGIST",
        minutes=90,
        mode="IN_PERSON",
        patient_rules=False,
        after=after,
        limit=LIMIT,
    )


def _timed(acts: Sequence[Callable[[], Any]]) -> Times:
    """Each act in turn; the first ones only warm up. Processor time is of this backend."""
    from django.db import connection  # noqa: PLC0415 - as above

    each = []
    pid = connection.connection.info.backend_pid
    used = 0.0
    for number, act in enumerate([*acts[:_WARM_UP], *acts]):
        if number == _WARM_UP:
            used = _processor(pid)
        began = time.perf_counter()
        act()
        if number >= _WARM_UP:
            each.append((time.perf_counter() - began) * 1000)
    return Times(sorted(each), (_processor(pid) - used) / len(each))


def _processor(pid: int) -> float:
    """Milliseconds of processor time that a process has had."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def _statement(network: "Network", wanted: Sequence[tuple[str, str]]) -> Times:
    from core import tenancy  # noqa: PLC0415 - as above

    with tenancy.scope([network.clinic], statement_timeout_ms=60_000):
        return _timed([partial(_find, network, *one) for one in wanted])


def _deep(network: "Network", wanted: Sequence[tuple[str, str]]) -> Times:
    """The pages after the first, as somebody who reads on asks for them."""
    from core import tenancy  # noqa: PLC0415 - as above

    places: list[tuple[tuple[str, str], Any]] = []
    with tenancy.scope([network.clinic], statement_timeout_ms=60_000):
        for one in wanted[: len(wanted) // 4]:
            after = None
            while (after := _find(network, *one, after).next) is not None and len(places) < 150:
                places.append((one, after))
        if not places:  # everybody is on the first page
            places = [(one, None) for one in wanted]
        return _timed([partial(_find, network, *one, after) for one, after in places])


def _pgbench(world: World, network: "Network") -> float:
    """Mean milliseconds of the statement without any of our code."""
    from benchmarks.floor_pgbench import pgbench  # noqa: PLC0415 - as above
    from benchmarks.pairs_data import INSURANCES, REGIONS  # noqa: PLC0415 - as above

    script = _SCRIPT.format(
        clinic=network.clinic, regions=REGIONS, insurances=INSURANCES, limit=LIMIT
    )
    pgbench(world, script, seconds=2, connections=1, role="kairos_app")
    return 1000 / pgbench(world, script, seconds=6, connections=1, role="kairos_app")


def _api(world: World, network: "Network", wanted: Sequence[tuple[str, str]], say: Say) -> None:
    """Over the production server, as the network's front desk; its floor is the trivial view."""
    from benchmarks.asking import Asking  # noqa: PLC0415 - as above
    from benchmarks.serving import served  # noqa: PLC0415 - as above
    from benchmarks.statements import statements_a_request  # noqa: PLC0415 - as above
    from core import clock  # noqa: PLC0415 - as above

    moment = clock.now().isoformat().replace("+", "%2B")
    trivial = Asking(f"/floor?clinic={network.clinic}&from={moment}")
    with served(
        world, "benchmarks.floor_wsgi:application", env={"DATABASE_ROLE": ""}, probe=trivial.path
    ) as server:
        floor = _requests(server.port, [trivial] * len(wanted))
    say(floor.line("floor: one-query view, same server"))
    askings = [
        Asking(
            f"/api/v1/assessments/slot-pairs?region={region}&insurance={plan.replace(' ', '%20')}",
            network.desk.token,
        )
        for region, plan in wanted
    ]
    for_patients = [
        Asking(
            f"/api/v1/assessments/slot-pairs?patient={patient}&service={network.service}",
            network.desk.token,
        )
        for patient in network.patients[: len(wanted)]
    ]
    with served(world) as server:
        low = median(floor.each)
        say(_requests(server.port, askings).line("API, by region and insurance", low, API_MS))
        say(_requests(server.port, for_patients).line("API, for a patient", low, API_MS))
    say(f"statements a request, BEGIN and COMMIT included: {statements_a_request(askings[:8]):.1f}")


def _requests(port: int, askings: Sequence[Any]) -> Times:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    each = []
    for number, asking in enumerate([*askings[:_WARM_UP], *askings]):
        headers = {"Authorization": f"Bearer {asking.token}"} if asking.token else {}
        began = time.perf_counter()
        client.request("GET", asking.path, headers=headers)
        answer = client.getresponse()
        said = answer.read()
        if number >= _WARM_UP:
            each.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{asking.path}: {answer.status} {said[:300]!r}")
    client.close()
    return Times(sorted(each))


def _compared(network: "Network", wanted: Sequence[tuple[str, str]], ours: float, say: Say) -> None:
    """The naive search. Raises RuntimeError when it finds anything else than we do."""
    from benchmarks.pairs_naive import naive_page  # noqa: PLC0415 - as above
    from core import tenancy  # noqa: PLC0415 - as above

    each = []
    with tenancy.scope([network.clinic], statement_timeout_ms=600_000):
        for region, insurance in wanted:
            began = time.perf_counter()
            naive = naive_page(network.clinic, region, insurance, limit=LIMIT)
            each.append((time.perf_counter() - began) * 1000)
            found = [
                (
                    one.doctor,
                    one.location,
                    [(pair.first.starts_at, pair.second.starts_at) for pair in one.pairs],
                )
                for one in _find(network, region, insurance).results
            ]
            if found != naive:
                raise RuntimeError(f"{region}, {insurance}: the naive search finds others")
    say(Times(sorted(each)).line("naive: ORM and Python, the same answers", ours))
    say(f"{'':<44} (its ratio is to the statement; the others' to their floor)")


def _plans(network: "Network", wanted: Sequence[tuple[str, str]], say: Say) -> None:
    """The plans of one page, those inside the functions too, the longest first."""
    from benchmarks.plans import Explaining  # noqa: PLC0415 - as above
    from core import tenancy  # noqa: PLC0415 - as above

    explaining = Explaining(frozenset({"appointments_busytime", "clinics_doctor"}))
    try:
        for one in wanted[:8]:
            explaining.plans.clear()
            with tenancy.scope([network.clinic], statement_timeout_ms=60_000):
                _find(network, *one)
        seen: set[str] = set()
        for plan in sorted(explaining.plans, key=lambda plan: -plan.milliseconds):
            kind = plan.statement[:80]
            if kind not in seen:
                seen.add(kind)
                say(f"\n--- {plan.milliseconds:.1f} ms\n{plan.statement[:300]}\n{plan.text}")
    finally:
        explaining.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pairs", description=__doc__)
    parser.add_argument("--clinicians", type=int, nargs="+", default=[500, 10_000])
    parser.add_argument("--count", type=int, default=200, help="questions of each kind (200)")
    parser.add_argument("--keep", type=Path, help="keep PostgreSQL's folder here")
    parser.add_argument("--plans", action="store_true", help="print the query plans too")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped

    def say(text: str) -> None:
        print(text, flush=True)

    with opened("tiny", arguments.keep) as world:
        _set_up(world)
        from benchmarks.machine import machine  # noqa: PLC0415 - models come with the set-up

        for name, fact in machine(world).items():
            say(f"{name:>10}: {fact}")
        for clinicians in arguments.clinicians:
            pairs(world, clinicians, say, count=arguments.count, plans=arguments.plans)
    return 0


if __name__ == "__main__":
    sys.exit(main())
