"""What becomes of each row: a visit, or a reason why not."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError
from django.db import connection

from appointments.models import Appointment, AppointmentEvent, BusyTime, ImportedRow
from clinics.models import Clinic, Doctor, Membership, Patient
from core import clock, tenancy
from core.models import AuditEvent
from tests.importing.files import Importer, line, overlaps, picture, register, text

ZONE = ZoneInfo("America/Sao_Paulo")


def test_a_sound_row_becomes_a_visit_with_its_history(importer: Importer) -> None:
    outcome = importer(text([line(1, patient="77", gender="M", age="30", no_show="Yes")]))
    assert "1 rows: 1 accepted, 0 already there, 0 refused; 1 new patients." in outcome.printed
    with tenancy.scope(tenancy.SYSTEM):
        visit = Appointment.objects.select_related("patient", "location").get()
        assert visit.status == "NO_SHOW"
        assert visit.source == "IMPORT"
        assert visit.location is not None
        assert visit.location.name == "Old town"
        local = visit.starts_at.astimezone(ZONE)
        assert local.date() == date(2016, 4, 29)
        assert 8 <= local.hour < 12
        assert visit.ends_at - visit.starts_at == timedelta(minutes=30)
        patient = visit.patient
        assert (patient.external_id, patient.mrn) == ("77", "R-77")
        assert (patient.given_name, patient.sex) == ("Patient 77", "male")
        assert patient.birth_date == date(1986, 1, 1)
        assert patient.region == "CENTRO"
        events = list(AppointmentEvent.objects.order_by("id"))
        assert [(event.verb, event.from_status, event.to_status) for event in events] == [
            ("book", "", "SCHEDULED"),
            ("import", "SCHEDULED", "NO_SHOW"),
        ]
        assert events[0].at == datetime(2016, 4, 1, 9, tzinfo=UTC)
        assert ImportedRow.objects.get().external_id == "1"


def test_a_chunk_is_one_audited_act_about_its_patients(importer: Importer) -> None:
    importer(text([line(1, patient="7"), line(2, patient="7"), line(3, patient="8")]))
    with tenancy.scope(tenancy.SYSTEM):
        act = AuditEvent.objects.get(action="appointments.imported")
        assert set(act.subjects) == set(Patient.objects.values_list("id", flat=True))
        assert act.changes["count"] == [None, 3]
        assert AuditEvent.objects.get(action="patients.imported").changes["count"] == [None, 2]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"PatientId": "9377952927E-5"}, "BAD_PATIENT_ID"),
        ({"PatientId": ""}, "MISSING_VALUE"),
        ({"AppointmentID": "A-1"}, "BAD_ROW_ID"),
        ({"Age": "-1"}, "BAD_AGE"),
        ({"Age": "121"}, "BAD_AGE"),
        ({"Age": "forty"}, "BAD_AGE"),
        ({"Gender": "X"}, "BAD_VALUE"),
        ({"No-show": "Perhaps"}, "UNKNOWN_STATUS"),
        ({"No-show": ""}, "MISSING_VALUE"),
        ({"AppointmentDay": "2016-02-30"}, "BAD_DATE"),
        ({"AppointmentDay": "29/04/2016"}, "BAD_DATE"),
        ({"AppointmentDay": "0001-01-01"}, "BAD_DATE"),
        ({"AppointmentDay": "9999-12-31", "No-show": "Open"}, "BAD_DATE"),
        ({"ScheduledDay": "2016-04-30T04:00:00Z"}, "BOOKED_AFTER_VISIT"),
        ({"ScheduledDay": "2016-04-28T09:00:00"}, "TIME_WITHOUT_OFFSET"),
        ({"ScheduledDay": "0001-01-01T00:00:00+14:00"}, "BAD_DATE"),
        ({"ScheduledDay": "soon"}, "BAD_DATE"),
        ({"Neighbourhood": "x" * 81}, "TEXT_TOO_LONG"),
        ({"Neighbourhood": "a\0b"}, "NUL_BYTE"),
        ({"AppointmentDay": "2100-01-01"}, "BAD_DATE"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason_and_the_others_come_in(
    importer: Importer, cells: dict[str, str], code: str
) -> None:
    outcome = importer(text([line(1), line(2) | cells, line(3)]))
    assert [(row[0], row[2]) for row in outcome.refused] == [("3", code)]
    assert "2 accepted" in outcome.printed
    assert f"1 {code}" in outcome.printed
    assert len(picture()) == 2
    with tenancy.scope(tenancy.SYSTEM):
        assert Patient.objects.count() == 2


def test_a_visit_to_come_cannot_be_completed(importer: Importer) -> None:
    tomorrow = f"{clock.now().astimezone(ZONE).date() + timedelta(days=1)}"
    outcome = importer(text([line(1, day=tomorrow), line(2, day=tomorrow, no_show="Open")]))
    assert outcome.codes == {"1": "NOT_YET"}
    with tenancy.scope(tenancy.SYSTEM):
        visit = Appointment.objects.get()
        assert visit.status == "SCHEDULED"
        assert BusyTime.objects.get().appointment_id == visit.id
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_dirt_of_a_real_register(importer: Importer) -> None:
    outcome = importer(text(register(100, patients=40)), chunk=25)
    assert outcome.codes == {"8": "BAD_PATIENT_ID", "12": "BAD_AGE", "14": "BOOKED_AFTER_VISIT"}
    assert "97 accepted, 0 already there, 3 refused" in outcome.printed
    assert len(picture()) == 97
    assert overlaps() == 0


def test_many_visits_of_one_patient_on_one_day_follow_one_another(importer: Importer) -> None:
    importer(text([line(number, patient="7") for number in range(1, 9)]))
    assert overlaps() == 0
    assert len({row[1] for row in picture()}) == 8


def test_a_full_day_is_refused(importer: Importer) -> None:
    # One patient's visits cannot overlap, whoever the doctor: eight slots, nine visits.
    outcome = importer(text([line(number, patient="7") for number in range(1, 10)]))
    assert outcome.codes == {"9": "DAY_FULL"}


def test_a_visit_lies_after_its_booking_where_the_day_has_room(importer: Importer) -> None:
    booked = "2016-04-29T12:50:00Z"  # 09:50 there
    importer(text([line(number, scheduled=booked) for number in range(1, 5)]))
    assert all(row[1] >= datetime(2016, 4, 29, 12, 50, tzinfo=UTC) for row in picture())


def test_a_repeated_id_comes_in_once(importer: Importer) -> None:
    outcome = importer(text([line(1), line(1), line(2)]))
    assert "2 accepted, 1 already there, 0 refused" in outcome.printed


def test_what_people_booked_since_is_left_alone(importer: Importer) -> None:
    importer(text([line(number, patient="7") for number in range(1, 5)]))
    importer(text([line(number, patient="7") for number in range(1, 8)]))
    assert len(picture()) == 7
    assert overlaps() == 0


def test_a_record_number_of_another_patient_is_refused(importer: Importer) -> None:
    importer(text([line(1, patient="7")]))
    with tenancy.scope(tenancy.SYSTEM):
        Patient.objects.create(clinic=Clinic.objects.get(), mrn="R-8", given_name="Desk")
    outcome = importer(text([line(2, patient="8"), line(3, patient="9")]))
    assert outcome.codes == {"2": "RECORD_NUMBER_TAKEN"}


def test_the_roster_cannot_sign_in_and_is_made_once(importer: Importer) -> None:
    importer(text([line(1)]))
    importer(text([line(2)]))
    with tenancy.scope(tenancy.SYSTEM):
        doctors = Doctor.objects.select_related("user")
        assert doctors.count() == 3
        assert not any(one.user.is_active or one.user.has_usable_password() for one in doctors)
        assert Membership.objects.filter(role="DOCTOR").count() == 3


def test_another_clinic_sees_nothing_of_it(importer: Importer) -> None:
    importer(text([line(1)]))
    with tenancy.scope(tenancy.SYSTEM):
        outsider = Clinic.objects.create(name="Away", slug="away")
    with tenancy.scope([outsider.id]):
        assert not Appointment.objects.exists()
        assert not Patient.objects.exists()
        assert not ImportedRow.objects.exists()
        assert not AppointmentEvent.objects.exists()
        assert not AuditEvent.objects.filter(action__endswith="imported").exists()


def test_strict_says_so_with_the_exit_code(importer: Importer) -> None:
    with pytest.raises(CommandError) as stopped:
        importer(text([line(1, age="-1"), line(2)]), strict=True)
    assert stopped.value.returncode == 2
    assert len(picture()) == 1


def test_one_file_goes_to_two_clinics(importer: Importer) -> None:
    content = text(register(60, patients=20))
    importer(content)
    importer(content, clinic="new-town")
    assert picture("new-town") == picture()
