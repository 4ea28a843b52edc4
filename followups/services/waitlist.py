"""Who waits for an earlier time: entries made, changed, withdrawn; they follow visits, charts."""

from collections.abc import Sequence
from datetime import date, time
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Model, QuerySet
from django.utils.translation import gettext as _

from appointments.models import Priority
from clinics.models import Clinic, Patient, VisitMode
from clinics.principal import Principal
from clinics.services.changes import check, create_row, explained, record
from core import clock, versions
from core.errors import ErrorCode, KairosError
from followups.matching import RANK
from followups.models import (
    OfferStatus,
    OpeningStatus,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
    WaitlistStatus,
)
from followups.selectors.waitlist import entries_visible_to
from followups.services.entry_rules import (
    chart_locked,
    default_latest,
    local_today,
    location_named,
    require_right,
    require_sound,
    service_named,
    unique,
    visit_to_move,
)

#: What `entry_change` takes.
WISHES: Final = (
    "service",
    "mode",
    "location",
    "doctors",
    "weekdays",
    "time_from",
    "time_to",
    "earliest",
    "latest",
    "urgency",
    "note",
    "appointment",
)


def entry_create(
    *,
    by: Principal,
    patient: UUID | None = None,
    service: UUID | None = None,
    mode: str | None = None,
    location: UUID | None = None,
    doctors: Sequence[UUID] = (),
    weekdays: Sequence[int] = (),
    time_from: time | None = None,
    time_to: time | None = None,
    earliest: date | None = None,
    latest: date | None = None,
    urgency: str = Priority.NORMAL,
    note: str = "",
    appointment: UUID | None = None,
) -> WaitlistEntry:
    """Put somebody on the waitlist.

    `appointment` is a visit of theirs that would be moved; it says patient, service and type, and
    its day is the last one unless `latest` says otherwise. Without a first day it is today, without
    a last one as far ahead as is booked. A patient may leave `patient` out. Raises NOT_FOUND,
    PERMISSION_DENIED, VALIDATION_ERROR, INVALID_APPOINTMENT_TYPE, INVALID_TRANSITION for a visit
    that cannot be moved, and CONFLICT for who waits for this service already.
    """
    visit = visit_to_move(by, appointment, patient) if appointment is not None else None
    chart = chart_locked(by, visit.patient_id if visit is not None else patient)
    clinic = Clinic.objects.get(pk=chart.clinic_id)
    if visit is not None:
        service, mode = service or visit.service_id, mode or visit.type
    today = local_today(clinic)
    entry = WaitlistEntry(
        clinic=clinic,
        patient=chart,
        service=service_named(clinic, service),
        mode=mode or VisitMode.IN_PERSON,
        location=location_named(clinic, location),
        doctors=unique(doctors),
        weekdays=sorted(set(weekdays)),
        time_from=time_from,
        time_to=time_to,
        earliest=earliest or today,
        urgency=urgency,
        note=note,
        appointment=visit,
    )
    entry.latest = latest or default_latest(entry, today)
    own = require_right(by, entry)
    require_sound(entry, clinic, today=today, as_patient=own, changed=frozenset(WISHES))
    made = create_row(
        WaitlistEntry,
        {
            **{name: getattr(entry, name) for name in WISHES},
            "clinic": clinic,
            "patient": chart,
            "rank": RANK[urgency],
            "created_by_id": by.account,
            "by_patient": own,
        },
        action="waitlist_entry.created",
    )
    _ask_again(clinic.id)
    return made


def entry_change(
    *, by: Principal, entry_id: UUID, expected_version: int | None = None, **wishes: Any
) -> WaitlistEntry:
    """Change what somebody waits for (`WISHES`); offers that were made stand.

    Raises as `entry_create`, PRECONDITION_FAILED, and INVALID_TRANSITION for an entry that is
    closed.
    """
    unknown = sorted(set(wishes).difference(WISHES))
    if unknown:
        raise KairosError(
            ErrorCode.VALIDATION_ERROR, errors={name: ["unknown field"] for name in unknown}
        )
    entry = entry_lock(by, entry_id, expected_version=expected_version)
    clinic = Clinic.objects.get(pk=entry.clinic_id)
    before = {name: _plain(getattr(entry, name)) for name in WISHES}
    require_right(by, entry)  # to what it was: a clinician does not take over another's
    for name, value in wishes.items():
        match name:
            case "service":
                entry.service = service_named(clinic, value)
            case "location":
                entry.location = location_named(clinic, value)
            case "appointment":
                entry.appointment = (
                    None if value is None else visit_to_move(by, value, entry.patient_id)
                )
            case "doctors":
                entry.doctors = unique(value)
            case "weekdays":
                entry.weekdays = sorted(set(value))
            case _:
                setattr(entry, name, value)
    as_patient = require_right(by, entry)
    changes = {
        name: [was, now]
        for name, was in before.items()
        if (now := _plain(getattr(entry, name))) != was
    }
    if not changes:
        return entry
    require_sound(entry, clinic, today=local_today(clinic), as_patient=as_patient, changed=changes)
    entry.rank = RANK[entry.urgency]
    check(entry)
    with explained(WaitlistEntry):
        versions.save(entry, [*changes, "rank"])
    record(entry, "waitlist_entry.changed", changes)
    _ask_again(clinic.id)
    return entry


