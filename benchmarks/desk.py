"""`python -m benchmarks desk`: the receptionist's board at 1, 10 and 40 doctors of 30 visits a day.

The busy clinics are made on top of the shape. Time is of one request after the other through the
production server; the floor is the clinic's stylesheet, which costs session, rights and one read.
"""

import gzip
import http.client
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from benchmarks.asking import Asking, ask
from benchmarks.population import People
from benchmarks.serving import Served, served
from benchmarks.staff import doctor_made
from benchmarks.world import World
from clinics.models import Clinic, Location, Service
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import clock, ids, tenancy

SIZES = (1, 10, 40)
VISITS = 30
SERVER_MS, FIRST_LOAD_KB, UPDATE_KB = 150.0, 250.0, 30.0  # the aims
_REQUESTS, _WARM_UP = 20, 6

Say = Callable[[str], None]

_PATIENTS = """
INSERT INTO clinics_patient (id, version, created_at, updated_at, clinic_id, mrn, given_name,
    family_name, sex, phone, email, region, insurance, language, contact_preferences, notes,
    is_active)
SELECT uuidv7(), 1, now(), now(), %(clinic)s, 'B' || n, 'Given' || n, 'Familyname' || n, 'unknown',
       '', '', '', '', 'en', '{}', '', true
FROM generate_series(1, %(doctors)s * %(visits)s) AS n
"""
_HOURS = """
INSERT INTO clinics_scheduletemplate (id, version, created_at, updated_at, clinic_id, doctor_id,
    location_id, weekday, start_time, end_time, slot_minutes, capacity, modes)
SELECT uuidv7(), 1, now(), now(), %(clinic)s, d, %(location)s, w, '08:00', '20:00', 20, 1,
       '{IN_PERSON}'
FROM unnest(%(ids)s::uuid[]) AS d, generate_series(1, 7) AS w
"""
# The first 30 of 36 slots of 20 minutes; every eighth visit was asked for by a patient.
_VISITS = """
WITH of_doctor AS (
    SELECT d, row_number() OVER (ORDER BY d) - 1 AS place FROM unnest(%(ids)s::uuid[]) AS d
),
chart AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM clinics_patient
    WHERE clinic_id = %(clinic)s
),
made AS (
    INSERT INTO appointments_appointment (id, version, created_at, updated_at, clinic_id,
        location_id, doctor_id, patient_id, service_id, type, status, starts_at, ends_at, timezone,
        reason, notes, priority, source, override_reason, cancel_reason, late_cancellation,
        is_follow_up, follow_up_reason)
    SELECT uuidv7(), 1, now(), now(), %(clinic)s, %(location)s, o.d, c.id, %(service)s, 'IN_PERSON',
           CASE WHEN n %% 8 = 0 THEN 'PENDING' WHEN n %% 3 = 0 THEN 'CONFIRMED'
                ELSE 'SCHEDULED' END,
           at, at + interval '20 minutes', 'Europe/Berlin', '', '', 'NORMAL', 'STAFF', '', '',
           false, false, ''
    FROM of_doctor o CROSS JOIN generate_series(0, %(visits)s - 1) AS n
    JOIN chart c ON c.place = o.place * %(visits)s + n
    CROSS JOIN LATERAL (SELECT (%(day)s::date + time '08:00' + n * interval '20 minutes')
                        AT TIME ZONE 'Europe/Berlin' AS at) t
    RETURNING *
)
INSERT INTO appointments_busytime (id, clinic_id, doctor_id, lane, patient_id, period, visit, kind,
    appointment_id, service_id, location_id, reason, created_at)
SELECT uuidv7(), clinic_id, doctor_id, 0, patient_id, tstzrange(starts_at, ends_at),
       tstzrange(starts_at, ends_at), 'BOOKED', id, service_id, location_id, '', now()
FROM made
"""


@dataclass(frozen=True, slots=True)
class Busy:
    """A clinic made for the measurement, and its receptionist's cookie."""

    clinic: Clinic
    day: date
    doctors: list[UUID]
    cookie: str

    def path(self, rest: str = "") -> str:
        return f"/desk/{self.clinic.slug}/day/{self.day}{rest}"


