"""Offers as rows: written with their announcement, and an opening that goes on after an answer."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from core import clock, journal, versions
from followups.matching import good_until
from followups.models import (
    CarePolicy,
    OfferStatus,
    OpeningStatus,
    WaitlistOffer,
    WaitlistOpening,
)
from followups.services.candidates import Candidate
from followups.services.openings import opening_record

OFFERED: Final = "waitlist.offered"
LOST: Final = "waitlist.lost"
#: How somebody was told.
BY_SMS, BY_DESK = "SMS", "DESK"
#: In place of how: no number that takes messages, so the desk tells them.
REFUSED = "REFUSED"


def offers_write(
    opening: WaitlistOpening,
    people: Iterable[Candidate],
    *,
    policy: CarePolicy,
    by_staff: bool = False,
) -> list[WaitlistOffer]:
    """Write down that these people are offered an opening which the caller has locked."""
    now = clock.now()
    first = opening.offers.count() if opening.batch > 1 else 0
    offers = [
        WaitlistOffer(
            clinic_id=opening.clinic_id,
            opening=opening,
            entry=candidate.entry,
            batch=opening.batch,
            place=first + number,
            starts_at=candidate.start.starts_at,
            ends_at=candidate.start.ends_at,
            expires_at=good_until(
                now, candidate.start.starts_at, stop_minutes=policy.offer_stop_minutes
            ),
            by_staff=by_staff,
            created_at=now,
            updated_at=now,
        )
        for number, candidate in enumerate(people, start=1)
    ]
    WaitlistOffer.objects.bulk_create(offers)
    journal.record_many(_act(offer, OFFERED, topic=OFFERED) for offer in offers)
    return offers


def opening_go_on(opening: WaitlistOpening) -> None:
    """After an answer: with nobody left to wait for, the next are asked at once, or it is over."""
    if opening.status != OpeningStatus.OPEN:
        return
    if opening.offers.filter(status=OfferStatus.OPEN).exists():
        return
    if opening.next_batch_at is None:
        opening.status = OpeningStatus.CLOSED
        versions.save(opening, ["status"])
        opening_record(opening, "waitlist_opening.closed")
    elif opening.next_batch_at > clock.now():
        opening.next_batch_at = clock.now()
        versions.save(opening, ["next_batch_at"])


def offer_record(offer: WaitlistOffer, action: str, *, topic: str | None = None) -> None:
    """Write down what became of an offer."""
    journal.record(_act(offer, action, topic=topic))


def losers_tell(offers: Iterable[UUID]) -> None:
    """Have those whose offer was lost told so."""
    rows = WaitlistOffer.objects.filter(id__in=list(offers)).select_related("entry").order_by("id")
    journal.record_many(_act(offer, LOST, topic=LOST) for offer in rows)


def _act(offer: WaitlistOffer, action: str, *, topic: str | None) -> journal.Act:
    return journal.Act(
        action,
        "followups.waitlistoffer",
        offer.id,
        offer.clinic_id,
        (offer.entry.patient_id,),
        {"status": [None, offer.status], "starts_at": [None, offer.starts_at]},
        topic=topic,
        payload={"offer": offer.id} if topic else {},
    )
