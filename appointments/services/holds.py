"""Keeping a time while a form is filled in."""

from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.live import calendar_changed
from appointments.models import BusyTime, Claim
from appointments.services import calendar
from appointments.services.booking import (
    require_grid,
    require_open_to,
    require_patient_rules,
)
from appointments.services.context import plan
from clinics.models import VisitMode
from clinics.principal import Principal
from core import clock, context, journal, locks
from core.errors import ErrorCode, KairosError

#: Times that guests of one address may hold in one clinic at once. Many share an address: a
#: family, a waiting room, all customers of a phone company.
GUEST_HOLDS_AN_ADDRESS = 20


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

    A guest, and a user who has no chart there yet, hold for whom they will name later. Raises as
    booking does, and CONFLICT when the caller, or a guest's address, holds as many as is allowed.
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
        own = by.charts.get(visit.clinic, frozenset())
        if (patient is not None and patient not in own) or not (own or by.guest_in == visit.clinic):
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        require_patient_rules(wanted, override=False)
        require_open_to(by, wanted)
    now = clock.now()
    locks.advisory([f"holder:{by.holder}"])
    held = BusyTime.objects.filter(kind=Claim.HELD, expires_at__gt=now)
    mine = held.filter(holder=by.holder)
    if as_patient and mine.count() >= wanted.policy.max_holds_per_patient:
        raise KairosError(ErrorCode.CONFLICT, _("You hold as many times as the clinic allows."))
    address = context.current().address if by.is_guest else None
    if address is not None:
        locks.advisory([f"guests:{visit.clinic}:{address}"])
        if held.filter(clinic=visit.clinic, address=address).count() >= GUEST_HOLDS_AN_ADDRESS:
            raise KairosError(
                ErrorCode.CONFLICT,
                _("Too many times are being held from where you are. Try again in a few minutes."),
            )
    lane = calendar.admit(visit, patient_rules=as_patient)
    if as_patient:
        require_grid(visit)
    expires = now + timedelta(minutes=wanted.policy.hold_minutes)
    hold_id = calendar.claim_insert(
        visit,
        lane=lane,
        kind=Claim.HELD,
        holder=by.holder,
        expires_at=expires,
        address=address,
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
    calendar_changed(clinic=visit.clinic, doctor=doctor, spans=[(visit.starts_at, visit.ends_at)])
    return calendar.Hold(
        id=hold_id,
        clinic=visit.clinic,
        doctor=doctor,
        location=location,
        service=service,
        patient=patient,
        starts_at=visit.starts_at,
        ends_at=visit.ends_at,
        holder=by.holder,
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
    gone = BusyTime.objects.filter(id=hold_id, kind=Claim.HELD).delete()[0]
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
    calendar_changed(
        clinic=hold.clinic_id,
        doctor=hold.doctor_id,
        spans=[(hold.visit.lower, hold.visit.upper)],
    )


def _may_release(by: Principal, hold: BusyTime) -> bool:
    return hold.holder == by.holder or by.may_for(
        Permission.APPOINTMENT_MANAGE, hold.clinic_id, doctor_id=hold.doctor_id
    )