@dataclass(slots=True)
class Seen:
    """What one page took: milliseconds, kilobytes over the wire, and what missed its aim."""

    name: str
    statements: int
    sql_ms: float
    p50: float
    p95: float
    low: float
    high: float
    kilobytes: float
    ratio: float = 0.0
    missed: str = ""


def desk(world: World, people: People, say: Say, *, repeat: int) -> list[dict[str, Any]]:
    """Measure and print the board, its updates, its list and its week; the figures for programs."""
    call_command("collectstatic", interactive=False, verbosity=0)
    clinics = [busy_clinic(people, size) for size in SIZES]
    people.database.execute("VACUUM ANALYZE")
    found: list[Seen] = []
    say(
        f"\n{'page':<44} {'SQL':>4} {'SQL ms':>7} {'p50':>7} {'p95':>7} {'range':>15}"
        f" {'ratio':>6} {'KB':>6}"
    )
    with served(world) as server:
        for one in clinics:
            for name, path, aim in _pages(one):
                seen = _measure(server, name, Asking(path, cookie=one.cookie), _REQUESTS * repeat)
                floor = found[0].p50 if found else seen.p50
                seen.ratio = seen.p50 / floor
                seen.missed = aim(seen)
                found.append(seen)
                say(
                    f"{seen.name:<44.44} {seen.statements:4d} {seen.sql_ms:7.1f} {seen.p50:7.1f}"
                    f" {seen.p95:7.1f} {seen.low:7.1f}-{seen.high:<7.1f} {seen.ratio:6.1f}"
                    f" {seen.kilobytes:6.1f} {seen.missed}"
                )
        whole = _first_load(server, clinics[-1])
    say(
        f"\nfirst load at {SIZES[-1]} doctors, page and everything it links to: {whole:.0f} KB"
        f" (aim: below {FIRST_LOAD_KB:.0f})"
    )
    say(
        f"aims: board below {SERVER_MS:.0f} ms, an update below {UPDATE_KB:.0f} KB,"
        " equal statements at every size"
    )
    return [asdict(seen) for seen in found]


def busy_clinic(people: People, doctors: int) -> Busy:
    """A clinic with so many doctors, each with 30 visits tomorrow, and one who sits at its desk."""
    slug = f"busy-{doctors}-{ids.uuid7().hex[-8:]}"
    day = (clock.now() + timedelta(days=1)).date()
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        clinic = clinic_create(
            name=f"Busy clinic {doctors}", slug=slug, timezone="Europe/Berlin", country="DE"
        )
        location = create_row(
            Location,
            {"clinic": clinic, "name": "Main", "timezone": "Europe/Berlin"},
            action="location.created",
        )
        service = create_row(
            Service,
            {"clinic": clinic, "name": "Consultation", "duration_minutes": 20},
            action="service.created",
        )
        receptionist = User.objects.create_user(f"{slug}@example.test", None, given_name="Desk")
        membership_add(clinic=clinic, user=receptionist, role=Role.RECEPTIONIST)
        made = [doctor_made(clinic, slug, number) for number in range(doctors)]
    values = {
        "clinic": clinic.id,
        "location": location.id,
        "service": service.id,
        "doctors": doctors,
        "visits": VISITS,
        "ids": made,
        "day": day,
    }
    with people.database.transaction():
        people.database.execute("SET LOCAL session_replication_role = replica")
        for sql in (_PATIENTS, _HOURS, _VISITS):
            people.database.execute(sql, values)
    client = Client()
    client.force_login(receptionist, "accounts.backends.EmailOrPhoneBackend")
    return Busy(clinic, day, made, f"sessionid={client.cookies['sessionid'].value}")