def entry_withdraw(
    *, by: Principal, entry_id: UUID, expected_version: int | None = None
) -> WaitlistEntry:
    """Somebody does not wait any more; what they were offered is withdrawn.

    An entry that is withdrawn already stays so. Raises NOT_FOUND, PERMISSION_DENIED,
    PRECONDITION_FAILED, and INVALID_TRANSITION for one that was booked or is over.
    """
    entry = entry_lock(by, entry_id, expected_version=expected_version, closed_too=True)
    require_right(by, entry)
    if entry.status == WaitlistStatus.WITHDRAWN:
        return entry
    _require_waiting(entry)
    entry_close(entry, WaitlistStatus.WITHDRAWN, offers=OfferStatus.WITHDRAWN)
    return entry


def entry_close(entry: WaitlistEntry, status: WaitlistStatus, *, offers: OfferStatus) -> None:
    """End an entry that the caller has locked; its open offers become `offers`."""
    entry.status, entry.closed_at = status, clock.now()
    versions.save(entry, ["status", "closed_at"])
    offers_close(WaitlistOffer.objects.filter(entry=entry), offers)
    record(entry, f"waitlist_entry.{status.lower()}", {"status": [WaitlistStatus.WAITING, status]})


def offers_close(offers: QuerySet[WaitlistOffer], status: OfferStatus) -> list[UUID]:
    """End those of a set of offers that are open; their ids.

    Locked in the order of their ids: an opening's and an entry's offers cross.
    """
    found = offers.filter(status=OfferStatus.OPEN).order_by("id")
    ids = list(found.select_for_update(no_key=True, of=("self",)).values_list("id", flat=True))
    if ids:
        WaitlistOffer.objects.filter(id__in=ids).update(
            status=status, updated_at=clock.now(), version=F("version") + 1
        )
    return ids


def entry_lock(
    by: Principal, entry_id: UUID, *, expected_version: int | None, closed_too: bool = False
) -> WaitlistEntry:
    """A waiting entry under its lock. Raises NOT_FOUND, PRECONDITION_FAILED, INVALID_TRANSITION."""
    entry = (
        entries_visible_to(by)
        .filter(pk=entry_id)
        .select_for_update(of=("self",), no_key=True)
        .select_related("service", "appointment")
        .first()
    )
    if entry is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    versions.require(entry, expected_version)
    if not closed_too:
        _require_waiting(entry)
    return entry


def entries_follow_visit(appointment: UUID, *, came: bool) -> int:
    """What becomes of entries whose present visit was cancelled, or (`came`) has taken place.

    Cancelled: the wish stays, without it. Taken place: nobody waits for it to be moved any more.
    Returns how many.
    """
    entries = list(
        WaitlistEntry.objects.filter(appointment=appointment, status=WaitlistStatus.WAITING)
        .order_by("id")
        .select_for_update(of=("self",), no_key=True)
    )
    for entry in entries:
        if came:
            entry_close(entry, WaitlistStatus.EXPIRED, offers=OfferStatus.EXPIRED)
        else:
            entry.appointment = None
            versions.save(entry, ["appointment"])
            record(entry, "waitlist_entry.changed", {"appointment": [appointment, None]})
    return len(entries)


def entries_follow_chart(source: UUID, target: UUID) -> None:
    """Entries of a chart that became part of another go over to it, and back when they part.

    Who waited for the same service in both charts waits once: the other entry is withdrawn.
    """
    parting = Patient.objects.filter(pk=target, merged_into=source).exists()
    found = WaitlistEntry.objects.filter(patient=source)
    if parting:
        found = found.filter(merged_from=target)
    entries = list(found.order_by("id").select_for_update(of=("self",), no_key=True))
    waits_for = set(
        WaitlistEntry.objects.filter(patient=target, status=WaitlistStatus.WAITING).values_list(
            "service_id", flat=True
        )
    )
    for entry in entries:
        if entry.status == WaitlistStatus.WAITING and entry.service_id in waits_for:
            entry_close(entry, WaitlistStatus.WITHDRAWN, offers=OfferStatus.WITHDRAWN)
        entry.patient_id = target
        entry.merged_from = None if parting else source
        versions.save(entry, ["patient", "merged_from"])
        record(entry, "waitlist_entry.rechartered", {"patient": [source, target]})


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, Model) else value


def _require_waiting(entry: WaitlistEntry) -> None:
    if entry.status != WaitlistStatus.WAITING:
        raise KairosError(
            ErrorCode.INVALID_TRANSITION,
            _("This entry is closed."),
            extra={"current_status": entry.status},
        )


def _ask_again(clinic_id: UUID) -> None:
    """Times for which nobody was left to ask may be for who waits now: the next round looks."""
    now = clock.now()
    WaitlistOpening.objects.filter(
        clinic_id=clinic_id, status=OpeningStatus.OPEN, next_batch_at=None, starts_at__gt=now
    ).update(next_batch_at=now)
