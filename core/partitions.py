"""Monthly partitions: keep the next months ready, detach what has outlived its keeping time."""

from dataclasses import dataclass

from django.db import connection

from core import clock, tenancy

MONTHS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; `rows` is the planner's estimate, `bytes` its size with indexes."""

    parent: str
    name: str
    rows: int
    bytes: int


def maintain(months_ahead: int = MONTHS_AHEAD) -> list[str]:
    """Make missing partitions up to `months_ahead` and detach expired ones; returns their names.

    Detached tables are kept for the administrator to archive and drop.
    """
    changed: list[str] = []
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000), connection.cursor() as cursor:
        cursor.execute("SELECT parent FROM core_partitioned ORDER BY parent")
        for (parent,) in cursor.fetchall():
            now = clock.now()
            cursor.execute("SELECT core_partitions_ensure(%s, %s, %s)", [parent, now, months_ahead])
            changed += [f"+{row[0]}" for row in cursor.fetchall()]
            cursor.execute("SELECT core_partitions_expire(%s, %s)", [parent, now])
            changed += [f"-{row[0]}" for row in cursor.fetchall()]
    return changed


def missing(months_ahead: int = MONTHS_AHEAD) -> list[tuple[str, int]]:
    """(table, months from now) of each partition that is not there yet; 0 is the present month."""
    with tenancy.scope(()), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.parent::text, ahead FROM core_partitioned p
            CROSS JOIN generate_series(0, %s) AS ahead
            WHERE to_regclass(format('public.%%I', p.parent || '_p' || to_char(
                (%s::timestamptz AT TIME ZONE 'UTC') + make_interval(months => ahead), 'YYYYMM'
            ))) IS NULL
            ORDER BY 2, 1
            """,
            [months_ahead, clock.now()],
        )
        return [(row[0], row[1]) for row in cursor.fetchall()]


def listing() -> list[Partition]:
    """Every partition, by parent and name."""
    with tenancy.scope(tenancy.SYSTEM), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.parent, c.relname, greatest(c.reltuples, 0)::bigint,
                   pg_total_relation_size(c.oid)
            FROM core_partitioned p
            JOIN pg_inherits i ON i.inhparent = to_regclass(p.parent::text)
            JOIN pg_class c ON c.oid = i.inhrelid
            ORDER BY 1, 2
            """
        )
        return [Partition(*row) for row in cursor.fetchall()]
