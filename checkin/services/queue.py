"""Running the queue: calling, passing over, putting back, seeing, and who left.

An entry that belongs to a visit is started, ended and left through its visit, which moves the entry
(`checkin.listening`): the visit is the truth. Locks are taken in one order everywhere: visits,
then a patient's turn, then token counters, then entries.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from accounts.roles import Permission
from appointments.models import Priority, Verb
from appointments.services.row import appointment_lock
from appointments.services.status import locked_move
from checkin.live import queue_changed
from checkin.models import QueueEntry, QueueState
from checkin.selectors.queue import entries_visible_to
from checkin.services.entries import RANK, entry_record
from checkin.services.tokens import VISIT, WALK_IN, token_take
from clinics.models import Location, Patient, Room, Service
from clinics.principal import Principal
from clinics.selectors.directory import doctors_of_clinic
from core import clock, locks, versions
from core.errors import ErrorCode, KairosError, invalid

S = QueueState
#: Behind how many of those who wait somebody is put who was passed over and comes back.
BEHIND: Final = 2

_CALLABLE: Final = frozenset({S.WAITING, S.CALLED, S.SKIPPED})


def entry_add(
    *,
    by: Principal,
    location: UUID,
    patient: UUID | None = None,
    guest_name: str = "",
    doctor: UUID | None = None,
    service: UUID | None = None,
    priority: str = Priority.NORMAL,
) -> QueueEntry:
    """Put a walk-in into the queue of a location: a patient with a chart, or a name.

    Raises NOT_FOUND for anything foreign, PERMISSION_DENIED, VALIDATION_ERROR without a person,
    CONFLICT when the patient waits there for the same doctor already.
    """
    here = Location.objects.filter(pk=location, is_active=True).first()
    if here is None or not by.is_staff_in(here.clinic_id):
        raise KairosError(ErrorCode.NOT_FOUND)
    by.require(Permission.QUEUE_RUN, here.clinic_id, doctor_id=doctor)
    guest_name = guest_name.strip()
    if patient is None and not guest_name:
        raise invalid("patient", "a patient or a name")
    if patient is not None:
        guest_name = ""
    if priority not in RANK:
        raise invalid("priority", "unknown")
    _require_here(here, patient=patient, doctor=doctor, service=service)
    now = clock.now()
    day = now.astimezone(ZoneInfo(here.timezone)).date()
    entry = QueueEntry(
        clinic_id=here.clinic_id,
        location=here,
        patient_id=patient,
        guest_name=guest_name,
        doctor_id=doctor,
        service_id=service,
        local_day=day,
        prefix=WALK_IN,
        priority=priority,
        rank=RANK[priority],
        due_at=now,
        arrived_at=now,
    )
    _turn_of(patient)
    if _waits_already(entry, location=here.id, doctor=doctor):
        raise _waits_there()
    with _once():
        entry.number = token_take(clinic=here.clinic_id, location=here.id, day=day, prefix=WALK_IN)
        entry.save(force_insert=True)
    entry_record(entry, "queue.entered", {"state": [None, entry.state]})
    return entry


def entry_call(
    *,
    by: Principal,
    entry_id: UUID,
    room: UUID | None = None,
    expected_version: int | None = None,
) -> QueueEntry:
    """Call somebody, or call them again. Raises NOT_FOUND, PERMISSION_DENIED,
    PRECONDITION_FAILED, INVALID_TRANSITION."""
    entry = _locked(by, entry_id, expected_version, _CALLABLE)
    return _call(by, entry, room)


def call_next(
    *, by: Principal, location: UUID, doctor: UUID | None = None, room: UUID | None = None
) -> QueueEntry | None:
    """Call who is next at the location: for a doctor (theirs and whoever's), or of all.

    None when nobody waits. Two who call at once call two people. Raises NOT_FOUND,
    PERMISSION_DENIED.
    """
    here = Location.objects.filter(pk=location).first()
    if here is None or not by.is_staff_in(here.clinic_id):
        raise KairosError(ErrorCode.NOT_FOUND)
    if doctor is None and not by.may(Permission.QUEUE_RUN, here.clinic_id):
        doctor = by.doctor_id
    by.require(Permission.QUEUE_RUN, here.clinic_id, doctor_id=doctor)
    _require_here(here, doctor=doctor)
    waiting = QueueEntry.objects.filter(
        location=here,
        state=S.WAITING,
        local_day=clock.now().astimezone(ZoneInfo(here.timezone)).date(),
    )
    if doctor is not None:
        waiting = waiting.filter(doctor_id=doctor) | waiting.filter(doctor__isnull=True)
    entry = (
        waiting.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .order_by("rank", "due_at", "arrived_at", "id")
        .first()
    )
    if entry is None:
        return None
    if entry.doctor_id is None and doctor is not None:
        entry.doctor_id = doctor
    return _call(by, entry, room)


def entry_skip(*, by: Principal, entry_id: UUID, expected_version: int | None = None) -> QueueEntry:
    """Pass over somebody who does not come. They keep their place in the list of those passed over
    until they are called, put back or gone. Raises as `entry_call`."""
    entry = _locked(by, entry_id, expected_version, {S.WAITING, S.CALLED})
    return _moved(entry, S.SKIPPED, "queue.skipped", skips=entry.skips + 1)


def entry_requeue(
    *, by: Principal, entry_id: UUID, expected_version: int | None = None
) -> QueueEntry:
    """Let somebody who was passed over or called wait again.

    Who was called by mistake gets their old place; who was passed over waits behind the next
    `BEHIND` of those who wait for the same doctor. Raises as `entry_call`.
    """
    entry = _locked(by, entry_id, expected_version, {S.SKIPPED, S.CALLED})
    due = entry.due_at
    if entry.state == S.SKIPPED:
        waiting = QueueEntry.objects.filter(
            location_id=entry.location_id, local_day=entry.local_day, state=S.WAITING
        )
        if entry.doctor_id is not None:
            waiting = waiting.filter(doctor_id=entry.doctor_id) | waiting.filter(
                doctor__isnull=True
            )
        ahead = list(
            waiting.filter(rank=entry.rank)
            .order_by("due_at", "arrived_at", "id")
            .values_list("due_at", flat=True)[:BEHIND]
        )
        if ahead and ahead[-1] >= due:
            due = ahead[-1] + timedelta(microseconds=1)
    return _moved(entry, S.WAITING, "queue.requeued", due_at=due, called_at=None)


def entry_prioritise(
    *, by: Principal, entry_id: UUID, priority: str, expected_version: int | None = None
) -> QueueEntry:
    """Give somebody another priority. Raises as `entry_call`, VALIDATION_ERROR."""
    if priority not in RANK:
        raise invalid("priority", "unknown")
    entry = _locked(by, entry_id, expected_version, _CALLABLE)
    before, entry.priority, entry.rank = entry.priority, priority, RANK[priority]
    versions.save(entry, ["priority", "rank"])
    entry_record(entry, "queue.prioritised", {"priority": [before, priority]})
    return entry


def entry_transfer(
    *,
    by: Principal,
    entry_id: UUID,
    doctor: UUID | None = None,
    room: UUID | None = None,
    location: UUID | None = None,
    expected_version: int | None = None,
) -> QueueEntry:
    """Let somebody wait for another doctor (None: whoever is free), room or location.

    At another location they get a token of its own. Raises as `entry_call`, NOT_FOUND for anything
    foreign, CONFLICT when the patient waits there for that doctor already.
    """
    seen = entries_visible_to(by).filter(pk=entry_id).first()
    if seen is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    here = Location.objects.filter(
        pk=location or seen.location_id, clinic_id=seen.clinic_id, is_active=True
    ).first()
    if here is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    _require_here(here, doctor=doctor, room=room)
    moves = here.id != seen.location_id
    day = clock.now().astimezone(ZoneInfo(here.timezone)).date()
    number = None
    if seen.appointment_id is not None:
        appointment_lock(seen.appointment_id, by=None)  # its check-in may want a token here too
    _turn_of(seen.patient_id)
    if moves:
        prefix = VISIT if seen.appointment_id else WALK_IN
        number = token_take(clinic=here.clinic_id, location=here.id, day=day, prefix=prefix)
    entry = _locked(by, entry_id, expected_version, _CALLABLE)
    if _waits_already(entry, location=here.id, doctor=doctor):
        raise _waits_there()
    left, changes = entry.location_id, {"doctor": [entry.doctor_id, doctor]}
    entry.doctor_id, entry.room_id = doctor, room
    fields = ["doctor", "room", "state", "called_at"]
    if number is not None:
        entry.location, entry.number, entry.local_day = here, number, day
        fields += ["location", "number", "local_day"]
        changes["location"] = [left, here.id]
    entry.state, entry.called_at = S.WAITING, None
    with _once():
        versions.save(entry, fields)
    entry_record(entry, "queue.transferred", changes)
    if moves:
        queue_changed(location=left, clinic=entry.clinic_id)
    return entry


def entry_start(
    *, by: Principal, entry_id: UUID, expected_version: int | None = None
) -> QueueEntry:
    """The patient is seen now. A visit is started, which takes the right to treat.

    Raises as `entry_call`.
    """
    return _through_visit(by, entry_id, expected_version, Verb.START, S.IN_SERVICE, _CALLABLE)


def entry_done(*, by: Principal, entry_id: UUID, expected_version: int | None = None) -> QueueEntry:
    """The patient was seen. A visit is completed. Raises as `entry_start`."""
    return _through_visit(by, entry_id, expected_version, Verb.COMPLETE, S.DONE, {S.IN_SERVICE})


def entry_left(
    *, by: Principal, entry_id: UUID, reason: str = "", expected_version: int | None = None
) -> QueueEntry:
    """Somebody left without being seen; their visit, if they had one, is cancelled for it.

    Raises as `entry_call`.
    """
    entry = _locked(by, entry_id, expected_version, _CALLABLE, with_visit=True)
    why = f"left without being seen: {reason.strip()}".removesuffix(": ")[:200]
    if entry.appointment_id is None:
        return _moved(
            entry, S.LEFT, "queue.left", done_at=clock.now(), left_reason=reason.strip()[:200]
        )
    visit = appointment_lock(entry.appointment_id, by=None)
    locked_move(visit, Verb.CANCEL, reason=why)
    return _fresh(entry)


# --- Shared -------------------------------------------------------------------------------------


def _through_visit(
    by: Principal,
    entry_id: UUID,
    expected_version: int | None,
    verb: Verb,
    target: QueueState,
    sources: Collection[str],
) -> QueueEntry:
    entry = _locked(by, entry_id, expected_version, sources, with_visit=True)
    takes_over = entry.doctor_id is None and by.doctor_id is not None and verb == Verb.START
    if takes_over:
        entry.doctor_id = by.doctor_id
    if entry.appointment_id is None:
        now = clock.now()
        if target == S.IN_SERVICE:
            return _moved(entry, target, "queue.started", doctor_id=entry.doctor_id, started_at=now)
        return _moved(entry, target, "queue.done", done_at=now)
    by.require(Permission.APPOINTMENT_TREAT, entry.clinic_id, doctor_id=entry.doctor_id)
    if takes_over:
        entry.save(update_fields=["doctor"])  # its version rises with the step itself
    visit = appointment_lock(entry.appointment_id, by=None)
    locked_move(visit, verb)
    return _fresh(entry)


def _locked(
    by: Principal,
    entry_id: UUID,
    expected_version: int | None,
    sources: Collection[str],
    *,
    with_visit: bool = False,
) -> QueueEntry:
    """The entry under its lock; `with_visit` its visit's lock before it."""
    visible = entries_visible_to(by)
    if with_visit:
        visit = visible.filter(pk=entry_id).values_list("appointment_id", flat=True).first()
        if visit is not None:
            appointment_lock(visit, by=None)
    entry = visible.filter(pk=entry_id).select_for_update(of=("self",), no_key=True).first()
    if entry is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    own = entry.doctor_id or by.doctor_id  # whoever may call their own may call who waits for any
    by.require(Permission.QUEUE_RUN, entry.clinic_id, doctor_id=own)
    versions.require(entry, expected_version)
    if entry.state not in sources:
        raise KairosError(ErrorCode.INVALID_TRANSITION, extra={"current_status": entry.state})
    return entry


def _call(by: Principal, entry: QueueEntry, room: UUID | None) -> QueueEntry:
    if room is not None:
        if not Room.objects.filter(pk=room, location_id=entry.location_id, is_active=True).exists():
            raise KairosError(ErrorCode.NOT_FOUND)
        entry.room_id = room
    if entry.doctor_id is None and not by.may(Permission.QUEUE_RUN, entry.clinic_id):
        entry.doctor_id = by.doctor_id
    before = entry.state
    entry.state = S.CALLED
    entry.called_at = clock.now()
    entry.called_by_id = by.account
    entry.calls += 1
    versions.save(entry, ["state", "called_at", "called_by", "calls", "room", "doctor"])
    entry_record(
        entry, "queue.called", {"state": [before, entry.state], "calls": [None, entry.calls]}
    )
    return entry


def _moved(entry: QueueEntry, target: QueueState, action: str, **changes: Any) -> QueueEntry:
    before, entry.state = entry.state, target
    for name, value in changes.items():
        setattr(entry, name, value)
    versions.save(entry, ["state", *(name.removesuffix("_id") for name in changes)])
    entry_record(entry, action, {"state": [before, target]})
    return entry


def _fresh(entry: QueueEntry) -> QueueEntry:
    entry.refresh_from_db()
    return entry


def _waits_already(entry: QueueEntry, *, location: UUID, doctor: UUID | None) -> bool:
    if entry.patient_id is None:
        return False
    return (
        QueueEntry.objects.filter(
            location_id=location,
            patient_id=entry.patient_id,
            doctor=doctor,
            local_day=entry.local_day,
            state__in=[S.WAITING, S.CALLED, S.SKIPPED, S.IN_SERVICE],
        )
        .exclude(pk=entry.pk)
        .exists()
    )


def _turn_of(patient: UUID | None) -> None:
    """One at a time for a patient: no constraint can say that nobody waits twice, since a patient
    may well have two visits with a doctor on a day. After visits' locks, before token counters."""
    if patient is not None:
        locks.advisory([f"queue:{patient}"])


def _waits_there() -> KairosError:
    return KairosError(ErrorCode.CONFLICT, "The patient waits there already.")


@contextmanager
def _once() -> Iterator[None]:
    """Turns the constraint that a walk-in waits once for a doctor into its refusal."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "checkin_queue_walk_in_once" not in str(error):
            raise
        raise _waits_there() from error


def _require_here(
    here: Location,
    *,
    patient: UUID | None = None,
    doctor: UUID | None = None,
    service: UUID | None = None,
    room: UUID | None = None,
) -> None:
    """Raises NOT_FOUND for anything that is not of the location's clinic."""
    clinic = here.clinic_id
    foreign = (
        (
            patient is not None
            and not Patient.objects.filter(
                pk=patient, clinic_id=clinic, is_active=True, merged_into=None
            ).exists()
        )
        or (doctor is not None and not doctors_of_clinic(clinic).filter(pk=doctor).exists())
        or (
            service is not None
            and not Service.objects.filter(pk=service, clinic_id=clinic).exists()
        )
        or (
            room is not None
            and not Room.objects.filter(pk=room, location=here, is_active=True).exists()
        )
    )
    if foreign:
        raise KairosError(ErrorCode.NOT_FOUND)
