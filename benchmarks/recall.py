"""`python -m benchmarks recall`: the recall list of a clinic, with 100,000 plans in 20 clinics.

The clinics are made on top of the shape: 5,000 plans each, three in five of them waiting, their
dates from four months ago to a year ahead, a third of the waiting ones asked about before. Time is
of one request after the other through the production server, and of the list's two statements
alone, under row security, as the runtime's role. The floors of the same run: the server's own
answer to the health check, and the first rows of the index by themselves.
"""

import hashlib
import http.client
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from statistics import median
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from accounts.models import RefreshSession, User
from accounts.roles import Role
from accounts.tokens import issue_access
from benchmarks.asking import Asking, ask
from benchmarks.plans import WARM_UP, large_tables, plans_of
from benchmarks.population import People
from benchmarks.serving import Served, served
from benchmarks.staff import doctor_made, principal_of
from benchmarks.world import World
from clinics.models import Clinic
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import clock, ids, tenancy
from followups.selectors.recall import Due, RecallPage, recall_list

CLINICS, PLANS, PATIENTS, DOCTORS = 20, 5_000, 1_000, 10
SQL_MS, SERVER_MS = 5.0, 100.0  # the aims: p95 of the statement, p50 of the request
_REQUESTS, _WARM_UP, _LOOKS = 60, 6, 200

Say = Callable[[str], None]

_CHARTS = """
INSERT INTO clinics_patient (id, version, created_at, updated_at, clinic_id, mrn, given_name,
    family_name, sex, phone, email, region, insurance, language, contact_preferences, notes,
    is_active)
SELECT uuidv7(), 1, now(), now(), %(clinic)s, 'R' || n, initcap(left(md5('given' || n %% 300), 6)),
       initcap(left(md5('family' || n), 9)), 'unknown',
       '+4917' || lpad(n::text, 8, '0'), '', '', '', 'en', '{"sms": true}', '', true
FROM generate_series(1, %(patients)s) AS n
"""
# Numbers that have nothing to do with one another, and are the same each time.
_PLANS = """
WITH chart AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM clinics_patient
    WHERE clinic_id = %(clinic)s
), drawn AS (
    SELECT n, hashtextextended('kind' || n, 1) & 1023 AS kind,
           hashtextextended('day' || n, 2) & 65535 AS day,
           hashtextextended('state' || n, 3) & 1023 AS state
    FROM generate_series(1, %(plans)s) AS n
)
INSERT INTO followups_followupplan (id, version, created_at, updated_at, clinic_id, patient_id,
    doctor_id, follow_up_type, mode, scheduled_for, status, priority, rank, instructions,
    medications, tests, restrictions, waiting_code, attempts, contacted_at, contact_on,
    escalated_at, cancel_reason)
SELECT uuidv7(), 1, now(), now(), %(clinic)s, c.id,
       (%(doctors)s::uuid[])[1 + n %% cardinality(%(doctors)s::uuid[])], 'routine', 'IN_PERSON',
       now()::date + (day %% 485)::int - 120,
       CASE WHEN state < 410 THEN 'cancelled' WHEN day %% 485 < 120 THEN 'overdue'
            ELSE 'scheduled' END,
       (ARRAY['URGENT', 'HIGH', 'NORMAL', 'NORMAL', 'NORMAL', 'LOW'])[1 + kind %% 6],
       (ARRAY[0, 1, 2, 2, 2, 3])[1 + kind %% 6], '', '{}', '{}', '{}', '',
       CASE WHEN state %% 3 = 0 THEN 1 ELSE 0 END,
       CASE WHEN state %% 3 = 0 THEN now() - interval '3 days' END,
       CASE WHEN state %% 9 = 0 THEN now()::date + 3 END,
       CASE WHEN state %% 30 = 0 THEN now() END, ''
FROM drawn JOIN chart c ON c.place = n %% %(patients)s
"""
_ATTEMPTS = """
INSERT INTO followups_contactattempt (id, clinic_id, plan_id, at, channel, outcome, note)
SELECT uuidv7(), clinic_id, id, contacted_at, 'PHONE', 'NO_ANSWER', ''
FROM followups_followupplan CROSS JOIN generate_series(1, 3)
WHERE clinic_id = %(clinic)s AND contacted_at IS NOT NULL
"""
_INVITATIONS = """
INSERT INTO followups_followupinvitation (id, version, created_at, updated_at, clinic_id, plan_id,
    status, times, expires_at, sent_by)
SELECT uuidv7(), 1, now(), now(), clinic_id, id, 'OPEN', '[]', now() + interval '9 days', ''
FROM followups_followupplan
WHERE clinic_id = %(clinic)s AND status <> 'cancelled' AND attempts = 1
  AND abs(hashtext(id::text)) %% 4 = 0
"""
_FLOOR = (
    "SELECT id, rank, scheduled_for FROM followups_followupplan WHERE clinic_id = %s"
    " AND status IN ('scheduled', 'overdue') ORDER BY rank, scheduled_for, id LIMIT 51"
)


