"""What `manage.py doctor` looks at: everything an installation stands on, with what to do about it.

The health page (`core.health`) is asked every few seconds by machines, and says that a part fails.
This is asked by a person who wants to know why. Where the health page has the look, it is used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max, TextChoices
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import PeriodicTask

from core import checks, clock, health, ids, outbox, partitions, tenancy, valkey
from core.models import AuditEvent, AuditSeal, OutboxEvent

MIN_POSTGRESQL: Final = 15
EXTENSIONS: Final = ("btree_gin", "btree_gist", "pg_trgm", "unaccent")
CLOCK_TOLERANCE: Final = timedelta(seconds=2)
#: Beat writes down when a job ran, every three minutes; the outbox is swept twice a minute.
BEAT_SILENCE: Final = timedelta(minutes=10)
OVERDUE: Final = timedelta(minutes=5)
LITTLE_DISK: Final = 2 * 1024**3
KEY_LENGTH: Final = 50


class Level(TextChoices):
    OK = "ok", _("ok")
    WARNING = "warning", _("warning")
    FAILED = "FAILED", _("FAILED")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found; `advice` says what to do when it is not ok."""

    level: Level
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """A check by its name, with its verdict."""

    name: str
    verdict: Verdict


def examine() -> Iterator[Examined]:
    """Look at one thing after the other; what fails in looking is itself a failure."""
    reachable = True
    for name, look in CHECKS.items():
        if not reachable and name in OF_DATABASE:
            verdict = _failed(
                "not looked at: there is no database", "See the line on the database."
            )
        else:
            verdict = _looked(look)
        if name == "database":
            reachable = verdict.level != Level.FAILED
        yield Examined(name, verdict)


def _looked(look: Callable[[], Verdict]) -> Verdict:
    try:
        return look()
    except DatabaseError as error:
        connection.close()
        said = " ".join(str(error).split())
        return _failed(f"the database refused: {said[:200]}", "Run: manage.py migrate")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a part is its verdict
        return _failed(f"{type(error).__name__}: {error}", "This should not happen; report it.")


def _ok(found: str) -> Verdict:
    return Verdict(Level.OK, found)


def _warning(found: str, advice: str) -> Verdict:
    return Verdict(Level.WARNING, found, advice)


def _failed(found: str, advice: str) -> Verdict:
    return Verdict(Level.FAILED, found, advice)


# --- Settings -----------------------------------------------------------------------------------


def settings_are_safe() -> Verdict:
    """What must not be so in production."""
    if settings.DEBUG:
        return _warning(
            "DEBUG is on: right for trying out, never with real patients", "Set DEBUG=false."
        )
    if len(settings.SECRET_KEY) < KEY_LENGTH or settings.SECRET_KEY.startswith("development"):
        return _failed(
            "SECRET_KEY is short or known to everybody",
            f"Set SECRET_KEY to {KEY_LENGTH} or more random characters.",
        )
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        return _failed(
            "ALLOWED_HOSTS lets any host name in", "Set ALLOWED_HOSTS to the names of this site."
        )
    if not (settings.SECURE_SSL_REDIRECT and settings.SESSION_COOKIE_SECURE):
        return _warning(
            "SECURE_SSL is off: passwords and cookies may travel in the clear",
            "Set SECURE_SSL=true once the site answers on https.",
        )
    return _ok("DEBUG off, keys and hosts set, https only")


# --- Database -----------------------------------------------------------------------------------


def database_answers() -> Verdict:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        return _failed(
            f"no connection: {' '.join(str(error).split())[:200]}",
            "Start PostgreSQL, and see that DATABASE_URL leads to it.",
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'),"
            " current_setting('server_version_num')::int / 10000,"
            " pg_size_pretty(pg_database_size(current_database()))"
        )
        version, major, size = cursor.fetchone()
    if major < MIN_POSTGRESQL:
        return _failed(
            f"PostgreSQL {version} is too old",
            f"Move the database to PostgreSQL {MIN_POSTGRESQL} or newer.",
        )
    return _ok(f"PostgreSQL {version.split()[0]}, {size}")


