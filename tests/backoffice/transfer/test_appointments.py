"""Appointments from a file: in our own columns, and as a mapping says."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from accounts.models import User
from appointments.models import Appointment, AppointmentEvent, BusyTime, ImportedRow
from backoffice.models import TransferState
from clinics.models import Doctor, Location, Patient
from core import tenancy
from core.errors import KairosError
from core.models import AuditEvent, OutboxEvent
from tests.backoffice.transfer.desk import Desk, as_csv, rows_of
from tests.casts import Cast, build_cast
from tests.importing.files import DAYS, line, register, text

HEADER = (
    "id", "patient id", "mrn", "patient name", "doctor", "status", "starts", "minutes", "service",
    "location", "reason",
)  # fmt: skip
BERLIN = ZoneInfo("Europe/Berlin")
SOON = (
    (datetime.now(tz=UTC) + timedelta(days=9))
    .astimezone(BERLIN)
    .replace(hour=10, minute=0, second=0, microsecond=0)
)


def visits_of(cast: Cast) -> list[Appointment]:
    with tenancy.scope([cast.clinic.id]):
        return list(Appointment.objects.filter(clinic=cast.clinic).order_by("starts_at"))


def trace(cast: Cast) -> dict[str, int]:
    """How much there is of all that an import of visits writes."""
    models = (
        Appointment, AppointmentEvent, BusyTime, ImportedRow, Patient, Doctor, Location, User,
        OutboxEvent,
    )  # fmt: skip
    with tenancy.scope(tenancy.SYSTEM):
        found = {model.__name__: model.objects.count() for model in models}
        acts = AuditEvent.objects.exclude(entity="backoffice.transfer")
        return found | {"acts": acts.count()}


def own(cast: Cast) -> bytes:
    email = cast.doctor_user.email
    soon, later = SOON.isoformat(), (SOON + timedelta(hours=2)).isoformat()
    past = "2020-05-04 09:00"
    return as_csv(
        HEADER,
        [
            ("v-1", "P-1", "", "Ada", email, "completed", past, "30", "Visit", "", ""),
            ("v-2", "P-1", "", "Ada", email, "scheduled", soon, "30", "", "Main", "Ear"),
            ("v-3", "", cast.patient.mrn, "Anna", cast.doctor.display_name, "confirmed",
             later, "45", "", "", ""),
        ],
    )  # fmt: skip


def test_visits_in_our_own_columns(cast, desk):
    done = desk.load("appointments", own(cast))
    assert done.counts == (3, 0, 0, 0)
    past, soon, later = visits_of(cast)
    assert past.starts_at == datetime(2020, 5, 4, 9, tzinfo=BERLIN)
    assert (soon.starts_at, soon.reason) == (SOON, "Ear")
    assert (later.patient_id, later.status) == (cast.patient.id, "CONFIRMED")
    assert past.patient_id == soon.patient_id
    with tenancy.scope([cast.clinic.id]):
        assert BusyTime.objects.filter(clinic=cast.clinic).count() == 2
    after = trace(cast)
    assert desk.load("appointments", own(cast)).counts == (0, 0, 3, 0)
    assert trace(cast) == after


def test_a_check_finds_conflicts_and_leaves_nothing_behind(cast, desk):
    email = cast.doctor_user.email
    at = SOON.isoformat()
    rows = [
        ("w-1", "P-1", "", "Ada", email, "scheduled", at, "30", "", "", ""),
        ("w-2", "P-2", "", "Ben", email, "scheduled", at, "30", "", "", ""),
        ("w-3", "P-3", "", "Cleo", "nobody@example.test", "scheduled", at, "30", "", "", ""),
        ("w-4", "P-4", "", "Dan", email, "completed", at, "30", "", "", ""),
        ("w-5", "P-5", "", "Eve", email, "scheduled", at, "30", "Unheard of", "", ""),
        ("w-6", "P-6", "", "Fay", email, "scheduled", at, "30", "", "Elsewhere", ""),
        ("w-7", "P-7", cast.patient.mrn, "Gus", email, "scheduled", at, "30", "", "", ""),
        ("w-8", "P-8", "", "Hal", email, "asleep", "2026-01-01", "30", "", "", ""),
    ]
    before = trace(cast)
    checked = desk.check("appointments", as_csv(HEADER, rows))
    assert checked.counts == (1, 0, 0, 7)
    assert [(line, code) for line, _, code in checked.faults] == [
        (3, "SCHEDULING_CONFLICT"),
        (4, "UNKNOWN_DOCTOR"),
        (5, "NOT_YET"),
        (6, "UNKNOWN_SERVICE"),
        (7, "UNKNOWN_LOCATION"),
        (8, "RECORD_NUMBER_TAKEN"),
        (9, "UNKNOWN_STATUS"),
        (9, "BAD_DATE"),
    ]
    after = trace(cast)
    assert after == before
    assert desk.run(checked, skip=True).counts == (1, 0, 0, 7)
    assert len(visits_of(cast)) == 1


def test_our_own_export_comes_back_unchanged_and_moves_to_another_clinic(cast, desk, outsider):
    desk.load("appointments", own(cast))
    exported = desk.export("appointments")
    assert desk.load("appointments", exported).counts == (0, 0, 3, 0)
    assert len(visits_of(cast)) == 3
    # The visits of one clinic are unknown ids in another; its doctors are not there.
    with tenancy.scope([cast.clinic.id]):
        theirs = Appointment.objects.get(patient=cast.patient)
    other = Desk(outsider)
    moved = exported.replace(cast.doctor_user.email.encode(), outsider.doctor_user.email.encode())
    assert other.load("appointments", moved).counts == (3, 0, 0, 0)
    with tenancy.scope([outsider.clinic.id]):
        assert ImportedRow.objects.filter(external_id=str(theirs.id)).exists()
    assert other.load("appointments", moved).counts == (0, 0, 3, 0)
    assert len(visits_of(cast)) == 3


def test_export_filters_and_clinical_text(cast, desk):
    desk.load("appointments", own(cast))
    assert len(rows_of(desk.export("appointments"))) == 3
    assert len(rows_of(desk.export("appointments", status="COMPLETED"))) == 1
    assert len(rows_of(desk.export("appointments", since=SOON.date()))) == 2
    assert len(rows_of(desk.export("appointments", until=SOON.date() - timedelta(days=1)))) == 1
    assert rows_of(desk.export("appointments", doctor=cast.clinic.id)) == []
    assert "Ear" in {row["reason"] for row in rows_of(desk.export("appointments"))}
    assert "reason" not in rows_of(desk.export("appointments", clinical=False))[0]


def test_a_register_as_its_mapping_says(cast, desk):
    rows = register(60, patients=20)
    checked = desk.check("appointments", text(rows).encode(), mapping=DAYS)
    before = trace(cast)
    assert checked.counts == (57, 0, 0, 3)
    assert checked.codes == {"BAD_PATIENT_ID", "BAD_AGE", "BOOKED_AFTER_VISIT"}
    assert not Doctor.objects.filter(display_name__startswith="Register").exists()
    done = desk.run(checked, skip=True)
    assert done.counts == checked.counts
    assert trace(cast)["Appointment"] == before["Appointment"] + 57
    again = desk.load("appointments", text(rows).encode(), mapping=DAYS, skip=True)
    assert again.counts == (0, 0, 57, 3)


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("system = ", "Invalid value"),
        ("system = 'x'", "Field required"),
        (DAYS.replace('"Neighbourhood"', '"Street"'), "no column Street"),
    ],
)
def test_a_mapping_that_cannot_be_used(desk, mapping, words):
    with pytest.raises(KairosError) as refused:
        desk.upload("appointments", text([line(1)]).encode(), mapping=mapping)
    assert words in refused.value.errors["mapping"][0]


def test_a_mapping_is_for_appointments(desk):
    with pytest.raises(KairosError):
        desk.upload("patients", text([line(1)]).encode(), mapping=DAYS)


def test_a_clinic_without_a_location(cast, desk):
    with tenancy.scope([cast.clinic.id]):
        Location.objects.filter(clinic=cast.clinic).update(is_active=False)
    checked = desk.check("appointments", own(cast))
    assert checked.transfer.state == TransferState.FAILED
    assert "no location" in checked.transfer.failure


def test_two_clinics_import_the_same_ids(db):
    first, second = Desk(build_cast("one")), Desk(build_cast("two"))
    rows = text([line(1), line(2)]).encode()
    assert first.load("appointments", rows, mapping=DAYS).counts == (2, 0, 0, 0)
    assert second.load("appointments", rows, mapping=DAYS).counts == (2, 0, 0, 0)
