"""What looks odd about a source of scans: the clinic is told, and the source is slowed down.

Counted from the attempts that the source left behind, in one indexed read for each refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection

from accounts.roles import Permission
from checkin.geo import WORST_ACCURACY_METRES, Coordinates, distance_metres
from checkin.models import (
    AlertKind,
    CheckIn,
    CheckInAlert,
    CheckInDevice,
    CheckInMethod,
    SourceKind,
)
from checkin.sources import Source, device_source
from clinics.models import Location
from clinics.principal import Principal
from core import clock, ids, journal, limits, tenancy, valkey
from core.errors import ErrorCode, KairosError

WINDOW: Final = timedelta(minutes=5)
#: So many refusals of one source within `WINDOW` are odd.
MANY_REFUSALS: Final = 20
#: So many codes that are none of ours are.
UNKNOWN_CODES: Final = 8
#: No patient travels faster.
FASTEST_METRES_A_SECOND: Final = 900 / 3.6
#: A map and a phone disagree by this much at the worst.
NEAR_METRES: Final = 1_000.0
SLOWED_FOR: Final = timedelta(minutes=10)
#: At 900 km/h half the Earth is further away than a day's travel is not.
_TRAVEL: Final = timedelta(days=1)
_COUNTED: Final = 200
#: A second scan of the same pass is clumsy, and offline scans sent twice are meant to be harmless.
_HARMLESS: Final = frozenset({ErrorCode.ALREADY_CHECKED_IN, ErrorCode.MULTIPLE_APPOINTMENTS})

#: Sources that are with the patient, wherever that is.
_MOVE: Final = frozenset({SourceKind.PATIENT, SourceKind.GUEST})

_REFUSALS = """
SELECT reason_code, count(*) FROM (
    SELECT reason_code FROM checkin_checkinattempt
    WHERE source_id = %(source)s AND received_at > %(since)s AND id >= %(floor)s
      AND at BETWEEN %(made_since)s AND %(made_until)s
      AND outcome = 'REFUSED' AND reason_code <> ALL(%(harmless)s)
    ORDER BY received_at DESC LIMIT %(most)s
) recent GROUP BY reason_code
"""

_ELSEWHERE = """
(SELECT arrival.checked_in_at, place.latitude, place.longitude, place.id
 FROM checkin_checkin arrival JOIN clinics_location place ON place.id = arrival.location_id
 WHERE arrival.patient_id = %(patient)s AND arrival.undone_at IS NULL
   AND arrival.checked_in_at BETWEEN %(from)s AND %(to)s AND arrival.recorded_at <= %(known)s
   AND place.id <> %(location)s AND place.latitude IS NOT NULL
 ORDER BY arrival.checked_in_at DESC LIMIT 10)
UNION ALL
(SELECT attempt.at, place.latitude, place.longitude, place.id
 FROM checkin_checkinattempt attempt
 JOIN checkin_checkinlocation point ON point.id = attempt.point_id
 JOIN clinics_location place ON place.id = point.location_id
 WHERE attempt.source_id = %(mover)s AND attempt.received_at > %(from)s AND attempt.id >= %(floor)s
   AND attempt.at BETWEEN %(from)s AND %(to)s AND attempt.received_at <= %(known)s
   AND place.id <> %(location)s AND place.latitude IS NOT NULL
 ORDER BY attempt.received_at DESC LIMIT 10)
