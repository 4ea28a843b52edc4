"""Time that became free: written down when somebody waits for it, and for whom it is.

One opening is taken by one visit. A visit that goes leaves one opening, of its own time. Hours that
are opened and leave that is taken back leave many: the free starts of what people wait for, one
after the other without overlap, so that each can be offered to others at the same time.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from appointments.selectors.slots import slots_find
from clinics.models import Clinic, Location
from core import clock, journal, versions
from core.errors import ErrorCode, KairosError
from followups.matching import Start, last_answer
from followups.models import (
    CarePolicy,
    OfferStatus,
    OpeningCause,
    OpeningStatus,
    WaitlistOffer,
    WaitlistOpening,
)
from followups.services.candidates import (
    ABOUT_THE_DOCTOR,
    Candidate,
    candidates,
    moving_of,
    refusal_of,
    waiting_for,
)
from followups.services.policy import policy_of
from followups.services.waitlist import offers_close

#: Of hours that were opened, so far ahead is offered, and so many times at most.
OPENED: Final = timedelta(days=56)
MOST_OPENINGS: Final = 48
_MOST_STARTS: Final = 1000
Span = tuple[datetime, datetime]


def opening_make(
    *,
    clinic: UUID,
    doctor: UUID,
    location: UUID | None,
    starts_at: datetime,
    ends_at: datetime,
    cause: str,
    event: UUID | None = None,
) -> WaitlistOpening | None:
    """Write down a freed time, to be offered from now on.

    None when nobody waits for it or it begins too soon. The same event, doctor and start again is
    the same opening. The clinic is in scope.
    """
    policy = policy_of(clinic)
    opening = WaitlistOpening(
        clinic_id=clinic,
        doctor_id=doctor,
        location_id=location,
        starts_at=starts_at,
        ends_at=ends_at,
        timezone=zone_of(clinic, location),
        cause=cause,
        event=event,
        next_batch_at=clock.now(),
    )
    if last_answer(starts_at, stop_minutes=policy.offer_stop_minutes) <= clock.now():
        return None
    if event is not None:
        known = WaitlistOpening.objects.filter(event=event, doctor=doctor, starts_at=starts_at)
        if found := known.first():
            return found
    if not candidates(opening, 1, policy=policy):
        return None
    return opening_write(opening)


def opening_write(opening: WaitlistOpening) -> WaitlistOpening:
    """Save a new opening, or give the one that the same event made before."""
    if opening.event is None:
        opening.save(force_insert=True)
        made = True
    else:
        opening, made = WaitlistOpening.objects.get_or_create(
            event=opening.event,
            doctor_id=opening.doctor_id,
            starts_at=opening.starts_at,
            defaults={
                name: getattr(opening, name)
                for name in (
                    "clinic_id",
                    "location_id",
                    "ends_at",
                    "timezone",
                    "cause",
                    "next_batch_at",
                    "status",
                )
            },
        )
    if made:
        opening_record(opening, "waitlist_opening.created")
    return opening


def opening_record(opening: WaitlistOpening, action: str) -> None:
    """Write down what became of an opening."""
    journal.record(
        journal.Act(
            action,
            "followups.waitlistopening",
            opening.id,
            opening.clinic_id,
            changes={
                "status": [None, opening.status],
                "doctor": [None, opening.doctor_id],
                "starts_at": [None, opening.starts_at],
            },
        )
    )


def hours_opened(
    *,
    clinic: UUID,
    doctors: Sequence[UUID],
    location: UUID | None,
    spans: Iterable[Span],
    cause: OpeningCause,
    event: UUID,
) -> list[WaitlistOpening]:
    """Offer the free starts in hours that were opened to who waits for them.

    For each doctor the starts of the services that people wait for with them, the longest at each
    moment, one after the other; what is being offered already is left out. At most `MOST_OPENINGS`,
    the earliest, and `OPENED` ahead.
    """
    policy = policy_of(clinic)
    now = clock.now()
    first = now + timedelta(minutes=policy.offer_stop_minutes)
    wanted = [(max(start, first), min(end, now + OPENED)) for start, end in spans]
    made: list[WaitlistOpening] = []
    for doctor in doctors:
        made += _opened_with(
            doctor,
            clinic=clinic,
            location=location,
            spans=[span for span in wanted if span[0] < span[1]],
            cause=cause,
            event=event,
            policy=policy,
            most=MOST_OPENINGS - len(made),
        )
    return made


def _opened_with(
    doctor: UUID,
    *,
    clinic: UUID,
    location: UUID | None,
    spans: Sequence[Span],
    cause: OpeningCause,
    event: UUID,
    policy: CarePolicy,
    most: int,
) -> list[WaitlistOpening]:
    kinds = list(
        waiting_for(clinic, doctor)
        .values_list("service_id", "service__duration_minutes", "mode")
        .order_by()
        .distinct()
    )
    if not kinds or not spans or most <= 0:
        return []
    free: dict[datetime, Start] = {}
    for service, minutes, mode in kinds:
        for start, end in spans:
            for slot in slots_find(
                clinics=[clinic],
                doctors=[doctor],
                start=start,
                end=end,
                location=location,
                service=service,
                minutes=minutes,
                mode=mode,
                patient_rules=False,
                limit=_MOST_STARTS,
            ):
                longest = free.get(slot.starts_at)
                if slot.ends_at <= end and (longest is None or longest.ends_at < slot.ends_at):
                    free[slot.starts_at] = Start(
                        doctor, slot.location, slot.starts_at, slot.ends_at, slot.timezone
                    )
    offered = list(
        WaitlistOpening.objects.filter(
            clinic_id=clinic, doctor_id=doctor, status=OpeningStatus.OPEN
        ).values_list("starts_at", "ends_at")
    )
    made: list[WaitlistOpening] = []
    for one in _one_after_the_other(free, offered):
        if len(made) == most:
            break
        opening = opening_make(
            clinic=clinic,
            doctor=doctor,
            location=one.location,
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            cause=cause,
            event=event,
        )
        if opening is not None:
            made.append(opening)
    return made


def _one_after_the_other(free: dict[datetime, Start], taken: list[Span]) -> Iterator[Start]:
    over: datetime | None = None
    for at in sorted(free):
        one = free[at]
        if over is not None and at < over:
            continue
        if any(one.starts_at < end and start < one.ends_at for start, end in taken):
            continue
        over = one.ends_at
        yield one


def opening_gone(opening: WaitlistOpening) -> list[UUID]:
    """The time was booked otherwise: its open offers are lost; their ids. The caller locks it."""
    opening.status, opening.next_batch_at = OpeningStatus.GONE, None
    versions.save(opening, ["status", "next_batch_at"])
    opening_record(opening, "waitlist_opening.gone")
    return offers_close(WaitlistOffer.objects.filter(opening=opening), OfferStatus.LOST)


def opening_is_free(opening: WaitlistOpening) -> bool:
    """Whether the time can still be had: by who was offered it, or else by who would be."""
    offers = WaitlistOffer.objects.filter(opening=opening).select_related(
        "entry__service", "entry__appointment"
    )
    asked = list(offers.filter(status=OfferStatus.OPEN)) or list(offers.order_by("-id")[:1])
    if not asked:
        return bool(candidates(opening, 1))
    return any(refusal_of(_of_offer(offer, opening)) not in ABOUT_THE_DOCTOR for offer in asked)


def _of_offer(offer: WaitlistOffer, opening: WaitlistOpening) -> Candidate:
    start = Start(
        opening.doctor_id, opening.location_id, offer.starts_at, offer.ends_at, opening.timezone
    )
    return Candidate(offer.entry, start, moving_of(offer.entry))


def zone_of(clinic: UUID, location: UUID | None) -> str:
    """The time zone of a place, or of the clinic. Raises NOT_FOUND for a place out of sight."""
    if location is None:
        return Clinic.objects.values_list("timezone", flat=True).get(pk=clinic)
    found = Location.objects.filter(pk=location).values_list("timezone", flat=True).first()
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND, errors={"location": ["not found"]})
    return found
