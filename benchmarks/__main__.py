"""`python -m benchmarks`: measure Kairos at a shape of data, beside its floors.

all                       every case, and the cost of row security (the default)
slots book day mine search    single cases (slots and book are two each)
plans                     the query plans of every case; fails on a large table read whole
profile slots|book|day|…  where the time of a request goes
backoffice                every page of the back office
desk                      the receptionist's board, its updates and its weight
live                      a change from one browser to another (needs Chromium)
broadcast                 a call in the queue to 500 and 2,000 sockets, and what survives
scans                     fifty scanners at once, offline scans sent twice, one phone that floods
series                    a series of 104 visits beside its INSERTs alone
waits                     the estimated wait beside the wait that followed, replayed
recall                    the recall list of a clinic, with 100,000 plans in 20 clinics
chains                    chains of 1 to 1,000 visits, and a patient with 500 plans
rls                       what scope and row security cost
"""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import django

from benchmarks.shape import SHAPES
from benchmarks.world import World, opened

_GROUPS = {"slots": ["slots", "slots-many"], "book": ["book", "book-hot"]}
_CASES = ["slots", "slots-many", "book", "book-hot", "day", "mine", "search"]
_OTHERS = [
    "plans",
    "profile",
    "rls",
    "server",
    "backoffice",
    "desk",
    "live",
    "broadcast",
    "scans",
    "series",
    "waits",
    "chains",
    "recall",
]
#: What prints lines of its own.
_PAGES = frozenset(
    {"backoffice", "broadcast", "chains", "desk", "live", "recall", "scans", "series", "waits"}
)
_PROFILED = 4000  # requests


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="all",
        choices=["all", *_CASES, *_OTHERS],
    )
    parser.add_argument(
        "case", nargs="?", choices=[*_CASES, "backoffice"], help="for plans and profile"
    )
    parser.add_argument("--shape", default="S", choices=list(SHAPES))
    parser.add_argument("--seconds", type=float, default=8, help="of each run (8)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each case (3)")
    parser.add_argument("--keep", type=Path, help="keep the built data here for the next run")
    parser.add_argument("--data", type=Path, help="folder of real loads, for waits")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _set_up(world: World) -> None:
    """Django in this process, with the environment of the server; its log goes nowhere."""
    os.environ.update(world.env)
    django.setup()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for good


def _pages(world: World, people: Any, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The measurements that print lines of their own."""
    # These read models, which are there only after the set-up.
    from benchmarks.backoffice import backoffice  # noqa: PLC0415
    from benchmarks.broadcast import broadcast  # noqa: PLC0415
    from benchmarks.chains import chains  # noqa: PLC0415
    from benchmarks.desk import desk  # noqa: PLC0415
    from benchmarks.recall import recall  # noqa: PLC0415
    from benchmarks.scans import scans  # noqa: PLC0415
    from benchmarks.series import series  # noqa: PLC0415
    from benchmarks.two_browsers import two_browsers  # noqa: PLC0415
    from benchmarks.waits import wait_estimates  # noqa: PLC0415

    match arguments.what:
        case "backoffice":
            return backoffice(world, people, _say, repeat=arguments.repeat)
        case "broadcast":
            return broadcast(world, people, _say)
        case "chains":
            return chains(world, people, _say, repeat=arguments.repeat)
        case "desk":
            return desk(world, people, _say, repeat=arguments.repeat)
        case "live":
            return two_browsers(world, people, _say)
        case "recall":
            return recall(world, people, _say, repeat=arguments.repeat)
        case "scans":
            return scans(world, people, _say, repeat=arguments.repeat)
        case "series":
            return series(world, people, _say, repeat=arguments.repeat)
        case _:
            return wait_estimates(_say, data=arguments.data)


def _run(world: World, arguments: argparse.Namespace) -> int:
    # These read models, which are there only after the set-up.
    from benchmarks import machine, report, running  # noqa: PLC0415
    from benchmarks.backoffice import backoffice_plans  # noqa: PLC0415
    from benchmarks.cases import CASES  # noqa: PLC0415
    from benchmarks.plans import plans_report  # noqa: PLC0415
    from benchmarks.population import People  # noqa: PLC0415
    from benchmarks.profiling import profile  # noqa: PLC0415
    from benchmarks.row_security import row_security  # noqa: PLC0415
    from benchmarks.server_choice import server_choice  # noqa: PLC0415

    people = People(world.url)
    chosen = arguments.case or "book"
    match arguments.what:
        case "plans" if arguments.case == "backoffice":
            return 0 if backoffice_plans(people, _say) else 1
        case "plans":
            names = [arguments.case] if arguments.case else _CASES
            return 0 if plans_report(people, names, _say) else 1
        case "profile":
            askings = CASES[chosen].make(people, _PROFILED / 1000)[:_PROFILED]
            profile(askings, _say)
            return 0
        case "server":
            server_choice(world, people, _say, seconds=arguments.seconds, repeat=arguments.repeat)
            return 0
    facts = machine.machine(world)
    shape = SHAPES[arguments.shape]
    _say(
        f"shape {shape.name}: {shape.clinics} clinics, {shape.doctors} doctors,"
        f" {shape.patients:,} patients, {shape.appointments:,} appointments"
    )
    for name, fact in facts.items():
        _say(f"{name:>10}: {fact}")
    figures = []
    seen: list[dict[str, Any]] = []
    if arguments.what in _PAGES:
        seen = _pages(world, people, arguments)
    elif arguments.what != "rls":
        names = _CASES if arguments.what == "all" else _GROUPS.get(arguments.what, [arguments.what])
        figures = running.measure(
            names, world, people, _progress, seconds=arguments.seconds, repeat=arguments.repeat
        )
        _say("")
        report.table(figures, _say)
    added: dict[str, float] = {}
    if arguments.what in {"all", "rls"}:
        _say("\nscope and row security, a transaction on one connection:")
        added = row_security(world, people, _say, seconds=2, repeat=arguments.repeat)
    _say(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f}")
    if arguments.json:
        content: dict[str, Any] = {
            "machine": facts,
            "shape": shape.name,
            "cases": report.as_json(figures),
            "row_security_ms": added,
            "pages": seen,
        }
        report.write_json(arguments.json, content)
    return 0


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    if arguments.what == "waits":
        arguments.shape = "tiny"  # it only needs the demo beside it
    with opened(arguments.shape, arguments.keep) as world:
        _set_up(world)
        return _run(world, arguments)


if __name__ == "__main__":
    sys.exit(main())