"""


def observe(
    *,
    source: Source,
    clinic_id: UUID | None,
    code: str | None,
    at: datetime,
    coordinates: Coordinates | None = None,
    patient_id: UUID | None = None,
    location_id: UUID | None = None,
) -> None:
    """Look at a source after an attempt of its own was written, in the same transaction.

    `code` is why it was refused, None where only how far apart the patient's places are is to be
    looked at. `clinic_id` None: nobody's code, so nobody is told, but
    the source is slowed all the same. Never refuses anything; `slow_check` does, the next time.
    """
    if code and code not in _HARMLESS:
        refusals = _refusals(source, at)
        total, unknown = sum(refusals.values()), refusals.get(ErrorCode.INVALID_QR_CODE, 0)
        for kind, count, enough in (
            (AlertKind.MANY_REFUSALS, total, MANY_REFUSALS),
            (AlertKind.UNKNOWN_CODES, unknown, UNKNOWN_CODES),
        ):
            if count >= enough:
                _slow(source)
                _raise(source, clinic_id, kind, count, {"codes": refusals}, location_id)
    if patient_id is not None and location_id is not None and clinic_id is not None:
        stood = _Stood(patient_id, location_id, at, clock.now(), coordinates)
        _look_at_journey(source, clinic_id, stood)


def arrival_observe(*, appointment_id: UUID) -> None:
    """Look at an arrival that stands: was its patient somewhere else a moment ago?

    Called after the check-in, so that nobody waits for it. What staff did at the desk is theirs.
    """
    arrival = (
        CheckIn.objects.select_related("device")
        .filter(pk=appointment_id, undone_at=None)
        .exclude(method=CheckInMethod.MANUAL)
        .first()
    )
    if arrival is None:
        return
    if arrival.device is not None:
        source = device_source(arrival.device)
    elif arrival.method == CheckInMethod.QR_STAFF and arrival.by_id is not None:
        source = Source(SourceKind.STAFF, arrival.by_id)
    else:
        kind = SourceKind.GUEST if arrival.by_id is None else SourceKind.PATIENT
        source = Source(kind, arrival.by_id or arrival.patient_id)
    stood = _Stood(
        arrival.patient_id, arrival.location_id, arrival.checked_in_at, arrival.recorded_at
    )
    _look_at_journey(source, arrival.clinic_id, stood)


def slow_check(source: Source) -> None:
    """Count a request of a source that was slowed down; any other passes.

    Raises RATE_LIMIT_EXCEEDED with `Retry-After`. With Valkey dead nobody is slowed.
    """
    if _is_slowed(source):
        limits.consume([limits.Limit(f"slowed:{source.id}", settings.RATE_LIMITS["slowed"])])


def alert_see(*, by: Principal, alert_id: UUID) -> CheckInAlert:
    """Note that the administrator looked at it; its source is answered at full speed again.

    Seen once, it stays seen. Raises NOT_FOUND (also out of scope), PERMISSION_DENIED.
    """
    alert = (
        CheckInAlert.objects.select_for_update(of=("self",))
        .select_related("device")
        .filter(pk=alert_id)
        .first()
    )
    if alert is None or not by.is_staff_in(alert.clinic_id):
        raise KairosError(ErrorCode.NOT_FOUND)
    by.require(Permission.CHECKIN_PLACES_WRITE, alert.clinic_id)
    if alert.seen_at is None:
        alert.seen_at, alert.seen_by_id = clock.now(), by.account
        alert.save(update_fields=["seen_at", "seen_by"])
        if alert.device_id is not None:
            CheckInDevice.objects.filter(pk=alert.device_id).update(slowed_until=None)
        _in_valkey(lambda client: client.delete(_key(alert.source_id)))
        journal.record(
            journal.Act(
                "checkin_alert.seen",
                "checkin.checkinalert",
                alert.id,
                alert.clinic_id,
                changes={"seen_at": [None, alert.seen_at]},
            )
        )
    return alert


def _refusals(source: Source, at: datetime) -> dict[str, int]:
    """How often the source was refused lately, by code. A shift's offline scans that come all at
    once count by when they were made."""
    now = clock.now()
    asked = {
        "source": source.id,
        "since": now - WINDOW,
        "floor": _youngest_ids(WINDOW),
        "made_since": at - WINDOW,
        "made_until": at + WINDOW,
        "harmless": [code.value for code in _HARMLESS],
        "most": _COUNTED,
    }
    if source.device is not None:
        return _counted(asked)
    with tenancy.scope(tenancy.SYSTEM):  # nobody's codes are of no clinic
        return _counted(asked)


def _youngest_ids(span: timedelta) -> UUID:
    """Where ids of that long ago begin, so that no partition before is looked at."""
    return ids.floor(ids.instant(ids.uuid7()) - span)


def _counted(asked: Mapping[str, Any]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(_REFUSALS, asked)
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class _Stood:
    """That a patient was at a location at a moment, as we heard at `known_at`."""

    patient_id: UUID
    location_id: UUID
    at: datetime
    known_at: datetime
    coordinates: Coordinates | None = None


def _look_at_journey(source: Source, clinic_id: UUID, stood: _Stood) -> None:
    far = _too_far(source, stood)
    if far is not None:
        if source.kind in _MOVE:  # a kiosk cannot help who comes to it
            _slow(source)
        _raise(source, clinic_id, AlertKind.IMPOSSIBLE_DISTANCE, 1, far, stood.location_id)


def _too_far(source: Source, stood: _Stood) -> dict[str, Any] | None:
    """The farthest place of the clinic where the patient cannot have been too, of those that we
    knew of before; None as a rule."""
    asked = {
        "patient": stood.patient_id,
        "location": stood.location_id,
        # A device stands still: that many come to it tells nothing of any of them.
        "mover": source.id if source.kind in _MOVE else None,
        "from": stood.at - _TRAVEL,
        "to": stood.at + _TRAVEL,
        "known": stood.known_at,
        "floor": _youngest_ids(_TRAVEL),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ELSEWHERE, asked)
        elsewhere = cursor.fetchall()
    here = _place(stood.coordinates, stood.location_id) if elsewhere else None
    if here is None:
        return None
    found: dict[str, Any] | None = None
    for then, latitude, longitude, other_id in elsewhere:
        metres = distance_metres(here.latitude, here.longitude, float(latitude), float(longitude))
        seconds = abs((stood.at - then).total_seconds())
        reach = seconds * FASTEST_METRES_A_SECOND + NEAR_METRES + here.accuracy
        if metres > reach and (found is None or metres > found["metres"]):
            found = {
                "patient": str(stood.patient_id),
                "other_location": str(other_id),
                "metres": round(metres),
                "minutes": round(seconds / 60),
            }
    return found


def _place(coordinates: Coordinates | None, location_id: UUID) -> Coordinates | None:
    """Where the attempt was made: as the phone says if it knows, else where the location is."""
    if coordinates is not None and coordinates.accuracy <= WORST_ACCURACY_METRES:
        return coordinates
    located = Location.objects.filter(pk=location_id, latitude__isnull=False)
    found = located.values_list("latitude", "longitude").first()
    if found is None or found[0] is None or found[1] is None:
        return None
    return Coordinates(float(found[0]), float(found[1]))


def _raise(
    source: Source,
    clinic_id: UUID | None,
    kind: AlertKind,
    count: int,
    details: Mapping[str, Any],
    location_id: UUID | None,
) -> None:
    """One alert stands open for a source and kind; while it does, its count rises."""
    if clinic_id is None:
        return
    now = clock.now()
    said = {
        "source": source.kind.value,
        "location": str(location_id or source.location_id or "") or None,
        **details,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE checkin_checkinalert SET count = count + 1, last_at = %s, details = %s::jsonb"
            " WHERE clinic_id = %s AND source_id = %s AND kind = %s AND seen_at IS NULL",
            [now, orjson.dumps(said).decode(), clinic_id, source.id, kind.value],
        )
        if cursor.rowcount:
            return
    alert = CheckInAlert(
        clinic_id=clinic_id,
        kind=kind,
        device=source.device,
        source_id=source.id,
        count=count,
        details=said,
        created_at=now,
        last_at=now,
    )
    CheckInAlert.objects.bulk_create([alert], ignore_conflicts=True)
    if not CheckInAlert.objects.filter(pk=alert.id).exists():
        return  # another request was first, and has told of it
    journal.record(
        journal.Act(
            "checkin_alert.raised",
            "checkin.checkinalert",
            alert.id,
            clinic_id,
            changes={"kind": [None, kind.value], "source": [None, source.kind.value]},
            topic="checkin.alert",
            payload={"id": alert.id, "kind": kind.value},
        )
    )


def _slow(source: Source) -> None:
    if source.device is None:
        seconds = int(SLOWED_FOR.total_seconds())
        _in_valkey(lambda client: client.set(_key(source.id), 1, ex=seconds))
        return
    until = clock.now() + SLOWED_FOR
    known = source.device.slowed_until
    if known is None or known < until - timedelta(minutes=1):  # not a write for each refusal
        source.device.slowed_until = until
        # Nobody waits here: who holds the device's row may wait for what this scan has locked.
        beside = CheckInDevice.objects.select_for_update(skip_locked=True, no_key=True)
        CheckInDevice.objects.filter(pk__in=beside.filter(pk=source.device.id)).update(
            slowed_until=until
        )


def _is_slowed(source: Source) -> bool:
    if source.device is not None:
        until = source.device.slowed_until
        return until is not None and until > clock.now()
    return bool(_in_valkey(lambda client: client.exists(_key(source.id))))


def _key(source_id: UUID) -> str:
    return f"checkin:slowed:{source_id}"


def _in_valkey(operation: Any) -> Any:
    """What Valkey answers; None when it is not to be had: slowing somebody down is no rule."""
    try:
        return valkey.call(operation)
    except valkey.Unavailable:
        return None
