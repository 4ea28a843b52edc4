"""`python -m benchmarks chains`: chains of 1, 100 and 1,000 visits, and a patient with 500 plans.

A clinic is made on top of the shape, whose chains reach back three years, a partition a month. Time
is of the statement on the runtime's connection under row security, and of the request in this
process. The floor is a flat read of the same rows, without the tree and without asking who may see
which.
"""

import gc
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import RefreshSession, User
from accounts.roles import Role
from accounts.tokens import issue_access
from appointments.models import Appointment
from appointments.selectors.chains import chain_page
from benchmarks.asking import Asking, ask
from benchmarks.plans import Explaining, large_tables
from benchmarks.population import People
from benchmarks.staff import doctor_made, principal_of
from benchmarks.statements import statements_of
from benchmarks.world import World
from clinics.models import Clinic, Location, Patient, Service
from clinics.principal import Principal
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import clock, ids, tenancy
from core.api import pagination
from core.rows import Columns, load_instants_fast

#: Visits of a chain, and how a visit's parent is found from its number (0 is the root).
CHAINS = {
    "1": (1, "0"),
    "100, a line": (100, "m.n - 1"),
    "1,000, a line": (1000, "m.n - 1"),
    "1,000, broad": (1000, "0"),
    "1,000, tens of tens": (1000, "(m.n - 1) / 10"),
}
PLANS = 500
_COLUMNS = Columns(Appointment)
LIMIT_MS = 50.0  # the aim, for a chain of 1,000
_WARM_UP, _CALLS = 8, 40
_MONTHS = 36

Say = Callable[[str], None]

_PARTITIONS = """
SELECT core_partitions_ensure('appointments_appointment', now() - make_interval(months => m), 0)
FROM generate_series(0, %(months)s) AS m
"""
# The id of a visit is as old as the visit.
_VISITS = """
WITH numbered AS (
    SELECT n, interval '-1 day' * (%(months)s * 30 * (1 - n::float / %(size)s)) AS ago
    FROM generate_series(0, %(size)s - 1) AS n
),
made AS MATERIALIZED (SELECT n, ago, uuidv7(ago) AS id FROM numbered)
INSERT INTO appointments_appointment (id, version, created_at, updated_at, clinic_id, location_id,
    doctor_id, patient_id, service_id, type, status, starts_at, ends_at, timezone, reason, notes,
    priority, source, override_reason, cancel_reason, late_cancellation, is_follow_up,
    follow_up_reason, parent_appointment_id, original_appointment_id)
SELECT m.id, 1, now(), now(), %(clinic)s, %(location)s, %(doctor)s, %(patient)s, %(service)s,
       'IN_PERSON', 'COMPLETED', date_trunc('hour', now() + m.ago),
       date_trunc('hour', now() + m.ago) + interval '20 minutes', 'Europe/Berlin', 'Control', '',
       'NORMAL', 'FOLLOW_UP', '', '', false, m.n > 0, '', parent.id, root.id
FROM made m
LEFT JOIN made root ON root.n = 0 AND m.n > 0
LEFT JOIN made parent ON m.n > 0 AND parent.n = ({parent})
RETURNING id, original_appointment_id
"""
_PLANS = """
INSERT INTO followups_followupplan (id, version, created_at, updated_at, clinic_id, patient_id,
    doctor_id, follow_up_type, service_id, location_id, mode, scheduled_for, status, priority, rank,
    instructions, medications, tests, restrictions, waiting_code, attempts, cancel_reason)
SELECT uuidv7(), 1, now(), now(), %(clinic)s, %(patient)s, %(doctor)s, 'routine', %(service)s,
       %(location)s, 'IN_PERSON', current_date + n, 'scheduled', 'NORMAL', 2,
       'Rest for two weeks, then come back with the diary.',
       ARRAY['Ibuprofen 400 mg, one in the morning', 'Pantoprazol 20 mg'],
       ARRAY['Blood count'], ARRAY['No running', 'No lifting above 5 kg'], '', 0, ''
FROM generate_series(1, %(plans)s) AS n
"""
_FLAT = """
SELECT {columns} FROM appointments_appointment
WHERE id = %(root)s OR original_appointment_id = %(root)s
ORDER BY starts_at, id
"""


