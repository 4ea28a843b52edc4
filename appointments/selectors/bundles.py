"""Which bundles of visits are free: several items of one patient that fit together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q

from accounts.roles import Permission
from appointments.bundling import (
    MOST_SEATS,
    Chain,
    Fitting,
    Item,
    Placed,
    Seat,
    Spacing,
    Start,
    TooLong,
)
from appointments.models import BusyTime, Claim
from appointments.selectors.free import FreeStart, Kind, starts_of_kinds
from appointments.selectors.offering import doctors_for
from appointments.services import calendar
from clinics.models import Location, Patient, Service, VisitMode
from clinics.principal import Principal
from core import clock
from core.errors import ErrorCode, KairosError, invalid

MIN_ITEMS, MAX_ITEMS = 2, 6
MAX_DAYS, MAX_BUNDLES = 31, 20
#: Free starts read for one kind of visit.
_MOST = 20_000
#: What is asked of calendars: doctors times days times kinds of visits. The more days and kinds,
#: the fewer doctors are asked where anybody will do, so that nobody waits in a large clinic.
_DOCTOR_DAYS, _FEWEST = 1500, MOST_SEATS


@dataclass(frozen=True, slots=True)
class BundleItem:
    """A visit that is wanted. `doctor` None: anybody who does it; `location` None: anywhere."""

    service: UUID
    doctor: UUID | None = None
    location: UUID | None = None
    mode: str = VisitMode.IN_PERSON


@dataclass(frozen=True, slots=True)
class BundleVisit:
    """A free start for one of the items, which is counted from 0."""

    item: int
    clinic: UUID
    doctor: UUID
    location: UUID | None
    service: UUID
    mode: str
    starts_at: datetime
    ends_at: datetime
    timezone: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Visits that could be booked together, in the order of their times."""

    visits: tuple[BundleVisit, ...]


@dataclass(frozen=True, slots=True)
class BundlesFound:
    """Bundles, earliest first. Not `is_complete`: there was more to look at than is looked at, and
    further ones may be found with a doctor, a place or fewer days."""

    bundles: list[Bundle]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class _Ground:
    """The search's data, read and checked."""

    clinic: UUID
    zone: ZoneInfo
    patient: UUID
    items: list[BundleItem]
    services: dict[UUID, Service]
    kinds: list[Kind]
    capped: set[UUID]
    patient_rules: bool


def bundles_find(
    *,
    by: Principal,
    patient: UUID,
    items: Sequence[BundleItem],
    spacing: Spacing,
    first: date | None = None,
    last: date | None = None,
    limit: int = 5,
) -> BundlesFound:
    """Bundles on the local days [first, last] (of the clinic; both included), earliest first.

    For each moment at which one can begin there is at most one: that which is over first. Without
    `first` from now on, without `last` as long as may be asked for. No doctor and not the patient
    is in two places at once, buffers and the patient's other visits counted; a doctor's daily and
    weekly caps count all visits of a bundle together. A hint, read without locks.

    Raises NOT_FOUND (for what is foreign too), PERMISSION_DENIED, INVALID_APPOINTMENT_TYPE,
    VALIDATION_ERROR.
    """
    _check(items, spacing, limit)
    ground = _ground(by, patient, list(items))
    start, end = _period(ground.zone, first, last)
    rows, is_complete = _rows(ground, start, end)
    busy = _busy(patient, start, end)
    fitting = Fitting(
        [_item(ground, number, rows[number], busy) for number in range(len(items))], spacing
    )
    found: list[Bundle] = []
    try:
        for moment in fitting.beginnings():
            bundle = _bundle_at(ground, fitting, moment)
            if bundle is not None:
                found.append(bundle)
                if len(found) == limit:
                    break
    except TooLong:
        is_complete = False
    return BundlesFound(found, is_complete)


def _check(items: Sequence[BundleItem], spacing: Spacing, limit: int) -> None:
    if not MIN_ITEMS <= len(items) <= MAX_ITEMS:
        raise invalid("items", f"{MIN_ITEMS} to {MAX_ITEMS} visits")
    if not 1 <= limit <= MAX_BUNDLES:
        raise invalid("limit", f"1 to {MAX_BUNDLES}")
    longest = timedelta(days=MAX_DAYS)
    if not timedelta() <= spacing.min_gap <= longest:
        raise invalid("min_gap", f"0 to {MAX_DAYS * 1440} minutes")
    if spacing.max_gap is not None and not spacing.min_gap <= spacing.max_gap <= longest:
        raise invalid("max_gap", "not less than the shortest gap, at most 31 days")


