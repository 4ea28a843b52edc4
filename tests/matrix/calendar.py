"""The rows of the calendar: appointments, free times, holds, schedule exceptions.

What a row needs (a visit in the right status, a hold, a leave) is made while its path is made, in
the transaction that is rolled back after the call; for a cast that exists nowhere, only an id.
"""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from appointments.models import Appointment, AppointmentEvent, BusyTime, PatientMerge
from clinics.models import Clinic, ScheduleException
from core import clock, tenancy
from tests.casts import Cast
from tests.matrix.table import ADMIN, BOOKED, CHART_WRITERS, PATIENT, SIGNED_IN, SUPER, Row

READERS = SIGNED_IN - {"pharmacist", "lab"}
BOOKERS = frozenset({ADMIN, "receptionist", "doctor_user", PATIENT, SUPER})
MANAGERS_OF_VISITS = BOOKERS - {PATIENT}
TREATERS = frozenset({ADMIN, "doctor_user", SUPER})
_OTHERS = (("therapist", 404), ("counselor", 404))
_PATIENT_404 = ((PATIENT, 404),)


def monday(hour: int = 10, minute: int = 0) -> datetime:
    """In the hours of every cast (Mondays from nine), past any notice and cut-off."""
    day = (clock.now() + timedelta(days=3)).date()
    day += timedelta(days=-day.weekday() % 7)
    return datetime.combine(day, time(hour, minute), tzinfo=ZoneInfo("Europe/Berlin"))


def _visit(cast: Any, status: str) -> UUID:
    """A visit of the cast's patient to its doctor, in that status."""
    if not isinstance(cast, Cast):
        return uuid4()
    start, end = monday(), monday(minute=30)
    with tenancy.scope(tenancy.SYSTEM):
        visit = Appointment.objects.create(
            clinic=cast.clinic,
            location=cast.location,
            doctor=cast.doctor,
            patient=cast.patient,
            service=cast.service,
            type="IN_PERSON",
            status=status,
            starts_at=start,
            ends_at=end,
            timezone="Europe/Berlin",
            source="STAFF",
        )
        BusyTime.objects.create(
            clinic=cast.clinic,
            doctor=cast.doctor,
            patient=cast.patient,
            appointment=visit,
            lane=0,
            kind="BOOKED",
            period=(start, end),
            visit=(start, end),
        )
        if status == "CONFIRMED":  # something to take back
            AppointmentEvent.objects.create(
                clinic=cast.clinic,
                appointment=visit,
                verb="confirm",
                from_status="SCHEDULED",
                to_status="CONFIRMED",
            )
    return visit.id


def of_visit(status: str, path: str = "") -> Callable[[Any], str]:
    return lambda cast: f"appointments/{_visit(cast, status)}{path}"


def _hold(cast: Any) -> UUID:
    """A hold of the receptionist's."""
    if not isinstance(cast, Cast):
        return uuid4()
    times = (monday(), monday(minute=30))
    with tenancy.scope(tenancy.SYSTEM):
        return BusyTime.objects.create(
            clinic=cast.clinic,
            doctor=cast.doctor,
            lane=0,
            kind="HELD",
            holder=cast.receptionist.id,
            expires_at=clock.now() + timedelta(minutes=5),
            period=times,
            visit=times,
        ).id


def _exception(cast: Any) -> str:
    """A closed day of the cast's doctor."""
    if not isinstance(cast, Cast):
        return f"schedule-exceptions/{uuid4()}"
    with tenancy.scope(tenancy.SYSTEM):
        made = ScheduleException.objects.create(
            clinic=cast.clinic,
            doctor=cast.doctor,
            kind="CLOSED",
            start_date=monday().date(),
            end_date=monday().date(),
        )
    return f"schedule-exceptions/{made.id}"


def _merge(cast: Any) -> str:
    """A merge of the cast's two charts."""
    if not isinstance(cast, Cast):
        return f"patient-merges/{uuid4()}/undo"
    with tenancy.scope(tenancy.SYSTEM):
        cast.neighbour.merged_into = cast.patient
        cast.neighbour.is_active = False
        cast.neighbour.save(update_fields=["merged_into", "is_active"])
        made = PatientMerge.objects.create(
            clinic=cast.clinic,
            kept=cast.patient,
            duplicate=cast.neighbour,
            reason="Entered twice",
            merged_by=cast.clinic_admin,
        )
    return f"patient-merges/{made.id}/undo"


def _private_availability(cast: Any) -> str:
    """Of a clinic that does not publish its free times: theirs are for members only."""
    if isinstance(cast, Cast):
        with tenancy.scope(tenancy.SYSTEM):
            Clinic.objects.filter(pk=cast.clinic.pk).update(public_slots=False)
    return f"appointments/doctor/{cast.doctor.id}/availability?date={monday().date()}"


def _wanted(cast: Any) -> dict[str, Any]:
    return {
        "doctor": cast.doctor.id,
        "location": cast.location.id,
        "service": cast.service.id,
        "type": "IN_PERSON",
        "starts_at": monday(11).isoformat(),
    }


