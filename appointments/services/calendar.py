"""The claim on a doctor's time: the one way in, shared by booking, moving, holding and undoing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection
from psycopg import errors as pg
from psycopg.types.range import TimestamptzRange

from appointments.models import BusyTime, Claim
from appointments.selectors.slots import Slot, alternatives
from core import clock, ids, locks
from core.errors import ErrorCode, KairosError

_BY_CONSTRAINT = {
    "busytime_doctor": ErrorCode.SCHEDULING_CONFLICT,
    "busytime_room": ErrorCode.ROOM_CONFLICT,
    "busytime_patient": ErrorCode.PATIENT_CONFLICT,
}


@dataclass(frozen=True, slots=True)
class Visit:
    """What is to be put into a calendar. Buffers are minutes around [starts_at, ends_at)."""

    clinic: UUID
    doctor: UUID
    location: UUID | None
    service: UUID | None
    mode: str
    starts_at: datetime
    ends_at: datetime
    buffer_before: int = 0
    buffer_after: int = 0
    patient: UUID | None = None
    room: UUID | None = None
    capped: bool = False

    @property
    def minutes(self) -> int:
        return round((self.ends_at - self.starts_at).total_seconds() / 60)

    @property
    def visit(self) -> TimestamptzRange:
        return TimestamptzRange(self.starts_at, self.ends_at)

    @property
    def claimed_from(self) -> datetime:
        return self.starts_at - timedelta(minutes=self.buffer_before)

    @property
    def claimed_to(self) -> datetime:
        return self.ends_at + timedelta(minutes=self.buffer_after)

    @property
    def period(self) -> TimestamptzRange:
        return TimestamptzRange(self.claimed_from, self.claimed_to)


def lock_keys(doctor: UUID, start: datetime, end: datetime, *, capped: bool) -> list[str]:
    """The queue that a writer on this doctor's time stands in.

    Days are UTC days, the same whichever clinic's zone asks. A doctor with a daily or weekly cap
    has one queue for all days: a cap counts across them.
    """
    if capped:
        return [f"doctor:{doctor}"]
    first, last = start.astimezone(UTC).date(), end.astimezone(UTC).date()
    return [
        f"doctor:{doctor}:{first + timedelta(days=number)}"
        for number in range((last - first).days + 1)
    ]


def admit(
    visit: Visit,
    *,
    patient_rules: bool,
    override: bool = False,
    moving: UUID | None = None,
    hold: UUID | None = None,
    also_lock: tuple[str, ...] = (),
) -> int:
    """Take the locks and ask whether the visit may have its time; its lane.

    Raises the refusal (SCHEDULING_CONFLICT with `alternatives`). After this, and until the
    transaction ends, nobody else in the same queue can take the time; the exclusion constraints
    hold against everyone.
    """
    keys = lock_keys(visit.doctor, visit.claimed_from, visit.claimed_to, capped=visit.capped)
    with connection.cursor() as cursor:
        _execute(
            cursor,
            "SELECT admitted_lane, refusal FROM appointments_admit(%s::text[], %s, %s::uuid[],"
            " %s::uuid, %s::uuid, %s::uuid, %s, %s, %s, %s::uuid, %s, %s, %s::uuid[], %s::uuid,"
            " %s)",
            [
                sorted({*keys, *also_lock}),
                locks.LOCK_TIMEOUT_MS,
                [visit.clinic],
                visit.doctor,
                visit.location,
                visit.service,
                visit.mode,
                visit.visit,
                visit.period,
                visit.patient,
                clock.now(),
                patient_rules,
                [moving] if moving else None,
                hold,
                override,
            ],
        )
        lane, refusal = cursor.fetchone()
    if refusal is None and lane is not None:
        return int(lane)
    code = ErrorCode(refusal or ErrorCode.SCHEDULING_CONFLICT)
    extra: dict[str, Any] = {}
    if code == ErrorCode.SCHEDULING_CONFLICT:
        extra["alternatives"] = [
            slot_data(slot)
            for slot in alternatives(
                clinic=visit.clinic,
                doctor=visit.doctor,
                around=visit.starts_at,
                location=visit.location,
                service=visit.service,
                minutes=visit.minutes,
                mode=visit.mode,
                patient_rules=patient_rules,
                moving=moving,
            )
        ]
    raise KairosError(code, extra=extra)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one visit of several: the lane it may have, or why it may not."""

    lane: int | None
    code: ErrorCode | None


