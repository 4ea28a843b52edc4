"""What time does to the waitlist: the next are asked, offers and entries run out, people are told.

Each opening is a transaction of its own, taken by whoever finds it free: a job that runs twice at
once does what it would have done once, and one that is killed leaves an opening as it was, or done
with everything that follows from it in the outbox.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils import formats, translation
from django.utils.translation import gettext as _

from clinics.models import Channel, Clinic, Patient
from core import clock, sms, tenancy, versions
from core.sms import Message
from followups.links import page_address
from followups.matching import last_answer, sending_moment
from followups.models import (
    CarePolicy,
    OfferStatus,
    OpeningStatus,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
    WaitlistStatus,
)
from followups.offer_links import offer_link
from followups.services.candidates import Candidate, candidates
from followups.services.offer_rows import (
    BY_SMS,
    LOST,
    OFFERED,
    REFUSED,
    losers_tell,
    offers_write,
    opening_go_on,
)
from followups.services.openings import opening_gone, opening_is_free
from followups.services.policy import policy_of
from followups.services.waitlist import entry_close, offers_close

_ROUND: Final = 200
#: How long the tries to send a message take.
_TOLD_WITHIN: Final = timedelta(minutes=5)


def offers_send_due() -> int:
    """Ask the next people about every opening whose moment has come; returns how many offers.

    Inside the clinic's sending hours alone; outside, the moment moves to when they begin. Safe to
    run twice at once.
    """
    now = clock.now()
    return sum(
        _each(
            Q(status=OpeningStatus.OPEN, next_batch_at__lte=now),
            ("next_batch_at", "id"),
            _send_next,
            still=lambda opening: (
                opening.status == OpeningStatus.OPEN
                and opening.next_batch_at is not None
                and opening.next_batch_at <= now
            ),
        )
    )


def offers_expire() -> int:
    """End offers whose time is up, and openings that nobody can take any more; how many offers.

    Safe to run twice at once.
    """
    now = clock.now()
    due = WaitlistOffer.objects.filter(
        opening=OuterRef("pk"), status=OfferStatus.OPEN, expires_at__lte=now
    )
    asked = WaitlistOffer.objects.filter(opening=OuterRef("pk"), status=OfferStatus.OPEN)
    return sum(
        _each(
            Q(status=OpeningStatus.OPEN)
            & (Q(starts_at__lte=now) | Exists(due) | Q(next_batch_at=None) & ~Exists(asked)),
            ("starts_at", "id"),
            _expire,
            still=lambda opening: opening.status == OpeningStatus.OPEN,
        )
    )


def waitlist_expire() -> int:
    """Close entries whose last day is over, by the clinic's calendar; returns how many.

    Safe to run twice at once.
    """
    now = clock.now()
    closed = 0
    for clinic_id, zone in _clinics():
        today = now.astimezone(ZoneInfo(zone)).date()
        with tenancy.scope([clinic_id], statement_timeout_ms=60_000):
            over = WaitlistEntry.objects.filter(
                clinic_id=clinic_id, status=WaitlistStatus.WAITING, latest__lt=today
            )
            ids = list(over.order_by("id").values_list("id", flat=True))
        for entry_id in ids:
            with tenancy.scope([clinic_id]):
                entry = (
                    WaitlistEntry.objects.select_for_update(
                        of=("self",), no_key=True, skip_locked=True
                    )
                    .filter(pk=entry_id, status=WaitlistStatus.WAITING, latest__lt=today)
                    .first()
                )
                if entry is not None:
                    entry_close(entry, WaitlistStatus.EXPIRED, offers=OfferStatus.EXPIRED)
                    closed += 1
    return closed


def openings_recheck(clinic: UUID, doctor: UUID, starts_at: datetime, ends_at: datetime) -> int:
    """Give up openings of a doctor in which, since a visit was booked there, nothing is free.

    Runs in the clinic's scope and transaction. Returns how many were given up.
    """
    openings = (
        WaitlistOpening.objects.filter(
            clinic_id=clinic,
            doctor_id=doctor,
            status=OpeningStatus.OPEN,
            starts_at__lt=ends_at,
            ends_at__gt=starts_at,
        )
        .order_by("id")
        .select_for_update(no_key=True)
    )
    gone = 0
    for opening in openings:
        if not opening_is_free(opening):
            losers_tell(opening_gone(opening))
            gone += 1
    return gone


def offer_message(offer_id: UUID, what: str) -> Message | None:
    """The text message about an offer, read in its clinic's scope.

    `what` is `OFFERED` or `LOST`. None when there is nothing to say any more, or the patient has no
    number, does not want messages, or the installation cannot send them: then the desk tells them.
    Who was not asked by a message is not told by one that they lost.
    """
    if not sms.is_configured():
        return None
    offer = (
        WaitlistOffer.objects.select_related("clinic", "opening__doctor", "entry__patient")
        .filter(pk=offer_id)
        .first()
    )
    if offer is None or not _is_to_be_said(offer, what):
        return None
    patient = offer.entry.patient
    if not patient.phone or patient.contact_preferences.get(Channel.SMS) is False:
        return None
    address = page_address(f"/offer/{offer_link(offer)}")
    if what == OFFERED and not address:
        return None
    with translation.override(_language(patient)):
        return Message(patient.phone, _text(offer, what, address), f"{what}:{offer.id}")


def offer_sent(offer_id: UUID, *, taken: bool) -> None:
    """The gateway has taken the message of an offer, or never will. Runs in the clinic's scope."""
    now = clock.now()
    WaitlistOffer.objects.filter(pk=offer_id, sent_at=None).update(
        sent_at=now if taken else None, sent_by=BY_SMS if taken else REFUSED, updated_at=now
    )


