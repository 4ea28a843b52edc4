"""What the tests of patients, leave and search have in common: pages as somebody sees them."""

import html
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.roles import Role
from appointments.models import Appointment
from appointments.services.booking import appointment_book
from appointments.services.leave import exception_create
from clinics.models import Doctor, ExceptionKind, Patient, ScheduleException, ScheduleTemplate
from clinics.principal import Principal, principal_open
from clinics.services.changes import create_row
from clinics.services.memberships import membership_add
from core import context, tenancy
from tests.casts import Cast, build_user
from tests.support.forms import form_of

#: The days after the one on which time stands still.
TUESDAY, WEDNESDAY = date(2035, 6, 5), date(2035, 6, 6)
ALL_WEEK = range(1, 8)


class AtDesk:
    """Somebody's browser at the desk of a clinic, without JavaScript."""

    def __init__(self, user: User, cast: Cast) -> None:
        self.client = Client()
        self.client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
        self.slug = cast.clinic.slug

    def address(self, name: str, **parts: Any) -> str:
        return reverse(name, kwargs={"slug": self.slug, **parts})

    def get(self, name: str, query: dict[str, Any] | None = None, **parts: Any) -> Any:
        return self.client.get(self.address(name, **parts), query or {})

    def post(self, name: str, data: dict[str, Any], **parts: Any) -> Any:
        return self.client.post(self.address(name, **parts), data)


def text_of(answer: Any) -> str:
    """The page's source, entities resolved."""
    return html.unescape(answer.content.decode())


def acting(user: User) -> Principal:
    """The user's rights and scope, in the open transaction."""
    context.current().actor_id = user.id
    found = principal_open(user.id, None, write=True)
    assert found is not None
    return found


def booked(cast: Cast, at: datetime, patient: Patient | None = None, **more: Any) -> Appointment:
    """A visit to the cast's doctor, booked by reception; its clinical text says so."""
    values = {
        "doctor": cast.doctor.id,
        "patient": (patient or cast.patient).id,
        "location": cast.location.id,
        "service": cast.service.id,
        "reason": "sorekneereason",
        "notes": "visitnotestext",
    } | more
    with tenancy.scope(tenancy.SYSTEM):
        return appointment_book(by=acting(cast.receptionist), starts_at=at, **values)


def more_hours(cast: Cast, doctor: Doctor, weekdays: Iterable[int], start: time, end: time) -> None:
    """Weekly hours of half-hour slots."""
    with tenancy.scope(tenancy.SYSTEM):
        for weekday in weekdays:
            fields = {
                "clinic": cast.clinic,
                "doctor": doctor,
                "location": cast.location,
                "weekday": weekday,
                "start_time": start,
                "end_time": end,
            }
            create_row(ScheduleTemplate, fields, action="test.made")


def another_doctor(cast: Cast, name: str, **fields: Any) -> Doctor:
    """One more doctor of the clinic, without hours."""
    with tenancy.scope(tenancy.SYSTEM):
        user = build_user(f"doctor{uuid4().hex[:6]}")
        membership_add(clinic=cast.clinic, user=user, role=Role.DOCTOR)
        return create_row(
            Doctor, {"user": user, "display_name": name, **fields}, action="test.made"
        )


def leave_of(cast: Cast, doctor: Doctor, first: date, last: date, **more: Any) -> ScheduleException:
    """Leave, entered by the administrator."""
    with tenancy.scope(tenancy.SYSTEM):
        return exception_create(
            by=acting(cast.clinic_admin),
            clinic=cast.clinic,
            kind=ExceptionKind.LEAVE,
            doctor=doctor,
            start_date=first,
            end_date=last,
            **more,
        )


def fresh(visit: Appointment) -> Appointment:
    """As it is in the database now."""
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.get(pk=visit.pk)


def listed(desk: AtDesk, leave: ScheduleException, **query: str) -> Any:
    """The list of the visits that lie in the leave."""
    answer = desk.get("desk-leave-affected", query, exception_id=leave.id)
    assert answer.status_code == 200, text_of(answer)
    return answer


def sent(answer: Any, **more: Any) -> dict[str, Any]:
    """What the list would send as it stands."""
    return form_of(answer, form_id="rebook-form") | more
