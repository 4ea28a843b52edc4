"""A clinic on an ordinary day, for a browser over committed data and the real clock.

The clinic lies where it is about eleven in the morning now, so that there is a past and a future
of today whenever the tests run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from accounts.models import User
from accounts.roles import Role
from appointments.models import Appointment
from appointments.services.booking import appointment_book
from clinics.models import Doctor, Patient, ScheduleTemplate
from clinics.principal import Principal, principal_open
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_update
from clinics.services.memberships import membership_add
from core import clock, context, tenancy
from tests.casts import Cast, build_cast, build_patient

CLINIC = "Harbour Street Clinic"
PASSWORD = "a-long-enough-passphrase"
_LATE_MORNING = 11
_PATIENTS = (
    ("Amelia", "Okonkwo-Lindqvist", "1987-02-14", "+4930901820001"),
    ("Bartholomäus", "Großmann", "1951-11-30", "+4930901820002"),
    ("Chioma", "Adeyemi", "2019-07-03", "+4930901820003"),
)


@dataclass
class Scene:
    """The clinic, who signs in to it, and its patients besides the cast's."""

    cast: Cast
    admin: User
    zone: ZoneInfo
    patients: list[Patient]

    def today_at(self, hour: int, minute: int = 0, *, days: int = 0) -> datetime:
        """A wall-clock time of today, or of a day from today, in the clinic."""
        here = clock.now().astimezone(self.zone) + timedelta(days=days)
        return here.replace(hour=hour, minute=minute, second=0, microsecond=0)

    @contextmanager
    def acting(self) -> Iterator[Principal]:
        """The administrator's rights and scope, in a transaction."""
        with tenancy.scope(()):
            context.begin("a-scene")
            context.current().actor_id = self.admin.id
            by = principal_open(self.admin.id, None, write=True)
            assert by is not None
            yield by

    def book(self, patient: Patient, at: datetime, **more: Any) -> Appointment:
        """A visit to the cast's doctor, booked by the administrator."""
        with self.acting() as by:
            return appointment_book(
                by=by,
                doctor=self.cast.doctor.id,
                patient=patient.id,
                location=self.cast.location.id,
                service=self.cast.service.id,
                starts_at=at,
                reason="Persistent cough",
                **more,
            )


def build_scene(slug: str = "harbour") -> Scene:
    """The clinic with hours from six to ten at night, every day, and nothing booked."""
    name = _zone_where_it_is(_LATE_MORNING)
    cast = build_cast(slug, timezone=name)
    admin = cast.clinic_admin
    admin.set_password(PASSWORD)
    admin.save(update_fields=["password"])
    with tenancy.scope(tenancy.SYSTEM):
        clinic_update(
            clinic=cast.clinic,
            expected_version=None,
            name=CLINIC,
            min_notice_minutes=0,
            checkin_opens_minutes=24 * 60,  # the window before a visit has tests of its own
        )
        for weekday in range(1, 8):
            for start, end in ((6, 9), (9, 12), (12, 22)):
                if (weekday, start) != (cast.template.weekday, 9):  # that one the cast has
                    _hours(cast, cast.doctor, weekday, time(start), time(end))
    patients = [
        build_patient(cast.clinic, given, family, birth_date=born, phone=phone)
        for given, family, born, phone in _PATIENTS
    ]
    return Scene(cast, admin, ZoneInfo(name), patients)


def second_clinic(scene: Scene) -> Cast:
    """Another clinic that the same person administers."""
    cast = build_cast("station", timezone="Europe/Berlin")
    with tenancy.scope(tenancy.SYSTEM):
        clinic_update(clinic=cast.clinic, expected_version=None, name="Station Square Clinic")
        membership_add(clinic=cast.clinic, user=scene.admin, role=Role.CLINIC_ADMIN)
    return cast


def _hours(cast: Cast, doctor: Doctor, weekday: int, start: time, end: time) -> None:
    fields = {
        "clinic": cast.clinic,
        "doctor": doctor,
        "location": cast.location,
        "weekday": weekday,
        "start_time": start,
        "end_time": end,
    }
    create_row(ScheduleTemplate, fields, action="schedule_template.created")


def _zone_where_it_is(hour: int) -> str:
    """A zone of a fixed offset; POSIX names have the sign the wrong way round."""
    offset = (hour - clock.now().hour + 12) % 24 - 12
    return f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT"
