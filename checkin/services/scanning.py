"""One scan on its way to its answer: what it names, what the rules say, what is written."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentStatus, Verb
from appointments.services.status import locked_move
from checkin.codes import Code, Kind, read_code
from checkin.geo import Coordinates
from checkin.models import CheckIn, CheckInLocation, CheckInMethod, Outcome, SourceKind
from checkin.rules import (
    NOT_ASKED,
    Seen,
    Window,
    happened_at,
    is_on_day_of,
    refusal,
    seen_from,
    window_of,
)
from checkin.selectors.points import point_by_code
from checkin.selectors.visits import (
    family_of,
    visits_around_locked,
    visits_locked,
    visits_read,
)
from checkin.services.alerts import observe
from checkin.services.answers import answer_of, refused_answer
from checkin.services.attempts import (
    Tried,
    Try,
    attempts_write,
    question_digest,
    receipt_close,
    receipt_kept,
    receipts_claim,
)
from checkin.services.entries import entry_arrived_earlier
from checkin.services.records import How, arrival_write
from checkin.sources import Source
from core import clock, tenancy, versions
from core.errors import ErrorCode, KairosError

NONCE: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to check in.

    `code` is the scanned text. `appointment_ids` chooses among several visits, `everyone` takes all
    that can be. `scanned_at` and `sent_at` are by the device's own clock.
    """

    code: str
    nonce: str
    appointment_ids: tuple[UUID, ...] = ()
    everyone: bool = False
    coordinates: Coordinates | None = None
    scanned_at: datetime | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A visit with what the rules say of it."""

    visit: Appointment
    code: ErrorCode | None
    window: Window
    seen: Seen = NOT_ASKED

    @property
    def arrival(self) -> CheckIn | None:
        """The arrival that was written down before, standing or taken back."""
        return getattr(self.visit, "arrival", None)


class Scan:
    """One question on its way to its answer."""

    def __init__(
        self, source: Source, asked: Asked, method: CheckInMethod, *, offline: bool
    ) -> None:
        self.source, self.asked, self.method, self.offline = source, asked, method, offline
        self.received_at = clock.now()
        self.at = (
            happened_at(
                scanned_at=asked.scanned_at, sent_at=asked.sent_at, received_at=self.received_at
            )
            if source.is_trusted
            else self.received_at
        )
        self.digest = question_digest(asked.code, asked.appointment_ids, everyone=asked.everyone)
        self.code = known_code(asked.code)
        self.is_known = self.code is not None and self._may_ask(self.code)
        self.clinic: UUID | None = source.device.clinic_id if source.device else None
        if self.code is not None and self.is_known:
            self.clinic = self.code.clinic_id
        self.point: CheckInLocation | None = None

    @property
    def named(self) -> set[UUID]:
        """The visits that the question itself names."""
        code = self.code
        own = set() if code is None or code.is_point else {code.subject_id}
        return own | set(self.asked.appointment_ids)

    def answer(self, *, is_new: bool | None = None) -> dict[str, Any]:
        """The answer, kept for its nonce. `is_new`: whether the caller has claimed the nonce just
        now; None when that is still to be done."""
        if self.clinic is not None:
            if self.source.device is None:  # a device's scope is its clinic already
                tenancy.narrow([self.clinic])
            nonce, digest = self.asked.nonce, self.digest
            if is_new is None:
                claim = (self.clinic, nonce, digest)
                is_new = bool(receipts_claim(source=self.source, asked=[claim]))
            if not is_new:
                return receipt_kept(source=self.source, nonce=nonce, digest=digest)
        if self.code is None:
            said = self._refused(ErrorCode.INVALID_QR_CODE)
        elif not self.is_known:
            said = self._refused(ErrorCode.NO_APPOINTMENT_FOUND)
        else:
            said = self._judge(self.code)
        if self.clinic is not None:
            receipt_close(source=self.source, nonce=self.asked.nonce, answer=said)
        return said

    def _may_ask(self, code: Code) -> bool:
        """Whether the source has anything to do with the code's clinic. Foreign is unknown."""
        source = self.source
        if source.device is not None:
            return source.device.clinic_id == code.clinic_id
        if source.kind == SourceKind.STAFF and source.principal is not None:
            return source.principal.may(Permission.CHECKIN_RUN, code.clinic_id)
        return True

    def _judge(self, code: Code) -> dict[str, Any]:
        if self.source.is_trusted == code.is_point:
            # Patients scan the clinic's code, the clinic scans the patients'.
            return self._refused(ErrorCode.INVALID_QR_CODE)
        if code.is_point:
            try:
                self.point = point_by_code(code, self.at)
            except KairosError as refused:
                return self._refused(refused.code)
        elif self.source.device is not None:
            self.point = self.source.device.point
        return self._decide(code, self._candidates(code))

    # --- Which visits -----------------------------------------------------------------------------

    def _candidates(self, code: Code) -> list[Judged]:
        assert self.clinic is not None  # noqa: S101 - the code has named it
        principal = self.source.principal
        found: Collection[UUID]
        if code.kind != Kind.PASS:
            if principal is None:
                return []
            found = visits_around_locked(
                clinic=self.clinic,
                at=self.at,
                patients=principal.charts.get(self.clinic, ()),
                visits=[principal.visit_id] if principal.visit_id else [],
            )
        elif self.offline:
            # A scan made offline is about its own visit, whatever else arrives before or after it.
            found = visits_locked(self.named, clinics=[self.clinic])
        else:
            found = visits_around_locked(clinic=self.clinic, at=self.at, subject=code.subject_id)
        visits = visits_read(found, clinic=self.clinic)
        if self.offline and self.asked.appointment_ids:
            family = set(self._family(code))
            visits = [
                one for one in visits if one.id == code.subject_id or one.patient_id in family
            ]
        return [self._judged(visit) for visit in visits]

    def _family(self, code: Code) -> list[UUID]:
        return family_of(code.subject_id, clinic=code.clinic_id, today=self.at.date())

    def _judged(self, visit: Appointment) -> Judged:
        window = window_of(visit, self.point)
        here = self.source.location_id
        if self.point is not None and self.source.device is None:
            here = self.point.location_id
        code = refusal(
            visit,
            at=self.at,
            window=window,
            here=here,
            by_staff=self.source.is_trusted,
            arrival=getattr(visit, "arrival", None),
        )
        seen = NOT_ASKED
        if self.point is not None and not self.source.is_trusted:
            seen = seen_from(self.point, self.asked.coordinates)
            if code is None and seen.refused:
                code = ErrorCode.OUTSIDE_GEOFENCE
        return Judged(visit, code, window, seen)

    # --- What becomes of them ---------------------------------------------------------------------

    def _decide(self, code: Code, found: list[Judged]) -> dict[str, Any]:
        asked = self.asked
        if asked.appointment_ids:
            chosen = [one for one in found if one.visit.id in set(asked.appointment_ids)]
            return self._act(chosen)
        open_now = [one for one in found if one.code is None]
        if asked.everyone:
            return self._act(open_now or self._nearest(code, found))
        own = [one for one in found if one.visit.id == code.subject_id]
        if self.offline:
            return self._act(own)
        # Nobody is checked in by a code that is another visit's, unless somebody has said so.
        if len(open_now) > 1 or (own and open_now and own != open_now):
            return self._record(Outcome.CHOOSE, ErrorCode.MULTIPLE_APPOINTMENTS, open_now, acted=())
        return self._act(open_now or self._nearest(code, found))

    def _nearest(self, code: Code, found: list[Judged]) -> list[Judged]:
        """The one refusal that says most to somebody who stands there now."""
        own = [one for one in found if one.visit.id == code.subject_id]
        if own:
            return own
        telling = [
            one for one in found if is_on_day_of(one.visit, self.at) and one.visit.status != GONE
        ]
        later = [one for one in found if one.code == ErrorCode.TOO_EARLY]
        choice = telling or later
        return [min(choice, key=lambda one: abs(one.visit.starts_at - self.at))] if choice else []

    def _act(self, chosen: Sequence[Judged]) -> dict[str, Any]:
        if not chosen:
            return self._refused(ErrorCode.NO_APPOINTMENT_FOUND)
        for one in chosen:
            if one.code == ErrorCode.ALREADY_CHECKED_IN:
                self._were_there_before(one)
        done = [one for one in chosen if one.code is None]
        if done:
            return self._record(Outcome.CHECKED_IN, None, chosen, acted=done)
        return self._record(Outcome.REFUSED, chosen[0].code, chosen, acted=())

    def _how(self, seen: Seen) -> How:
        return How(
            self.method,
            by=self.source.account,
            device=self.source.device.id if self.source.device else None,
            point=self.point.id if self.point else None,
            distance_metres=seen.distance_metres,
            outside=seen.outside,
        )

    def _let_in(self, one: Judged) -> None:
        visit = one.visit
        arrival_write(visit, self._how(one.seen), at=self.at)
        locked_move(visit, Verb.CHECK_IN, at=self.at)

    def _were_there_before(self, one: Judged) -> None:
        """A scan that reaches us late may be the earlier one: then it is the one that counts."""
        visit, arrival = one.visit, one.arrival
        if arrival is None or arrival.undone_at is not None or not self.source.is_trusted:
            return
        device = self.source.device
        key = (arrival.checked_in_at, str(arrival.device_id or ""))
        if (self.at, str(device.id if device else "")) >= key:
            return
        if self._judged(_as_expected(visit)).code is not None:
            return
        arrival_write(visit, self._how(one.seen), at=self.at, earlier=True)
        if visit.checked_in_at is not None and self.at < visit.checked_in_at:
            visit.checked_in_at = self.at
            versions.save(visit, ["checked_in_at"])
            entry_arrived_earlier(visit)

    # --- What is written and said -----------------------------------------------------------------

    def _record(
        self,
        outcome: Outcome,
        code: ErrorCode | None,
        shown: Sequence[Judged],
        *,
        acted: Collection[Judged],
    ) -> dict[str, Any]:
        done = {one.visit.id for one in acted}
        tried = [
            Tried(
                outcome if outcome != Outcome.CHECKED_IN or one.visit.id in done else _NO,
                code or (None if one.visit.id in done else one.code),
                one.visit.id,
                one.visit.patient_id,
                one.visit.location_id,
                one.seen.distance_metres,
            )
            for one in shown
        ]
        attempt = attempts_write(self._try(), tried)
        # Tokens last, since the whole place waits for who has taken one; and by place, so that two
        # families never wait for each other.
        for judged in sorted(acted, key=lambda one: (str(one.visit.location_id), one.visit.id)):
            self._let_in(judged)
        for one in tried:
            if one.outcome == Outcome.REFUSED and one.code is not None:
                self._observe(one.code, patient=one.patient)
        return answer_of(
            outcome,
            code,
            shown,
            source=self.source,
            nonce=self.asked.nonce,
            attempt=attempt,
            done=done,
            in_passing=self.offline,
        )

    def _refused(self, code: ErrorCode) -> dict[str, Any]:
        attempt = attempts_write(self._try(), [Tried(Outcome.REFUSED, code)])
        self._observe(code)
        return refused_answer(code, nonce=self.asked.nonce, attempt=attempt)

    def _try(self) -> Try:
        return Try(
            self.source,
            self.asked.nonce,
            self.clinic,
            self.method,
            self.at,
            self.received_at,
            self.digest,
            self.point.id if self.point else None,
        )

    def _observe(self, code: ErrorCode, *, patient: UUID | None = None) -> None:
        observe(
            source=self.source,
            clinic_id=self.clinic,
            code=code,
            at=self.at,
            coordinates=self.asked.coordinates,
            patient_id=patient,
            location_id=self.point.location_id if self.point else self.source.location_id,
        )


GONE: Final = AppointmentStatus.CANCELLED
_NO: Final = Outcome.REFUSED


def known_code(text: str) -> Code | None:
    """The code of ours that a text holds; None for anything else."""
    try:
        return read_code(text)
    except KairosError:
        return None


def _as_expected(visit: Appointment) -> Appointment:
    """The visit as it was before anybody was checked in for it, to be judged again."""
    before = Appointment(
        id=visit.id,
        type=visit.type,
        status=AppointmentStatus.CONFIRMED,
        starts_at=visit.starts_at,
        timezone=visit.timezone,
        location_id=visit.location_id,
    )
    before.clinic = visit.clinic
    return before
