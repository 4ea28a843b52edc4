"""Statements a page: the same at 1, 3 and 30 rows, and few; lists count no further than they page.

What is counted leaves out savepoints, and the two settings of a scope within the test's own
transaction.
"""

import re
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import PeriodicTask

from accounts.models import RefreshSession
from appointments.models import Appointment, BusyTime, PatientMerge
from backoffice import lists
from checkin.models import (
    CheckIn,
    CheckInAlert,
    CheckInAttempt,
    CheckInDevice,
    CheckInLocation,
    QueueEntry,
)
from clinics.models import (
    Clinic,
    Doctor,
    Location,
    Membership,
    Patient,
    PatientProxy,
    Room,
    ScheduleException,
    ScheduleTemplate,
    Service,
)
from core import clock, ids, tenancy
from core.models import AuditEvent, OutboxEvent
from tests import budgets
from tests.appointments.moments import NOW, berlin
from tests.backoffice.world import World, at_the_desk, page
from tests.casts import build_super_admin, build_user
from tests.support.forms import form_of

_OWN = ("SAVEPOINT", "RELEASE", "ROLLBACK")


def statements(client: Client, address: str) -> tuple[Any, list[str]]:
    """The answer, and what the database was asked for it."""
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    told = [query["sql"] for query in captured if not query["sql"].startswith(_OWN)]
    scopes = [number for number, sql in enumerate(told) if "set_config('app.clinics'" in sql]
    of_the_test = {*scopes[:1], *scopes[-1:]}
    return answer, [sql for number, sql in enumerate(told) if number not in of_the_test]


# --- One more row of each table -------------------------------------------------------------------


def chart(world: World, number: int) -> Patient:
    return Patient.objects.create(
        clinic=world.clinic, mrn=f"Q{number}", given_name="Q", family_name=f"Q{number:03}"
    )


def visit(world: World, number: int) -> Appointment:
    """Of another patient each, today; over, so that it claims no time."""
    start = berlin(0, 0) + timedelta(minutes=10 * number)
    return Appointment.objects.create(
        clinic=world.clinic,
        location=world.location,
        doctor=world.doctor,
        patient=chart(world, 1000 + number),
        service=world.service,
        type="IN_PERSON",
        status="COMPLETED",
        starts_at=start,
        ends_at=start + timedelta(minutes=10),
        timezone="Europe/Berlin",
        source="STAFF",
        booked_by=world.receptionist,
    )


def busy(world: World, number: int) -> BusyTime:
    start = berlin(20 + number, 10)
    period = (start, start + timedelta(minutes=30))
    return BusyTime.objects.create(
        clinic=world.clinic,
        doctor=world.doctor,
        room=world.room,
        kind="HELD",
        lane=0,
        holder=world.receptionist.pk,
        expires_at=NOW + timedelta(minutes=5),
        period=period,
        visit=period,
    )


def doctor(world: World, number: int) -> Doctor:
    user = build_user(f"doctor-{number}")
    Membership.objects.create(clinic=world.clinic, user=user, role="DOCTOR")
    return Doctor.objects.create(user=user, display_name=f"Dr {number}")


