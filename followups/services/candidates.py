"""For whom a freed time is: in the order in which they are asked, each let in by the kernel."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Q, QuerySet

from appointments.lifecycle import MOVABLE
from appointments.models import Appointment, AppointmentStatus
from appointments.selectors.slots import slots_find
from appointments.services.calendar import Visit, judge_all
from appointments.services.context import plan
from core import clock, ids
from core.errors import ErrorCode, KairosError
from followups.matching import Start, fits
from followups.models import (
    CarePolicy,
    OfferStatus,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
    WaitlistStatus,
)
from followups.selectors.waitlist import minutes_of, wish_of
from followups.services.policy import policy_of

WEEK: Final = timedelta(days=7)
#: Entries read at once when people are looked for: mostly the first ones will do.
_PAGE: Final = 100
_NEXT_PAGES: Final = 1000
_MOST_STARTS: Final = 1000
#: Refusals that stand whoever asks.
ABOUT_THE_DOCTOR: Final = frozenset(
    {
        ErrorCode.SCHEDULING_CONFLICT,
        ErrorCode.OUTSIDE_WORKING_HOURS,
        ErrorCode.DOCTOR_ON_LEAVE,
        ErrorCode.DAILY_CAP_REACHED,
        ErrorCode.WEEKLY_CAP_REACHED,
        ErrorCode.TOO_SOON,
        ErrorCode.BEYOND_HORIZON,
    }
)
#: Service, type, minutes, and the visit of the same doctor that would be moved.
_Kind = tuple[UUID, str, int, UUID | None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who may be offered an opening, and which visit in it.

    `resting_until` is set for who has just been asked about another time: not before then.
    """

    entry: WaitlistEntry
    start: Start
    moving: UUID | None
    resting_until: datetime | None = None


def candidates(
    opening: WaitlistOpening,
    limit: int,
    *,
    policy: CarePolicy | None = None,
    resting: bool = True,
    entry: UUID | None = None,
) -> list[Candidate]:
    """Who may be offered an opening, in the order in which they are asked; at most `limit`.

    The kernel has said yes to each of them. Not among them: who was offered it before, who has had
    the clinic's number of offers in seven days, whose present visit with the same doctor is at that
    time or earlier, and who gave up this very time. Without `resting`, nor who was asked about
    another time less than the clinic's delay ago, or has one of that day with that doctor to
    answer; `entry`: only this one.
    """
    policy = policy or policy_of(opening.clinic_id)
    asked = _asked(opening, entry=entry)
    but = {one for one, was in asked.items() if was.times >= policy.offers_per_week}
    but |= _offered_or_given_up(opening)
    starts = _Starts(opening)
    found: list[Candidate] = []
    after: tuple[int, UUID] | None = None
    page = _PAGE
    while len(found) < limit:
        rows = _entries(opening, entry=entry, after=after, limit=page)
        for row in rows:
            rests = _resting_until(asked.get(row.patient_id), policy)
            if row.patient_id in but or (rests is not None and not resting):
                continue
            candidate = _candidate(row, starts, rests) if _may_want(row, opening) else None
            if candidate is not None:
                but.add(row.patient_id)  # who waits for two things is asked about one
                found.append(candidate)
                if len(found) == limit:
                    break
        if len(rows) < page:
            break
        after, page = (rows[-1].rank, rows[-1].id), _NEXT_PAGES
    return found


def refusal_of(candidate: Candidate) -> ErrorCode | None:
    """Why the kernel would not let this visit in; None when it would."""
    try:
        visit = visit_of(candidate.entry, candidate.start)
    except KairosError as error:
        return error.code  # who or what it refers to is gone
    (judgement,) = judge_all(
        [visit],
        patient_rules=False,
        admit=False,
        moving=[candidate.moving] if candidate.moving is not None else (),
    )
    return judgement.code


def visit_of(entry: WaitlistEntry, start: Start) -> Visit:
    """The visit that an entry would get there. Raises as a booking for what is gone."""
    return plan(
        doctor=start.doctor,
        patient=entry.patient_id,
        location=start.location,
        service=entry.service_id,
        mode=entry.mode,
        starts_at=start.starts_at,
        ends_at=start.ends_at,
        clinic=entry.clinic_id,
    ).visit