def offers_untold() -> list[tuple[UUID, UUID]]:
    """Clinic and id of open offers whose message should have gone out by now, and has not.

    A worker that was killed took it along; the message has the same key when it is sent again.
    """
    if not sms.is_configured():
        return []
    now = clock.now()
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        return list(
            WaitlistOffer.objects.filter(
                status=OfferStatus.OPEN,
                sent_at=None,
                sent_by="",
                created_at__lt=now - _TOLD_WITHIN,
                expires_at__gt=now,
            )
            .exclude(entry__patient__phone="")
            .order_by("id")
            .values_list("clinic_id", "id")[:_ROUND]
        )


# --- One opening ----------------------------------------------------------------------------------


def _each(
    due: Q,
    order: tuple[str, str],
    act: Callable[[WaitlistOpening], int],
    *,
    still: Callable[[WaitlistOpening], bool],
) -> list[int]:
    """Do something with every opening that is due, each in its clinic and transaction."""
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        found = list(
            WaitlistOpening.objects.filter(due)
            .order_by(*order)
            .values_list("id", "clinic_id")[:_ROUND]
        )
    done: list[int] = []
    for opening_id, clinic_id in found:
        with tenancy.scope([clinic_id], statement_timeout_ms=60_000):
            opening = (
                WaitlistOpening.objects.select_for_update(
                    of=("self",), no_key=True, skip_locked=True
                )
                .filter(pk=opening_id)
                .first()
            )
            if opening is not None and still(opening):
                done.append(act(opening))
    return done


