"""Reads of the waitlist: who sees what, in which order people are asked, what could be offered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from accounts.roles import Permission
from appointments.selectors.slots import MAX_DAYS, MAX_DOCTORS, slots_find
from clinics.models import Clinic
from clinics.principal import Principal
from clinics.selectors.directory import doctors_of_clinic
from core import clock
from core.errors import ErrorCode, KairosError
from followups.matching import Start, Wish, fits
from followups.models import OfferStatus, WaitlistEntry, WaitlistOffer, WaitlistStatus

MAX_LIMIT: Final = 200
#: Free starts looked through for a wish.
_MOST_STARTS: Final = 2000
#: Where a page of the list ended: rank and id of its last row.
Place = tuple[int, UUID]


@dataclass(frozen=True, slots=True)
class WaitlistRow:
    """An entry (with patient, service and visit) and its offers, latest first."""

    entry: WaitlistEntry
    offers: list[WaitlistOffer]

    @property
    def open_offers(self) -> list[WaitlistOffer]:
        return [offer for offer in self.offers if offer.status == OfferStatus.OPEN]


@dataclass(frozen=True, slots=True)
class WaitlistPage:
    """Some of the list; `next` is where to read on, None at the end."""

    rows: list[WaitlistRow]
    next: Place | None


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Some offers, latest first; `next` is where to read on, None at the end."""

    offers: list[WaitlistOffer]
    next: UUID | None


def entries_visible_to(principal: Principal) -> QuerySet[WaitlistEntry]:
    """Entries that the principal may read.

    The whole clinic's for who books there; those that name them for clinicians; their own for
    patients.
    """
    if principal.is_super_admin:
        return WaitlistEntry.objects.all()
    seen = _by_staff(principal)
    patients = principal.own_patients()
    if patients:
        seen |= Q(patient_id__in=patients)
    return WaitlistEntry.objects.filter(seen)


def offers_visible_to(principal: Principal) -> QuerySet[WaitlistOffer]:
    """The ledger as far as the principal may read it as staff: offers of the entries they see."""
    if principal.is_super_admin:
        return WaitlistOffer.objects.all()
    whole = Q(clinic_id__in=principal.clinics_with(Permission.APPOINTMENT_BOOK))
    own = Q(
        clinic_id__in=principal.clinics_with_own(Permission.APPOINTMENT_BOOK),
        entry__doctors__contains=[principal.doctor_id],
    )
    return WaitlistOffer.objects.filter(whole | own if principal.doctor_id else whole)


def _by_staff(principal: Principal) -> Q:
    seen = Q(clinic_id__in=principal.clinics_with(Permission.APPOINTMENT_BOOK))
    if principal.doctor_id is not None:
        seen |= Q(
            clinic_id__in=principal.clinics_with_own(Permission.APPOINTMENT_BOOK),
            doctors__contains=[principal.doctor_id],
        )
    return seen


def waitlist(
    *,
    by: Principal,
    clinic_id: UUID,
    service: UUID | None = None,
    doctor: UUID | None = None,
    status: str = WaitlistStatus.WAITING,
    after: Place | None = None,
    limit: int = 50,
) -> WaitlistPage:
    """A page of the clinic's waitlist in the order in which people are asked.

    `doctor` narrows it to who would come to them: entries that name them, or nobody. Two
    statements, however many rows. Raises NOT_FOUND where the caller does not work,
    PERMISSION_DENIED.
    """
    require_list(by, clinic_id)
    found = entries_visible_to(by).filter(clinic_id=clinic_id, status=status)
    if service is not None:
        found = found.filter(service_id=service)
    if doctor is not None:
        found = found.filter(Q(doctors=[]) | Q(doctors__contains=[doctor]))
    if after is not None:
        rank, last = after
        found = found.filter(Q(rank__gt=rank) | Q(rank=rank, id__gt=last), rank__gte=rank)
    limit = min(limit, MAX_LIMIT)
    rows = list(with_names(found).order_by("rank", "id")[: limit + 1])
    shown = rows[:limit]
    offers = offers_of(row.id for row in shown)
    more = shown[-1] if len(rows) > limit else None
    return WaitlistPage(
        [WaitlistRow(row, offers.get(row.id, [])) for row in shown],
        (more.rank, more.id) if more is not None else None,
    )