def hours(world: World, number: int) -> ScheduleTemplate:
    made = ScheduleTemplate.objects.create(
        clinic=world.clinic,
        doctor=world.doctor,
        location=world.location,
        weekday=2 + number % 6,
        start_time=time(8 + number // 6),
        end_time=time(9 + number // 6),
    )
    made.services.add(world.service)
    return made


def closed(world: World, number: int) -> ScheduleException:
    day = date(2036, 1, 1) + timedelta(days=number)
    return ScheduleException.objects.create(
        clinic=world.clinic,
        doctor=world.doctor,
        location=world.location,
        kind="CLOSED",
        start_date=day,
        end_date=day,
    )


def location(world: World, number: int) -> Location:
    return Location.objects.create(clinic=world.clinic, name=f"L{number}", timezone="UTC")


def room(world: World, number: int) -> Room:
    return Room.objects.create(
        clinic=world.clinic, location=location(world, 1000 + number), name=f"R{number}"
    )


def service(world: World, number: int) -> Service:
    return Service.objects.create(clinic=world.clinic, name=f"S{number}", duration_minutes=30)


def member(world: World, number: int) -> Membership:
    return Membership.objects.create(
        clinic=world.clinic, user=build_user(f"member-{number}"), role="NURSE"
    )


def proxy(world: World, number: int) -> PatientProxy:
    return PatientProxy.objects.create(
        clinic=world.clinic,
        patient=chart(world, 2000 + number),
        user=build_user(f"proxy-{number}"),
        relation="CARER",
    )


def merge(world: World, number: int) -> PatientMerge:
    return PatientMerge.objects.create(
        clinic=world.clinic,
        kept=chart(world, 3000 + number),
        duplicate=chart(world, 4000 + number),
        merged_by=build_user(f"merger-{number}"),
        reason="the same",
    )


def device(world: World, number: int) -> RefreshSession:
    return RefreshSession.objects.create(
        user=member(world, 5000 + number).user,
        token_hash=uuid4().bytes,
        expires_at=NOW + timedelta(days=1),
    )


def clinic(world: World, number: int) -> Clinic:
    return Clinic.objects.create(name=f"C{number}", slug=f"c-{number}")


def act(world: World, number: int) -> AuditEvent:
    return AuditEvent.objects.create(
        id=ids.uuid7(),
        clinic_id=world.clinic.pk,
        at=clock.now(),
        actor_id=build_user(f"actor-{number}").pk,
        action="test.made",
        entity="clinics.patient",
        entity_id=world.patient.pk,
        subjects=[chart(world, 6000 + number).pk],
    )


def event(world: World, number: int) -> OutboxEvent:
    return OutboxEvent.objects.create(clinic_id=world.clinic.pk, topic="test.made")


def job(world: World, number: int) -> PeriodicTask:
    return PeriodicTask.objects.create(name=f"job-{number}", task="x", interval=world.job.interval)


def point(world: World, number: int) -> CheckInLocation:
    return CheckInLocation.objects.create(
        clinic=world.clinic, location=location(world, 7000 + number), name=f"P{number}"
    )


def scanner(world: World, number: int) -> CheckInDevice:
    place = point(world, 1000 + number)
    return CheckInDevice.objects.create(
        clinic=world.clinic,
        location=place.location,
        point=place,
        kind="SCANNER",
        name=f"D{number}",
        paired_by=build_user(f"pairer-{number}"),
    )


def arrival(world: World, number: int) -> CheckIn:
    here = visit(world, 8000 + number)
    device = scanner(world, 2000 + number)
    return CheckIn.objects.create(
        clinic=world.clinic,
        location=device.location,
        appointment=here,
        patient=here.patient,
        device=device,
        point=device.point,
        by=device.paired_by,
        checked_in_at=NOW,
        method="QR_STAFF",
    )


def attempt(world: World, number: int) -> CheckInAttempt:
    here = arrival(world, 3000 + number)
    return CheckInAttempt.objects.create(
        clinic=world.clinic,
        location_id=here.location_id,
        source_kind="DEVICE",
        source_id=here.device_id,
        nonce=f"nonce-{number}",
        method="QR_STAFF",
        appointment_id=here.pk,
        patient_id=here.patient_id,
        outcome="CHECKED_IN",
        at=NOW,
    )


def alert(world: World, number: int) -> CheckInAlert:
    device = scanner(world, 4000 + number)
    return CheckInAlert.objects.create(
        clinic=world.clinic, kind="MANY_REFUSALS", device=device, source_id=device.pk
    )


def waiting(world: World, number: int) -> QueueEntry:
    return QueueEntry.objects.create(
        clinic=world.clinic,
        location=location(world, 9000 + number),
        patient=chart(world, 9000 + number),
        doctor=doctor(world, 9000 + number),
        local_day=NOW.date(),
        prefix="A",
        number=number + 1,
        due_at=NOW,
        arrived_at=NOW,
    )


More = Callable[[World, int], Any]
ADMIN, SUPER = "clinic_admin", "super_admin"
#: The list, who looks at it, what makes one more row.
PAGES: dict[str, tuple[str, More]] = {
    "appointments_appointment": (ADMIN, visit),
    "appointments_busytime": (ADMIN, busy),
    "appointments_patientmerge": (ADMIN, merge),
    "checkin_checkinlocation": (ADMIN, point),
    "checkin_checkindevice": (ADMIN, scanner),
    "checkin_checkinalert": (ADMIN, alert),
    "checkin_checkin": (ADMIN, arrival),
    "checkin_checkinattempt": (ADMIN, attempt),
    "checkin_queueentry": (ADMIN, waiting),
    "clinics_doctor": (ADMIN, doctor),
    "clinics_scheduletemplate": (ADMIN, hours),
    "clinics_scheduleexception": (ADMIN, closed),
    "clinics_location": (ADMIN, location),
    "clinics_room": (ADMIN, room),
    "clinics_service": (ADMIN, service),
    "clinics_membership": (ADMIN, member),
    "clinics_patient": (ADMIN, chart),
    "clinics_patientproxy": (ADMIN, proxy),
    "clinics_clinic": (SUPER, clinic),
    "core_auditevent": (ADMIN, act),
    "accounts_refreshsession": (ADMIN, device),
    "accounts_user": (SUPER, member),
    "core_outboxevent": (SUPER, event),
    "django_celery_beat_periodictask": (SUPER, job),
}


def desk(world: World, who: str) -> Client:
    return at_the_desk(build_super_admin() if who == SUPER else world.user(who))


@pytest.mark.parametrize("who", ["their own", SUPER])
@pytest.mark.parametrize("name", PAGES)
def test_pages_take_as_many_statements_at_1_3_and_30_rows(name: str, who: str, home: World) -> None:
    """The list, and the page of the row made last, whatever else there is."""
    usual, more = PAGES[name]
    client = desk(home, usual if who == "their own" else SUPER)
    listed: dict[int, int] = {}
    opened: dict[int, int] = {}
    made = 0
    told: dict[str, list[str]] = {}
    for rows in (1, 3, 30):
        with tenancy.scope(tenancy.SYSTEM):
            while made < rows:
                row = more(home, made)
                made += 1
        target = row.user if isinstance(row, Membership) and name == "accounts_user" else row
        client.get(page(f"{name}_change", target.pk))  # content types are asked once a process
        answer, told["list"] = statements(client, page(f"{name}_changelist"))
        assert answer.status_code == 200
        assert len(answer.context["cl"].result_list) >= rows
        listed[rows] = len(told["list"])
        answer, told["page"] = statements(client, page(f"{name}_change", target.pk))
        assert answer.status_code == 200
        opened[rows] = len(told["page"])
    assert len(set(listed.values())) == 1, (listed, told["list"])
    assert len(set(opened.values())) == 1, (opened, told["page"])
    assert listed[30] <= budgets.BACK_OFFICE_LIST, (listed, told["list"])
    assert opened[30] <= budgets.BACK_OFFICE_PAGE, (opened, told["page"])


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("clinics_")])
def test_choices_take_as_many_statements_however_much_there_is(name: str, home: World) -> None:
    """The form of a new row reads no table for its choices."""
    client = desk(home, PAGES[name][0])
    client.get(page(f"{name}_add"))  # content types are asked once a process
    counts = []
    for number in range(2):
        answer, told = statements(client, page(f"{name}_add"))
        assert answer.status_code == 200
        counts.append(len(told))
        with tenancy.scope(tenancy.SYSTEM):
            for more in (doctor, service, location, chart, member):
                for one in range(5):
                    more(home, 100 * number + one)
    assert counts[0] == counts[1] <= budgets.BACK_OFFICE_PAGE, told


