"""Patients who book for themselves, with an account or without one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from appointments.models import Appointment, BusyTime, Claim, Source
from appointments.selectors.offers import Wish, free_with
from appointments.services import calendar
from appointments.services.booking import appointment_book
from appointments.services.holds import hold_create, hold_release
from clinics.models import Clinic, Patient
from clinics.principal import Principal
from clinics.services.patients import patient_create
from core import clock, idempotency, locks
from core.errors import ErrorCode, KairosError

#: Another doctor may still be free when one refuses for one of these.
_ABOUT_THE_DOCTOR: Final = frozenset(
    {
        ErrorCode.SCHEDULING_CONFLICT,
        ErrorCode.OUTSIDE_WORKING_HOURS,
        ErrorCode.DOCTOR_ON_LEAVE,
        ErrorCode.DAILY_CAP_REACHED,
        ErrorCode.WEEKLY_CAP_REACHED,
    }
)
_PRINT: Final = idempotency.fingerprint("POST", "visit", b"")


def hold_pick(*, by: Principal, wish: Wish, starts_at: datetime) -> calendar.Hold:
    """Hold a start at the wish's place with the first of its doctors who is free.

    Picking the time one holds already gives the same hold again; picking more than the clinic
    allows gives the oldest back. Raises as `hold_create` does.
    """
    locks.advisory([f"holder:{by.holder}"])
    mine = list(
        BusyTime.objects.filter(
            kind=Claim.HELD, holder=by.holder, clinic=wish.clinic, expires_at__gt=clock.now()
        ).order_by("id")
    )
    for claim in mine:
        same = (claim.service_id, claim.location_id) == (wish.service.id, wish.location)
        if same and claim.doctor_id in wish.doctors and claim.visit.lower == starts_at:
            found = calendar.hold_find(claim.id)
            if found is not None:
                return found
    for claim in mine[: max(0, len(mine) + 1 - wish.clinic.max_holds_per_patient)]:
        hold_release(by=by, hold_id=claim.id)
    refusal = KairosError(ErrorCode.SCHEDULING_CONFLICT)
    # Nobody is free: the first of them says why not, and what is free instead.
    for doctor in free_with(wish, starts_at) or list(wish.doctors[:1]):
        try:
            with transaction.atomic():
                return hold_create(
                    by=by,
                    doctor=doctor,
                    starts_at=starts_at,
                    location=wish.location,
                    service=wish.service.id,
                    mode=wish.mode,
                    clinic=wish.clinic.id,
                )
        except KairosError as error:
            if error.code not in _ABOUT_THE_DOCTOR:
                raise
            refusal = error
    raise refusal


def visit_book(
    *,
    by: Principal,
    once: UUID,
    clinic: Clinic,
    doctor: UUID,
    starts_at: datetime,
    location: UUID,
    service: UUID,
    mode: str,
    patient: UUID | None,
    person: Mapping[str, Any],
    reason: str = "",
) -> Appointment:
    """Book for the chart `patient`, or, without one, for the new chart of `person`.

    `once` is the hold, or what stands in its place: it books one visit, and gives that one again
    however often it is sent. A hold that has run out does not matter while the time is free. A new
    chart is opened whoever `person` is: nothing is looked up, so the answer tells nothing about who
    is known here. Raises as booking does.
    """
    booked = visit_booked(by=by, once=once)
    if booked is not None:
        return booked
    if patient is None:
        patient = _chart_opened(by, clinic, person)
        by = replace(by, charts={**by.charts, clinic.id: frozenset({patient})})
    appointment = appointment_book(
        by=by,
        doctor=doctor,
        starts_at=starts_at,
        patient=patient,
        location=location,
        service=service,
        mode=mode,
        hold=_usable(by, once, doctor=doctor, starts_at=starts_at, service=service),
        reason=reason,
        source=Source.PATIENT,
    )
    answer = idempotency.StoredAnswer(201, {}, str(appointment.id).encode())
    idempotency.store(by.holder, _key(once), _PRINT, answer)
    return appointment


def visit_booked(*, by: Principal, once: UUID) -> Appointment | None:
    """The visit that `once` has booked already. Waits for one that is being booked just now."""
    locks.advisory([f"visit:{by.holder}:{once}"])
    stored = idempotency.claim(by.holder, _key(once), _PRINT)
    if stored is None:
        return None
    return Appointment.objects.filter(pk=UUID(stored.body.decode())).first()


def _key(once: UUID) -> str:
    return f"visit:{once}"


def _chart_opened(by: Principal, clinic: Clinic, person: Mapping[str, Any]) -> UUID:
    """A new chart: a guest's belongs to nobody, a user's is theirs and is opened once."""
    if by.guest_in != clinic.id:
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    if by.account is not None:
        locks.advisory([f"chart:{clinic.id}:{by.account}"])
        own = Patient.objects.filter(
            clinic=clinic, user=by.account, is_active=True, merged_into=None
        ).first()
        if own is not None:
            return own.id
    return patient_create(clinic=clinic, fields={**person, "user_id": by.account}).id


def _usable(
    by: Principal, hold: UUID, *, doctor: UUID, starts_at: datetime, service: UUID
) -> UUID | None:
    """The caller's hold while it lasts. One of another time is given back."""
    found = calendar.hold_find(hold)
    if found is None or found.holder != by.holder or found.expires_at <= clock.now():
        return None
    if (found.doctor, found.starts_at, found.service) != (doctor, starts_at, service):
        hold_release(by=by, hold_id=hold)
        return None
    return hold
