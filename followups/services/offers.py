"""Offers of freed time: made, accepted, declined. The opening's row is the lock of all of it.

Order of locks: the chart, the opening, the entry, then offers by id; whoever sends skips what is
locked.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentStatus, Source
from appointments.services.booking import appointment_book
from appointments.services.reschedule import appointment_reschedule
from clinics.models import Patient
from clinics.principal import Principal, guest
from core import clock, ids, tenancy, versions
from core.errors import ErrorCode, KairosError
from followups.matching import Start
from followups.models import (
    OfferStatus,
    OpeningCause,
    OpeningStatus,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
    WaitlistStatus,
)
from followups.offer_links import offer_ids
from followups.selectors.waitlist import minutes_of, offers_visible_to
from followups.services.candidates import Candidate, moving_of, refusal_of, visit_of
from followups.services.offer_rows import (
    BY_DESK,
    losers_tell,
    offer_record,
    offers_write,
    opening_go_on,
)
from followups.services.openings import opening_gone, opening_write, zone_of
from followups.services.policy import policy_of
from followups.services.waitlist import entry_close, entry_lock, offers_close

#: The time is not to be had any more, whoever asks.
_TIME_IS_GONE: Final = frozenset(
    {
        ErrorCode.SCHEDULING_CONFLICT,
        ErrorCode.ROOM_CONFLICT,
        ErrorCode.OUTSIDE_WORKING_HOURS,
        ErrorCode.DOCTOR_ON_LEAVE,
        ErrorCode.DAILY_CAP_REACHED,
        ErrorCode.WEEKLY_CAP_REACHED,
        ErrorCode.TOO_SOON,
        ErrorCode.BEYOND_HORIZON,
    }
)


@dataclass(frozen=True, slots=True)
class OpenedOffer:
    """What a link opens: who its holder is, the offer (with its opening), and the entry."""

    principal: Principal
    offer: WaitlistOffer
    entry: WaitlistEntry


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to an acceptance: the visit that was booked or moved, or why there is none."""

    appointment: Appointment | None
    refusal: KairosError | None = None


def offer_by_token(token: str) -> OpenedOffer:
    """What the holder of a link was offered, whatever became of it.

    Leaves the offer's clinic alone in scope, for the rest of the surrounding scope. Raises
    NOT_FOUND, the same for a link that is forged and for one of a clinic that is gone.
    """
    clinic_id, offer_id = offer_ids(token)
    tenancy.narrow([clinic_id])
    offer = (
        WaitlistOffer.objects.select_related(
            "clinic",
            "opening__doctor",
            "opening__location",
            "entry__patient",
            "entry__service",
            "entry__appointment",
            "entry__booked",
        )
        .filter(pk=offer_id, clinic_id=clinic_id, clinic__is_active=True)
        .first()
    )
    if offer is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return OpenedOffer(guest(ids.uuid7()), offer, offer.entry)


def offer_accept(token: str) -> Appointment:
    """Accept: the visit is booked, or the present one moved to the offered time.

    The same answer again for who has won it. Raises NOT_FOUND, OFFER_EXPIRED (410) for an offer
    that is over, SCHEDULING_CONFLICT when somebody was quicker (the entry stays on the list), and
    PATIENT_CONFLICT when the patient has another visit then.
    """
    return _raised(offer_take(token))


def offer_take(token: str) -> Taken:
    """As `offer_accept`, but a refusal is returned, so that what was learnt (the time is gone) is
    kept by whoever commits. Raises NOT_FOUND."""
    clinic_id, offer_id = offer_ids(token)
    tenancy.narrow([clinic_id])
    return _take(
        WaitlistOffer.objects.filter(clinic_id=clinic_id, clinic__is_active=True), offer_id
    )


def offer_accept_by_staff(*, by: Principal, offer_id: UUID) -> Appointment:
    """The patient has said yes to the desk. Raises as `offer_accept`, PERMISSION_DENIED."""
    return _raised(offer_take_by_staff(by=by, offer_id=offer_id))


def offer_take_by_staff(*, by: Principal, offer_id: UUID) -> Taken:
    """As `offer_take`, for the desk. Raises NOT_FOUND, PERMISSION_DENIED."""
    seen = offers_visible_to(by)
    offer = seen.select_related("opening").filter(pk=offer_id).first()
    if offer is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    by.require(Permission.APPOINTMENT_BOOK, offer.clinic_id, doctor_id=offer.opening.doctor_id)
    return _take(seen, offer_id, by=by)


