"""The demonstration data: all of it there, in every status, and only once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.models import User
from accounts.services.sessions import session_open
from appointments.demo import loading
from appointments.demo.clinics import CLINICS
from appointments.demo.loading import demo_load
from appointments.demo.shapes import MAIN, OTHER
from appointments.models import OPEN, Appointment, AppointmentEvent, AppointmentStatus, BusyTime
from appointments.models import AppointmentStatus as S
from clinics.models import Clinic, Doctor, Patient
from core import clock, tenancy

SIGN_INS = [
    "admin@demo.kairos",
    "clinic-admin@demo.kairos",
    "reception@demo.kairos",
    "doctor@demo.kairos",
    "nurse@demo.kairos",
    "patient@demo.kairos",
    "reception@other.kairos",
    "doctor@other.kairos",
    "patient@other.kairos",
]


@pytest.fixture(autouse=True)
def _in_development(settings) -> None:
    settings.DEBUG = True


@pytest.fixture(scope="module")
def _loaded_once(django_db_setup, django_db_blocker) -> Iterator[None]:
    """Loaded for the module, in a transaction that is never committed."""
    with django_db_blocker.unblock(), transaction.atomic():
        demo_load(step=lambda: None)
        yield
        transaction.set_rollback(True)


@pytest.fixture
def loaded(_loaded_once) -> Iterator[None]:
    """The data, seen in the system's scope."""
    with transaction.atomic():
        with tenancy.scope(tenancy.SYSTEM):
            yield
        transaction.set_rollback(True)


def picture() -> list[tuple[Any, ...]]:
    """Everything about the visits that a newcomer would see, without ids."""
    return list(
        Appointment.objects.order_by(
            "starts_at", "doctor__display_name", "patient__mrn"
        ).values_list(
            "clinic__slug",
            "doctor__display_name",
            "patient__mrn",
            "service__name",
            "type",
            "status",
            "starts_at",
            "ends_at",
            "reason",
            "created_at",
            "version",
        )
    )


@pytest.mark.usefixtures("loaded")
class TestWhatIsThere:
    def test_clinics_doctors_and_patients(self) -> None:
        assert [clinic.slug for clinic in Clinic.objects.order_by("id")] == [
            spec.slug for spec in CLINICS
        ]
        offsets = {
            datetime(2026, 1, 15, tzinfo=ZoneInfo(spec.timezone)).utcoffset() for spec in CLINICS
        }
        assert len(offsets) == 3
        assert any(offset and offset % timedelta(hours=1) for offset in offsets)
        assert Doctor.objects.count() == 12
        assert Patient.objects.count() == 2000
        two_clinics = Doctor.objects.filter(user__memberships__clinic__slug=MAIN).filter(
            user__memberships__clinic__slug="sangam"
        )
        assert two_clinics.count() == 1

    def test_everyone_signs_in(self) -> None:
        for email in SIGN_INS:
            outcome = session_open(login=email, password="kairos-demo")
            assert outcome.pair is not None, email
        assert User.objects.get(email="admin@demo.kairos").is_superuser

    def test_every_status_today_at_the_main_clinic(self) -> None:
        zone = ZoneInfo(CLINICS[0].timezone)
        today = clock.now().astimezone(zone).date()
        # By status: near midnight a local day has no room for all of them.
        assert set(Appointment.objects.values_list("status", flat=True)) == set(
            AppointmentStatus.values
        )
        running = Appointment.objects.get(
            doctor__user__email="doctor@demo.kairos", status=S.IN_PROGRESS
        )
        assert running.starts_at <= clock.now() < running.ends_at
        assert running.starts_at.astimezone(zone).date() == today

    def test_open_visits_own_their_time_and_closed_ones_none(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        coming = Appointment.objects.filter(status__in=OPEN, ends_at__gt=clock.now())
        assert coming.count() > 500
        assert not coming.filter(busy_time=None).exists()
        assert not BusyTime.objects.filter(appointment__status=S.CANCELLED).exists()

    def test_each_history_leads_to_the_status(self) -> None:
        last: dict[Any, AppointmentEvent] = {}
        for event in AppointmentEvent.objects.order_by("appointment_id", "id"):
            before = last.get(event.appointment_id)
            assert event.from_status == (before.to_status if before else "")
            assert before is None or event.at >= before.at
            assert event.at <= clock.now()
            last[event.appointment_id] = event
        for visit in Appointment.objects.all():
            assert last[visit.id].to_status == visit.status

    def test_the_history_takes_only_allowed_steps(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT from_status, to_status FROM appointments_transition WHERE NOT undo"
            )
            allowed = set(cursor.fetchall())
        taken = set(
            AppointmentEvent.objects.exclude(from_status="").values_list("from_status", "to_status")
        )
        assert taken <= allowed

    @pytest.mark.parametrize("slug", [MAIN, OTHER])
    def test_patients_who_sign_in_have_past_and_coming_visits(self, slug: str) -> None:
        domain = "demo" if slug == MAIN else "other"
        own = Appointment.objects.filter(patient__user__email=f"patient@{domain}.kairos")
        assert own.filter(starts_at__lt=clock.now(), status=S.COMPLETED).exists()
        assert own.filter(starts_at__gt=clock.now(), status__in=OPEN).exists()

    def test_there_are_free_slots_and_taken_ones(self) -> None:
        clinic = Clinic.objects.get(slug=MAIN)
        doctor = Doctor.objects.get(user__email="doctor@demo.kairos")
        now = clock.now()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FILTER (WHERE reason IS NULL),"
                " count(*) FILTER (WHERE reason = 'SCHEDULING_CONFLICT')"
                " FROM appointments_slots(ARRAY[%s]::uuid[], ARRAY[%s]::uuid[], NULL, NULL, 15,"
                " NULL, %s, %s, %s, false, NULL, NULL, NULL, true, NULL, 5000)",
                [clinic.id, doctor.id, now + timedelta(days=1), now + timedelta(days=8), now],
            )
            free, taken = cursor.fetchone()
        assert 0.2 < free / (free + taken) < 0.6


