"""Booking a visit: the claim, the appointment, its history and its announcement, or nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.roles import Permission, Role
from appointments.models import Appointment, AppointmentStatus, Claim, Priority, Source, Verb
from appointments.selectors.slots import slots_find
from appointments.services import calendar
from appointments.services.context import Plan, plan
from appointments.services.record import Happened, events_record
from appointments.services.writing import rows_insert
from clinics.models import VisitMode
from clinics.principal import Principal
from core import clock, ids
from core.errors import ErrorCode, KairosError, invalid


def appointment_book(
    *,
    by: Principal | None,
    doctor: UUID,
    starts_at: datetime,
    patient: UUID | None = None,
    location: UUID | None = None,
    service: UUID | None = None,
    mode: str = VisitMode.IN_PERSON,
    ends_at: datetime | None = None,
    room: UUID | None = None,
    hold: UUID | None = None,
    reason: str = "",
    notes: str = "",
    priority: str = Priority.NORMAL,
    override_reason: str | None = None,
    source: str | None = None,
    follows: UUID | None = None,
    follow_up_reason: str = "",
) -> Appointment:
    """Book a visit for a patient with a doctor.

    A patient may leave `patient` out, keeps the clinic's notice and grid of times, and gets a
    PENDING appointment where the clinic approves first. `by` None is the clinic itself, which has
    offered this very time to the patient: `patient` and `source` are then given, and whoever calls
    has proven the right. `override_reason` books past hours and capacity, for those who may.
    `follows` is the patient's visit that this one follows (`Appointment.parent_appointment`).
    Raises NOT_FOUND, PERMISSION_DENIED, VALIDATION_ERROR and the booking codes; a refusal leaves
    nothing behind.
    """
    if patient is None:
        if by is None:
            raise AssertionError("the clinic books for somebody")
        patient = _only_chart(by)
    wanted = plan(
        doctor=doctor,
        patient=patient,
        location=location,
        service=service,
        mode=mode,
        starts_at=starts_at,
        ends_at=ends_at,
        room=room,
        keep_chart=True,
    )
    visit = wanted.visit
    override = override_reason is not None
    as_patient = False
    if by is not None:
        require_may_book(by, visit)
        as_patient = not by.may_for(
            Permission.APPOINTMENT_BOOK, visit.clinic, doctor_id=visit.doctor
        )
        if as_patient:
            require_patient_rules(wanted, override=override, notes=notes)
            require_open_to(by, wanted)
        elif override:
            require_override(by, wanted)
        if hold is not None:
            require_hold(hold, visit, by)
    if override and visit.ends_at <= clock.now():
        raise KairosError(ErrorCode.TOO_SOON)
    parent = _parent(follows, patient) if follows is not None else None
    lane = calendar.admit(visit, patient_rules=as_patient, override=override, hold=hold)
    if as_patient and hold is None:  # a hold was checked when it was made
        require_grid(visit)
    pending = as_patient and wanted.policy.requires_approval
    appointment = appointment_new(
        visit,
        timezone=wanted.timezone,
        status=AppointmentStatus.PENDING if pending else AppointmentStatus.SCHEDULED,
        reason=reason,
        notes=notes,
        priority=priority,
        source=source or (Source.PATIENT if as_patient else Source.STAFF),
        booked_by_id=by.account if by else None,
        override_reason=override_reason or "",
        parent_appointment_id=parent.id if parent else None,
        original_appointment_id=(parent.original_appointment_id or parent.id) if parent else None,
        is_follow_up=parent is not None or source == Source.FOLLOW_UP,
        follow_up_reason=follow_up_reason,
    )
    appointment.save(force_insert=True)
    if hold is not None:
        calendar.claim_use(hold, visit, appointment.id)
    else:
        calendar.claim_insert(visit, lane=lane, kind=Claim.BOOKED, appointment=appointment.id)
    events_record([_booked(appointment)])
    return appointment


def appointment_new(visit: calendar.Visit, *, timezone: str, **fields: Any) -> Appointment:
    """An unsaved appointment of that visit; SCHEDULED unless `fields` say otherwise."""
    now = clock.now()
    return Appointment(
        **{
            "id": ids.uuid7(),
            "clinic_id": visit.clinic,
            "location_id": visit.location,
            "room_id": visit.room,
            "doctor_id": visit.doctor,
            "patient_id": visit.patient,
            "service_id": visit.service,
            "type": visit.mode,
            "status": AppointmentStatus.SCHEDULED,
            "starts_at": visit.starts_at,
            "ends_at": visit.ends_at,
            "timezone": timezone,
            "created_at": now,
            "updated_at": now,
            **fields,
        }
    )


def appointments_book_all(
    rows: Sequence[tuple[Appointment, calendar.Visit, int]],
) -> list[Appointment]:
    """Write several new appointments with their claims, history and announcements, all or none.

    Each is an unsaved appointment (`appointment_new`), its visit, and the lane that
    `calendar.judge_all` gave it under the locks that are still held. Three statements, however many
    they are. Raises as `calendar.claim_insert`.
    """
    appointments = [appointment for appointment, _, _ in rows]
    rows_insert(Appointment, appointments)
    calendar.claims_insert([(visit, lane, one.id) for one, visit, lane in rows])
    events_record([_booked(appointment) for appointment in appointments])
    return appointments


def _booked(appointment: Appointment) -> Happened:
    return Happened(
        appointment=appointment,
        verb=Verb.BOOK,
        from_status="",
        topic="appointment.booked",
        reason=appointment.override_reason,
        changes={
            "starts_at": [None, appointment.starts_at],
            "ends_at": [None, appointment.ends_at],
            "doctor": [None, appointment.doctor_id],
        },
    )


def _parent(follows: UUID, patient: UUID) -> Appointment:
    """The patient's visit that is followed. Raises NOT_FOUND, for another patient's too."""
    parent = Appointment.objects.filter(pk=follows, patient_id=patient).first()
    if parent is None:
        raise KairosError(ErrorCode.NOT_FOUND, errors={"follows": ["not found"]})
    return parent


def _only_chart(by: Principal) -> UUID:
    """The one patient the user is, when there is no doubt. Raises VALIDATION_ERROR otherwise."""
    patients = by.own_patients()
    if len(patients) != 1:
        raise invalid("patient", "say for whom")
    return next(iter(patients))


def require_may_book(by: Principal, visit: calendar.Visit) -> None:
    """Raises PERMISSION_DENIED; NOT_FOUND for a stranger's chart, when the caller is no staff."""
    own = by.charts.get(visit.clinic, frozenset())
    if visit.patient not in own and not by.is_staff_in(visit.clinic):
        raise KairosError(ErrorCode.NOT_FOUND, errors={"patient": ["not found"]})
    by.require(
        Permission.APPOINTMENT_BOOK,
        visit.clinic,
        doctor_id=visit.doctor,
        patient_id=visit.patient,
    )