def offer_decline(token: str) -> WaitlistOffer:
    """Say no; the entry waits on, and is not offered this time again.

    Declining twice is declining once. Raises NOT_FOUND, OFFER_EXPIRED for an offer that is over,
    SCHEDULING_CONFLICT for one that somebody took, and INVALID_TRANSITION for one's own visit.
    """
    clinic_id, offer_id = offer_ids(token)
    tenancy.narrow([clinic_id])
    seen = WaitlistOffer.objects.filter(clinic_id=clinic_id, clinic__is_active=True)
    opening, offer, _entry = _locked(seen, offer_id)
    if offer.status == OfferStatus.DECLINED:
        return offer
    if offer.status == OfferStatus.ACCEPTED:
        raise KairosError(ErrorCode.INVALID_TRANSITION, _("This visit is booked."))
    _require_open(opening, offer)
    offer.status, offer.answered_at = OfferStatus.DECLINED, clock.now()
    versions.save(offer, ["status", "answered_at"])
    offer_record(offer, "waitlist_offer.declined")
    opening_go_on(opening)
    return offer


def offer_by_hand(
    *, by: Principal, entry_id: UUID, doctor: UUID, location: UUID | None, starts_at: datetime
) -> WaitlistOffer:
    """Offer one person a time, past order, hours and frequency: the desk has chosen them.

    An offer of this time that they have already, and can still accept, is given again. Raises
    NOT_FOUND, PERMISSION_DENIED, INVALID_TRANSITION for an entry that is closed, and what a booking
    would be refused for.
    """
    entry = entry_lock(by, entry_id, expected_version=None)
    by.require(Permission.APPOINTMENT_BOOK, entry.clinic_id, doctor_id=doctor)
    known = _offered_already(entry, doctor, starts_at)
    if known is not None:
        return known
    start = Start(
        doctor,
        location,
        starts_at,
        starts_at + timedelta(minutes=minutes_of(entry)),
        zone_of(entry.clinic_id, location),
    )
    candidate = Candidate(entry, start, moving_of(entry))
    visit_of(entry, start)  # raises for what is not of this clinic, or gone
    refusal = refusal_of(candidate)
    if refusal is not None:
        raise KairosError(refusal)
    opening = opening_write(
        WaitlistOpening(
            clinic_id=entry.clinic_id,
            doctor_id=doctor,
            location_id=location,
            starts_at=start.starts_at,
            ends_at=start.ends_at,
            timezone=start.timezone,
            cause=OpeningCause.BY_HAND,
            batch=1,
        )
    )
    policy = policy_of(entry.clinic_id)
    (offer,) = offers_write(opening, [candidate], policy=policy, by_staff=True)
    return offer


def offer_told(*, by: Principal, offer_id: UUID) -> WaitlistOffer:
    """The desk has told the patient of an offer. Raises NOT_FOUND, PERMISSION_DENIED."""
    offer = (
        offers_visible_to(by)
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=offer_id)
        .first()
    )
    if offer is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    if offer.sent_at is None:
        offer.sent_at, offer.sent_by, offer.by_staff = clock.now(), BY_DESK, True
        versions.save(offer, ["sent_at", "sent_by", "by_staff"])
        offer_record(offer, "waitlist_offer.told")
    return offer


def _locked(
    seen: QuerySet[WaitlistOffer], offer_id: UUID
) -> tuple[WaitlistOpening, WaitlistOffer, WaitlistEntry]:
    """The offer with its opening and its entry, in the order of locks. Raises NOT_FOUND.

    The chart comes first, since a merge holds it when it reaches for the entries; and the offers
    that an acceptance ends are locked together, since an opening's and an entry's cross.
    """
    known = (
        seen.filter(pk=offer_id).values_list("opening_id", "entry_id", "entry__patient_id").first()
    )
    if known is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    opening_id, entry_id, patient_id = known
    Patient.objects.select_for_update(no_key=True).filter(pk=patient_id).values_list("pk").first()
    opening = WaitlistOpening.objects.select_for_update(no_key=True).get(pk=opening_id)
    entry = (
        WaitlistEntry.objects.select_for_update(of=("self",), no_key=True)
        .select_related("service", "appointment", "booked")
        .get(pk=entry_id)
    )
    concerned = WaitlistOffer.objects.filter(
        Q(pk=offer_id) | Q(status=OfferStatus.OPEN) & (Q(opening=opening) | Q(entry=entry))
    )
    rows = {row.id: row for row in concerned.order_by("id").select_for_update(no_key=True)}
    offer = rows[offer_id]
    offer.opening, offer.entry = opening, entry
    return opening, offer, entry