def ledger(
    *,
    by: Principal,
    clinic_id: UUID,
    entry: UUID | None = None,
    status: str | None = None,
    to_be_told: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> LedgerPage:
    """Every offer of the clinic and what became of it, latest first; one statement.

    `to_be_told`: open offers that were not sent, so the desk has to call. Raises as `waitlist`.
    """
    require_list(by, clinic_id)
    found = offers_visible_to(by).filter(clinic_id=clinic_id)
    if entry is not None:
        found = found.filter(entry_id=entry)
    if status is not None:
        found = found.filter(status=status)
    if to_be_told:
        found = found.filter(status=OfferStatus.OPEN, sent_at=None)
    if after is not None:
        found = found.filter(id__lt=after)
    limit = min(limit, MAX_LIMIT)
    rows = list(
        found.select_related(
            "entry__patient", "entry__service", "opening__doctor", "opening__location"
        ).order_by("-id")[: limit + 1]
    )
    shown = rows[:limit]
    return LedgerPage(shown, shown[-1].id if len(rows) > limit else None)


def require_list(by: Principal, clinic_id: UUID) -> None:
    """Raises NOT_FOUND where the caller does not work, PERMISSION_DENIED for who books nothing."""
    if not by.is_staff_in(clinic_id):
        raise KairosError(ErrorCode.NOT_FOUND, errors={"clinic": ["not found"]})
    if not by.may(Permission.APPOINTMENT_BOOK, clinic_id) and not by.may_own(
        Permission.APPOINTMENT_BOOK, clinic_id
    ):
        raise KairosError(ErrorCode.PERMISSION_DENIED)


def with_names(entries: QuerySet[WaitlistEntry]) -> QuerySet[WaitlistEntry]:
    """With what is shown of each."""
    return entries.select_related("patient", "service", "location", "appointment")


def offers_of(entries: Iterable[UUID]) -> dict[UUID, list[WaitlistOffer]]:
    """The offers of these entries, latest first, in one statement."""
    found: dict[UUID, list[WaitlistOffer]] = {}
    for offer in (
        WaitlistOffer.objects.filter(entry_id__in=list(entries))
        .select_related("opening__doctor", "opening__location")
        .order_by("-id")
    ):
        found.setdefault(offer.entry_id, []).append(offer)
    return found


def wish_of(entry: WaitlistEntry) -> Wish:
    """When and with whom the entry's patient would come."""
    return Wish(
        earliest=entry.earliest,
        latest=entry.latest,
        doctors=frozenset(entry.doctors),
        location=entry.location_id,
        weekdays=frozenset(entry.weekdays),
        time_from=entry.time_from,
        time_to=entry.time_to,
    )


def minutes_of(entry: WaitlistEntry) -> int:
    """How long the entry's visit lasts: as the one that would be moved, or as its service."""
    visit = entry.appointment
    if visit is None:
        return entry.service.duration_minutes
    return round((visit.ends_at - visit.starts_at).total_seconds() / 60)


def times_for(*, by: Principal, entry_id: UUID, limit: int = 6) -> list[Start]:
    """Free times that the entry is waiting for, earliest first: for an offer by hand.

    Looks two months ahead at most. Raises NOT_FOUND.
    """
    entry = with_names(entries_visible_to(by)).filter(pk=entry_id).first()
    if entry is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    if entry.status != WaitlistStatus.WAITING:
        return []
    zone = ZoneInfo(_zone(entry))
    now = clock.now()
    start = max(now, datetime.combine(entry.earliest, time(0), tzinfo=zone) - timedelta(days=1))
    end = min(
        datetime.combine(entry.latest, time(0), tzinfo=zone) + timedelta(days=2),
        start + timedelta(days=MAX_DAYS),
    )
    doctors: Sequence[UUID] = entry.doctors or list(
        doctors_of_clinic(entry.clinic_id).order_by("id").values_list("id", flat=True)[:MAX_DOCTORS]
    )
    if end <= start or not doctors:
        return []
    found = slots_find(
        clinics=[entry.clinic_id],
        doctors=doctors,
        start=start,
        end=end,
        location=entry.location_id,
        service=entry.service_id,
        minutes=minutes_of(entry),
        mode=entry.mode,
        patient_rules=False,
        moving=entry.appointment_id,
        limit=_MOST_STARTS,
    )
    wish = wish_of(entry)
    starts = (
        Start(slot.doctor, slot.location, slot.starts_at, slot.ends_at, slot.timezone)
        for slot in found
    )
    return [start for start in starts if fits(wish, start)][:limit]


def _zone(entry: WaitlistEntry) -> str:
    if entry.location is not None:
        return entry.location.timezone
    return Clinic.objects.values_list("timezone", flat=True).get(pk=entry.clinic_id)
