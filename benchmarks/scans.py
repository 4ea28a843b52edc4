"""`python -m benchmarks scans`: many devices that check in many people at once.

Fifty scanners send forty scans each, for five hundred people: each pass is scanned by four. Once
with five waiting rooms, once with one: there every check-in takes its token after the other. Then
5,000 offline scans in batches, all of them twice, and 10,000 scans of one phone beside a scanner
that goes on working. After each the rows are counted; what is missing or there twice is an error.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from statistics import median
from typing import Any

from benchmarks.arriving import House, arrivals_open
from benchmarks.asking import Asking, ask
from benchmarks.loading import Load, run_load, send_all
from benchmarks.population import People
from benchmarks.serving import Served, served
from benchmarks.statements import recording
from benchmarks.world import World
from core import clock, ids

DEVICES, SCANS, PATIENTS = 50, 40, 500
OFFLINE_PLACES, OFFLINE_VISITS, BATCH = 10, 250, 100
FLOOD, BESIDE = 10_000, 60
_SCAN = "/api/v1/appointments/check-in/scan-qr"
_SYNC = "/api/v1/appointments/check-in/sync"

Say = Callable[[str], None]


def scans(world: World, people: People, say: Say, *, repeat: int) -> list[dict[str, Any]]:
    """Print a line for each measurement; the figures for programs."""
    figures = [_statements(people, say)]
    floor = _floor(world, people, repeat)
    say(f"\nfloor: one-query view, {DEVICES} connections: {median(floor):.0f}/s {_range(floor)}")
    figures.append({"case": "floor", "per_second": floor})
    with served(world) as server:
        figures += [
            _volley(server, people, say, places, repeat, median(floor)) for places in (5, 1)
        ]
        figures.append(_offline(server, people, say))
    with served(world, env={"RATE_LIMIT_SCALE": "1"}) as server:
        figures.append(_flood(server, people, say))
    return figures


# --- Statements ---------------------------------------------------------------------------------


def _statements(people: People, say: Say) -> dict[str, Any]:
    """Statements of a scan, BEGIN and COMMIT included, when everything is warm."""
    house = arrivals_open(people, places=1, devices=1, visits=20)
    first, again, refused = [], [], []
    for code in house.passes[0]:
        asking = _scan(house.tokens[0][0], code)
        first.append(_counted(asking))
        again.append(_counted(asking))
        refused.append(_counted(_scan(house.tokens[0][0], code)))
    said = {"first": median(first), "replayed": median(again), "refused": median(refused)}
    say(
        f"statements: a first scan {said['first']:.0f}, the same nonce again"
        f" {said['replayed']:.0f}, refused as already checked in {said['refused']:.0f}"
    )
    return {"case": "statements", **said}


def _counted(asking: Asking) -> int:
    with recording() as seen, contextlib.suppress(RuntimeError):  # a refusal is no 2xx
        ask(asking)
    return len(seen) + 2


# --- All at once --------------------------------------------------------------------------------


def _volley(
    server: Served, people: People, say: Say, places: int, repeat: int, floor: float
) -> dict[str, Any]:
    rates, loads, again = [], [], 0
    for _ in range(repeat):
        each = DEVICES // places
        house = arrivals_open(people, places=places, devices=each, visits=PATIENTS // places)
        askings = [
            _scan(house.tokens[place][(number * 4 + turn) % each], code)
            for place, passes in enumerate(house.passes)
            for number, code in enumerate(passes)
            for turn in range(DEVICES * SCANS // PATIENTS)
        ]
        people.random.shuffle(askings)
        load = _fired(server, askings, DEVICES)
        again += _insisted(server, people, house, askings)
        _agree(people, house, answered=None if again else load, asked=len(askings))
        rates.append((load.ok + load.refused) / load.seconds)
        loads.append(load)
    shares = {name: median(load.latency[name] for load in loads) for name in ("p50", "p95", "p99")}
    told = " ".join(f"{name} {value:.0f}" for name, value in shares.items())
    rooms = "one waiting room" if places == 1 else f"{places} waiting rooms"
    say(
        f"{DEVICES} devices x {SCANS} scans, {PATIENTS} people, {rooms}:"
        f" {median(rates):.0f} scans/s {_range(rates)}, {told} ms,"
        f" ratio to the floor {median(rates) / floor:.2f}; told to try again: {again}"
    )
    return {
        "case": "volley",
        "places": places,
        "per_second": rates,
        "latency_ms": shares,
        "again": again,
    }


def _insisted(server: Served, people: People, house: House, askings: Sequence[Asking]) -> int:
    """What waited too long for others was told to try again: do so, as a scanner does; how many."""
    again = 0
    for _ in range(5):
        kept = people.database.execute(
            "SELECT nonce FROM checkin_scanreceipt WHERE clinic_id = %s", [house.clinic]
        ).fetchall()
        answered = {nonce for (nonce,) in kept}
        missing = [one for one in askings if _nonce(one) not in answered]
        if not missing:
            break
        again += len(missing)
        _fired(server, missing, 1)
    return again


def _nonce(asking: Asking) -> str:
    """Of a scan, or of the first of a batch, which is kept whole or not at all."""
    body = json.loads(asking.body)
    return str((body if "nonce" in body else body["scans"][0])["nonce"])


def _offline(server: Served, people: People, say: Say) -> dict[str, Any]:
    """Two scanners a place have both scanned everybody there, and send all of it two times."""
    house = arrivals_open(people, places=OFFLINE_PLACES, devices=2, visits=OFFLINE_VISITS)
    now = clock.now()
    askings = []
    for place, passes in enumerate(house.passes):
        for token in house.tokens[place]:
            for start in range(0, len(passes), BATCH):
                made = [
                    {
                        "qr_code": code,
                        "nonce": ids.uuid7().hex,
                        "scanned_at": (now - timedelta(minutes=5)).isoformat(),
                    }
                    for code in passes[start : start + BATCH]
                ]
                body = {"sent_at": now.isoformat(), "scans": made}
                askings.append(_device(_SYNC, token, body))
    asked = 2 * OFFLINE_PLACES * OFFLINE_VISITS
    seconds, again = [], 0
    for _ in range(2):
        begun = time.perf_counter()
        _fired(server, askings, 4)
        again += _insisted(server, people, house, askings)
        seconds.append(time.perf_counter() - begun)
        _agree(people, house, answered=None, asked=asked)
    say(
        f"{asked:,} offline scans of {OFFLINE_PLACES * OFFLINE_VISITS:,} visits in batches of"
        f" {BATCH}, 4 at once: {seconds[0]:.1f} s ({asked / seconds[0]:.0f}/s),"
        f" all again: {seconds[1]:.1f} s ({asked / seconds[1]:.0f}/s); each applied once,"
        f" {again} batches told to try again"
    )
    return {"case": "offline", "scans": asked, "seconds": seconds, "again": again}


def _flood(server: Served, people: People, say: Say) -> dict[str, Any]:
    """One phone asks without end what it has no business to; a scanner works beside it."""
    house = arrivals_open(people, places=1, devices=1, visits=BESIDE)
    phone = people.patients[0]
    flood = [
        _person(phone.token, {"qr_code": f"nonsense {n}", "nonce": ids.uuid7().hex})
        for n in range(FLOOD)
    ]
    loads: list[Load] = []
    flooding = threading.Thread(target=lambda: loads.append(_fired(server, flood, 8)))
    flooding.start()
    beside, during = [], 0
    for code in house.passes[0]:
        during += flooding.is_alive()
        beside.append(_alone(server, _scan(house.tokens[0][0], code)))
    flooding.join()
    (row,) = people.database.execute(
        "SELECT count(*) FROM checkin_checkinattempt WHERE source_id = %s", [phone.user]
    ).fetchall()
    looked_at = int(row[0])
    if loads[0].ok or looked_at >= FLOOD // 10:
        raise RuntimeError(f"{loads[0].ok} accepted, {looked_at} looked at: nobody was slowed")
    _agree(people, house, answered=None, asked=BESIDE)
    worst = max(beside)
    say(
        f"{FLOOD:,} scans of one phone in {loads[0].seconds:.1f} s: {looked_at} looked at,"
        f" {FLOOD - looked_at:,} answered 429; beside it {BESIDE} check-ins of a scanner"
        f" ({during} meanwhile), all made: median {median(beside):.0f} ms, worst {worst:.0f}"
    )
    return {"case": "flood", "looked_at": looked_at, "beside_ms": [median(beside), worst]}


# --- Shared -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is there of a clinic afterwards."""

    arrivals: int
    entries: int
    tokens_wrong: int
    attempts: int
    let_in: int
    answers: int