@dataclass(frozen=True, slots=True)
class Ward:
    """The clinic made for the measurement, its patient and who reads."""

    clinic: Clinic
    values: dict[str, Any]
    receptionist: User
    token: str

    def asking(self, path: str) -> Asking:
        return Asking(f"/api/v1/{path}", token=self.token)


@dataclass(slots=True)
class Seen:
    """What one reading took, in milliseconds and bytes."""

    name: str
    rows: int
    statements: int
    p50: float
    p95: float
    low: float
    high: float
    kilobytes: float
    floor: float = 0.0


def chains(world: World, people: People, say: Say, *, repeat: int) -> list[dict[str, Any]]:
    """Measure and print chains and a patient's plans; the figures for programs."""
    ward = _ward(people)
    roots = _written(people, ward)
    people.database.execute("VACUUM ANALYZE")
    gc.collect()
    gc.freeze()  # as the server's processes do
    found: list[Seen] = []
    say(
        f"\n{'chain':<38} {'rows':>5} {'SQL':>4} {'p50 ms':>7} {'p95':>7} {'range':>15}"
        f" {'floor':>7} {'ratio':>6} {'KB':>7}"
    )
    for name, root in roots.items():
        for seen in _chain(ward, name, root, _CALLS * repeat):
            found.append(seen)
            _print(seen, say)
    say(f"aim: one statement at any size, a chain of 1,000 below {LIMIT_MS:.0f} ms")
    missed = [seen.name for seen in found if seen.p95 >= LIMIT_MS and "chain" in seen.name]
    say(f"missed: {', '.join(missed)}" if missed else "met")
    _plan(people, ward, roots["1,000, a line"], say)
    say(f"\nplans of one patient, {PLANS} of them:")
    for seen in _of_patient(ward, _CALLS * repeat):
        found.append(seen)
        _print(seen, say)
    return [asdict(seen) for seen in found]


# --- Made -----------------------------------------------------------------------------------------


