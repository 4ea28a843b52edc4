"""What the database refuses whoever asks: claims, history, rights, row security."""

import contextlib

import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction

from appointments.models import Appointment, AppointmentEvent, BusyTime
from core import ids, tenancy
from core.checks import tenancy_is_enforced, unprotected_tables
from core.models import AuditEvent, AuditSeal
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene

APPEND_ONLY = ["appointments_appointmentevent", "core_auditevent", "core_auditseal"]


def row(cast: Scene, **fields) -> Appointment:
    """An appointment as no service would write it."""
    return Appointment(
        **{
            "clinic": cast.own.clinic,
            "location": cast.own.location,
            "doctor": cast.own.doctor,
            "patient": cast.own.chart,
            "service": cast.own.service,
            "type": "IN_PERSON",
            "status": "SCHEDULED",
            "starts_at": berlin(),
            "ends_at": berlin(minute=30),
            "timezone": "Europe/Berlin",
            "source": "STAFF",
        }
        | fields
    )


def claim(cast: Scene, appointment: Appointment | None, start, end, **fields) -> BusyTime:
    return BusyTime.objects.create(
        **{
            "clinic": cast.own.clinic,
            "doctor": cast.own.doctor,
            "patient": cast.own.chart,
            "appointment": appointment,
            "lane": 0,
            "kind": "BOOKED",
            "period": (start, end),
            "visit": (start, end),
        }
        | fields
    )


class _Done(Exception):
    """Ends the system's scope by rolling it back: what was provoked in it is not to be checked."""


@pytest.fixture
def system(cast: Scene):
    with contextlib.suppress(_Done), tenancy.scope(tenancy.SYSTEM):
        yield
        raise _Done