def test_a_week_takes_as_many_statements_however_long_it_is(home: World) -> None:
    client, counts, made = at_the_desk(home.clinic_admin), [], 0
    for rows in (1, 3, 30):
        with tenancy.scope(tenancy.SYSTEM):
            while made < rows:
                hours(home, made)
                location(home, made)
                made += 1
        answer, told = statements(client, page("clinics_doctor_hours", home.doctor.pk))
        assert answer.status_code == 200
        counts.append(len(told))
    assert len(set(counts)) == 1, counts
    assert counts[0] <= budgets.BACK_OFFICE_PAGE, told


def test_the_start_page_takes_as_many_statements_however_full_the_day_is(home: World) -> None:
    client = at_the_desk(home.clinic_admin)
    counts, made = [], 0
    for rows in (1, 3, 30):
        with tenancy.scope(tenancy.SYSTEM):
            while made < rows:
                visit(home, made)
                made += 1
        client.get(page("index"))  # the free half hours are kept for a minute
        answer, told = statements(client, page("index"))
        assert answer.status_code == 200
        counts.append(len(told))
    assert len(set(counts)) == 1, counts
    assert counts[0] <= budgets.BACK_OFFICE_START, told


# --- Lists stop counting --------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Lists that page through twelve rows, four at a time."""
    monkeypatch.setattr(lists, "CAP", 12)
    from backoffice.base import Panel  # noqa: PLC0415 - only this fixture bends it

    monkeypatch.setattr(Panel, "list_per_page", 4)
    return 12