def _leave(cast: Any) -> dict[str, Any]:
    return {
        "clinic": cast.clinic.id,
        "doctor": cast.doctor.id,
        "kind": "LEAVE",
        "start_date": monday().date(),
        "end_date": monday().date(),
    }


def _reason(cast: Any) -> dict[str, Any]:
    return {"reason": "because"}


def _edit(cast: Any) -> dict[str, Any]:
    return {"reason": "Another reason"}


def _later(cast: Any) -> dict[str, Any]:
    return {"starts_at": monday(11).isoformat()}


def _to_doctor(cast: Any) -> dict[str, Any]:
    return {"doctor": cast.doctor.id, "starts_at": monday(11).isoformat()}


def _nothing(cast: Any) -> dict[str, Any]:
    return {}


def _act(status: str, path: str, may: frozenset[str], body: Any = _reason) -> Row:
    return Row(of_visit(status, path), may, body=body)


CALENDAR: dict[tuple[str, str], Row] = {
    ("appointment-list", "get"): Row(
        lambda cast: f"appointments?clinic={cast.clinic.id}", READERS, elsewhere=200
    ),
    ("appointment-list", "post"): Row(
        lambda cast: "appointments",
        BOOKERS,
        201,
        lambda cast: _wanted(cast) | {"patient": cast.patient.id},
    ),
    ("appointment-detail", "get"): Row(of_visit("SCHEDULED"), READERS),
    ("appointment-detail", "put"): Row(of_visit("SCHEDULED"), BOOKERS, body=_edit),
    ("appointment-detail", "patch"): Row(of_visit("SCHEDULED"), BOOKERS, body=_edit),
    ("appointment-detail", "delete"): Row(of_visit("SCHEDULED"), BOOKERS, body=_reason),
    ("appointment-history", "get"): Row(of_visit("SCHEDULED", "/history"), READERS),
    ("appointment-my-appointments", "get"): Row(
        lambda cast: "appointments/my-appointments", READERS, elsewhere=200
    ),
    ("appointment-upcoming", "get"): Row(
        lambda cast: f"appointments/user/{cast.patient_user.id}/upcoming", READERS, elsewhere=200
    ),
    ("appointment-cancel", "post"): _act("SCHEDULED", "/cancel", BOOKERS),
    ("appointment-reschedule", "post"): _act("SCHEDULED", "/reschedule", BOOKERS, _later),
    ("appointment-move-doctor", "post"): _act("SCHEDULED", "/move-doctor", BOOKERS, _to_doctor),
    ("appointment-approve", "post"): _act("PENDING", "/approve", MANAGERS_OF_VISITS),
    ("appointment-confirm", "post"): _act("SCHEDULED", "/confirm", BOOKERS),
    ("appointment-no-show", "post"): _act("SCHEDULED", "/no-show", MANAGERS_OF_VISITS),
    ("appointment-undo", "post"): _act("CONFIRMED", "/undo", MANAGERS_OF_VISITS),
    ("appointment-check-in", "post"): _act(
        "CONFIRMED", "/check-in", frozenset({ADMIN, "receptionist", "nurse", SUPER})
    ),
    ("appointment-start", "post"): _act("CHECKED_IN", "/start", TREATERS),
    ("availability", "get"): Row(_private_availability),
    ("slots", "get"): Row(
        lambda cast: f"slots?doctors={cast.doctor.id}&date={monday().date()}", public=True
    ),
    ("slots-next", "get"): Row(lambda cast: f"slots/next?doctors={cast.doctor.id}", public=True),
    ("holds", "post"): Row(lambda cast: "slots/holds", BOOKERS, 201, _wanted),
    ("hold", "delete"): Row(
        lambda cast: f"slots/holds/{_hold(cast)}", MANAGERS_OF_VISITS, 204, refused=404
    ),
    ("patient-merge-preview", "get"): Row(
        lambda cast: f"patients/{cast.patient.id}/merge-preview?duplicate={cast.neighbour.id}",
        CHART_WRITERS,
        also_refused=_PATIENT_404,
    ),
    ("patient-merge", "post"): Row(
        lambda cast: f"patients/{cast.patient.id}/merge",
        CHART_WRITERS,
        201,
        lambda cast: {"duplicate": cast.neighbour.id, "reason": "Entered twice"},
        also_refused=_PATIENT_404,
    ),
    ("patient-merge-undo", "post"): Row(
        _merge, CHART_WRITERS, body=_reason, also_refused=_PATIENT_404
    ),
    ("schedule-exception-list", "get"): Row(
        lambda cast: f"schedule-exceptions?clinic={cast.clinic.id}",
        BOOKED | {ADMIN, "receptionist", SUPER},
        elsewhere=200,
    ),
    ("schedule-exception-list", "post"): Row(
        lambda cast: "schedule-exceptions", TREATERS, 201, _leave
    ),
    ("schedule-exception-detail", "get"): Row(
        _exception, TREATERS | {"receptionist"}, also_refused=_OTHERS
    ),
    ("schedule-exception-detail", "delete"): Row(_exception, TREATERS, 204, also_refused=_OTHERS),
}
