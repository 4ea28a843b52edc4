"""Keeping a time while a form is filled in."""

from datetime import datetime, timedelta
from uuid import UUID

from accounts.roles import Permission
from appointments.models import BusyTime, Claim
from appointments.services import calendar
from appointments.services.booking import require_grid, require_patient_rules
from appointments.services.context import plan
from clinics.models import VisitMode
from clinics.principal import Principal
from core import clock, journal, locks
from core.errors import ErrorCode, KairosError


def hold_create(
    *,
    by: Principal,
    doctor: UUID,
    starts_at: datetime,
    location: UUID | None = None,
    service: UUID | None = None,
    mode: str = VisitMode.IN_PERSON,
    ends_at: datetime | None = None,
    patient: UUID | None = None,
    clinic: UUID | None = None,
) -> calendar.Hold:
    """Hold a time for the clinic's hold minutes. A hold obeys the rules of a booking.

    Raises as booking does, and CONFLICT when the caller holds as many as the clinic allows.
    """
    wanted = plan(
        doctor=doctor,
        patient=patient,
        location=location,
        service=service,
        mode=mode,
        starts_at=starts_at,
        ends_at=ends_at,
        clinic=clinic,
        keep_chart=True,
    )
    visit = wanted.visit
    as_patient = not (
        by.may(Permission.APPOINTMENT_BOOK, visit.clinic)
        or (doctor == by.doctor_id and by.may_own(Permission.APPOINTMENT_BOOK, visit.clinic))
    )
    if as_patient:
        if not by.charts.get(visit.clinic) or (
            patient is not None and patient not in by.charts[visit.clinic]
        ):
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        require_patient_rules(wanted, override=False)
    now = clock.now()
    locks.advisory([f"holder:{by.user_id}"])
    mine = BusyTime.objects.filter(holder=by.user_id, kind=Claim.HELD, expires_at__gt=now)
    if as_patient and mine.count() >= wanted.policy.max_holds_per_patient:
        raise KairosError(ErrorCode.CONFLICT, "You hold as many times as the clinic allows.")
    lane = calendar.admit(visit, patient_rules=as_patient)
    if as_patient:
        require_grid(visit)
    expires = now + timedelta(minutes=wanted.policy.hold_minutes)
    hold_id = calendar.claim_insert(
        visit, lane=lane, kind=Claim.HELD, holder=by.user_id, expires_at=expires
    )
    journal.record(
        journal.Act(
            "hold.created",
            "appointments.busytime",
            hold_id,
            visit.clinic,
            (patient,) if patient else (),
            topic="hold.created",
            payload={"doctor": doctor, "starts_at": visit.starts_at},
        )
    )
    return calendar.Hold(
        id=hold_id,
        clinic=visit.clinic,
        doctor=doctor,
        location=location,
        service=service,
        patient=patient,
        starts_at=visit.starts_at,
        ends_at=visit.ends_at,
        holder=by.user_id,
        expires_at=expires,
    )


def hold_release(*, by: Principal, hold_id: UUID) -> None:
    """Give a hold back: whoever made it, and who manages the visits of its doctor there.

    Raises NOT_FOUND for anybody else's, and for one that is gone or has become a visit.
    """
    hold = BusyTime.objects.filter(id=hold_id, kind=Claim.HELD).first()
    if hold is None or not _may_release(by, hold):
        raise KairosError(ErrorCode.NOT_FOUND)
    # Of two who release it, or a booking that uses it, one finds it.
    gone, _ = BusyTime.objects.filter(id=hold_id, kind=Claim.HELD).delete()
    if not gone:
        raise KairosError(ErrorCode.NOT_FOUND)
    journal.record(
        journal.Act(
            "hold.released",
            "appointments.busytime",
            hold_id,
            hold.clinic_id,
            (hold.patient_id,) if hold.patient_id else (),
            {"holder": [hold.holder, None]},
        )
    )


def _may_release(by: Principal, hold: BusyTime) -> bool:
    return hold.holder == by.user_id or by.may_for(
        Permission.APPOINTMENT_MANAGE, hold.clinic_id, doctor_id=hold.doctor_id
    )
