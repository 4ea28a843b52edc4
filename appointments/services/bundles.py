"""Booking a bundle: several visits of one patient, all of them or none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentStatus, Source
from appointments.selectors.bundles import MAX_ITEMS, MIN_ITEMS
from appointments.selectors.slots import alternatives
from appointments.services import calendar
from appointments.services.booking import (
    appointment_new,
    appointments_book_all,
    require_grid,
    require_may_book,
    require_open_to,
    require_patient_rules,
)
from appointments.services.context import Plan, plan
from clinics.models import VisitMode
from clinics.principal import Principal
from core.errors import ErrorCode, KairosError, invalid

#: Free times told for a visit that cannot be had.
_ALTERNATIVES = 5
_LOOKED_AT = 30


@dataclass(frozen=True, slots=True)
class Pick:
    """One visit of the bundle, as it was chosen."""

    service: UUID
    doctor: UUID
    starts_at: datetime
    location: UUID | None = None
    mode: str = VisitMode.IN_PERSON


def bundle_book(
    *, by: Principal, patient: UUID, picks: Sequence[Pick], reason: str = ""
) -> list[Appointment]:
    """Book all the visits for the patient, or none of them; in the order given.

    Each is booked by the rules of a single booking, a patient's inside the clinic's policy; caps
    count them together. What a refusal says of one visit (its code, for SCHEDULING_CONFLICT free
    times too) comes with `visit`, its place in the list from 0, and `refused`, the codes of all
    that were refused.

    Raises as booking does, and VALIDATION_ERROR for too few or too many visits.
    """
    if not MIN_ITEMS <= len(picks) <= MAX_ITEMS:
        raise invalid("visits", f"{MIN_ITEMS} to {MAX_ITEMS} visits")
    plans = [_planned(number, patient, pick) for number, pick in enumerate(picks)]
    as_patient = _require_rights(by, plans)
    visits = [wanted.visit for wanted in plans]
    _require_apart(visits)
    judged = calendar.judge_all(visits, patient_rules=as_patient, admit=True)
    refused = [(number, one.code) for number, one in enumerate(judged) if one.code is not None]
    if refused:
        raise _refusal(visits, refused, patient_rules=as_patient)
    if as_patient:
        for number, visit in enumerate(visits):
            with _of_visit(number):
                require_grid(visit)
    pending = as_patient and plans[0].policy.requires_approval
    status = AppointmentStatus.PENDING if pending else AppointmentStatus.SCHEDULED
    rows = []
    for wanted, one in zip(plans, judged, strict=True):
        appointment = appointment_new(
            wanted.visit,
            timezone=wanted.timezone,
            status=status,
            reason=reason,
            source=Source.PATIENT if as_patient else Source.STAFF,
            booked_by_id=by.account,
        )
        rows.append((appointment, wanted.visit, one.lane or 0))
    return appointments_book_all(rows)


def _planned(number: int, patient: UUID, pick: Pick) -> Plan:
    with _of_visit(number):
        return plan(
            doctor=pick.doctor,
            patient=patient,
            location=pick.location,
            service=pick.service,
            mode=pick.mode,
            starts_at=pick.starts_at,
            ends_at=None,
            keep_chart=True,
        )


def _require_rights(by: Principal, plans: Sequence[Plan]) -> bool:
    """Raises what a single booking would; True when somebody books as a patient."""
    as_patient = False
    for number, wanted in enumerate(plans):
        visit = wanted.visit
        with _of_visit(number):
            require_may_book(by, visit)
            if not by.may_for(Permission.APPOINTMENT_BOOK, visit.clinic, doctor_id=visit.doctor):
                as_patient = True
                require_patient_rules(wanted, override=False)
                require_open_to(by, wanted)
    return as_patient


def _require_apart(visits: Sequence[calendar.Visit]) -> None:
    """Raises PATIENT_CONFLICT, SCHEDULING_CONFLICT for visits that stand in each other's way."""
    for number, visit in enumerate(visits):
        for other in visits[:number]:
            if visit.starts_at < other.ends_at and other.starts_at < visit.ends_at:
                raise _clash(number, ErrorCode.PATIENT_CONFLICT)
            overlaps = (
                visit.claimed_from < other.claimed_to and other.claimed_from < visit.claimed_to
            )
            if visit.doctor == other.doctor and overlaps:
                raise _clash(number, ErrorCode.SCHEDULING_CONFLICT)


def _clash(number: int, code: ErrorCode) -> KairosError:
    refused = [{"visit": number, "code": code.value}]
    return KairosError(
        code, "Two visits of the bundle overlap.", extra={"visit": number, "refused": refused}
    )


def _refusal(
    visits: Sequence[calendar.Visit],
    refused: Sequence[tuple[int, ErrorCode]],
    *,
    patient_rules: bool,
) -> KairosError:
    """The first visit that cannot be had, and the free times nearest to it that fit the others."""
    number, code = refused[0]
    visit = visits[number]
    others = [other for other in visits if other is not visit]
    free = alternatives(
        clinic=visit.clinic,
        doctor=visit.doctor,
        around=visit.starts_at,
        location=visit.location,
        service=visit.service,
        minutes=visit.minutes,
        mode=visit.mode,
        patient_rules=patient_rules,
        count=_LOOKED_AT,
    )
    fitting = [
        calendar.slot_data(slot)
        for slot in free
        if not any(
            slot.starts_at < other.ends_at and other.starts_at < slot.ends_at for other in others
        )
    ]
    return KairosError(
        code,
        extra={
            "visit": number,
            "refused": [{"visit": place, "code": said.value} for place, said in refused],
            "alternatives": fitting[:_ALTERNATIVES],
        },
    )


@contextmanager
def _of_visit(number: int) -> Iterator[None]:
    """Says of a refusal which visit it is about."""
    try:
        yield
    except KairosError as refusal:
        raise KairosError(
            refusal.code,
            refusal.detail,
            errors={
                f"visits.{number}.{name}": said for name, said in (refusal.errors or {}).items()
            },
            extra={**refusal.extra, "visit": number},
        ) from refusal
