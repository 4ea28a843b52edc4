"""Doctors, working hours and services from a file."""

from datetime import time

import pytest

from accounts.models import User
from accounts.roles import Role
from clinics.models import Doctor, Location, Membership, ScheduleTemplate, Service
from core import tenancy
from core.models import AuditEvent, OutboxEvent
from tests.backoffice.transfer.desk import Desk, as_csv
from tests.casts import Cast, build_user

DOCTORS = as_csv(
    ("Email", "Name", "First name", "Last name", "Role", "Profession", "Specialties", "Languages"),
    [
        ("new@example.test", "Dr New", "Nia", "New", "", "", "Cardiology; Ear, nose", "en; de"),
        ("other@example.test", "Dr Other", "", "", "therapist", "Physiotherapist", "", ""),
    ],
)
HOURS = ("doctor", "location", "weekday", "from", "to", "slot", "valid from", "services")


def hours_of(cast: Cast) -> set[tuple]:
    with tenancy.scope([cast.clinic.id]):
        found = ScheduleTemplate.objects.filter(clinic=cast.clinic).exclude(id=cast.template.id)
        return set(found.values_list("weekday", "start_time", "end_time", "slot_minutes"))


def test_doctors_become_members_who_can_be_booked(cast, desk):
    done = desk.load("doctors", DOCTORS)
    assert done.counts == (2, 0, 0, 0)
    with tenancy.scope([cast.clinic.id]):
        new = Doctor.objects.get(user__email="new@example.test")
        roles = set(Membership.objects.filter(user=new.user).values_list("role", "clinic_id"))
    assert new.specialties == ["Cardiology", "Ear, nose"]
    assert not new.user.has_usable_password()
    assert roles == {(Role.DOCTOR, cast.clinic.id)}
    assert desk.load("doctors", DOCTORS).counts == (0, 0, 2, 0)
    changed = DOCTORS.replace(b"Cardiology", b"Surgery")
    assert desk.load("doctors", changed).counts == (0, 1, 1, 0)


def test_a_check_of_doctors_leaves_nobody_behind(cast, desk):
    with tenancy.scope(tenancy.SYSTEM):
        acts = AuditEvent.objects.exclude(entity="backoffice.transfer").count()
        events = OutboxEvent.objects.count()
    users, doctors = User.objects.count(), Doctor.objects.count()
    assert desk.check("doctors", DOCTORS).counts == (2, 0, 0, 0)
    with tenancy.scope(tenancy.SYSTEM):
        assert AuditEvent.objects.exclude(entity="backoffice.transfer").count() == acts
        assert OutboxEvent.objects.count() == events
    assert (User.objects.count(), Doctor.objects.count()) == (users, doctors)


def test_a_doctor_of_another_clinic_joins_with_the_entry_there_is(cast, outsider, desk):
    email = outsider.doctor_user.email
    file = as_csv(("email", "display_name"), [(email, outsider.doctor.display_name)])
    assert desk.load("doctors", file).counts == (1, 0, 0, 0)
    assert desk.load("doctors", file).counts == (0, 0, 1, 0)
    assert Doctor.objects.filter(user=outsider.doctor_user).count() == 1


def test_doctors_who_cannot_be(cast, desk):
    build_user("holder", phone="+493011111111")
    file = as_csv(
        ("email", "phone", "display_name", "role", "max_daily_appointments"),
        [
            ("no address", "", "A", "", ""),
            ("", "", "Nobody", "", ""),
            ("b@example.test", "", "B", "RECEPTIONIST", ""),
            ("c@example.test", "+493011111111", "Another's phone", "", ""),
            ("d@example.test", "", "D", "", "0"),
            ("e@example.test", "", "E", "", "-3"),
        ],
    )
    checked = desk.check("doctors", file)
    assert checked.counts == (0, 0, 0, 6)
    assert [(line, column, code) for line, column, code in checked.faults] == [
        (2, "email", "BAD_VALUE"),
        (3, "email", "MISSING_VALUE"),
        (4, "", "BAD_VALUE"),
        (5, "", "CONFLICT"),
        (6, "max_daily_appointments", "BAD_VALUE"),
        (7, "max_daily_appointments", "BAD_VALUE"),
    ]
    assert not User.objects.filter(email__in=["b@example.test", "d@example.test"]).exists()


def test_working_hours(cast, desk):
    email = cast.doctor_user.email
    file = as_csv(
        HOURS,
        [
            (email, "Main", "Tuesday", "09:00", "12:00", "20", "", "Visit"),
            (cast.doctor.display_name, "main", "miércoles", "9h", "1 pm", "", "2026-01-01", ""),
        ],
    )
    assert desk.load("hours", file).counts == (2, 0, 0, 0)
    assert hours_of(cast) == {(2, time(9), time(12), 20), (3, time(9), time(13), 30)}
    assert desk.load("hours", file).counts == (0, 0, 2, 0)
    assert desk.load("hours", file.replace(b"12:00,20", b"11:30,20")).counts == (0, 1, 1, 0)
    with tenancy.scope([cast.clinic.id]):
        tuesday = ScheduleTemplate.objects.get(clinic=cast.clinic, weekday=2)
        assert list(tuesday.services.all()) == [cast.service]