_COUNT = """
SELECT (SELECT count(*) FROM checkin_checkin WHERE clinic_id = %(clinic)s AND undone_at IS NULL),
       (SELECT count(*) FROM checkin_queueentry WHERE clinic_id = %(clinic)s),
       (SELECT count(*) FROM (
            SELECT max(number) <> count(*) OR count(DISTINCT number) <> count(*) AS wrong
            FROM checkin_queueentry WHERE clinic_id = %(clinic)s GROUP BY location_id) places
        WHERE wrong),
       (SELECT count(*) FROM checkin_checkinattempt WHERE clinic_id = %(clinic)s),
       (SELECT count(*) FROM checkin_checkinattempt
        WHERE clinic_id = %(clinic)s AND outcome = 'CHECKED_IN'),
       (SELECT count(*) FROM checkin_scanreceipt
        WHERE clinic_id = %(clinic)s AND answer IS NOT NULL)
"""


def _agree(people: People, house: House, *, answered: Load | None, asked: int) -> None:
    """Everybody in once, each scan written down once. Raises RuntimeError otherwise."""
    row = people.database.execute(_COUNT, {"clinic": house.clinic}).fetchone()
    found = _Rows(*(row or ()))
    visits = sum(len(passes) for passes in house.passes)
    if found != _Rows(visits, visits, 0, asked, visits, asked):
        raise RuntimeError(f"{visits} visits, {asked} scans, but {found}")
    if answered is not None and (answered.ok, answered.refused) != (visits, asked - visits):
        raise RuntimeError(f"{visits} visits, but {answered.ok} were told that they are in")