def test_a_list_counts_no_further_than_it_pages(home: World, short: int) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        for number in range(20):
            chart(home, number)
    answer, told = statements(at_the_desk(home.clinic_admin), page("clinics_patient_changelist"))
    counting = [sql for sql in told if "COUNT(" in sql.upper()]
    assert len(counting) == 1
    assert re.search(rf"LIMIT (\$\d+|{short + 1})", counting[0])
    reading = [sql for sql in told if 'FROM "clinics_patient"' in sql and sql not in counting]
    assert all("LIMIT" in sql for sql in reading)
    shown = answer.context["cl"]
    assert (shown.result_count, shown.is_capped, len(shown.result_list)) == (short, True, 4)
    assert "The first 12 are shown" in answer.content.decode()


def test_the_last_page_is_the_caps_and_none_is_beyond_it(home: World, short: int) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        for number in range(20):
            chart(home, number)
    client, address = at_the_desk(home.clinic_admin), page("clinics_patient_changelist")
    assert len(client.get(f"{address}?p=3").context["cl"].result_list) == 4
    for beyond in ("4", "99999999999", "0", "-1"):
        assert client.get(f"{address}?p={beyond}").headers["Location"].endswith("?e=1"), beyond


def test_all_rows_at_once_are_not_offered(home: World, short: int) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        for number in range(20):
            chart(home, number)
    answer = at_the_desk(home.clinic_admin).get(page("clinics_patient_changelist"), {"all": ""})
    assert len(answer.context["cl"].result_list) == 4


def test_a_list_that_ends_below_the_cap_says_nothing_of_it(home: World, short: int) -> None:
    answer = at_the_desk(home.clinic_admin).get(page("clinics_patient_changelist"))
    assert not answer.context["cl"].is_capped
    assert "are shown. Search or filter" not in answer.content.decode()


def test_a_search_reads_a_page_and_not_the_table(home: World) -> None:
    """The search is one statement of its own function, the list one by the ids it found."""
    client, address = at_the_desk(home.clinic_admin), page("clinics_patient_changelist")
    counts = []
    for rows in (1, 30):
        with tenancy.scope(tenancy.SYSTEM):
            for number in range(rows):
                chart(home, 100 * rows + number)
        answer, told = statements(client, f"{address}?q=Q")
        counts.append(len(told))
        assert answer.context["cl"].result_list
    assert counts[0] == counts[1] <= budgets.BACK_OFFICE_LIST, told


def test_a_form_that_was_read_is_sent_in_few_statements(home: World) -> None:
    client, address = (
        at_the_desk(home.clinic_admin),
        page("clinics_patient_change", home.patient.pk),
    )
    values = form_of(client.get(address), form_id="patient_form") | {"region": "Elsewhere"}
    with CaptureQueriesContext(connection) as captured:
        assert client.post(address, values).status_code == 302
    told = [query["sql"] for query in captured if not query["sql"].startswith(_OWN)]
    assert len(told) - 2 <= budgets.BACK_OFFICE_WRITE, told
