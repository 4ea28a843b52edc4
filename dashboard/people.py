"""Patients as the desk finds them while somebody types."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from accounts.roles import Permission
from appointments.models import Appointment
from appointments.selectors.booking import coming_counted
from appointments.selectors.of_patient import attendance, visits_around
from clinics.models import Patient
from clinics.selectors.patients import parse_birth_date, patients_like, patients_search
from clinics.services.contact import phone_in
from clinics.services.patients import patient_create, patients_read
from core import clock
from core.errors import ErrorCode, KairosError
from dashboard.access import Desk
from dashboard.ages import age_said

FOUND = 8
SHORTEST = 2
_PHONE = re.compile(r"[+\d][\d\s()./-]{3,}")


@dataclass(frozen=True, slots=True)
class Found:
    """A patient who fits what was typed, and how many visits are to come."""

    patient: Patient
    age: str
    coming: int


@dataclass(frozen=True, slots=True)
class Near:
    """A visit of the patient, at the time of its place."""

    visit: Appointment
    local: datetime


@dataclass(frozen=True, slots=True)
class Chosen:
    """The patient of the visit, with what reception wants to know before it books."""

    patient: Patient
    age: str
    last: Near | None
    next: Near | None
    no_shows: int


def found(desk: Desk, text: str) -> list[Found] | None:
    """Who fits, best first, in four statements; None when too little was typed. Audited."""
    if len(text) < SHORTEST or not desk.may(Permission.PATIENT_READ):
        return None
    patients = patients_search([desk.clinic.id], text, limit=FOUND)
    patients_read(patients, action="patient.searched")
    coming = coming_counted(desk.principal, [patient.id for patient in patients])
    return [Found(one, _age(desk, one), coming.get(one.id, 0)) for one in patients]


def chosen(desk: Desk, patient_id: UUID) -> Chosen:
    """One patient of this clinic. Audited. Raises NOT_FOUND, PERMISSION_DENIED."""
    desk.require(Permission.PATIENT_READ)
    patient = Patient.objects.filter(
        pk=patient_id, clinic=desk.clinic, merged_into=None, is_active=True
    ).first()
    if patient is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    patients_read([patient], action="patient.read")
    near = visits_around(desk.principal, [patient.id])[patient.id]
    return Chosen(
        patient,
        _age(desk, patient),
        _near(near.last),
        _near(near.next),
        attendance(desk.principal, patient.id).no_shows,
    )


def chart_open(desk: Desk, fields: Mapping[str, Any], *, seen: Collection[UUID]) -> Patient:
    """A new chart, unless there are others that may be of the same person.

    Raises PERMISSION_DENIED, VALIDATION_ERROR, and CONFLICT with those charts (`extra["alike"]`)
    when not all of them are in `seen`: the ones that somebody has looked at, and said no.
    """
    desk.require(Permission.PATIENT_WRITE)
    like = patients_like(
        desk.clinic.id,
        given_name=fields["given_name"],
        family_name=fields["family_name"],
        birth_date=fields["birth_date"],
        phone=phone_in(desk.clinic.country, fields["phone"]),
        email=fields["email"],
    )
    if {one.id for one in like} - set(seen):
        raise KairosError(ErrorCode.CONFLICT, extra={"alike": like})
    return patient_create(clinic=desk.clinic, fields=fields)


def alike_in(error: KairosError) -> list[Patient]:
    """The charts that `chart_open` has found, about to be shown. Audited."""
    like: list[Patient] = error.extra.get("alike", [])
    patients_read(like, action="patient.searched")
    return like


def name_typed(text: str) -> dict[str, Any]:
    """What was typed, put into the fields of a new chart: a name, a phone number or a birth date.

    The last word is taken for the family name, or the first ones before a comma.
    """
    born = parse_birth_date(text)
    if born is not None:
        return {"birth_date": born}
    if _PHONE.fullmatch(text):
        return {"phone": text}
    family, comma, given = text.partition(",")
    if not comma:
        given, _, family = text.rpartition(" ")
        if not given:
            given, family = family, ""
    return {"given_name": given.strip(), "family_name": family.strip()}


def _age(desk: Desk, patient: Patient) -> str:
    if patient.birth_date is None:
        return ""
    return age_said(patient.birth_date, _today(desk))


def _today(desk: Desk) -> date:
    return timezone.localdate(clock.now(), timezone=ZoneInfo(desk.clinic.timezone))


def _near(visit: Appointment | None) -> Near | None:
    if visit is None:
        return None
    return Near(visit, visit.starts_at.astimezone(ZoneInfo(visit.timezone)).replace(tzinfo=None))
