"""Moving an appointment along its life, and taking a step back."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.roles import Permission
from appointments.lifecycle import MOVES, REMOTE, Move, step_to_undo
from appointments.models import Appointment, AppointmentEvent, AppointmentStatus, Claim, Verb
from appointments.selectors.appointments import history
from appointments.services import calendar
from appointments.services.context import plan
from appointments.services.record import event_record
from appointments.services.reschedule import place_again
from appointments.services.row import appointment_lock
from clinics.models import Clinic
from clinics.principal import Principal
from core import clock, versions
from core.errors import ErrorCode, KairosError, invalid


def appointment_move(
    *,
    appointment_id: UUID,
    verb: Verb,
    by: Principal | None,
    expected_version: int | None = None,
    reason: str = "",
    notes: str | None = None,
) -> Appointment:
    """Make one move of the transition table.

    `notes` (on completing) are added to the appointment's. Raises APPOINTMENT_NOT_FOUND,
    PERMISSION_DENIED, INVALID_TRANSITION, CANCEL_CUTOFF_PASSED, VIDEO_APPOINTMENT,
    VALIDATION_ERROR without a needed reason.
    """
    appointment = appointment_lock(appointment_id, by=by, expected_version=expected_version)
    as_patient = _require_right(by, MOVES[verb], appointment)
    return locked_move(
        appointment,
        verb,
        by=by,
        as_patient=as_patient,
        reason=reason,
        notes=notes,
    )


def locked_move(
    appointment: Appointment,
    verb: Verb,
    *,
    by: Principal | None = None,
    as_patient: bool = False,
    reason: str = "",
    notes: str | None = None,
    at: datetime | None = None,
) -> Appointment:
    """Make the move with a visit that the caller has locked, and may move.

    `at` is when it happened, if before now: somebody was there before the system heard of it.
    Raises as `appointment_move`, but for rights.
    """
    move = MOVES[verb]
    reason = reason.strip()
    if move.needs_reason and not reason:
        raise invalid("reason", "required")
    if appointment.status not in move.allowed_from(appointment.type):
        raise KairosError(
            ErrorCode.INVALID_TRANSITION,
            f"It is {AppointmentStatus(appointment.status).label.lower()}.",
            extra={"current_status": appointment.status},
        )
    if verb == Verb.CHECK_IN and appointment.type in REMOTE:
        raise KairosError(ErrorCode.VIDEO_APPOINTMENT)
    before = appointment.status
    fields = ["status"]
    appointment.status = move.target
    if move.stamp:
        setattr(appointment, move.stamp, at or clock.now())
        fields.append(move.stamp)
    if verb == Verb.CANCEL:
        appointment.late_cancellation = _is_late(appointment)
        if as_patient and appointment.late_cancellation:
            raise KairosError(ErrorCode.CANCEL_CUTOFF_PASSED)
        appointment.cancel_reason = reason
        appointment.cancelled_by_id = by.account if by else None
        fields += ["cancel_reason", "cancelled_by", "late_cancellation"]
    if notes:
        appointment.notes = f"{appointment.notes}\n{notes}".strip()
        fields.append("notes")
    versions.save(appointment, fields)
    if verb == Verb.CANCEL:
        calendar.claim_release(appointment.id)
    event_record(
        appointment,
        verb=verb,
        from_status=before,
        topic=move.topic,
        reason=reason,
    )
    return appointment


def _require_right(by: Principal | None, move: Move, appointment: Appointment) -> bool:
    """Raises PERMISSION_DENIED; True when the mover acts as the patient."""
    if by is None:
        return False
    if by.may_for(move.permission, appointment.clinic_id, doctor_id=appointment.doctor_id):
        return False
    own = by.is_patient_of(
        appointment.id, clinic_id=appointment.clinic_id, patient_id=appointment.patient_id
    )
    if not (move.by_patient and own):
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    return True


def _is_late(appointment: Appointment) -> bool:
    cutoff = (
        Clinic.objects.filter(pk=appointment.clinic_id)
        .values_list("cancel_cutoff_minutes", flat=True)
        .get()
    )
    return appointment.starts_at - clock.now() < timedelta(minutes=cutoff)


def appointment_undo(
    *,
    appointment_id: UUID,
    by: Principal,
    reason: str,
    expected_version: int | None = None,
) -> Appointment:
    """Take back the last step that still stands, as a new event.

    Undoing a cancellation or a move needs the time to be still free. Raises APPOINTMENT_NOT_FOUND,
    PERMISSION_DENIED, INVALID_TRANSITION when there is nothing to take back, SCHEDULING_CONFLICT.
    """
    appointment = appointment_lock(appointment_id, by=by, expected_version=expected_version)
    by.require(
        Permission.APPOINTMENT_MANAGE, appointment.clinic_id, doctor_id=appointment.doctor_id
    )
    reason = reason.strip()
    if not reason:
        raise invalid("reason", "required")
    step = step_to_undo(list(history(appointment.id)))
    if step is None:
        raise KairosError(ErrorCode.INVALID_TRANSITION, "There is nothing to take back.")
    before = appointment.status
    if step.verb == Verb.RESCHEDULE:
        changes = place_again(appointment, step.changes)
    else:
        changes = _undo_status(appointment, step)
    event_record(
        appointment,
        verb=Verb.UNDO,
        from_status=before,
        topic="appointment.undone",
        reason=reason,
        changes=changes,
        undoes=step.id,
    )
    return appointment


def _undo_status(appointment: Appointment, step: AppointmentEvent) -> dict[str, Any]:
    if appointment.status != step.to_status:
        raise KairosError(ErrorCode.INVALID_TRANSITION)
    move = MOVES[Verb(step.verb)]
    fields = ["status"]
    if move.stamp:
        setattr(appointment, move.stamp, None)
        fields.append(move.stamp)
    if move.verb == Verb.CANCEL:
        _reclaim(appointment)
        appointment.cancel_reason = ""
        appointment.cancelled_by = None
        appointment.late_cancellation = False
        fields += ["cancel_reason", "cancelled_by", "late_cancellation"]
    appointment.status = step.from_status
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.undo', %s, true)", [str(appointment.id)])
        versions.save(appointment, fields)
        cursor.execute("SELECT set_config('app.undo', '', true)")
    return {}


def _reclaim(appointment: Appointment) -> None:
    """Win the time of a cancelled visit again, by the rules of a booking (but not its notice)."""
    wanted = plan(
        doctor=appointment.doctor_id,
        patient=appointment.patient_id,
        location=appointment.location_id,
        service=appointment.service_id,
        mode=appointment.type,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        room=appointment.room_id,
        clinic=appointment.clinic_id,
    )
    if appointment.ends_at <= clock.now():
        return  # what is over claims no time
    # A visit once overbooked, or begun meanwhile, comes back the way it was let in.
    past_rules = bool(appointment.override_reason) or appointment.starts_at <= clock.now()
    lane = calendar.admit(wanted.visit, patient_rules=False, override=past_rules)
    calendar.claim_insert(wanted.visit, lane=lane, kind=Claim.BOOKED, appointment=appointment.id)