def _send_next(opening: WaitlistOpening) -> int:
    """The next batch of an opening that is locked; how many people are asked."""
    policy = policy_of(opening.clinic_id)
    now = clock.now()
    zone = Clinic.objects.values_list("timezone", flat=True).get(pk=opening.clinic_id)
    moment = sending_moment(now, zone=zone, begin=policy.offer_from, end=policy.offer_until)
    last = last_answer(opening.starts_at, stop_minutes=policy.offer_stop_minutes)
    if moment >= last:  # nobody is asked any more
        opening.next_batch_at = None
        versions.save(opening, ["next_batch_at"])
        opening_go_on(opening)
        return 0
    if moment > now:
        opening.next_batch_at = moment
        versions.save(opening, ["next_batch_at"])
        return 0
    people, again_at = _people(opening, policy)
    if not people and not opening_is_free(opening):
        losers_tell(opening_gone(opening))
        return 0
    if people:
        opening.batch += 1
        offers_write(opening, people, policy=policy)
        again_at = now + timedelta(minutes=policy.offer_delay_minutes)
    opening.next_batch_at = again_at
    versions.save(opening, ["batch", "next_batch_at"])
    if again_at is None:
        opening_go_on(opening)
    return len(people)


def _people(
    opening: WaitlistOpening, policy: CarePolicy
) -> tuple[list[Candidate], datetime | None]:
    """Who is asked next, their entries locked; and, with nobody, when to look again (None: never).

    Somebody whom another job is about to ask, or who has just been asked about another time, is
    left for later.
    """
    people: list[Candidate] = []
    found = candidates(opening, policy.offer_batch_size, policy=policy, resting=False)
    for candidate in found:
        if _locked(candidate):
            people += candidates(opening, 1, policy=policy, resting=False, entry=candidate.entry.id)
    if people:
        return people, None
    if found:
        return [], clock.now() + timedelta(minutes=1)
    rests = [
        one.resting_until
        for one in candidates(opening, policy.offer_batch_size, policy=policy)
        if one.resting_until is not None
    ]
    return [], min(rests, default=None)


def _locked(candidate: Candidate) -> bool:
    """Take the entry's row and the patient's place in the queue for offers, if both are free.

    The cap counts a patient's offers, whichever of their entries they are for.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"waitlist:{candidate.entry.patient_id}"],
        )
        if not cursor.fetchone()[0]:
            return False
    return (
        WaitlistEntry.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .filter(pk=candidate.entry.id, status=WaitlistStatus.WAITING)
        .values_list("pk")
        .first()
        is not None
    )


def _expire(opening: WaitlistOpening) -> int:
    """End the offers of an opening, which is locked, whose time is up; how many."""
    now = clock.now()
    over = offers_close(
        WaitlistOffer.objects.filter(opening=opening, expires_at__lte=now), OfferStatus.EXPIRED
    )
    if opening.starts_at <= now and opening.next_batch_at is not None:
        opening.next_batch_at = None
        versions.save(opening, ["next_batch_at"])
    opening_go_on(opening)
    return len(over)


# --- Telling people -------------------------------------------------------------------------------


def _is_to_be_said(offer: WaitlistOffer, what: str) -> bool:
    if what == LOST:
        return offer.status == OfferStatus.LOST and offer.sent_by == BY_SMS
    return (
        offer.status == OfferStatus.OPEN
        and offer.sent_at is None
        and offer.expires_at > clock.now()
    )


def _text(offer: WaitlistOffer, what: str, address: str) -> str:
    local = offer.starts_at.astimezone(ZoneInfo(offer.opening.timezone))
    words = {
        "clinic": offer.clinic.name,
        "doctor": offer.opening.doctor.display_name,
        "when": formats.date_format(local, "DATETIME_FORMAT"),
        "link": address,
    }
    if what == LOST:
        return (
            _(
                "%(clinic)s: the time on %(when)s has been taken by somebody else. You are still"
                " on our waitlist."
            )
            % words
        )
    return (
        _(
            "%(clinic)s: a time has become free with %(doctor)s on %(when)s. Whoever answers first"
            " has it: %(link)s"
        )
        % words
    )


def _language(patient: Patient) -> str:
    short = patient.language.split("-")[0].lower()
    return short if short in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def _clinics() -> list[tuple[UUID, str]]:
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        return list(Clinic.objects.order_by("id").values_list("id", "timezone"))