def judge_all(
    visits: Sequence[Visit],
    *,
    patient_rules: bool,
    admit: bool,
    moving: Sequence[UUID] = (),
    until: datetime | None = None,
    also_lock: Sequence[str] = (),
) -> list[Judgement]:
    """Judge several visits by the rules of one booking, in one statement; in their order.

    With `admit` the locks of all of them are taken first, and hold until the transaction ends, as
    in `admit`; without, it is a preview and nothing is locked. Visits of one batch count together
    against a doctor's caps; they are not compared with one another otherwise, so none may overlap.
    `moving` are appointments whose own claims are about to be given up; `until` is a horizon later
    than the clinic's, for what is planned far ahead. The visits are all of one scope's clinics.
    """
    if not visits:
        return []
    keys: set[str] = set(also_lock)
    for visit in visits if admit else ():
        keys.update(
            lock_keys(visit.doctor, visit.claimed_from, visit.claimed_to, capped=visit.capped)
        )
    with connection.cursor() as cursor:
        _execute(
            cursor,
            "SELECT admitted_lane, refusal FROM appointments_admit_all(%s::text[], %s, %s::uuid[],"
            " %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::tstzrange[], %s::tstzrange[],"
            " %s::uuid[], %s::uuid[], %s, %s, %s::uuid[], %s) ORDER BY number",
            [
                sorted(keys),
                locks.LOCK_TIMEOUT_MS,
                sorted({visit.clinic for visit in visits}),
                [visit.doctor for visit in visits],
                [visit.location for visit in visits],
                [visit.service for visit in visits],
                [visit.mode for visit in visits],
                [visit.visit for visit in visits],
                [visit.period for visit in visits],
                [visit.patient for visit in visits],
                [visit.room for visit in visits],
                clock.now(),
                patient_rules,
                list(moving) or None,
                until,
            ],
        )
        return [
            Judgement(lane, ErrorCode(refusal) if refusal else None)
            for lane, refusal in cursor.fetchall()
        ]


def slot_data(slot: Slot) -> dict[str, Any]:
    """A slot as it stands in answers."""
    return {
        "doctor": slot.doctor,
        "clinic": slot.clinic,
        "location": slot.location,
        "service": slot.service,
        "starts_at": slot.starts_at,
        "ends_at": slot.ends_at,
        "timezone": slot.timezone,
        "remaining": slot.remaining,
    }


def claim_insert(
    visit: Visit,
    *,
    lane: int | None,
    kind: Claim,
    appointment: UUID | None = None,
    holder: UUID | None = None,
    expires_at: datetime | None = None,
    address: str | None = None,
) -> UUID:
    """Claim the time. Raises SCHEDULING_, ROOM_ or PATIENT_CONFLICT as the constraint says."""
    claim_id = ids.uuid7()
    with conflicts_named(), connection.cursor() as cursor:
        _execute(
            cursor,
            "INSERT INTO appointments_busytime (id, clinic_id, doctor_id, lane, room_id,"
            " patient_id, period, visit, kind, appointment_id, service_id, location_id, holder,"
            " expires_at, address, reason, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::inet, '', %s)",
            [
                claim_id,
                visit.clinic,
                visit.doctor,
                lane,
                visit.room,
                visit.patient,
                visit.period,
                visit.visit,
                kind.value,
                appointment,
                visit.service,
                visit.location,
                holder,
                expires_at,
                address,
                clock.now(),
            ],
        )
    return claim_id