def role_is_bound() -> Verdict:
    """The runtime acts as a role that row security binds."""
    role = checks.runtime_role()
    faults = [
        word
        for is_so, word in (
            (role.superuser, "is a superuser"),
            (role.bypasses, "has BYPASSRLS"),
            (role.owns, "owns tables"),
            (role.name != settings.ENV.database_role, f"is not {settings.ENV.database_role}"),
        )
        if is_so
    ]
    if faults:
        return _failed(
            f"{role.name} {', '.join(faults)}: clinics are not kept apart",
            "Leave DATABASE_ROLE at kairos_app, and take such rights from it.",
        )
    return _ok(f"{role.name}: no superuser, owns nothing, bound by row security")


def tables_are_protected() -> Verdict:
    open_tables = checks.unprotected_tables()
    if open_tables:
        return _failed(
            f"without forced row security: {', '.join(open_tables[:5])}"
            + (f" and {len(open_tables) - 5} more" if len(open_tables) > 5 else ""),
            "ALTER TABLE … ENABLE ROW LEVEL SECURITY and FORCE ROW LEVEL SECURITY, as the owner;"
            " on a partition, take the rights from kairos_app.",
        )
    return _ok("enabled and forced on every table of a clinic")


def extensions_are_there() -> Verdict:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extname FROM pg_extension")
        present = {row[0] for row in cursor.fetchall()}
    if missing := sorted(set(EXTENSIONS) - present):
        return _failed(
            f"missing: {', '.join(missing)}",
            "Install PostgreSQL's contrib package, then run: manage.py migrate",
        )
    return _ok(", ".join(EXTENSIONS))


def migrations_are_applied() -> Verdict:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        named = ", ".join(f"{one.app_label}.{one.name}" for one, _back in plan[:3])
        return _failed(f"{len(plan)} not applied: {named}", "Run: manage.py migrate")
    return _ok("all applied")


def partitions_are_ready() -> Verdict:
    missing = partitions.missing()
    if not missing:
        return _ok(f"ready for {partitions.MONTHS_AHEAD} months")
    soonest = min(ahead for _parent, ahead in missing)
    said = f"{len(missing)} missing, the soonest needed in {soonest} month(s)"
    advice = "Run: manage.py partitions (and see that beat runs: it does so daily)"
    return _failed(said, advice) if soonest <= 1 else _warning(said, advice)


def clocks_agree() -> Verdict:
    """This machine, the database and Valkey: holds, tokens and queues go by all three."""
    apart: dict[str, timedelta] = {}
    with connection.cursor() as cursor:
        before = clock.now()
        cursor.execute("SELECT clock_timestamp()")
        apart["the database"] = _difference(before, cursor.fetchone()[0])
    try:
        before = clock.now()
        answer: Any = valkey.call(lambda client: client.time())
        there = datetime.fromtimestamp(answer[0] + answer[1] / 1_000_000, tz=before.tzinfo)
        apart["Valkey"] = _difference(before, there)
    except valkey.Unavailable:
        pass  # has a line of its own
    worst = max(apart, key=lambda name: abs(apart[name]))
    seconds = apart[worst].total_seconds()
    if abs(apart[worst]) > CLOCK_TOLERANCE:
        return _warning(
            f"the clock of {worst} is {seconds:+.1f} s off this machine's",
            "Have every machine set its clock by NTP (chrony, systemd-timesyncd).",
        )
    return _ok(f"within {abs(seconds):.2f} s of {' and '.join(apart)}")


def _difference(before: datetime, there: datetime) -> timedelta:
    """How far a clock is from ours; the way there and back is nobody's fault."""
    after = clock.now()
    if before <= there <= after:
        return timedelta()
    return there - before if there < before else there - after


# --- What runs beside ---------------------------------------------------------------------------


def valkey_answers() -> Verdict:
    try:
        valkey.call(lambda client: client.ping())
    except valkey.Unavailable:
        return _failed(
            "no answer: nobody can sign in, and jobs wait",
            "Start Valkey (or Redis), and see that REDIS_URL leads to it.",
        )
    return _ok("answers")