def _pages(one: Busy) -> Iterator[tuple[str, str, Callable[[Seen], str]]]:
    size = len(one.doctors)

    def no_aim(seen: Seen) -> str:
        return ""

    def board(seen: Seen) -> str:
        return "server time" if seen.p50 >= SERVER_MS else ""

    def update(seen: Seen) -> str:
        return "weight" if seen.kilobytes >= UPDATE_KB else ""

    if size == SIZES[0]:
        yield "floor: the clinic's stylesheet", f"/desk/{one.clinic.slug}/brand.css", no_aim
    yield f"board, {size} doctors", one.path(), board
    yield (
        f"update of one column, {size} doctors",
        one.path(f"/columns?only={one.doctors[0]}"),
        update,
    )
    have = ",".join(_stamps(one))
    yield f"look for changes, none, {size} doctors", one.path(f"/columns?have={have}"), update
    yield f"every column anew, {size} doctors", one.path("/columns"), no_aim
    yield f"list, {size} doctors", one.path("?view=list"), board
    yield f"next free times, {size} doctors", f"/desk/{one.clinic.slug}/next", no_aim
    yield (
        f"week of one doctor, {size} doctors",
        f"/desk/{one.clinic.slug}/week/{one.day}?doctor={one.doctors[0]}",
        board,
    )


def _stamps(one: Busy) -> list[str]:
    """What the browser says it has: `key:stamp` of each column."""
    html = ask(Asking(one.path(), cookie=one.cookie)).decode()
    return [
        f"{key}:{stamp}"
        for key, stamp in re.findall(
            r'<section class="column[^"]*" id="([^"]+)" data-stamp="(\w+)"', html
        )
    ]


def _measure(server: Served, name: str, asking: Asking, count: int) -> Seen:
    statements, sql_ms = _statements(asking)
    times, size = _times(server, asking, count)
    times.sort()
    return Seen(
        name,
        statements,
        sql_ms,
        median(times),
        times[len(times) * 95 // 100],
        times[0],
        times[-1],
        size / 1024,
    )


def _statements(asking: Asking) -> tuple[int, float]:
    """How many statements, BEGIN and COMMIT left out, and their time in milliseconds."""
    spent: list[float] = []

    def timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append(time.perf_counter() - started)

    sums = []
    for _ in range(5):  # the first ones plan what later ones find prepared
        spent.clear()
        with connection.execute_wrapper(timed):
            ask(asking)
        sums.append(sum(spent) * 1000)
    return len(spent), median(sums[2:])


def _times(server: Served, asking: Asking, count: int) -> tuple[list[float], int]:
    """Milliseconds of each of `count` requests in turn, and what one weighs, compressed."""
    times = []
    size = 0
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Cookie": asking.cookie or "", "Accept-Encoding": "gzip"}
    for turn in range(_WARM_UP + count):
        started = time.perf_counter()
        client.request("GET", asking.path, headers=headers)
        answer = client.getresponse()
        size = len(answer.read())
        if turn >= _WARM_UP:
            times.append((time.perf_counter() - started) * 1000)
        if answer.status not in {200, 204}:
            raise RuntimeError(f"{asking.path}: {answer.status}")
    client.close()
    return times, size


def _first_load(server: Served, one: Busy) -> float:
    """Kilobytes of the board and of every file that it names, and those that they import."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    seen: set[str] = set()
    total = 0
    waiting = [one.path()]
    while waiting:
        path = waiting.pop()
        if path.partition("#")[0] in seen:
            continue
        seen.add(path.partition("#")[0])
        client.request("GET", path, headers={"Cookie": one.cookie, "Accept-Encoding": "gzip"})
        answer = client.getresponse()
        raw = answer.read()
        total += len(raw)
        text = gzip.decompress(raw) if answer.getheader("Content-Encoding") == "gzip" else raw
        words = text.decode(errors="replace")
        if path == one.path():
            waiting += re.findall(
                r'(?:href|src)="(/static/[^"#]+|/desk/[^"]+brand\.css[^"]*)', words
            )
        elif ".js" in path:
            folder = path.rpartition("/")[0]
            waiting += [_joined(folder, name) for name in re.findall(r'from "(\.[^"]+)"', words)]
    client.close()
    return total / 1024


def _joined(folder: str, name: str) -> str:
    parts = folder.split("/")
    for step in name.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)