def _ground(by: Principal, patient: UUID, items: list[BundleItem]) -> _Ground:
    chart = (
        Patient.objects.filter(pk=patient, is_active=True, merged_into=None, clinic__is_active=True)
        .values_list("clinic_id", "clinic__timezone")
        .first()
    )
    own = chart is not None and patient in by.charts.get(chart[0], frozenset())
    if chart is None or not (own or by.is_staff_in(chart[0])):
        raise KairosError(ErrorCode.NOT_FOUND, errors={"patient": ["not found"]})
    clinic, zone = chart
    only = None if own else _only_doctor(by, clinic)
    as_patient = own and not by.may(Permission.APPOINTMENT_BOOK, clinic)
    services = Service.objects.filter(clinic=clinic, is_active=True).in_bulk(
        {item.service for item in items}
    )
    _require_known(items, services, _places(clinic, items))
    if as_patient and not all(service.is_public for service in services.values()):
        raise KairosError(ErrorCode.PERMISSION_DENIED, "This is booked by the clinic.")
    named = {item.doctor for item in items if item.doctor is not None}
    doctors = doctors_for(clinic, services=list(services), named=named)
    kinds = []
    for number, item in enumerate(items):
        who = doctors.who(item.service, item.doctor)
        if item.doctor is not None and not who:
            raise KairosError(ErrorCode.NOT_FOUND, errors={f"items.{number}.doctor": ["not found"]})
        if only is not None:
            if item.doctor not in {None, only}:
                raise KairosError(ErrorCode.PERMISSION_DENIED)
            who = [one for one in who if one == only]
        kinds.append(Kind(tuple(who), item.location, item.service, None, item.mode))
    return _Ground(
        clinic=clinic,
        zone=ZoneInfo(zone),
        patient=patient,
        items=items,
        services=services,
        kinds=kinds,
        capped=doctors.capped,
        patient_rules=as_patient,
    )


def _only_doctor(by: Principal, clinic: UUID) -> UUID | None:
    """The one doctor with whom this member of staff may book; None: with anybody."""
    if by.may(Permission.APPOINTMENT_BOOK, clinic):
        return None
    if by.doctor_id is None or not by.may_own(Permission.APPOINTMENT_BOOK, clinic):
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    return by.doctor_id


def _places(clinic: UUID, items: Sequence[BundleItem]) -> set[UUID]:
    """Those of the items' locations that are the clinic's."""
    asked = {item.location for item in items if item.location is not None}
    if not asked:
        return set()
    known = Location.objects.filter(clinic=clinic, is_active=True, id__in=asked)
    return set(known.values_list("id", flat=True))


def _require_known(
    items: Sequence[BundleItem], services: dict[UUID, Service], places: set[UUID]
) -> None:
    """Raises NOT_FOUND, INVALID_APPOINTMENT_TYPE for the first item that is not the clinic's."""
    for number, item in enumerate(items):
        missing = [
            name
            for name, known in (
                ("service", item.service in services),
                ("location", item.location is None or item.location in places),
            )
            if not known
        ]
        if missing:
            raise KairosError(
                ErrorCode.NOT_FOUND, errors={f"items.{number}.{missing[0]}": ["not found"]}
            )
        if item.mode not in services[item.service].modes:
            raise KairosError(
                ErrorCode.INVALID_APPOINTMENT_TYPE,
                errors={f"items.{number}.type": ["not offered for this service"]},
            )


def _period(zone: ZoneInfo, first: date | None, last: date | None) -> tuple[datetime, datetime]:
    now = clock.now()
    first = first or now.astimezone(zone).date()
    last = last or first + timedelta(days=MAX_DAYS - 1)
    if last < first:
        raise invalid("to", "not before the first day")
    if (last - first).days >= MAX_DAYS:
        raise invalid("to", f"at most {MAX_DAYS} days")
    start = datetime.combine(first, time(0), tzinfo=zone)
    end = datetime.combine(last + timedelta(days=1), time(0), tzinfo=zone)
    return max(now, start), end