def refused_at_commit() -> str:
    """What the deferred constraints say; the commit would say it."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        connection.check_constraints()
    return str(caught.value)


def test_an_open_appointment_without_a_claim(cast: Scene, system):
    row(cast).save(force_insert=True)
    assert "has no claim" in refused_at_commit()


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": 10},
        {"doctor": True},
        {"clinic": True},
    ],
)
def test_a_claim_that_is_not_the_appointments(cast: Scene, system, wrong: dict):
    """For another time, another doctor or another clinic it is no claim."""
    appointment = row(cast)
    appointment.save(force_insert=True)
    minute = wrong.get("start", 0)
    fields = {}
    if "doctor" in wrong:
        fields["doctor"] = cast.other.doctor
    if "clinic" in wrong:
        fields["clinic"] = cast.other.clinic
    claim(cast, appointment, berlin(minute=minute), berlin(minute=minute + 30), **fields)
    assert "has no claim" in refused_at_commit()


def test_a_claim_that_was_taken_away(cast: Scene, system):
    """Deleting a claim alone is not seen; any change of the appointment brings it to light."""
    appointment = row(cast)
    appointment.save(force_insert=True)
    held = claim(cast, appointment, berlin(), berlin(minute=30))
    connection.check_constraints()
    held.delete()
    Appointment.objects.filter(pk=appointment.pk).update(status="CONFIRMED")
    assert "has no claim" in refused_at_commit()


def test_an_appointment_moved_without_its_claim(cast: Scene, system):
    appointment = row(cast)
    appointment.save(force_insert=True)
    claim(cast, appointment, berlin(), berlin(minute=30))
    connection.check_constraints()
    Appointment.objects.filter(pk=appointment.pk).update(
        starts_at=berlin(hour=10), ends_at=berlin(hour=10, minute=30)
    )
    assert "has no claim" in refused_at_commit()


def test_a_cancelled_appointment_that_still_claims(cast: Scene, system):
    appointment = row(cast)
    appointment.save(force_insert=True)
    claim(cast, appointment, berlin(), berlin(minute=30))
    Appointment.objects.filter(pk=appointment.pk).update(status="CANCELLED", cancelled_at=berlin())
    assert "still claims its time" in refused_at_commit()


@pytest.mark.parametrize(
    "fields",
    [
        {"ends_at": berlin()},
        {"location": None},
        {"status": "CANCELLED"},
    ],
)
def test_rows_that_make_no_sense(cast: Scene, system, fields: dict):
    with pytest.raises(IntegrityError), transaction.atomic():
        row(cast, **fields).save(force_insert=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "BOOKED"},
        {"kind": "HELD"},
        {"kind": "BLOCKED", "visit": (berlin(), berlin(hour=12))},
        {"kind": "BLOCKED", "visit": (berlin(), berlin())},
    ],
)
def test_claims_that_make_no_sense(cast: Scene, system, fields: dict):
    """Booked without an appointment, held without an end, a visit outside its period or empty."""
    with pytest.raises(IntegrityError), transaction.atomic():
        claim(cast, None, berlin(), berlin(minute=30), **fields)


def test_exclusions_by_plain_sql(cast: Scene, system):
    """Doctor and lane, a lane and the whole of them, room, patient: the constraints alone."""
    free = {"patient": None, "kind": "BLOCKED"}
    claim(cast, None, berlin(), berlin(minute=30), **free)
    for fields in (free, free | {"lane": None}):
        with pytest.raises(IntegrityError, match="busytime_doctor"), transaction.atomic():
            claim(cast, None, berlin(minute=29), berlin(minute=59), **fields)
    claim(cast, None, berlin(minute=29), berlin(minute=59), **free | {"lane": 1})
    claim(cast, None, berlin(minute=30), berlin(minute=59), **free)
    second = {"doctor": cast.other.doctor}
    later = (berlin(hour=12), berlin(hour=12, minute=30))
    claim(cast, None, *later, kind="BLOCKED", room=cast.own.room)
    with pytest.raises(IntegrityError, match="busytime_room"), transaction.atomic():
        claim(cast, None, *later, **free | second | {"room": cast.own.room})
    with pytest.raises(IntegrityError, match="busytime_patient"), transaction.atomic():
        claim(cast, None, *later, **second, kind="BLOCKED")


@pytest.mark.parametrize("model", [AppointmentEvent, AuditEvent, AuditSeal])
def test_the_runtime_cannot_change_what_is_append_only(cast: Scene, model):
    cast.own.book(berlin())
    for attempt in (
        lambda: model.objects.all().update(id=ids.uuid7()),
        lambda: model.objects.all().delete(),
        lambda: connection.cursor().execute(f"TRUNCATE {model._meta.db_table} CASCADE"),
    ):
        with (
            pytest.raises(DatabaseError, match=r"permission denied|append-only"),
            tenancy.scope(tenancy.SYSTEM),
        ):
            attempt()


def test_the_runtime_owns_nothing_and_bypasses_nothing(cast: Scene, catalog_connection):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (settings.ENV.database_role, False, False, False, False)
    owned = catalog_connection.execute(
        "SELECT relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE r.rolname IN ('kairos_app', 'kairos_definer') AND relkind IN ('r', 'p', 'v', 'S')"
    ).fetchall()
    assert owned == []
    create = catalog_connection.execute(
        "SELECT has_schema_privilege('kairos_app', 'public', 'CREATE'),"
        " has_database_privilege('kairos_app', current_database(), 'CREATE')"
    ).fetchone()
    assert create == (False, False)
    logins = catalog_connection.execute(
        "SELECT rolname FROM pg_roles WHERE rolname IN ('kairos_app', 'kairos_definer')"
        " AND (rolcanlogin OR rolbypassrls OR rolsuper)"
    ).fetchall()
    assert logins == []


def test_definer_functions_fix_their_search_path_and_are_not_public(catalog_connection):
    rows = catalog_connection.execute(
        "SELECT p.proname, p.proconfig, has_function_privilege('public', p.oid, 'EXECUTE'),"
        "       p.prorettype = 'trigger'::regtype"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'public' AND p.prosecdef"
    ).fetchall()
    assert len(rows) > 8
    for name, config, public, is_trigger in rows:
        assert any(item.startswith("search_path=") for item in config or []), name
        assert is_trigger or not public, name


def test_partitions_are_closed_to_the_runtime(catalog_connection):
    rows = catalog_connection.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relispartition AND c.relkind = 'r'"
        " AND has_table_privilege('kairos_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')"
    ).fetchall()
    assert rows == []


def test_every_table_of_a_clinic_has_row_security(cast: Scene):
    assert unprotected_tables() == []
    assert tenancy_is_enforced(databases=["default"]) == []


def test_every_table_that_names_a_clinic_is_known(catalog_connection):
    """Also those whose column has another name: what points at clinics has forced row security."""
    rows = catalog_connection.execute(
        "SELECT DISTINCT c.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
        " WHERE k.contype = 'f' AND k.confrelid = 'clinics_clinic'::regclass"
        " AND NOT c.relispartition AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
    ).fetchall()
    # Directory and rights, read to sign anyone in: who holds what, but nothing of patients.
    assert rows == [("clinics_clinicgrouppermission",)]
