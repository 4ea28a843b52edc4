"""Requests that wait for the clinic: how many, and what is known about each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils.translation import ngettext

from accounts.roles import Permission
from appointments.models import Appointment
from appointments.selectors.appointments import shows_clinical_text
from appointments.selectors.visits import requests_counted
from clinics.models import Patient
from clinics.selectors.patients import patients_like_each
from core import clock
from dashboard.access import Desk

#: A number beyond this says no more.
MOST_COUNTED: Final = 99


@dataclass(frozen=True, slots=True)
class Request:
    """A visit that was asked for. `twins` are older charts that may be the same person's."""

    visit: Appointment
    waits: str
    is_over: bool
    clinical: bool
    twins: Sequence[Patient]


def pending_count(desk: Desk) -> str:
    """How many requests this person may answer, for the top bar: empty for none, at most 99+."""
    if not desk.may(Permission.APPOINTMENT_MANAGE):
        return ""
    found = requests_counted(desk.principal, clinic=desk.clinic.id, limit=MOST_COUNTED + 1)
    if found > MOST_COUNTED:
        return f"{MOST_COUNTED}+"
    return str(found) if found else ""


def described(desk: Desk, visits: Sequence[Appointment]) -> list[Request]:
    """The requests with what helps to decide, in two more queries."""
    now = clock.now()
    guests = [
        visit.patient
        for visit in visits
        if visit.patient.user_id is None and visit.booked_by_id is None
    ]
    twins = patients_like_each(desk.clinic.id, guests)
    return [
        Request(
            visit=visit,
            waits=waited(now - visit.created_at),
            is_over=visit.starts_at <= now,
            clinical=shows_clinical_text(desk.principal, visit),
            twins=twins.get(visit.patient_id, ()),
        )
        for visit in visits
    ]


def waited(span: timedelta) -> str:
    """How long somebody has waited, in words: minutes, hours or days."""
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 60:
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    hours = minutes // 60
    if hours < 48:
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    return ngettext("%(n)d day", "%(n)d days", hours // 24) % {"n": hours // 24}