def _rows(ground: _Ground, start: datetime, end: datetime) -> tuple[list[list[FreeStart]], bool]:
    """The free starts of each item in one statement, and whether these are all."""
    asked = list(dict.fromkeys(ground.kinds))
    days = (end - start).days + 1
    count = max(_FEWEST, _DOCTOR_DAYS // (len(asked) * days))
    rows = starts_of_kinds(
        clinic=ground.clinic,
        kinds=[replace(kind, doctors=kind.doctors[:count]) for kind in asked],
        start=start,
        end=end,
        patient_rules=ground.patient_rules,
        doctors=MOST_SEATS,
        most=_MOST,
    )
    of = dict(zip(asked, rows, strict=True))
    is_complete = all(len(kind.doctors) <= count for kind in asked) and all(
        sum(row.count for row in one) < _MOST for one in rows
    )
    return [of[kind] for kind in ground.kinds], is_complete


def _busy(patient: UUID, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """When the patient has something else."""
    rows = BusyTime.objects.filter(
        Q(expires_at__gt=clock.now()) | ~Q(kind=Claim.HELD),
        patient=patient,
        visit__overlap=(start, end + timedelta(days=1)),
    ).values_list("visit", flat=True)
    return [(visit.lower, visit.upper) for visit in rows]


def _item(
    ground: _Ground, number: int, rows: Sequence[FreeStart], busy: list[tuple[datetime, datetime]]
) -> Item:
    service = ground.services[ground.items[number].service]
    zones = {row.timezone: ZoneInfo(row.timezone) for row in rows}
    return Item(
        [
            Start(
                row.starts_at,
                row.ends_at,
                row.starts_at.astimezone(zones[row.timezone]).date(),
                tuple(
                    Seat(doctor, location, row.timezone)
                    for doctor, location in zip(row.doctors, row.locations, strict=True)
                ),
            )
            for row in rows
            if not any(begin < row.ends_at and over > row.starts_at for begin, over in busy)
        ],
        before=timedelta(minutes=service.buffer_before_minutes),
        after=timedelta(minutes=service.buffer_after_minutes),
    )


def _bundle_at(ground: _Ground, fitting: Fitting, moment: datetime) -> Bundle | None:
    """The bundle that begins then.

    Free starts know of a cap only whether one visit more fits. Where a doctor with one would have
    several, they are judged together. Each time that is too many for a doctor's day or week, the
    search keeps it in mind: so there are at most as many judgements as bundles asked for, and such
    days.
    """
    while (chain := fitting.bundle_at(moment)) is not None:
        full = _full(ground, chain) if _often(chain) & ground.capped else set()
        if not full - fitting.once:
            return Bundle(tuple(_visit(ground, placed) for placed in chain))
        for doctor, first, last in full:
            fitting.only_once(doctor, first, last)
    return None


def _often(chain: Chain) -> set[UUID]:
    doctors = [placed.seat.doctor for placed in chain]
    return {doctor for doctor in doctors if doctors.count(doctor) > 1}


def _full(ground: _Ground, chain: Chain) -> set[tuple[UUID, date, date]]:
    """The doctors for whom the bundle is too much, and the days for which that holds."""
    visits = [_visit(ground, placed) for placed in chain]
    judged = calendar.judge_all(
        [
            calendar.Visit(
                clinic=ground.clinic,
                doctor=visit.doctor,
                location=visit.location,
                service=visit.service,
                mode=visit.mode,
                starts_at=visit.starts_at,
                ends_at=visit.ends_at,
            )
            for visit in visits
        ],
        patient_rules=ground.patient_rules,
        admit=False,
    )
    found = set()
    for placed, one in zip(chain, judged, strict=True):
        day = placed.start.day
        if one.code == ErrorCode.DAILY_CAP_REACHED:
            found.add((placed.seat.doctor, day, day))
        elif one.code == ErrorCode.WEEKLY_CAP_REACHED:
            monday = day - timedelta(days=day.weekday())
            found.add((placed.seat.doctor, monday, monday + timedelta(days=6)))
    return found


def _visit(ground: _Ground, placed: Placed) -> BundleVisit:
    item = ground.items[placed.item]
    return BundleVisit(
        item=placed.item,
        clinic=ground.clinic,
        doctor=placed.seat.doctor,
        location=placed.seat.location,
        service=item.service,
        mode=item.mode,
        starts_at=placed.start.starts_at,
        ends_at=placed.start.ends_at,
        timezone=placed.seat.timezone,
    )
