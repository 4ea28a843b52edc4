"""The demo clinics' arrivals: check-in places, six weeks of check-ins, and today's waiting room."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from appointments.models import Appointment, AppointmentStatus
from checkin.models import (
    CheckIn,
    CheckInAttempt,
    CheckInLocation,
    CheckInMethod,
    Outcome,
    PointMode,
    QueueEntry,
    QueueState,
    SourceKind,
    TokenCounter,
)
from checkin.services.entries import RANK, due_at
from checkin.services.tokens import VISIT, WALK_IN
from clinics.models import Clinic, Location
from core import ids, journal
from core.errors import ErrorCode

_METHODS: Final = (
    (CheckInMethod.QR_SELF, 38),
    (CheckInMethod.KIOSK, 24),
    (CheckInMethod.QR_STAFF, 12),
    (CheckInMethod.MANUAL, 22),
    (CheckInMethod.OFFLINE_SYNC, 4),
)
_REFUSED: Final = (
    (ErrorCode.TOO_EARLY, 55),
    (ErrorCode.WRONG_LOCATION, 18),
    (ErrorCode.QR_CODE_EXPIRED, 15),
    (ErrorCode.TOO_LATE, 12),
)
_STATES: Final = {
    AppointmentStatus.CHECKED_IN: QueueState.WAITING,
    AppointmentStatus.IN_PROGRESS: QueueState.IN_SERVICE,
    AppointmentStatus.COMPLETED: QueueState.DONE,
}


def arrivals_load(clinics: Iterable[Clinic], *, now: datetime) -> None:
    """Write down how everyone came who is checked in; the same for the same visits."""
    for clinic in clinics:
        places = _places(clinic)
        visits = list(
            Appointment.objects.filter(clinic=clinic, checked_in_at__isnull=False)
            .exclude(location=None)
            .order_by("checked_in_at", "id")
        )
        _arrivals(clinic, visits, places)
        _queue(clinic, visits, now)
        journal.record(journal.Act("checkin.demo_loaded", "clinics.clinic", clinic.id, clinic.id))


def _places(clinic: Clinic) -> dict[UUID, CheckInLocation]:
    """An entrance with a poster at each location, and one screen for the whole clinic."""
    locations = list(Location.objects.filter(clinic=clinic).order_by("id"))
    made = {
        one.id: CheckInLocation(clinic=clinic, location=one, name="Main entrance")
        for one in locations
    }
    screen = CheckInLocation(
        clinic=clinic, location=locations[0], name="Waiting room", mode=PointMode.ROTATING
    )
    CheckInLocation.objects.bulk_create([*made.values(), screen])
    return made


def _drawn(rng: random.Random, shares: Iterable[tuple[str, int]]) -> str:
    kinds, weights = zip(*shares, strict=True)
    return rng.choices(kinds, weights)[0]


def _arrivals(
    clinic: Clinic, visits: list[Appointment], places: dict[UUID, CheckInLocation]
) -> None:
    rows, attempts = [], []
    for number, visit in enumerate(visits):
        assert visit.location_id is not None  # noqa: S101 - others were left out
        assert visit.checked_in_at is not None  # noqa: S101 - same
        rng = random.Random(f"{clinic.slug}:{number}")  # noqa: S311 - not a secret
        method = CheckInMethod(_drawn(rng, _METHODS))
        point = places[visit.location_id] if method == CheckInMethod.QR_SELF else None
        at, forced = visit.checked_in_at, method == CheckInMethod.MANUAL and rng.random() < 0.05
        rows.append(
            CheckIn(
                appointment=visit,
                clinic=clinic,
                patient_id=visit.patient_id,
                location_id=visit.location_id,
                checked_in_at=at,
                method=method,
                point=point,
                forced=forced,
                reason="Arrived early" if forced else "",
                recorded_at=at,
            )
        )
        tried = [(Outcome.CHECKED_IN, "", at)]
        if rng.random() < 0.07:
            refused = _drawn(rng, _REFUSED)
            tried.insert(0, (Outcome.REFUSED, refused, at - timedelta(minutes=rng.randrange(1, 9))))
        attempts += [
            CheckInAttempt(
                clinic=clinic,
                location_id=visit.location_id,
                source_kind=SourceKind.PATIENT
                if method == CheckInMethod.QR_SELF
                else SourceKind.STAFF,
                source_id=visit.patient_id,
                nonce=f"demo-{ids.uuid7().hex}",
                method=method,
                point_id=point.id if point else None,
                appointment_id=visit.id,
                patient_id=visit.patient_id,
                outcome=outcome,
                reason_code=code,
                forced=forced and outcome == Outcome.CHECKED_IN,
                at=moment,
                received_at=moment,
            )
            for outcome, code, moment in tried
        ]
    CheckIn.objects.bulk_create(rows, batch_size=1000)
    CheckInAttempt.objects.bulk_create(attempts, batch_size=1000)


def _queue(clinic: Clinic, visits: list[Appointment], now: datetime) -> None:
    last: Counter[tuple[UUID, date, str]] = Counter()
    entries: list[QueueEntry] = []
    for visit in visits:
        assert visit.location_id is not None  # noqa: S101 - others were left out
        assert visit.checked_in_at is not None  # noqa: S101 - same
        day = visit.local_day
        last[visit.location_id, day, VISIT] += 1
        started = visit.started_at
        entries.append(
            QueueEntry(
                clinic=clinic,
                location_id=visit.location_id,
                appointment=visit,
                patient_id=visit.patient_id,
                doctor_id=visit.doctor_id,
                service_id=visit.service_id,
                room_id=visit.room_id,
                local_day=day,
                prefix=VISIT,
                number=last[visit.location_id, day, VISIT],
                state=_STATES[AppointmentStatus(visit.status)],
                priority=visit.priority,
                rank=RANK[visit.priority],
                due_at=due_at(
                    visit.starts_at, visit.checked_in_at, grace_minutes=clinic.late_grace_minutes
                ),
                arrived_at=visit.checked_in_at,
                called_at=max(visit.checked_in_at, started - timedelta(minutes=1))
                if started
                else None,
                calls=1 if started else 0,
                started_at=started,
                done_at=visit.completed_at,
            )
        )
    entries += _walk_ins(clinic, entries, last, now)
    QueueEntry.objects.bulk_create(entries, batch_size=1000)
    TokenCounter.objects.bulk_create(
        TokenCounter(
            id=ids.uuid7(),
            clinic=clinic,
            location_id=location,
            local_day=day,
            prefix=prefix,
            last=number,
        )
        for (location, day, prefix), number in last.items()
    )


def _walk_ins(
    clinic: Clinic,
    entries: list[QueueEntry],
    last: Counter[tuple[UUID, date, str]],
    now: datetime,
) -> list[QueueEntry]:
    """Two who came without an appointment, where today somebody waits already."""
    waiting: dict[UUID, list[QueueEntry]] = defaultdict(list)
    for entry in entries:
        if entry.state == QueueState.WAITING:
            waiting[entry.location_id].append(entry)
    made = []
    for location, there in waiting.items():
        day = there[0].local_day
        for name, minutes in (("Noor", 14), ("Samira", 6)):
            last[location, day, WALK_IN] += 1
            came = now - timedelta(minutes=minutes)
            made.append(
                QueueEntry(
                    clinic=clinic,
                    location_id=location,
                    guest_name=name,
                    local_day=day,
                    prefix=WALK_IN,
                    number=last[location, day, WALK_IN],
                    due_at=came,
                    arrived_at=came,
                )
            )
    return made
