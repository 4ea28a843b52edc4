"""Guards that even the owner of the tables meets, and the check that finds a table without them."""

import psycopg
import pytest
from django.db import connection

from core import journal, tenancy
from core.checks import tenancy_is_enforced, unprotected_tables

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def written():
    with tenancy.scope(tenancy.SYSTEM):
        journal.record(journal.Act("thing.done", "core.thing", topic="thing.done"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE core_auditevent SET action = 'other'",
        "DELETE FROM core_auditevent",
        "TRUNCATE core_auditevent",
        "TRUNCATE core_auditseal",
        "TRUNCATE appointments_appointmentevent",
    ],
)
def test_the_owner_cannot_change_the_trail_by_accident(written, owner_connection, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        owner_connection.execute(statement)


def test_a_new_table_without_row_security_is_reported(owner_connection):
    """The negative control of `unprotected_tables`."""
    assert unprotected_tables() == []
    owner_connection.execute("CREATE TABLE forgotten (id uuid PRIMARY KEY, clinic_id uuid)")
    assert unprotected_tables() == ["forgotten"]
    owner_connection.execute("ALTER TABLE forgotten ENABLE ROW LEVEL SECURITY")
    assert unprotected_tables() == ["forgotten"]  # enabled is not forced
    assert [error.id for error in tenancy_is_enforced(databases=["default"])] == ["core.E001"]
    owner_connection.execute("ALTER TABLE forgotten FORCE ROW LEVEL SECURITY")
    assert unprotected_tables() == []


def test_a_partition_opened_to_the_runtime_is_reported(owner_connection):
    owner_connection.execute("GRANT SELECT ON core_auditevent_rest TO kairos_app")
    assert unprotected_tables() == ["core_auditevent_rest"]


def test_a_runtime_role_that_owns_a_table_is_reported(owner_connection):
    owner_connection.execute("CREATE TABLE taken (id uuid PRIMARY KEY)")
    owner_connection.execute("ALTER TABLE taken OWNER TO kairos_app")
    assert [error.id for error in tenancy_is_enforced(databases=["default"])] == ["core.E002"]


def test_the_transition_table_and_the_partition_list_are_read_only():
    for statement in (
        "INSERT INTO appointments_transition VALUES ('COMPLETED', 'PENDING', false)",
        "DELETE FROM appointments_transition",
        "UPDATE core_partitioned SET keep_months = 1",
    ):
        with (
            pytest.raises(Exception, match="permission denied"),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
