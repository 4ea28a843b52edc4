"""Monthly partitions: ready in time, nothing lost, the expired set aside and never dropped."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import time_machine
from django.core.management import call_command
from django.db import connection

from core import clock, ids, journal, partitions, tenancy
from core.models import AuditEvent

pytestmark = pytest.mark.django_db(transaction=True)


def months(parent: str = "core_auditevent") -> list[str]:
    return [
        part.name.removeprefix(f"{parent}_p")
        for part in partitions.listing()
        if part.parent == parent and not part.name.endswith("_rest")
    ]


def month(offset: int) -> str:
    present = clock.now()
    index = present.year * 12 + present.month - 1 + offset
    return f"{index // 12}{index % 12 + 1:02d}"


def test_the_migrations_leave_this_month_and_three_more_ready():
    assert months() == [month(offset) for offset in range(4)]


def test_maintaining_twice_changes_nothing():
    assert partitions.maintain() == []
    made = partitions.maintain(months_ahead=5)
    parents = {part.parent for part in partitions.listing()}
    assert len(made) == 2 * len(parents)
    assert all(name.startswith("+") for name in made)
    assert partitions.maintain(months_ahead=5) == []


def test_next_years_months_have_their_bounds():
    with time_machine.travel(datetime(2040, 12, 31, 23, 59, 59, tzinfo=UTC)):
        partitions.maintain(months_ahead=1)
    assert months()[-2:] == ["204012", "204101"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %s",
            ["core_auditevent_p204012"],
        )
        bounds = cursor.fetchone()[0]
    for edge in (datetime(2040, 12, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)):
        assert str(ids.floor(edge)) in bounds


def test_rows_that_came_before_their_month_are_taken_along(catalog_connection):
    """Nobody maintained for long: rows wait in the default partition and then move."""
    far = datetime(2045, 5, 17, tzinfo=UTC)
    row_id = ids.floor(far)
    with tenancy.scope(tenancy.SYSTEM):
        AuditEvent.objects.create(id=row_id, action="test.far", entity="test")

    def where() -> str:
        return catalog_connection.execute(
            "SELECT tableoid::regclass::text FROM core_auditevent WHERE id = %s", [row_id]
        ).fetchone()[0]

    assert where() == "core_auditevent_rest"
    with time_machine.travel(far):
        partitions.maintain(months_ahead=0)
    assert where() == "core_auditevent_p204505"
    with tenancy.scope(tenancy.SYSTEM):
        assert AuditEvent.objects.get(pk=row_id).action == "test.far"


def test_a_new_partition_is_as_closed_as_its_parent():
    partitions.maintain(months_ahead=6)
    name = f"core_auditevent_p{month(6)}"
    with (
        pytest.raises(Exception, match="permission denied"),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT * FROM {name}")


def test_expired_months_are_detached_and_kept(owner_connection: psycopg.Connection):
    with tenancy.scope(tenancy.SYSTEM):
        journal.record(journal.Act("test.old", "test"))
    assert partitions.maintain() == []  # no keeping time: for ever
    owner_connection.execute(
        "UPDATE core_partitioned SET keep_months = 2 WHERE parent = 'core_auditevent'"
    )
    this_month = month(0)
    first_day = datetime(int(this_month[:4]), int(this_month[4:]), 1, tzinfo=UTC)
    # Kept through the two months after it, and gone with the first moment of the third.
    third = (first_day + timedelta(days=95)).replace(day=1)
    with time_machine.travel(third - timedelta(seconds=1)):
        assert [name for name in partitions.maintain() if name.startswith("-")] == []
    with time_machine.travel(third):
        gone = [name for name in partitions.maintain() if name.startswith("-")]
    assert gone == [f"-core_auditevent_p{this_month}"]
    with tenancy.scope(tenancy.SYSTEM):
        assert not AuditEvent.objects.filter(action="test.old").exists()
    kept = owner_connection.execute(
        f"SELECT count(*) FROM core_auditevent_p{this_month} WHERE action = 'test.old'"
    ).fetchone()
    assert kept == (1,)


@pytest.mark.parametrize(
    ("table", "ahead"), [("accounts_user", 1), ("core_auditevent", -1), ("core_auditevent", 121)]
)
def test_the_functions_do_this_and_nothing_else(table: str, ahead: int):
    with pytest.raises(Exception, match=r"partitioned|months"), connection.cursor() as cursor:
        cursor.execute("SELECT core_partitions_ensure(%s, now(), %s)", [table, ahead])


def test_the_command(capsys):
    call_command("partitions", "--list")
    assert "core_auditevent_rest" in capsys.readouterr().out
    call_command("partitions", "--months", "4")
    assert f"+core_auditevent_p{month(4)}" in capsys.readouterr().out
    call_command("partitions", "--months", "4")
    assert capsys.readouterr().out.strip() == "Nothing to do."


def test_a_lookup_by_id_reads_one_partition():
    with tenancy.scope(tenancy.SYSTEM), connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (COSTS OFF) SELECT * FROM core_auditevent WHERE id = %s", [ids.uuid7()]
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count("core_auditevent_p") <= 2
    assert "Append" not in plan