def workers_answer() -> Verdict:
    before = {"broker": health.CHECKS["broker"]({})}
    found = health.CHECKS["workers"](before)
    if not found.ok:
        return _failed(
            f"no worker answered ({found.facts.get('error', 'unknown')})",
            "Start one: celery -A config worker",
        )
    return _ok(f"at least one answers; {before['broker'].facts.get('waiting', 0)} tasks wait")


def beat_runs() -> Verdict:
    advice = "Start one, and only one: celery -A config beat"
    enabled = PeriodicTask.objects.filter(enabled=True)
    last = enabled.aggregate(last=Max("last_run_at"))["last"]
    if last is None:
        return _failed("no scheduled job has ever run", advice)
    ago = clock.now() - last
    if ago > BEAT_SILENCE:
        return _failed(f"the last scheduled job ran {_rounded(ago)} ago", advice)
    paused = PeriodicTask.objects.filter(enabled=False).count()
    if paused:
        return _warning(
            f"{paused} scheduled job(s) are switched off",
            "Switch them on again in the back office, unless that is meant.",
        )
    return _ok(f"the last scheduled job ran {_rounded(ago)} ago")


def outbox_is_delivered() -> Verdict:
    counts = outbox.waiting()
    with tenancy.scope(tenancy.SYSTEM):
        overdue = OutboxEvent.objects.filter(
            delivered_at=None, failed_at=None, next_attempt_at__lte=clock.now() - OVERDUE
        ).count()
    said = f"{counts['waiting']} wait, {overdue} of them overdue; {counts['failed']} given up"
    if overdue:
        return _failed(said, "Nobody delivers: see the lines on workers and beat.")
    if counts["failed"]:
        return _warning(said, "Read why in the back office under outbox, and retry them there.")
    return _ok(said)


def seals_are_fresh() -> Verdict:
    """The audit trail is sealed every minute; what is not yet sealed is less well guarded."""
    with tenancy.scope(tenancy.SYSTEM):
        last = AuditSeal.objects.order_by("-id").first()
        due = clock.now() - OVERDUE
        newest = AuditEvent.objects.filter(id__lt=ids.floor(due)).order_by("-id").first()
    if newest is None:
        return _ok("nothing to seal yet")
    if last is None or last.at < newest.at:
        since = "ever" if last is None else f"for {_rounded(clock.now() - last.at)}"
        return _warning(
            f"the audit trail was not sealed {'' if last is None else 'any more '}{since}",
            "See that beat and a worker run; then: manage.py audit_verify",
        )
    return _ok(f"sealed {_rounded(clock.now() - last.at)} ago")


def disk_has_room() -> Verdict:
    found = health.CHECKS["disk"]({})
    free, percent = found.facts["free_bytes"], found.facts["free_percent"]
    said = f"{free / 1024**3:.1f} GiB free ({percent} %) for {settings.DATA_DIR}"
    advice = "Make room, or move the data to a larger disk, before the database stops."
    if not found.ok:
        return _failed(said, advice)
    return _warning(said, advice) if free < LITTLE_DISK else _ok(said)


def _rounded(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


CHECKS: Final[dict[str, Callable[[], Verdict]]] = {
    "settings": settings_are_safe,
    "database": database_answers,
    "role": role_is_bound,
    "row security": tables_are_protected,
    "extensions": extensions_are_there,
    "migrations": migrations_are_applied,
    "partitions": partitions_are_ready,
    "clocks": clocks_agree,
    "valkey": valkey_answers,
    "workers": workers_answer,
    "beat": beat_runs,
    "outbox": outbox_is_delivered,
    "audit seals": seals_are_fresh,
    "disk": disk_has_room,
}
#: Not to be asked without a database.
OF_DATABASE: Final = frozenset(
    {
        "role",
        "row security",
        "extensions",
        "migrations",
        "partitions",
        "clocks",
        "beat",
        "outbox",
        "audit seals",
    }
)
