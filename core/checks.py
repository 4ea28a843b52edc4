"""System checks: what a slip of the hand must not undo."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections

_UNPROTECTED = """
    SELECT c.relname FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'clinic_id' AND NOT a.attisdropped
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
      AND (NOT c.relispartition OR has_table_privilege(%s, c.oid, 'SELECT,INSERT,UPDATE,DELETE'))
    ORDER BY 1
"""
_ROLE = """
    SELECT r.rolname, r.rolsuper, r.rolbypassrls,
           EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relowner = r.oid)
    FROM pg_roles r WHERE r.rolname = current_user
"""


@dataclass(frozen=True, slots=True)
class RuntimeRole:
    """The role that the runtime acts as, and what of it would undo row security."""

    name: str
    superuser: bool
    bypasses: bool
    owns: bool


def runtime_role() -> RuntimeRole:
    """Who `current_user` is."""
    with connections["default"].cursor() as cursor:
        cursor.execute(_ROLE)
        return RuntimeRole(*cursor.fetchone())


def unprotected_tables(alias: str = "default") -> list[str]:
    """Tables with a `clinic_id` without forced row security, or partitions open to the runtime."""
    with connections[alias].cursor() as cursor:
        cursor.execute(_UNPROTECTED, [settings.ENV.database_role])
        return [row[0] for row in cursor.fetchall()]


@register(Tags.database)
def tenancy_is_enforced(
    app_configs: Any = None, databases: Any = None, **_: Any
) -> list[CheckMessage]:
    """Every table of a clinic has row security, and the runtime role cannot get around it."""
    if not databases or "default" not in databases:
        return []
    try:
        role = runtime_role()
        tables = unprotected_tables()
    except DatabaseError:
        return []  # before the first migration the role does not exist yet
    found: list[CheckMessage] = [
        Error(
            f"{table} has a clinic_id but no forced row-level security",
            hint="Add core.db.operations.RowSecurity to the migration that makes it.",
            id="core.E001",
        )
        for table in tables
    ]
    if role.superuser or role.bypasses or role.owns:
        found.append(
            Error(
                f"the runtime acts as {role.name}, which row-level security does not bind",
                hint="DATABASE_ROLE must name a role that owns no table and has no BYPASSRLS.",
                id="core.E002",
            )
        )
    return found