def require_patient_rules(wanted: Plan, *, override: bool, notes: str = "") -> None:
    """What a patient may ask for: a public service at its own length. Raises PERMISSION_DENIED."""
    if override or notes:
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    if wanted.visit.service is None:
        raise invalid("service", "required")
    if not wanted.public:
        raise KairosError(ErrorCode.PERMISSION_DENIED, "This is booked by the clinic.")


def require_open_to(by: Principal, wanted: Plan) -> None:
    """Somebody new to the clinic may book where it lets them.

    Raises NOT_AUTHENTICATED for who has no account where one is asked for, PERMISSION_DENIED for a
    stranger with an account where free times are not public.
    """
    if by.guest_in != wanted.visit.clinic:
        return
    if by.is_guest and not (wanted.policy.guest_booking and wanted.policy.public_slots):
        raise KairosError(ErrorCode.NOT_AUTHENTICATED)
    if not wanted.policy.public_slots:
        raise KairosError(ErrorCode.PERMISSION_DENIED)


def may_override(by: Principal, clinic: UUID, doctor: UUID, *, reception_may: bool) -> bool:
    """Whether `by` may overbook or book outside hours; `reception_may` is the clinic's policy."""
    if not by.may_for(Permission.APPOINTMENT_OVERRIDE, clinic, doctor_id=doctor):
        return False
    return reception_may or by.roles.get(clinic, frozenset()) != {Role.RECEPTIONIST.value}


def require_override(by: Principal, wanted: Plan) -> None:
    """Raises PERMISSION_DENIED for staff who may not overbook or book outside hours here."""
    visit, policy = wanted.visit, wanted.policy
    if not may_override(
        by, visit.clinic, visit.doctor, reception_may=policy.reception_may_override
    ):
        raise KairosError(ErrorCode.PERMISSION_DENIED)


def require_hold(hold: UUID, visit: calendar.Visit, by: Principal) -> None:
    """The hold is the caller's, and of this very visit. Raises HOLD_EXPIRED, VALIDATION_ERROR."""
    found = calendar.hold_find(hold)
    if found is None or found.holder != by.holder or found.expires_at <= clock.now():
        raise KairosError(ErrorCode.HOLD_EXPIRED)
    if (found.doctor, found.starts_at, found.ends_at, found.service) != (
        visit.doctor,
        visit.starts_at,
        visit.ends_at,
        visit.service,
    ):
        raise invalid("hold", "the hold is for another time, doctor or service")


def require_grid(visit: calendar.Visit, *, moving: UUID | None = None) -> None:
    """Patients book the times that are offered. Raises VALIDATION_ERROR off the grid."""
    offered = slots_find(
        clinics=[visit.clinic],
        doctors=[visit.doctor],
        start=visit.starts_at,
        end=visit.starts_at + timedelta(minutes=1),
        location=visit.location,
        service=visit.service,
        mode=visit.mode,
        patient_rules=True,
        explain=True,
        moving=moving,
    )
    if not any(slot.starts_at == visit.starts_at for slot in offered):
        raise invalid("starts_at", "not one of the times offered")
