"""Who does what in the demo clinics, and the visits that there are already."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from accounts.roles import Role
from appointments.models import Appointment, AppointmentStatus
from clinics.models import Clinic, Doctor, Membership
from clinics.principal import Principal, principal_open
from core import context, tenancy

_LATELY = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class DemoClinic:
    """A clinic with who works in it; `desk` is a receptionist's user, None where there is none.

    `doctors` and `done` (the completed visits of the last three weeks, latest first) come in an
    order that does not depend on ids, so that what is made of them is the same for the same diary.
    """

    clinic: Clinic
    now: datetime
    desk: UUID | None
    doctors: list[Doctor]
    done: list[Appointment]

    @property
    def today(self) -> date:
        return self.now.astimezone(ZoneInfo(self.clinic.timezone)).date()

    def books(self, doctor: Doctor) -> UUID:
        """The user who books for that doctor: the desk, or else the doctor."""
        return self.desk or doctor.user_id


def clinic_read(clinic: Clinic, *, now: datetime) -> DemoClinic:
    """The clinic as the diary has left it."""
    desk = Membership.objects.filter(clinic=clinic, role=Role.RECEPTIONIST, is_active=True)
    done = (
        Appointment.objects.filter(
            clinic=clinic, status=AppointmentStatus.COMPLETED, starts_at__gte=now - _LATELY
        )
        .exclude(service=None)
        .select_related("doctor", "patient")
        .order_by("-starts_at", "doctor__display_name", "patient__mrn")
    )
    doctors = Doctor.objects.filter(
        user__memberships__clinic=clinic, user__memberships__is_active=True, is_active=True
    )
    return DemoClinic(
        clinic=clinic,
        now=now,
        desk=desk.order_by("id").values_list("user_id", flat=True).first(),
        doctors=list(doctors.distinct().order_by("display_name")),
        done=list(done),
    )


@contextmanager
def acting(user: UUID) -> Iterator[Principal]:
    """That person's rights and scope, as in a request of theirs; what is done is written as theirs.

    Inside the transaction of the load, whose scope it gives back.
    """
    here = context.current()
    before = here.actor_id
    try:
        with tenancy.scope(()):
            here.actor_id = user
            by = principal_open(user, None, write=True)
            assert by is not None  # noqa: S101 - the demo has just made them
            yield by
    finally:
        here.actor_id = before
