"""The scope belongs to a transaction: nothing stays on the connection for the next."""

import pytest
from django.db import DataError, connection

from clinics.models import Location
from core import tenancy
from tests.appointments.scene import scene
from tests.support.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def setting() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('app.clinics', true)")
        return cursor.fetchone()[0]


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def test_two_requests_of_two_clinics_through_one_connection():
    cast = scene()
    pid = backend()
    for house in (cast.own, cast.other, cast.own):
        found = house.reception.api.get("appointments")
        assert found.status_code == 200
        assert setting() in {"", None}
        assert Location.objects.count() == 0
        assert backend() == pid


def test_after_a_scope_nothing_is_set_and_nothing_is_seen():
    cast = scene()
    with tenancy.scope([cast.own.clinic.id]):
        assert setting() == str(cast.own.clinic.id)
        assert Location.objects.count() == 1
    assert setting() == ""  # not NULL: the policies know that
    assert Location.objects.count() == 0
    with pytest.raises(ZeroDivisionError), tenancy.scope(tenancy.SYSTEM):
        raise ZeroDivisionError
    assert setting() == ""
    assert Location.objects.count() == 0


def test_a_session_level_setting_would_leak_so_a_scope_always_sets_its_own():
    """Somebody sets the scope for the whole session, as a pool would hand it on: a request's own
    scope stands over it, and an anonymous request shows nothing of it."""
    cast = scene()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.clinics', %s, false)", [str(cast.own.clinic.id)])
    try:
        assert Location.objects.count() == 1  # the leak itself: why the setting is always local
        with tenancy.scope([cast.other.clinic.id]):
            assert list(Location.objects.values_list("clinic_id", flat=True)) == [
                cast.other.clinic.id
            ]
        answer = cast.other.patient.api.get("appointments")
        assert answer.json()["results"] == []
    finally:
        connection.close()


def test_a_job_widens_the_time_limit_for_its_own_transaction_only():
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return cursor.fetchone()[0]

    assert limit() == "2s"
    with tenancy.scope((), statement_timeout_ms=60_000):
        assert limit() == "1min"
    assert limit() == "2s"


def test_a_rolled_back_savepoint_takes_its_scope_with_it():
    cast = scene()
    with tenancy.scope([cast.own.clinic.id]):
        with pytest.raises(DataError), tenancy.scope([cast.other.clinic.id]):
            connection.cursor().execute("SELECT 1 / 0")
        assert setting() == str(cast.own.clinic.id)
        assert list(Location.objects.values_list("clinic_id", flat=True)) == [cast.own.clinic.id]


def test_a_connection_the_server_has_closed_is_replaced(owner_connection):
    first = backend()
    owner_connection.execute("SELECT pg_terminate_backend(%s)", [first])
    living = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    eventually(lambda: owner_connection.execute(living, [first]).fetchone() == (0,))
    with tenancy.scope(()):
        assert backend() != first