def _take(seen: QuerySet[WaitlistOffer], offer_id: UUID, *, by: Principal | None = None) -> Taken:
    opening, offer, entry = _locked(seen, offer_id)
    if offer.status == OfferStatus.ACCEPTED and entry.booked is not None:
        return Taken(entry.booked)
    try:
        _require_open(opening, offer)
        if entry.status != WaitlistStatus.WAITING:
            raise KairosError(ErrorCode.OFFER_EXPIRED)
        with transaction.atomic():
            appointment = _book(opening, offer, entry)
    except KairosError as refusal:
        if refusal.code not in _TIME_IS_GONE or opening.status != OpeningStatus.OPEN:
            return Taken(None, refusal)
        losers_tell(set(opening_gone(opening)) - {offer.id})
        return Taken(None, _too_late(refusal))
    _won(opening, offer, entry, appointment, by_staff=by is not None)
    return Taken(appointment)


def _require_open(opening: WaitlistOpening, offer: WaitlistOffer) -> None:
    """Raises SCHEDULING_CONFLICT when somebody was quicker, OFFER_EXPIRED when it is over."""
    if offer.status == OfferStatus.LOST or (
        offer.status == OfferStatus.OPEN
        and opening.status in {OpeningStatus.TAKEN, OpeningStatus.GONE}
    ):
        raise _too_late()
    if offer.status != OfferStatus.OPEN or offer.expires_at <= clock.now():
        raise KairosError(ErrorCode.OFFER_EXPIRED)


def _too_late(refusal: KairosError | None = None) -> KairosError:
    return KairosError(
        ErrorCode.SCHEDULING_CONFLICT,
        _("Somebody was quicker. You are still on the waitlist."),
        extra=refusal.extra if refusal is not None else None,
    )


def _book(opening: WaitlistOpening, offer: WaitlistOffer, entry: WaitlistEntry) -> Appointment:
    """The visit of the offer, booked or moved there. Raises as booking does."""
    present = entry.appointment
    if moving_of(entry) is not None and present is not None:
        return appointment_reschedule(
            appointment_id=present.id,
            by=None,
            starts_at=offer.starts_at,
            ends_at=offer.ends_at,
            doctor=opening.doctor_id,
            location=opening.location_id,
            reason="waitlist",
        )
    if present is not None and present.status not in {
        AppointmentStatus.CANCELLED,
        AppointmentStatus.NO_SHOW,
    }:
        raise KairosError(ErrorCode.OFFER_EXPIRED)  # they have come already
    return appointment_book(
        by=None,
        doctor=opening.doctor_id,
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        patient=entry.patient_id,
        location=opening.location_id,
        service=entry.service_id,
        mode=entry.mode,
        priority=entry.urgency,
        source=Source.PATIENT,
    )


def _won(
    opening: WaitlistOpening,
    offer: WaitlistOffer,
    entry: WaitlistEntry,
    appointment: Appointment,
    *,
    by_staff: bool,
) -> None:
    """Write down who won, and that the others did not."""
    now = clock.now()
    offer.status, offer.answered_at = OfferStatus.ACCEPTED, now
    offer.by_staff = offer.by_staff or by_staff
    versions.save(offer, ["status", "answered_at", "by_staff"])
    opening.status, opening.taken_by = OpeningStatus.TAKEN, appointment
    opening.next_batch_at = None
    versions.save(opening, ["status", "taken_by", "next_batch_at"])
    offer_record(offer, "waitlist_offer.accepted")
    losers_tell(offers_close(WaitlistOffer.objects.filter(opening=opening), OfferStatus.LOST))
    entry.booked = appointment
    entry.save(update_fields=["booked"])
    entry_close(entry, WaitlistStatus.BOOKED, offers=OfferStatus.WITHDRAWN)


def _raised(taken: Taken) -> Appointment:
    if taken.appointment is None:
        raise taken.refusal or KairosError(ErrorCode.OFFER_EXPIRED)
    return taken.appointment


def _offered_already(
    entry: WaitlistEntry, doctor: UUID, starts_at: datetime
) -> WaitlistOffer | None:
    return (
        WaitlistOffer.objects.filter(
            entry=entry,
            opening__doctor=doctor,
            opening__status=OpeningStatus.OPEN,
            starts_at=starts_at,
            status=OfferStatus.OPEN,
            expires_at__gt=clock.now(),
        )
        .select_related("opening")
        .first()
    )
