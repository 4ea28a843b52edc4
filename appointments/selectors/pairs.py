"""Clinicians who have time for an assessment: two sessions on two days, found in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from appointments.selectors.slots import Slot
from core import clock
from core.rows import load_instants_fast

#: Minutes of a session, unless a service or the caller says otherwise.
SESSION_MINUTES = 90
#: The second session is on another local day, at most this many days after the first.
MAX_DAYS_APART = 7
#: Both begin within so many times 24 hours from now.
WITHIN_DAYS = 30
#: Pairs shown of one clinician.
PAIRS_EACH = 3
#: Calendars that one page looks into. Where most are full a page may hold fewer than its limit.
MAX_LOOKED_AT = 400


@dataclass(frozen=True, slots=True)
class Pair:
    """Two free starts that can be booked together."""

    first: Slot
    second: Slot


@dataclass(frozen=True, slots=True)
class ClinicianPairs:
    """The first pairs of one clinician at one place, earliest first, each beginning on another day.

    Of several places it is the one of the earliest pair.
    """

    doctor: UUID
    clinic: UUID
    location: UUID | None
    timezone: str
    pairs: list[Pair]


@dataclass(frozen=True, slots=True)
class PairPage:
    """Clinicians in the order of their ids; `next` is after whom to read on, if there is more."""

    results: list[ClinicianPairs]
    next: UUID | None


def pairs_find(
    *,
    clinics: Sequence[UUID],
    region: str | None = None,
    insurance: str | None = None,
    profession: str | None = None,
    doctor: UUID | None = None,
    location: UUID | None = None,
    service: UUID | None = None,
    minutes: int | None = None,
    mode: str | None = None,
    patient: UUID | None = None,
    patient_rules: bool,
    after: UUID | None = None,
    limit: int = 20,
) -> PairPage:
    """Clinicians licensed in `region` who take `insurance`, with pairs of free starts.

    `clinics` must come from the caller's own scope, as must the `patient`, at whose own visits
    nothing is offered. Give a `service`, or the `minutes` of a session without one. What is free is
    judged as any booking is; a weekly cap must have room for both. Whoever has no pair is passed
    over. One statement.
    """
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(
            "SELECT doctor_id, clinic_id, location_id, timezone, first_starts_at, first_ends_at,"
            " first_remaining, second_starts_at, second_ends_at, second_remaining"
            " FROM appointments_pairs(%s::uuid[], %s, %s, %s, %s::uuid, %s::uuid, %s::uuid,"
            " %s::uuid, %s::integer, %s, %s::uuid, %s, %s, %s, %s, %s, %s)",
            [
                list(clinics),
                region,
                insurance,
                profession,
                doctor,
                after,
                location,
                service,
                minutes,
                mode,
                patient,
                clock.now(),
                WITHIN_DAYS,
                MAX_DAYS_APART,
                patient_rules,
                limit,
                MAX_LOOKED_AT,
            ],
        )
        rows = cursor.fetchall()
    found: list[ClinicianPairs] = []
    for who, clinic, place, zone, *times in rows:
        if clinic is None:
            return PairPage(found[:limit], who)
        if not found or found[-1].doctor != who:
            found.append(ClinicianPairs(who, clinic, place, zone, []))
        first, second = (
            Slot(who, clinic, place, service, times[at], times[at + 1], zone, times[at + 2])
            for at in (0, 3)
        )
        found[-1].pairs.append(Pair(first, second))
    return PairPage(found, None)


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a clinician suits a patient: None where the patient's chart does not say."""

    region: bool | None
    insurance: bool | None


def match(*, patient: UUID, doctor: UUID) -> Match:
    """Whether the doctor is licensed where the patient lives, and takes their insurance."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.licensed_regions @> ARRAY[NULLIF(p.region, '')]::varchar[],"
            " d.accepted_insurances @> ARRAY[NULLIF(p.insurance, '')]::varchar[],"
            " p.region <> '', p.insurance <> ''"
            " FROM clinics_patient p, clinics_doctor d WHERE p.id = %s AND d.id = %s",
            [patient, doctor],
        )
        licensed, accepted, of_region, of_insurance = cursor.fetchone()
    return Match(licensed if of_region else None, accepted if of_insurance else None)
