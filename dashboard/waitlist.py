"""The waitlist in words: who waits for what, what became free, and who was asked about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.formats import date_format, time_format
from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Priority
from clinics.selectors.directory import doctors_of_clinic
from core import clock
from core.errors import ErrorCode, KairosError
from dashboard.access import Desk
from dashboard.series import local
from followups.models import (
    OfferStatus,
    OpeningCause,
    OpeningStatus,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
)
from followups.selectors.waitlist import Place, WaitlistRow

_URGENT: Final = (Priority.URGENT, Priority.HIGH)
#: Freed times that are shown at once.
MOST_OPENINGS: Final = 40
_MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer in words. `told` is how they know of it; empty: the desk has to tell them."""

    id: UUID
    entry: UUID
    name: str
    phone: str
    local: datetime
    doctor: str
    status: str
    state: str
    is_open: bool
    until: datetime
    told: str
    may_act: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the list. `wishes` are sentences about when and with whom."""

    id: UUID
    version: int
    patient_id: UUID
    name: str
    mrn: str
    phone: str
    service: str
    urgency: str
    wishes: tuple[str, ...]
    note: str
    since: datetime
    status: str
    has: datetime | None
    offers: tuple[Offered, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """A freed time, with who was asked about it, the latest batch first."""

    id: UUID
    local: datetime
    until: datetime
    doctor: str
    location: str
    cause: str
    waits: str
    offers: tuple[Offered, ...]


def rows_of(desk: Desk, found: Iterable[WaitlistRow]) -> list[Row]:
    """The entries in words; one statement for the names of doctors."""
    found = list(found)
    names = doctor_names(desk) if found else {}
    return [row_of(desk, one, names) for one in found]


def row_of(desk: Desk, one: WaitlistRow, names: dict[UUID, str]) -> Row:
    """One entry in words."""
    entry, visit = one.entry, one.entry.appointment
    urgencies = {urgency.value: str(urgency.label) for urgency in _URGENT}
    return Row(
        id=entry.id,
        version=entry.version,
        patient_id=entry.patient_id,
        name=entry.patient.full_name,
        mrn=entry.patient.mrn,
        phone=entry.patient.phone,
        service=entry.service.name,
        urgency=urgencies.get(entry.urgency, ""),
        wishes=tuple(wishes_said(entry, names)),
        note=entry.note,
        since=entry.created_at,
        status=entry.status,
        has=local(visit.starts_at, ZoneInfo(visit.timezone)) if visit is not None else None,
        offers=tuple(offered(desk, offer, entry) for offer in one.offers),
    )


def doctor_names(desk: Desk) -> dict[UUID, str]:
    """Of everybody who can be booked here."""
    return dict(doctors_of_clinic(desk.clinic.id).values_list("pk", "display_name"))


def wishes_said(entry: WaitlistEntry, names: dict[UUID, str]) -> Iterable[str]:
    """When and with whom somebody would come."""
    yield _("%(first)s to %(last)s") % {
        "first": date_format(entry.earliest, "j M"),
        "last": date_format(entry.latest, "DATE_FORMAT"),
    }
    if entry.weekdays:
        yield ", ".join(str(WEEKDAYS_ABBR[day - 1]) for day in entry.weekdays)
    begin = time_format(entry.time_from, "TIME_FORMAT") if entry.time_from else ""
    end = time_format(entry.time_to, "TIME_FORMAT") if entry.time_to else ""
    if begin and end:
        yield _("from %(begin)s to %(end)s") % {"begin": begin, "end": end}
    elif begin:
        yield _("from %(begin)s") % {"begin": begin}
    elif end:
        yield _("over by %(end)s") % {"end": end}
    if entry.doctors:
        known = [names[one] for one in entry.doctors if one in names]
        more = len(known) - _MOST_NAMED
        yield ", ".join(known[:_MOST_NAMED]) + (f" +{more}" if more > 0 else "")
    if entry.location is not None:
        yield entry.location.name


def offered(desk: Desk, offer: WaitlistOffer, entry: WaitlistEntry) -> Offered:
    """One offer in words; its opening, doctor included, has been read."""
    opening = offer.opening
    zone = ZoneInfo(opening.timezone)
    is_open = offer.status == OfferStatus.OPEN and offer.expires_at > clock.now()
    return Offered(
        id=offer.id,
        entry=entry.id,
        name=entry.patient.full_name,
        phone=entry.patient.phone,
        local=local(offer.starts_at, zone),
        doctor=opening.doctor.display_name,
        status=offer.status,
        state=str(offer.get_status_display()),
        is_open=is_open,
        until=local(offer.expires_at, zone),
        told=_told(offer, zone),
        may_act=is_open and desk.may_for(Permission.APPOINTMENT_BOOK, opening.doctor_id),
    )


def _told(offer: WaitlistOffer, zone: ZoneInfo) -> str:
    if offer.sent_at is None:
        return ""
    at = time_format(offer.sent_at.astimezone(zone).time(), "TIME_FORMAT")
    if offer.sent_by == "SMS":
        return _("by text message at %(time)s") % {"time": at}
    return _("by the desk at %(time)s") % {"time": at}


def openings_of(desk: Desk, *, opening: UUID | None = None) -> list[Opening]:
    """Freed times that are still being offered, the soonest first, in two statements; one of them
    where one is named, whatever became of it."""
    found = WaitlistOpening.objects.filter(_seen(desk), clinic=desk.clinic)
    if opening is not None:
        found = found.filter(pk=opening)
    else:
        found = found.filter(status=OpeningStatus.OPEN, starts_at__gt=clock.now())
    rows = list(
        found.select_related("doctor", "location").order_by("starts_at", "id")[:MOST_OPENINGS]
    )
    asked: dict[UUID, list[WaitlistOffer]] = {row.id: [] for row in rows}
    offers = WaitlistOffer.objects.filter(opening_id__in=asked).select_related("entry__patient")
    for offer in offers.order_by("-batch", "place") if rows else ():
        asked[offer.opening_id].append(offer)
    return [_opening(desk, row, asked[row.id]) for row in rows]


def _seen(desk: Desk) -> Q:
    if desk.may_whole(Permission.APPOINTMENT_BOOK):
        return Q()
    return Q(doctor_id=desk.principal.doctor_id)


def _opening(desk: Desk, row: WaitlistOpening, offers: Sequence[WaitlistOffer]) -> Opening:
    zone = ZoneInfo(row.timezone)
    for offer in offers:
        offer.opening = row
    return Opening(
        id=row.id,
        local=local(row.starts_at, zone),
        until=local(row.ends_at, zone),
        doctor=row.doctor.display_name,
        location=row.location.name if row.location is not None else "",
        cause=str(OpeningCause(row.cause).label),
        waits=_waits(row, zone),
        offers=tuple(offered(desk, offer, offer.entry) for offer in offers),
    )


def _waits(row: WaitlistOpening, zone: ZoneInfo) -> str:
    if row.status != OpeningStatus.OPEN:
        return str(row.get_status_display())
    if row.next_batch_at is None:
        return _("Nobody else is asked by itself.")
    if row.next_batch_at <= clock.now():
        return _("The next are asked now.")
    at = row.next_batch_at.astimezone(zone)
    if at.date() != clock.now().astimezone(zone).date():
        return _("The next are asked %(day)s at %(time)s.") % {
            "day": date_format(at, "D j M"),
            "time": time_format(at.time(), "TIME_FORMAT"),
        }
    return _("The next are asked at %(time)s.") % {"time": time_format(at.time(), "TIME_FORMAT")}


def place_said(place: Place) -> str:
    """Where to read on, for an address."""
    rank, last = place
    return f"{rank}_{last}"


def place_in(text: str) -> Place:
    """The place that an address names. Raises VALIDATION_ERROR."""
    rank, _underscore, last = text.partition("_")
    try:
        return int(rank), UUID(last)
    except ValueError:
        raise KairosError(ErrorCode.VALIDATION_ERROR) from None
