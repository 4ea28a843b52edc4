"""Moving a visit to another time, doctor, place or room; and editing what is written about it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.roles import Permission
from appointments.lifecycle import MOVABLE
from appointments.models import Appointment, AppointmentStatus, Verb
from appointments.services import calendar
from appointments.services.booking import require_grid, require_override
from appointments.services.context import Plan, plan
from appointments.services.record import event_record
from appointments.services.row import appointment_lock
from clinics.principal import Principal
from core import clock, versions
from core.errors import ErrorCode, KairosError

#: Texts that may change without moving the visit; patients may change the first only.
DETAILS = ("reason", "notes", "priority")


def appointment_reschedule(
    *,
    appointment_id: UUID,
    by: Principal | None,
    starts_at: datetime,
    ends_at: datetime | None = None,
    doctor: UUID | None = None,
    location: UUID | None = None,
    room: UUID | None = None,
    keep_room: bool = False,
    reason: str = "",
    override_reason: str | None = None,
    expected_version: int | None = None,
) -> Appointment:
    """Move a visit; it keeps its id, its status and its history.

    Without `ends_at` it keeps its length. `by` None is the clinic itself, which has offered this
    very time; whoever calls has proven the right. The old time is given up only if the new one was
    won. Raises as booking does, and INVALID_TRANSITION, CANCEL_CUTOFF_PASSED, PRECONDITION_FAILED.
    """
    appointment = appointment_lock(appointment_id, by=by, expected_version=expected_version)
    new_doctor = doctor or appointment.doctor_id
    as_patient = _require_right(by, appointment, new_doctor)
    if appointment.status not in MOVABLE:
        raise KairosError(
            ErrorCode.INVALID_TRANSITION,
            f"It is {AppointmentStatus(appointment.status).label.lower()}.",
            extra={"current_status": appointment.status},
        )
    wanted = plan(
        doctor=new_doctor,
        patient=appointment.patient_id,
        location=location or appointment.location_id,
        service=appointment.service_id,
        mode=appointment.type,
        starts_at=starts_at,
        ends_at=ends_at or starts_at + (appointment.ends_at - appointment.starts_at),
        room=appointment.room_id if keep_room else room,
        clinic=appointment.clinic_id,
    )
    override = override_reason is not None
    if as_patient:
        _require_patient_rules(appointment, wanted, override=override)
    elif override and by is not None:
        require_override(by, wanted)
    if override and wanted.visit.ends_at <= clock.now():
        raise KairosError(ErrorCode.TOO_SOON)
    changes = _place(appointment, wanted, patient_rules=as_patient, override=override)
    if as_patient:
        require_grid(wanted.visit, moving=appointment.id)
    if not changes:
        return appointment
    before = appointment.status
    fields = list(changes)
    if override_reason:
        appointment.override_reason = override_reason
        fields.append("override_reason")
    versions.save(appointment, fields)
    event_record(
        appointment,
        verb=Verb.RESCHEDULE,
        from_status=before,
        topic="appointment.rescheduled",
        reason=override_reason or reason,
        changes=changes,
    )
    return appointment


def appointment_edit(
    *,
    appointment_id: UUID,
    by: Principal,
    expected_version: int | None = None,
    **details: str,
) -> Appointment:
    """Change what is written about a visit (see `DETAILS`); its time stays.

    Raises APPOINTMENT_NOT_FOUND, PERMISSION_DENIED, PRECONDITION_FAILED.
    """
    appointment = appointment_lock(appointment_id, by=by, expected_version=expected_version)
    as_patient = _require_right(by, appointment, appointment.doctor_id)
    if as_patient and set(details) - {"reason"}:
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    changed = {
        name: value for name, value in details.items() if getattr(appointment, name) != value
    }
    if not changed:
        return appointment
    for name, value in changed.items():
        setattr(appointment, name, value)
    versions.save(appointment, list(changed))
    event_record(
        appointment,
        verb=Verb.EDIT,
        from_status=appointment.status,
        topic="appointment.changed",
        changes={name: ["…", "…"] for name in changed},
    )
    return appointment


def place_again(appointment: Appointment, moved: Mapping[str, Any]) -> dict[str, Any]:
    """Take a move back: to the time, doctor, place and room that `moved` says it came from.

    Raises SCHEDULING_CONFLICT and its kin when that is no longer free.
    """
    if appointment.status not in MOVABLE:
        raise KairosError(ErrorCode.INVALID_TRANSITION)

    def was(name: str, now: Any) -> Any:
        return moved[name][0] if name in moved else now

    def id_of(name: str, now: UUID | None) -> UUID | None:
        value = was(name, now)
        return UUID(str(value)) if value is not None else None

    def moment(name: str, now: datetime) -> datetime:
        value = was(name, now)
        return datetime.fromisoformat(value) if isinstance(value, str) else value

    wanted = plan(
        doctor=id_of("doctor", appointment.doctor_id) or appointment.doctor_id,
        patient=appointment.patient_id,
        location=id_of("location", appointment.location_id),
        service=appointment.service_id,
        mode=appointment.type,
        starts_at=moment("starts_at", appointment.starts_at),
        ends_at=moment("ends_at", appointment.ends_at),
        room=id_of("room", appointment.room_id),
        clinic=appointment.clinic_id,
    )
    changes = _place(
        appointment,
        wanted,
        patient_rules=False,
        override=bool(appointment.override_reason),
    )
    versions.save(appointment, list(changes))
    return changes


def _require_right(by: Principal | None, appointment: Appointment, new_doctor: UUID) -> bool:
    """Raises PERMISSION_DENIED; True when the mover acts as the patient."""
    if by is None:
        return False
    clinic = appointment.clinic_id
    if by.may(Permission.APPOINTMENT_BOOK, clinic):
        return False
    if (
        by.may_own(Permission.APPOINTMENT_BOOK, clinic)
        and by.doctor_id == appointment.doctor_id == new_doctor
    ):
        return False
    if by.is_patient_of(appointment.id, clinic_id=clinic, patient_id=appointment.patient_id):
        return True
    raise KairosError(ErrorCode.PERMISSION_DENIED)


def _require_patient_rules(appointment: Appointment, wanted: Plan, *, override: bool) -> None:
    if override or not wanted.public:
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    cutoff = timedelta(minutes=wanted.policy.cancel_cutoff_minutes)
    if appointment.starts_at - clock.now() < cutoff:
        raise KairosError(ErrorCode.CANCEL_CUTOFF_PASSED)


def _place(
    appointment: Appointment, wanted: Plan, *, patient_rules: bool, override: bool
) -> dict[str, Any]:
    """Swap the claim and set the fields; what changed, as [before, after]."""
    visit = wanted.visit
    after = {
        "doctor": visit.doctor,
        "location": visit.location,
        "room": visit.room,
        "starts_at": visit.starts_at,
        "ends_at": visit.ends_at,
    }
    changes = {}
    for name, value in after.items():
        field = name if name.endswith("_at") else f"{name}_id"
        before = getattr(appointment, field)
        if before != value:
            changes[name] = [before, value]
    if not changes:
        return {}
    old_keys = calendar.lock_keys(
        appointment.doctor_id, appointment.starts_at, appointment.ends_at, capped=False
    )
    lane = calendar.admit(
        visit,
        patient_rules=patient_rules,
        override=override,
        moving=appointment.id,
        also_lock=tuple(old_keys),
    )
    calendar.claim_swap(appointment.id, visit, lane=lane)
    for name in changes:
        setattr(appointment, name if name.endswith("_at") else f"{name}_id", after[name])
    if appointment.timezone != wanted.timezone:
        changes["timezone"] = [appointment.timezone, wanted.timezone]
        appointment.timezone = wanted.timezone
    return changes
