"""`python -m benchmarks broadcast`: from a commit in the queue to every socket that shows it.

The clients are patients with their visits' personal links, in a process of their own; the server is
one uvicorn. Somebody is called, again and again; the clock is the machine's, from the end of the
transaction to the moment a client has the bytes. The floor is a bare `websockets` server that sends
the same bytes to as many clients, in the same run. Then two servers share the clients: they have to
agree, and everybody has to be right again after one of them, and Valkey, was killed.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import IO, Any, cast
from uuid import UUID

from websockets.sync.client import connect

from accounts.models import User
from accounts.roles import Role
from appointments.models import Appointment
from appointments.services.links import visit_link
from benchmarks.population import People
from benchmarks.serving import Served, served
from benchmarks.staff import doctor_made, principal_of
from benchmarks.world import ROOT, World
from checkin.board import board_read
from checkin.models import QueueEntry
from checkin.services.queue import entry_add, entry_call
from clinics.models import Clinic, Location, Patient
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import clock, ids, tenancy

SIZES = (500, 2_000)
ROUNDS = 50
WORST_MS = 1_000.0  # the aim
AGAIN_SECONDS = 10.0  # the aim
DOCTORS, WAITING = 10, 60
_SPLIT = 500

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Room:
    """A waiting room: who calls, whom, and the links of who waits."""

    clinic: Clinic
    location: Location
    caller: UUID
    entry: UUID
    doors: list[list[str]]

    def call(self) -> tuple[str, float]:
        """Call somebody once more; a text that only the board after it has, and when it was."""
        with tenancy.scope(()):
            made = entry_call(by=principal_of(self.caller), entry_id=self.entry)
            calls = made.calls
        return f'"calls":{calls}}}', time.monotonic()

    def next_text(self) -> str:
        """The text that the board after the next call will have."""
        with tenancy.scope((self.clinic.id,)):
            return f'"calls":{QueueEntry.objects.get(pk=self.entry).calls + 1}}}'


class Crowd:
    """The process of the clients."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.broadcast_clients"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._orders = cast(IO[str], self.process.stdin)
        self._answers = cast(IO[str], self.process.stdout)

    def order(self, **order: Any) -> dict[str, Any]:
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()
        answer: dict[str, Any] = json.loads(self._answers.readline())
        return answer

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds from the commit: of every receipt, and of the last of each change."""

    name: str
    p50: float
    p99: float
    worst: float
    missed: int

    def line(self) -> str:
        late = f", {self.missed} MISSED" if self.missed else ""
        return (
            f"{self.name:<44} p50 {self.p50:7.1f}  p99 {self.p99:7.1f}  worst {self.worst:7.1f} ms"
            f"{late}"
        )


def broadcast(world: World, people: People, say: Say) -> list[dict[str, Any]]:
    """Measure and print; the figures for programs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        room = _room(people, max(SIZES))
        size = len(board_read(room.location.id, clinic=room.clinic.id))
        say(f"\na board of {size:,} bytes: {WAITING} wait for {DOCTORS} doctors; {ROUNDS} calls")
        found: list[dict[str, Any]] = []
        for sockets in SIZES:
            for deflate in (False, True):
                ours = _ours(world, room, sockets, say, deflate=deflate)
                found.append(_told(ours, say))
            floor = _floor(world, sockets, size)
            found.append(_told(floor, say))
            plain = found[-3]
            say(f"  ratio to the floor, p99: {plain['p99'] / max(floor.p99, 0.1):.1f}")
        say(f"aim: worst below {WORST_MS:.0f} ms")
        found += _survives(world, room, say)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return found


def _told(figures: Figures, say: Say) -> dict[str, Any]:
    say(figures.line())
    return {
        "name": figures.name,
        "p50": figures.p50,
        "p99": figures.p99,
        "worst": figures.worst,
        "missed": figures.missed,
    }


# --- One server -----------------------------------------------------------------------------------


def _ours(world: World, room: Room, sockets: int, say: Say, *, deflate: bool) -> Figures:
    with _sockets_server(world, deflate=deflate) as server, Crowd() as crowd:
        opened = crowd.order(open=room.doors[:sockets], ports=[server.port], deflate=deflate)
        say(f"  {opened['open']} sockets open after {opened['seconds']:.1f} s")
        crowd.order(ask='"queue"')
        room.call()
        crowd.order(until=True, within=30)
        receipts: list[float] = []
        missed = 0
        for _ in range(ROUNDS):
            crowd.order(ask=room.next_text())
            _, committed = room.call()
            answer = crowd.order(until=True, within=10)
            receipts += [(at - committed) * 1000 for at in answer["at"]]
            missed += sockets - len(answer["at"])
    kind = "compressed" if deflate else "plain"
    return _figures(f"{sockets} sockets, one process, {kind}", receipts, missed)


def _floor(world: World, sockets: int, size: int) -> Figures:
    command = [sys.executable, "-m", "benchmarks.floor_broadcast", "PORT"]
    receipts: list[float] = []
    missed = 0
    with served(world, command=command, probe="/health") as server, Crowd() as crowd:
        doors = [["/hear", "", ""] for _ in range(sockets)]
        crowd.order(open=doors, ports=[server.port], deflate=False)
        with connect(f"ws://127.0.0.1:{server.port}/tell") as control:
            for number in range(ROUNDS):
                text = f'"calls":{number}}}'
                crowd.order(ask=text)
                message = text + " " * (size - len(text))
                began = time.monotonic()
                control.send(message)
                answer = crowd.order(until=True, within=10)
                receipts += [(at - began) * 1000 for at in answer["at"]]
                missed += sockets - len(answer["at"])
    return _figures(f"{sockets} sockets, floor: bare websockets", receipts, missed)