@pytest.mark.django_db
class TestLoading:
    def test_a_second_load_changes_nothing(self, capsys) -> None:
        call_command("load_demo")
        with tenancy.scope(tenancy.SYSTEM):
            before = picture()
        call_command("load_demo", "--if-empty")
        assert capsys.readouterr().out == ""
        call_command("load_demo")
        assert "nothing was changed" in capsys.readouterr().out
        with tenancy.scope(tenancy.SYSTEM):
            assert picture() == before

    def test_if_empty_leaves_another_clinic_alone(self) -> None:
        with tenancy.scope(tenancy.SYSTEM):
            Clinic.objects.create(name="Ours", slug="ours")
        call_command("load_demo", "--if-empty")
        assert Clinic.objects.count() == 1

    def test_only_in_development(self, settings) -> None:
        settings.DEBUG = False
        with pytest.raises(CommandError, match="DEBUG"):
            call_command("load_demo")
        assert not Clinic.objects.exists()

    def test_a_load_that_breaks_leaves_nothing_and_can_be_repeated(self, monkeypatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(loading, "patients_assigned", _break)
            with pytest.raises(RuntimeError):
                call_command("load_demo", "--if-empty")
        assert not Clinic.objects.exists()
        assert not User.objects.exists()
        call_command("load_demo", "--if-empty")
        assert Clinic.objects.count() == 3

    @pytest.mark.parametrize(
        "moment",
        [
            datetime(2026, 11, 22, 8, 30, tzinfo=UTC),  # Sunday, the small hours in New York
            datetime(2026, 11, 20, 4, 55, tzinfo=UTC),  # five to midnight there
            datetime(2026, 10, 31, 16, 0, tzinfo=UTC),  # the day before its clocks change
        ],
    )
    def test_at_any_hour(self, moment: datetime) -> None:
        with time_machine.travel(moment, tick=False):
            call_command("load_demo")
            with tenancy.scope(tenancy.SYSTEM):
                found = set(Appointment.objects.values_list("status", flat=True))
        assert found >= {S.COMPLETED, S.NO_SHOW, S.CANCELLED, S.IN_PROGRESS, S.CONFIRMED, S.PENDING}

    def test_the_same_moment_gives_the_same_data(self) -> None:
        def once() -> list[tuple[Any, ...]]:
            with transaction.atomic():
                with tenancy.scope(tenancy.SYSTEM):
                    call_command("load_demo")
                    seen = picture()
                transaction.set_rollback(True)
            return seen

        with time_machine.travel(datetime(2026, 11, 24, 15, 10, tzinfo=UTC), tick=False):
            assert once() == once()

    def test_the_other_clinic_sees_nothing_of_it(self) -> None:
        call_command("load_demo")
        other = Clinic.objects.get(slug=OTHER)
        with tenancy.scope([other.id]):
            assert set(Patient.objects.values_list("clinic__slug", flat=True)) == {OTHER}
            assert set(Appointment.objects.values_list("clinic__slug", flat=True)) == {OTHER}


def _break(*args: Any) -> None:
    raise RuntimeError("killed here")