def claims_insert(claims: Sequence[tuple[Visit, int, UUID]]) -> None:
    """Claim the time of several appointments, all or none, in one statement.

    Each is a visit, the lane that `judge_all` gave it, and its appointment. Raises as
    `claim_insert`.
    """
    if not claims:
        return
    visits = [visit for visit, _, _ in claims]
    with conflicts_named(), connection.cursor() as cursor:
        _execute(
            cursor,
            "INSERT INTO appointments_busytime (id, clinic_id, doctor_id, lane, room_id,"
            " patient_id, period, visit, kind, appointment_id, service_id, location_id, reason,"
            " created_at)"
            " SELECT r.*, '', %s FROM (SELECT a.id, a.clinic, a.doctor, a.lane, a.room, a.patient,"
            " a.period, a.visit, 'BOOKED', a.appointment, a.service, a.location"
            " FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::integer[], %s::uuid[],"
            " %s::uuid[], %s::tstzrange[], %s::tstzrange[], %s::uuid[], %s::uuid[], %s::uuid[])"
            " AS a(id, clinic, doctor, lane, room, patient, period, visit, appointment, service,"
            " location)) AS r",
            [
                clock.now(),
                [ids.uuid7() for _ in claims],
                [visit.clinic for visit in visits],
                [visit.doctor for visit in visits],
                [lane for _, lane, _ in claims],
                [visit.room for visit in visits],
                [visit.patient for visit in visits],
                [visit.period for visit in visits],
                [visit.visit for visit in visits],
                [appointment for _, _, appointment in claims],
                [visit.service for visit in visits],
                [visit.location for visit in visits],
            ],
        )


def claim_swap(appointment: UUID, visit: Visit, *, lane: int) -> None:
    """Exchange an appointment's claim for another: the old time is given up only if the new one was
    won, since both happen in one transaction. Raises as `claim_insert`."""
    claim_release(appointment)
    claim_insert(visit, lane=lane, kind=Claim.BOOKED, appointment=appointment)


def claim_use(hold: UUID, visit: Visit, appointment: UUID) -> None:
    """Turn a hold into the appointment's claim. Raises HOLD_EXPIRED when it is gone."""
    with conflicts_named(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE appointments_busytime SET kind = 'BOOKED', appointment_id = %s,"
            " patient_id = %s, room_id = %s, holder = NULL, expires_at = NULL, address = NULL"
            " WHERE id = %s AND kind = 'HELD' AND expires_at > %s",
            [appointment, visit.patient, visit.room, hold, clock.now()],
        )
        if cursor.rowcount == 0:
            raise KairosError(ErrorCode.HOLD_EXPIRED)


def claim_release(appointment: UUID) -> None:
    """Give an appointment's time back (inside a leave: to the leave)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT appointments_release(%s)", [appointment])


def _execute(cursor: Any, sql: str, params: list[Any]) -> None:
    """Django's stubs know nothing of psycopg's ranges; psycopg does."""
    cursor.execute(sql, params)


@contextmanager
def conflicts_named() -> Iterator[None]:
    """Turns a violated exclusion into its error code."""
    try:
        yield
    except IntegrityError as error:
        cause = error.__cause__
        if isinstance(cause, pg.ExclusionViolation):
            name = cause.diag.constraint_name or ""
            if name in _BY_CONSTRAINT:
                raise KairosError(_BY_CONSTRAINT[name]) from error
        raise


@dataclass(frozen=True, slots=True)
class Hold:
    """Time kept for someone who is filling in a form."""

    id: UUID
    clinic: UUID
    doctor: UUID
    location: UUID | None
    service: UUID | None
    patient: UUID | None
    starts_at: datetime
    ends_at: datetime
    holder: UUID
    expires_at: datetime


def hold_find(hold: UUID) -> Hold | None:
    """A hold in scope, expired or not."""
    row = (
        BusyTime.objects.filter(id=hold, kind=Claim.HELD)
        .values_list(
            "id",
            "clinic_id",
            "doctor_id",
            "location_id",
            "service_id",
            "patient_id",
            "visit",
            "holder",
            "expires_at",
        )
        .first()
    )
    if row is None or row[7] is None or row[8] is None:
        return None
    return Hold(*row[:6], row[6].lower, row[6].upper, row[7], row[8])