def _figures(name: str, receipts: list[float], missed: int) -> Figures:
    receipts.sort()
    return Figures(
        name, median(receipts), receipts[len(receipts) * 99 // 100], receipts[-1], missed
    )


# --- Two servers, and what is killed --------------------------------------------------------------


def _survives(world: World, room: Room, say: Say) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(_sockets_server(world))
        second = stack.enter_context(_sockets_server(world))
        crowd = stack.enter_context(Crowd())
        crowd.order(open=room.doors[:_SPLIT], ports=[first.port, second.port], deflate=False)

        def all_right(name: str, began: float | None = None, within: float = 30) -> None:
            crowd.order(ask=room.next_text())
            _, committed = room.call()
            answer = crowd.order(until=True, within=within)
            since = began or committed
            seconds = max(answer["at"], default=0.0) - since
            right = len(answer["at"]) == _SPLIT and answer["boards"] == 1
            agree = "the same board" if answer["boards"] == 1 else f"{answer['boards']} BOARDS"
            say(
                f"{name:<44} {len(answer['at'])} of {_SPLIT}, {agree}, after {seconds:.2f} s"
                f"{'' if right and seconds < AGAIN_SECONDS else '  MISSED'}"
            )
            found.append({"name": name, "seconds": seconds, "right": right})

        say("")
        all_right("two processes agree")
        os.kill(first.process.pid, signal.SIGKILL)
        all_right("one process killed", time.monotonic())
        world.valkey.kill()
        all_right("Valkey killed", time.monotonic())
        world.valkey.start()
        all_right("Valkey is back", time.monotonic())
        all_right("the next call after it")
    say(f"aim: everybody right within {AGAIN_SECONDS:.0f} s")
    return found


@contextlib.contextmanager
def _sockets_server(world: World, *, deflate: bool = False) -> Iterator[Served]:
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--host=127.0.0.1"]
    command += ["--port", "PORT", "--lifespan=off", "--log-level=warning"]
    command += ["--ws-per-message-deflate", str(deflate).lower()]
    with served(world, command=command, probe="/health") as server:
        yield server


# --- The waiting room -----------------------------------------------------------------------------


def _room(people: People, visits: int) -> Room:
    """A clinic with a full waiting room, and so many patients who have a visit there today."""
    slug = f"wall-{ids.uuid7().hex[-8:]}"
    now = clock.now()
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        clinic = clinic_create(name="Waiting room", slug=slug, timezone="UTC", country="DE")
        location = create_row(
            Location,
            {"clinic": clinic, "name": "Main", "timezone": "UTC"},
            action="location.created",
        )
        caller = User.objects.create_user(f"{slug}@example.test", None, given_name="Desk")
        membership_add(clinic=clinic, user=caller, role=Role.RECEPTIONIST)
        doctors = [doctor_made(clinic, slug, number) for number in range(DOCTORS)]
        charts = Patient.objects.bulk_create(
            Patient(clinic=clinic, mrn=f"W{number}", given_name="Given", family_name="Name")
            for number in range(visits)
        )
        made = [
            Appointment(
                clinic=clinic,
                location=location,
                doctor_id=doctors[number % DOCTORS],
                patient=chart,
                type="IN_PERSON",
                status="COMPLETED",
                starts_at=now - timedelta(minutes=1),
                ends_at=now + timedelta(minutes=20),
                timezone="UTC",
            )
            for number, chart in enumerate(charts)
        ]
    _insert(people, made)
    with tenancy.scope(()):
        by = principal_of(caller.id)
        entries = [
            entry_add(
                by=by,
                location=location.id,
                guest_name=f"Guest {number}",
                doctor=doctors[number % DOCTORS],
            )
            for number in range(WAITING + 1)
        ]
        entry_call(by=by, entry_id=entries[0].id)
    path = f"/ws/queue/{location.id}"
    doors = [[path, "visit", visit_link(one)] for one in made]
    return Room(clinic, location, caller.id, entries[0].id, doors)


def _insert(people: People, visits: list[Appointment]) -> None:
    """Past the triggers: these visits only open doors."""
    with people.database.transaction():
        people.database.execute("SET LOCAL session_replication_role = replica")
        for one in visits:
            people.database.execute(
                "INSERT INTO appointments_appointment (id, version, created_at, updated_at,"
                " clinic_id, location_id, doctor_id, patient_id, type, status, starts_at, ends_at,"
                " timezone, reason, notes, priority, source, override_reason, cancel_reason,"
                " late_cancellation, is_follow_up, follow_up_reason)"
                " VALUES (%s, 1, now(), now(), %s, %s, %s, %s, 'IN_PERSON', 'SCHEDULED', %s, %s,"
                " 'UTC', '', '', 'NORMAL', 'STAFF', '', '', false, false, '')",
                [
                    one.id,
                    one.clinic_id,
                    one.location_id,
                    one.doctor_id,
                    one.patient_id,
                    one.starts_at,
                    one.ends_at,
                ],
            )