def _floor(world: World, people: People, repeat: int) -> list[float]:
    moment = clock.now().isoformat().replace("+", "%2B")
    askings = [Asking(f"/floor?clinic={clinic}&from={moment}") for clinic in people.doctors_of]
    raw = [one.raw() for one in askings]
    target = "benchmarks.floor_wsgi:application"
    with served(world, target, env={"DATABASE_ROLE": ""}, probe=askings[0].path) as server:
        run_load(server.port, raw, seconds=1, connections=DEVICES, once=False)
        return [
            run_load(server.port, raw, seconds=3, connections=DEVICES, once=False).rate
            for _ in range(repeat)
        ]


def _fired(server: Served, askings: Sequence[Asking], connections: int) -> Load:
    raw = [one.raw() for one in askings]
    load = send_all(server.port, raw, connections=connections)
    if load.ok + load.refused != len(askings):
        raise RuntimeError(f"{load.ok + load.refused} of {len(askings)} were answered")
    return load


def _alone(server: Served, asking: Asking) -> float:
    """Milliseconds of one request that has to be accepted."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    begun = time.perf_counter()
    headers = {"Authorization": f"Device {asking.token}", "Content-Type": "application/json"}
    connection.request("POST", asking.path, asking.body, headers)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"beside the flood: {answer.status} {said[:300]!r}")
    return (time.perf_counter() - begun) * 1000


def _scan(token: str, code: str) -> Asking:
    return _device(_SCAN, token, {"qr_code": code, "nonce": ids.uuid7().hex})


def _device(path: str, token: str, body: dict[str, Any]) -> Asking:
    return Asking(path, token, "POST", json.dumps(body).encode(), scheme="Device")


def _person(token: str, body: dict[str, Any]) -> Asking:
    return Asking(_SCAN, token, "POST", json.dumps(body).encode())


def _range(rates: Sequence[float]) -> str:
    return f"({min(rates):.0f}-{max(rates):.0f})"