@dataclass(frozen=True, slots=True)
class Ground:
    """One of the clinics, and who reads its list."""

    clinic: Clinic
    user: UUID
    session: UUID
    doctor: UUID

    def asking(self, query: str = "") -> Asking:
        return Asking(
            f"/api/v1/follow-up-plans?limit=50{query}", issue_access(self.user, self.session)
        )


@dataclass(slots=True)
class Seen:
    """Milliseconds of the statement and of the request, and what missed its aim."""

    name: str
    rows: int
    sql_low: float
    sql_p50: float
    sql_p95: float
    sql_ratio: float
    statements: int
    p50: float
    p95: float
    low: float
    high: float
    ratio: float
    missed: str


def recall(world: World, people: People, say: Say, *, repeat: int) -> list[dict[str, Any]]:
    """Measure and print the list's pages and filters, and its plan; the figures for programs."""
    grounds = [_ground(people, number) for number in range(CLINICS)]
    people.database.execute("VACUUM ANALYZE")
    one = grounds[CLINICS // 2]
    (waiting,) = people.database.execute(
        "SELECT count(*) FROM followups_followupplan WHERE status IN ('scheduled', 'overdue')"
    ).fetchone() or (0,)
    say(f"\n{CLINICS * PLANS:,} plans in {CLINICS} clinics, {waiting:,} of them waiting")
    found: list[Seen] = []
    with served(world) as server:
        health, _ = _times(server, Asking("/health"), _REQUESTS * repeat)
        floor = _floor(one)
        say(
            f"floors: {floor:.3f} ms for 51 rows of the index alone,"
            f" {median(health):.2f} ms for /health"
        )
        say(
            f"\n{'the list':<36} {'rows':>5} {'SQL low':>8} {'p50':>7} {'p95':>7} {'ratio':>6}"
            f" {'stmts':>6} {'p50':>7} {'p95':>7} {'range':>15} {'ratio':>6}"
        )
        for name, query, filters in _cases(one):
            seen = _measure(server, one, name, query, filters, _REQUESTS * repeat)
            seen.sql_ratio, seen.ratio = seen.sql_p50 / floor, seen.p50 / median(health)
            found.append(seen)
            say(
                f"{seen.name:<36} {seen.rows:5d} {seen.sql_low:8.2f} {seen.sql_p50:7.2f}"
                f" {seen.sql_p95:7.2f} {seen.sql_ratio:6.1f} {seen.statements:6d} {seen.p50:7.1f}"
                f" {seen.p95:7.1f} {seen.low:7.1f}-{seen.high:<7.1f} {seen.ratio:6.1f}"
                f" {seen.missed}"
            )
    say(
        f"\naims: p95 of the statements below {SQL_MS:.0f} ms,"
        f" p50 of the request below {SERVER_MS:.0f} ms"
    )
    _plans(people, one, say)
    return [asdict(seen) for seen in found]


def _ground(people: People, number: int) -> Ground:
    """A clinic with its plans, written as the owner, and its receptionist."""
    slug = f"recall-{number}-{ids.uuid7().hex[-8:]}"
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        clinic = clinic_create(
            name=f"Recall clinic {number}", slug=slug, timezone="Europe/Berlin", country="DE"
        )
        user = User.objects.create_user(f"{slug}@example.test", None, given_name="Desk")
        membership_add(clinic=clinic, user=user, role=Role.RECEPTIONIST)
        doctors = [doctor_made(clinic, slug, place) for place in range(DOCTORS)]
        session = RefreshSession.objects.create(
            user=user,
            token_hash=RefreshSession.hash_token(secrets.token_hex(8)),
            expires_at=clock.now() + timedelta(days=3),
        )
    values = {
        "clinic": clinic.id,
        "doctors": doctors,
        "patients": PATIENTS,
        "plans": PLANS,
    }
    with people.database.transaction():
        for sql in (_CHARTS, _PLANS, _ATTEMPTS, _INVITATIONS):
            people.database.execute(sql, values)
    return Ground(clinic, user.id, session.id, doctors[0])


def _cases(one: Ground) -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "first page", "", {}
    cursor, place = _deep(one)
    yield "a page 1,000 rows further", f"&cursor={cursor}", {"after": place}
    yield "overdue", "&due=overdue", {"due": Due.OVERDUE}
    yield "however far ahead", "&due=all", {"due": Due.ALL}
    yield "of one doctor", f"&doctor={one.doctor}", {"doctor": one.doctor}
    yield "told to the doctor", "&escalated=true", {"escalated": True}
    yield "nobody has asked them", "&contacted=false", {"contacted": False}
    yield "invited", "&invited=true", {"invited": True}
    name = hashlib.md5(b"family77", usedforsecurity=False).hexdigest()[:9]
    yield "by name", f"&q={name}&due=all", {"q": name, "due": Due.ALL}


def _deep(one: Ground) -> tuple[str, Any]:
    """Where the page begins that twenty pages lead to."""
    query, cursor = "&due=all", ""
    for _ in range(20):
        body = orjson.loads(ask(one.asking(query + (f"&cursor={cursor}" if cursor else ""))))
        cursor = body["next_cursor"]
    last = body["results"][-1]
    ranks = {"URGENT": 0, "HIGH": 1, "NORMAL": 2, "LOW": 3}
    day = clock.now().fromisoformat(last["scheduled_for"]).date()
    return f"{cursor}&due=all", (ranks[last["priority"]], day, UUID(last["id"]))


def _measure(
    server: Served, one: Ground, name: str, query: str, filters: dict[str, Any], count: int
) -> Seen:
    if "after" in filters:
        filters = filters | {"due": Due.ALL}
    page, sql = _statement(one, filters)
    times, statements = _times(server, one.asking(query), count)
    missed = []
    if sql[len(sql) * 95 // 100] >= SQL_MS:
        missed.append("SQL")
    if median(times) >= SERVER_MS:
        missed.append("server time")
    return Seen(
        name,
        len(page.rows),
        sql[0],
        median(sql),
        sql[len(sql) * 95 // 100],
        0.0,
        statements,
        median(times),
        times[len(times) * 95 // 100],
        times[0],
        times[-1],
        0.0,
        ", ".join(missed),
    )


def _statement(one: Ground, filters: dict[str, Any]) -> tuple[RecallPage, list[float]]:
    """The list's own statements, without HTTP: their milliseconds, in order."""
    spent: list[float] = []

    def timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append(time.perf_counter() - started)

    sums = []
    with tenancy.scope(()):
        by = principal_of(one.user)
        for _ in range(_LOOKS + WARM_UP):
            spent.clear()
            with connection.execute_wrapper(timed):
                page = recall_list(by=by, clinic_id=one.clinic.id, **filters)
            sums.append(sum(spent) * 1000)
    return page, sorted(sums[WARM_UP:])


def _floor(one: Ground) -> float:
    """Milliseconds of the index's first rows, on the same connection and under row security."""
    times = []
    with tenancy.scope([one.clinic.id]), connection.cursor() as cursor:
        for _ in range(_LOOKS + WARM_UP):
            started = time.perf_counter()
            cursor.execute(_FLOOR, [one.clinic.id])
            cursor.fetchall()
            times.append((time.perf_counter() - started) * 1000)
    return median(times[WARM_UP:])


def _times(server: Served, asking: Asking, count: int) -> tuple[list[float], int]:
    """Milliseconds of each of `count` requests in turn, in order; and one's statements."""
    asked: list[str] = []

    def counted(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(counted):
        ask(asking)
    times = []
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Authorization": f"Bearer {asking.token}"} if asking.token else {}
    for turn in range(_WARM_UP + count):
        started = time.perf_counter()
        client.request("GET", asking.path, headers=headers)
        answer = client.getresponse()
        answer.read()
        if turn >= _WARM_UP:
            times.append((time.perf_counter() - started) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{asking.path}: {answer.status}")
    client.close()
    return sorted(times), len(asked)


def _plans(people: People, one: Ground, say: Say) -> None:
    """The plans of the list's statement as requests get them."""
    large = large_tables(people)
    for name, query in (("first page", ""), ("further on", f"&cursor={_deep(one)[0]}")):
        for plan in plans_of([one.asking(query)] * (WARM_UP + 1), large):
            if "FROM followups_followupplan" in plan.statement:
                flag = f"   SEQ SCAN OF {', '.join(plan.scanned)}" if plan.scanned else ""
                say(f"\n--- {name}: {plan.milliseconds:.3f} ms{flag}\n{plan.text}")