def test_hours_that_cannot_be(cast, outsider, desk):
    email = cast.doctor_user.email
    file = as_csv(
        HOURS,
        [
            (email, "Main", "Monday", "11:00", "14:00", "", "", ""),  # overlaps what is there
            (email, "Main", "Tuesday", "09:00", "12:00", "", "", ""),
            (email, "Main", "Tuesday", "11:00", "13:00", "", "", ""),  # overlaps the line above
            (email, "Main", "Friday", "12:00", "09:00", "", "", ""),
            (email, "Elsewhere", "Friday", "09:00", "12:00", "", "", ""),
            (outsider.doctor_user.email, "Main", "Friday", "09:00", "12:00", "", "", ""),
            (email, "Main", "Someday", "09:00", "25:00", "", "", ""),
            (email, "Main", "Sunday", "09:00", "12:00", "", "", "Unheard of"),
            (email, "Main", "Tuesday", "09:00", "12:30", "", "", ""),  # says line 3 again
        ],
    )
    checked = desk.check("hours", file)
    assert checked.counts == (1, 0, 0, 8)
    assert [(line, code) for line, _, code in checked.faults] == [
        (2, "CONFLICT"),
        (4, "CONFLICT"),
        (5, "VALIDATION_ERROR"),
        (6, "UNKNOWN_LOCATION"),
        (7, "UNKNOWN_DOCTOR"),
        (8, "BAD_VALUE"),
        (8, "BAD_VALUE"),
        (9, "UNKNOWN_SERVICE"),
        (10, "DUPLICATE_IN_FILE"),
    ]
    assert hours_of(cast) == set()
    assert desk.run(checked, skip=True).counts == (1, 0, 0, 8)
    assert hours_of(cast) == {(2, time(9), time(12), 30)}


def test_another_clinics_location_is_unknown(cast, outsider, desk):
    with tenancy.scope([outsider.clinic.id]):
        Location.objects.filter(id=outsider.location.id).update(name="Theirs")
    file = as_csv(HOURS, [(cast.doctor_user.email, "Theirs", "2", "9:00", "10:00", *3 * [""])])
    assert desk.check("hours", file).codes == {"UNKNOWN_LOCATION"}


def test_services(cast, desk):
    file = as_csv(
        ("Service", "Duration (min)", "Ways to meet", "Patients may book it", "Colour"),
        [
            ("Check-up", "45", "in person; video", "no", "#112233"),
            ("Visit", "30", "", "", ""),
            ("Too long", "1000", "", "", ""),
            ("No duration", "", "", "", ""),
            ("Bad colour", "30", "carrier pigeon", "perhaps", "green"),
        ],
    )
    done = desk.load("services", file, skip=True)
    assert done.counts == (1, 0, 1, 3)
    assert [(line, column) for line, column, _ in done.faults] == [
        (4, "Duration (min)"),
        (5, "Duration (min)"),
        (6, "Ways to meet"),
        (6, "Patients may book it"),
    ]
    with tenancy.scope([cast.clinic.id]):
        service = Service.objects.get(clinic=cast.clinic, name="Check-up")
    assert (service.modes, service.is_public) == (["IN_PERSON", "VIDEO_CALL"], False)
    assert desk.load("services", file, skip=True).counts == (0, 0, 2, 3)


@pytest.mark.parametrize("kind", ["doctors", "hours", "services"])
def test_all_or_nothing_leaves_nothing_of_a_file_with_a_bad_line(cast, kind):
    desk = Desk(cast)
    files = {
        "doctors": as_csv(("email", "display_name"), [("a@example.test", "A"), ("b", "B")]),
        "hours": as_csv(
            HOURS[:5],
            [
                (cast.doctor_user.email, "Main", "2", "9:00", "10:00"),
                (cast.doctor_user.email, "Main", "2", "9:30", "10:00"),
            ],
        ),
        "services": as_csv(("name", "duration"), [("A", "30"), ("B", "3")]),
    }
    checked = desk.check(kind, files[kind])
    assert checked.counts == (1, 0, 0, 1)
    with tenancy.scope([cast.clinic.id]):
        assert not User.objects.filter(email="a@example.test").exists()
        assert ScheduleTemplate.objects.filter(clinic=cast.clinic).count() == 1
        assert Service.objects.filter(clinic=cast.clinic).count() == 1