def moving_of(entry: WaitlistEntry) -> UUID | None:
    """The present visit of the entry, while it can be moved."""
    visit = entry.appointment
    return visit.id if visit is not None and visit.status in MOVABLE else None


def waiting_for(clinic: UUID, doctor: UUID) -> QuerySet[WaitlistEntry]:
    """Who waits there and would come to that doctor."""
    return WaitlistEntry.objects.filter(
        Q(doctors=[]) | Q(doctors__contains=[doctor]),
        clinic_id=clinic,
        status=WaitlistStatus.WAITING,
        service__is_active=True,
        patient__is_active=True,
        patient__merged_into=None,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """How a patient was asked in the last seven days: how often, when last, and until when an
    offer of the opening's day and doctor is still theirs to answer."""

    times: int
    last: datetime
    open_until: datetime | None


def _asked(opening: WaitlistOpening, *, entry: UUID | None) -> dict[UUID, _Asked]:
    """The clinic's offers of a week, by patient; of one entry's patient alone, if given."""
    since = clock.now() - WEEK
    day = opening.starts_at.astimezone(ZoneInfo(opening.timezone)).date()
    midnight = datetime.combine(day, time(0), tzinfo=ZoneInfo(opening.timezone))
    found = WaitlistOffer.objects.filter(
        clinic=opening.clinic_id,
        # For the index: ids are made by a clock of their own. The next line decides.
        id__gte=ids.floor(ids.instant(ids.uuid7()) - WEEK - timedelta(hours=1)),
        created_at__gt=since,
    )
    if entry is not None:
        found = found.filter(entry__patient__in=_patient_of(entry))
    rows = (
        found.order_by()
        .values_list("entry__patient")
        .annotate(
            times=Count("pk"),
            last=Max("created_at"),
            open_until=Max(
                "expires_at",
                filter=Q(
                    status=OfferStatus.OPEN,
                    opening__doctor=opening.doctor_id,
                    starts_at__gte=midnight,
                    starts_at__lt=midnight + timedelta(days=1),
                ),
            ),
        )
    )
    return {row[0]: _Asked(*row[1:]) for row in rows}


def _offered_or_given_up(opening: WaitlistOpening) -> set[UUID]:
    """The patients who were offered this opening, or have cancelled a visit at this very time."""
    offered = WaitlistOffer.objects.filter(opening=opening.id).order_by()
    given_up = Appointment.objects.filter(
        clinic=opening.clinic_id,
        doctor=opening.doctor_id,
        starts_at=opening.starts_at,
        status=AppointmentStatus.CANCELLED,
    ).order_by()
    return {
        *offered.values_list("entry__patient_id", flat=True),
        *given_up.values_list("patient_id", flat=True),
    }


def _patient_of(entry: UUID) -> "QuerySet[WaitlistEntry, UUID]":
    return WaitlistEntry.objects.filter(pk=entry).values_list("patient_id", flat=True)


def _entries(
    opening: WaitlistOpening,
    *,
    entry: UUID | None,
    after: tuple[int, UUID] | None,
    limit: int,
) -> list[WaitlistEntry]:
    """Whose wish the opening may be, as far as their own rows tell."""
    zone = ZoneInfo(opening.timezone)
    begins, ends = opening.starts_at.astimezone(zone), opening.ends_at.astimezone(zone)
    length = (opening.ends_at - opening.starts_at) // timedelta(minutes=1)
    found = (
        waiting_for(opening.clinic_id, opening.doctor_id)
        .filter(
            Q(appointment__isnull=False) | Q(service__duration_minutes__lte=length),
            earliest__lte=ends.date(),
            latest__gte=begins.date(),
        )
        .select_related("patient", "service")
        .prefetch_related("appointment")
        .order_by("rank", "id")
    )
    if opening.location_id is not None:
        found = found.filter(Q(location=None) | Q(location=opening.location_id))
    if begins.date() == ends.date():  # the exact rule is `matching.fits`
        found = found.filter(
            Q(weekdays=[]) | Q(weekdays__contains=[begins.isoweekday()]),
            Q(time_from=None) | Q(time_from__lt=ends.time()),
            Q(time_to=None) | Q(time_to__gt=begins.time()),
        )
    if entry is not None:
        found = found.filter(pk=entry)
    if after is not None:
        rank, last_id = after
        found = found.filter(Q(rank__gt=rank) | Q(rank=rank, id__gt=last_id), rank__gte=rank)
    return list(found[:limit])


def _may_want(entry: WaitlistEntry, opening: WaitlistOpening) -> bool:
    """Whether the entry's present visit, if it has one, leaves something to be wished for."""
    visit = entry.appointment
    if visit is None:
        return True
    if visit.ends_at - visit.starts_at > opening.ends_at - opening.starts_at:
        return False
    if visit.status in {AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW}:
        return True
    no_later = visit.doctor_id == opening.doctor_id and visit.starts_at <= opening.starts_at
    return visit.status in MOVABLE and not no_later


class _Starts:
    """The free starts in an opening, read once for each kind of visit, and those refused."""

    def __init__(self, opening: WaitlistOpening) -> None:
        self._opening = opening
        self._read: dict[_Kind, list[Start]] = {}

    def of(self, entry: WaitlistEntry) -> list[Start]:
        """Where such a visit fits into the opening; on the grid, or at its own start."""
        key = self._kind(entry)
        if key not in self._read:
            self._read[key] = self._find(*key)
        return self._read[key]

    def strike(self, entry: WaitlistEntry, start: Start) -> None:
        """The doctor's side says no to such a visit there, whoever asks."""
        self._read[self._kind(entry)].remove(start)

    def _kind(self, entry: WaitlistEntry) -> "_Kind":
        visit, moving = entry.appointment, moving_of(entry)
        if visit is None or visit.doctor_id != self._opening.doctor_id:
            moving = None  # another doctor's claims are no concern of this one's times
        return entry.service_id, entry.mode, minutes_of(entry), moving

    def _find(self, service: UUID, mode: str, minutes: int, moving: UUID | None) -> list[Start]:
        opening = self._opening
        found = [
            Start(slot.doctor, slot.location, slot.starts_at, slot.ends_at, slot.timezone)
            for slot in slots_find(
                clinics=[opening.clinic_id],
                doctors=[opening.doctor_id],
                start=opening.starts_at,
                end=opening.ends_at,
                location=opening.location_id,
                service=service,
                minutes=minutes,
                mode=mode,
                patient_rules=False,
                moving=moving,
                limit=_MOST_STARTS,
            )
        ]
        inside = [start for start in found if start.ends_at <= opening.ends_at]
        # A visit that stood off the grid leaves a time off the grid.
        return inside or [
            Start(
                opening.doctor_id,
                opening.location_id,
                opening.starts_at,
                opening.starts_at + timedelta(minutes=minutes),
                opening.timezone,
            )
        ]


def _candidate(
    entry: WaitlistEntry, starts: _Starts, resting_until: datetime | None
) -> Candidate | None:
    """The entry with the first start that it is for, and that the kernel lets it have."""
    wish = wish_of(entry)
    for start in list(starts.of(entry)):
        if not fits(wish, start):
            continue
        candidate = Candidate(entry, start, moving_of(entry), resting_until)
        refusal = refusal_of(candidate)
        if refusal is None:
            return candidate
        if refusal in ABOUT_THE_DOCTOR:
            starts.strike(entry, start)
    return None


def _resting_until(asked: _Asked | None, policy: CarePolicy) -> datetime | None:
    """Until when the patient is not asked about a further time; None when they may be now.

    Of one day with one doctor they are asked about one time after the other: hours that are opened
    would otherwise use up all their offers of the week.
    """
    if asked is None:
        return None
    rested = asked.last + timedelta(minutes=policy.offer_delay_minutes)
    until = max(rested, asked.open_until or rested)
    return until if until > clock.now() else None