def _ward(people: People) -> Ward:
    slug = f"chains-{ids.uuid7().hex[-8:]}"
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        clinic = clinic_create(
            name="Clinic of chains", slug=slug, timezone="Europe/Berlin", country="DE"
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
        session = RefreshSession.objects.create(
            user=receptionist,
            token_hash=RefreshSession.hash_token(slug),
            expires_at=clock.now().replace(year=clock.now().year + 1, day=1),
        )
        values: dict[str, Any] = {
            "clinic": clinic.id,
            "location": location.id,
            "service": service.id,
            "doctor": doctor_made(clinic, slug, 1),
            "months": _MONTHS,
            "plans": PLANS,
        }
    return Ward(clinic, values, receptionist, issue_access(receptionist.id, session.id))


def _chart(ward: Ward, number: int) -> UUID:
    with tenancy.scope([ward.clinic.id]):
        fields = {"clinic": ward.clinic, "mrn": f"C{number}", "given_name": f"Given{number}"}
        return create_row(Patient, fields, action="patient.created").id


def _written(people: People, ward: Ward) -> dict[str, UUID]:
    """The chains and the plans, each of a patient of its own; the roots of the chains by name."""
    people.database.execute(_PARTITIONS, ward.values)
    roots: dict[str, UUID] = {}
    for number, (name, (size, parent)) in enumerate(CHAINS.items()):
        values = ward.values | {"patient": _chart(ward, number), "size": size}
        with people.database.transaction():
            people.database.execute("SET LOCAL session_replication_role = replica")
            made = people.database.execute(_VISITS.format(parent=parent), values).fetchall()
        roots[name] = next(visit for visit, root in made if root is None)
    ward.values["patient"] = _chart(ward, len(CHAINS))
    people.database.execute(_PLANS, ward.values)
    return roots


# --- Measured -------------------------------------------------------------------------------------


def _chain(ward: Ward, name: str, root: UUID, calls: int) -> list[Seen]:
    """The whole chain as SQL, its first page and its last as a request."""
    found = []
    with tenancy.scope(()):
        by = principal_of(ward.receptionist.id)
        floor = median(_timed(lambda: _flat(root), calls))
        found.append(_whole(by, name, root, calls))
        found[0].floor = floor
        tenancy.assume(())
    path = f"appointments/{root}/chain"
    found.append(_request(ward, f"request, first page: {name}", path, calls))
    body = json.loads(ask(ward.asking(path)))
    if body["has_more"]:
        cursor = body["next_cursor"]
        while body["has_more"]:
            cursor = body["next_cursor"]
            body = json.loads(ask(ward.asking(f"{path}?cursor={cursor}")))
        found.append(
            _request(ward, f"request, last page: {name}", f"{path}?cursor={cursor}", calls)
        )
    return found


def _whole(by: Principal, name: str, root: UUID, calls: int) -> Seen:
    statements: list[str] = []

    def counted(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(counted):
        page = chain_page(by=by, appointment_id=root, limit=2000)
    times = _timed(lambda: chain_page(by=by, appointment_id=root, limit=2000), calls)
    return _seen(f"chain of {name}", len(page.nodes), len(statements), times, 0)


def _flat(root: UUID) -> None:
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(_FLAT.format(columns=_COLUMNS.select), {"root": root})
        for values in cursor.fetchall():
            _COLUMNS.row(values)


def _request(ward: Ward, name: str, path: str, calls: int) -> Seen:
    asking = ward.asking(path)
    body = ask(asking)
    rows = len(json.loads(body)["results"])
    statements = len(statements_of(asking))
    return _seen(name, rows, statements, _timed(lambda: ask(asking), calls), len(body))


def _of_patient(ward: Ward, calls: int) -> list[Seen]:
    """A page of 20 beside all of them in one answer, through the same code."""
    path = f"patients/{ward.values['patient']}/follow-up-plans"
    page = _request(ward, "a page of 20", path, calls)
    before = pagination.MAX_LIMIT
    pagination.MAX_LIMIT = PLANS  # type: ignore[misc]  # the answer that nobody can ask for
    try:
        whole = _request(ward, f"all {PLANS} in one answer", f"{path}?limit={PLANS}", calls)
    finally:
        pagination.MAX_LIMIT = before  # type: ignore[misc]
    whole.floor = page.p50
    return [page, whole]


def _timed(act: Callable[[], Any], calls: int) -> list[float]:
    """Milliseconds of each call, the first ones left out."""
    times = []
    for turn in range(_WARM_UP + calls):
        started = time.perf_counter()
        act()
        if turn >= _WARM_UP:
            times.append((time.perf_counter() - started) * 1000)
    return times


def _seen(name: str, rows: int, statements: int, times: Sequence[float], size: int) -> Seen:
    ordered = sorted(times)
    return Seen(
        name,
        rows,
        statements,
        median(ordered),
        ordered[len(ordered) * 95 // 100],
        ordered[0],
        ordered[-1],
        size / 1024,
    )


def _print(seen: Seen, say: Say) -> None:
    ratio = f"{seen.p50 / seen.floor:6.1f}" if seen.floor else f"{'':6}"
    floor = f"{seen.floor:7.2f}" if seen.floor else f"{'':7}"
    say(
        f"{seen.name:<38.38} {seen.rows:5d} {seen.statements:4d} {seen.p50:7.2f} {seen.p95:7.2f}"
        f" {seen.low:7.2f}-{seen.high:<7.2f} {floor} {ratio} {seen.kilobytes:7.1f}"
    )


def _plan(people: People, ward: Ward, root: UUID, say: Say) -> None:
    """The plan of a page of the longest line."""
    explaining = Explaining(large_tables(people))
    try:
        for _ in range(_WARM_UP):
            explaining.plans.clear()
            ask(ward.asking(f"appointments/{root}/chain"))
        for plan in explaining.plans:
            if "WITH asked" in plan.statement:
                flag = f"   SEQ SCAN OF {', '.join(plan.scanned)}" if plan.scanned else ""
                say(f"\nplan of a page: {plan.milliseconds:.2f} ms{flag}")
                for line in _short(plan.text):
                    say(line)
    finally:
        explaining.close()


def _short(plan: str) -> list[str]:
    """A plan without the single partitions, of which there are dozens, and their details."""
    small = ("Index Cond", "Filter", "Index Searches", "Buffers", "Storage", "InitPlan")
    lines = [
        line
        for line in plan.splitlines()
        if not line.strip().startswith(small) and "appointments_appointment_" not in line
    ]
    read = len(re.findall(r"appointments_appointment_p\d+ [^\n]*actual time", plan))
    return [*lines, f"partitions looked into: {read}"]
