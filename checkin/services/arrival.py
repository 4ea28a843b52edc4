"""Checking in: one service for every way in.

A scan is answered with data, refusals too, and each attempt is written down. The question's nonce
is looked up first: the same nonce gets the same answer, however often it comes again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentStatus, Verb
from appointments.services.row import appointment_lock
from appointments.services.status import locked_move
from checkin.models import CheckInMethod, Outcome
from checkin.rules import Window, refusal, window_of
from checkin.selectors.visits import visits_locked
from checkin.services.alerts import slow_check
from checkin.services.answers import refused_answer
from checkin.services.attempts import Tried, Try, attempts_write, receipts_claim
from checkin.services.records import How, arrival_write
from checkin.services.scanning import NONCE, Asked, Scan
from checkin.sources import Source, staff_source
from clinics.models import VisitMode
from clinics.principal import Principal
from core import clock, journal
from core.errors import ErrorCode, KairosError, invalid

MOST_SCANS: Final = 100


def check_in(*, source: Source, asked: Asked, method: CheckInMethod) -> dict[str, Any]:
    """Check in whom the code is about, and answer with data (`answers.answer_of`).

    Leaves the code's clinic alone in scope. Raises VALIDATION_ERROR for a malformed nonce,
    IDEMPOTENCY_MISMATCH for one that stood for another question, RATE_LIMIT_EXCEEDED for a source
    that was slowed down.
    """
    if not NONCE.fullmatch(asked.nonce):
        raise invalid("nonce", "8 to 64 letters, digits, - or _")
    slow_check(source)
    return Scan(source, asked, method, offline=method == CheckInMethod.OFFLINE_SYNC).answer()


def sync(*, source: Source, scans: Sequence[Asked]) -> list[dict[str, Any]]:
    """Apply scans that were made offline: the answers, in the order of the scans.

    The order does not matter, nor how often a scan is sent, nor how late. Raises VALIDATION_ERROR,
    with nothing done, for more than `MOST_SCANS` or a malformed nonce.
    """
    if len(scans) > MOST_SCANS:
        raise invalid("scans", f"at most {MOST_SCANS}")
    for scan in scans:
        if not NONCE.fullmatch(scan.nonce):
            raise invalid("scans", "a nonce is 8 to 64 letters, digits, - or _")
    slow_check(source)
    batch = [Scan(source, scan, CheckInMethod.OFFLINE_SYNC, offline=True) for scan in scans]
    # Two batches at once, in whatever order: nonces first, then visits, then tokens by place.
    new = receipts_claim(
        source=source,
        asked=[(one.clinic, one.asked.nonce, one.digest) for one in batch if one.clinic],
    )
    clinics = {one.clinic for one in batch if one.clinic}
    places = visits_locked(set().union(*(one.named for one in batch)), clinics=clinics)
    answers: dict[int, dict[str, Any]] = {}
    for number, one in sorted(enumerate(batch), key=lambda pair: _place_of(pair[1], places)):
        nonce = one.asked.nonce
        try:
            is_new = new.get(nonce) == one.digest
            if is_new:
                del new[nonce]  # a second scan with the nonce in this batch gets its answer
            answers[number] = one.answer(is_new=is_new)
        except KairosError as error:
            if error.code != ErrorCode.IDEMPOTENCY_MISMATCH:
                raise
            answers[number] = refused_answer(error.code, nonce=nonce)
    return [answers[number] for number in range(len(batch))]


def _place_of(scan: Scan, places: Mapping[UUID, UUID | None]) -> str:
    return min((str(places[visit]) for visit in scan.named if visit in places), default="")


# --- At the desk --------------------------------------------------------------------------------


def check_in_by_hand(
    *,
    appointment_id: UUID,
    by: Principal,
    expected_version: int | None = None,
    reason: str = "",
) -> Appointment:
    """Somebody of the staff checks a visit in.

    With a `reason`, and the right to, past the window: forced, audited. Raises
    APPOINTMENT_NOT_FOUND, PERMISSION_DENIED, PRECONDITION_FAILED, INVALID_TRANSITION,
    VIDEO_APPOINTMENT, and without a reason TOO_EARLY, TOO_LATE, APPOINTMENT_EXPIRED (with
    `opens_at` and `closes_at`). Every attempt is written down; a refusal's row lasts only where the
    caller keeps what it wrote.
    """
    visit = appointment_lock(appointment_id, by=by, expected_version=expected_version)
    by.require(Permission.CHECKIN_RUN, visit.clinic_id, doctor_id=visit.doctor_id)
    return _by_hand(visit, by=by, reason=reason)


def check_in_by_force(
    *, appointment_id: UUID, by: Principal, reason: str, expected_version: int | None = None
) -> Appointment:
    """Check in past the window, which takes its own right and a reason.

    Raises VALIDATION_ERROR without a reason, and as `check_in_by_hand`.
    """
    visit = appointment_lock(appointment_id, by=by, expected_version=expected_version)
    by.require(Permission.CHECKIN_FORCE, visit.clinic_id)
    if not reason.strip():
        raise invalid("reason", "required")
    return _by_hand(visit, by=by, reason=reason)


def _by_hand(visit: Appointment, *, by: Principal, reason: str) -> Appointment:
    if visit.type == VisitMode.HOME_VISIT:  # the doctor arrives, and no rule of a place applies
        return locked_move(visit, Verb.CHECK_IN, by=by, reason=reason)
    reason = reason.strip()
    now = clock.now()
    window = window_of(visit)
    code = refusal(visit, at=now, window=window, here=None, by_staff=True)
    if code == ErrorCode.ALREADY_CHECKED_IN:
        code = ErrorCode.INVALID_TRANSITION  # as every other step that was taken already
    forced = code in FORCEABLE and bool(reason)
    if forced:
        by.require(Permission.CHECKIN_FORCE, visit.clinic_id)
    tried = Try(
        staff_source(by),
        f"desk-{visit.version}-{visit.id.hex}",
        visit.clinic_id,
        CheckInMethod.MANUAL,
        now,
        now,
    )
    if code is not None and not forced:
        attempts_write(
            tried,
            [Tried(Outcome.REFUSED, code, visit.id, visit.patient_id, visit.location_id)],
        )
        raise _refusal(visit, code, window)
    attempts_write(
        tried,
        [
            Tried(
                Outcome.CHECKED_IN,
                code if forced else None,
                visit.id,
                visit.patient_id,
                visit.location_id,
                forced=forced,
            )
        ],
    )
    how = How(CheckInMethod.MANUAL, by=by.account, forced_reason=reason if forced else "")
    arrival_write(visit, how, at=now)
    locked_move(visit, Verb.CHECK_IN, by=by, reason=reason, at=now)
    if forced:
        journal.record(
            journal.Act(
                "checkin.forced",
                "appointments.appointment",
                visit.id,
                visit.clinic_id,
                (visit.patient_id,),
                {"past": [None, code.value if code else ""], "reason": [None, reason]},
            )
        )
    return visit


#: What staff may go past, with a reason. A visit that is no visit in person they may not.
FORCEABLE: Final = frozenset(
    {ErrorCode.TOO_EARLY, ErrorCode.TOO_LATE, ErrorCode.APPOINTMENT_EXPIRED}
)


def _refusal(visit: Appointment, code: ErrorCode, window: Window) -> KairosError:
    if code == ErrorCode.INVALID_TRANSITION:
        label = AppointmentStatus(visit.status).label.lower()
        return KairosError(code, f"It is {label}.", extra={"current_status": visit.status})
    if code == ErrorCode.VIDEO_APPOINTMENT:
        return KairosError(code)
    return KairosError(
        code,
        _("Check-in was or is open at another time."),
        extra={"opens_at": window.opens_at, "closes_at": window.closes_at},
    )
