"""Booking an assessment: two sessions with one clinician, both or neither."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentStatus, Source
from appointments.selectors.pairs import (
    MAX_DAYS_APART,
    SESSION_MINUTES,
    WITHIN_DAYS,
    Pair,
    match,
    pairs_find,
)
from appointments.selectors.slots import Slot, alternatives
from appointments.services import calendar
from appointments.services.booking import (
    appointment_new,
    appointments_book_all,
    require_grid,
    require_may_book,
    require_open_to,
    require_patient_rules,
)
from appointments.services.context import Plan, check_times, plan
from clinics.models import VisitMode
from clinics.principal import Principal
from core import clock
from core.errors import ErrorCode, KairosError

_ALTERNATIVES = 5
_FREE_AROUND = 500


def assessment_book(
    *,
    by: Principal,
    patient: UUID,
    doctor: UUID,
    first: datetime,
    second: datetime,
    location: UUID | None = None,
    service: UUID | None = None,
    mode: str = VisitMode.IN_PERSON,
    minutes: int | None = None,
    reason: str = "",
) -> tuple[Appointment, Appointment]:
    """Book the two sessions that begin at `first` and `second`; the second follows from the first.

    They last as long as the service, or 90 minutes, unless `minutes` says otherwise. Patients book
    what is offered to them, as with a single visit. Raises VALIDATION_ERROR when the two are not on
    two days of the place at most a week apart, or not within the next 30 days, or when the doctor
    is not licensed in the patient's region or does not take their insurance, as far as the chart
    says; what a booking raises for what it refers to; and the booking codes with `errors` naming
    which of the two was refused, `alternatives` for that one and `pairs` for both. A refusal leaves
    nothing behind.
    """
    if minutes is None and service is None:
        minutes = SESSION_MINUTES
    with _about("first"):
        wanted = plan(
            doctor=doctor,
            patient=patient,
            location=location,
            service=service,
            mode=mode,
            starts_at=first,
            ends_at=first + timedelta(minutes=minutes) if minutes is not None else None,
            keep_chart=True,
        )
    one = wanted.visit
    two = replace(one, starts_at=second, ends_at=second + (one.ends_at - one.starts_at))
    with _about("second"):
        check_times(two.starts_at, two.ends_at)
    require_may_book(by, one)
    as_patient = not by.may_for(Permission.APPOINTMENT_BOOK, one.clinic, doctor_id=doctor)
    if as_patient:
        require_patient_rules(wanted, override=False)
        require_open_to(by, wanted)
    _require_rules(wanted, one, two, patient)
    # Doctors' writers queue by doctor; two doctors' pairs for one patient meet in this one.
    judged = calendar.judge_all(
        [one, two], patient_rules=as_patient, admit=True, also_lock=[f"patient:{patient}"]
    )
    lanes = [judgement.lane for judgement in judged if judgement.code is None]
    if len(lanes) < 2:
        raise _refused(wanted, one, two, judged, as_patient=as_patient)
    if as_patient:
        with _about("first"):
            require_grid(one)
        with _about("second"):
            require_grid(two)
    fields: dict[str, Any] = {
        "timezone": wanted.timezone,
        "status": AppointmentStatus.PENDING
        if as_patient and wanted.policy.requires_approval
        else AppointmentStatus.SCHEDULED,
        "reason": reason,
        "source": Source.PATIENT if as_patient else Source.STAFF,
        "booked_by_id": by.account,
    }
    begins = appointment_new(one, **fields)
    goes_on = appointment_new(
        two,
        **fields,
        parent_appointment_id=begins.id,
        original_appointment_id=begins.id,
    )
    visits = zip((begins, goes_on), (one, two), (lane or 0 for lane in lanes), strict=True)
    appointments_book_all(list(visits))
    return begins, goes_on


@contextmanager
def _about(session: str) -> Iterator[None]:
    """What is said of a start is said of this one of the two."""
    try:
        yield
    except KairosError as error:
        said = dict(error.errors or {})
        if "starts_at" not in said:
            raise
        said[session] = said.pop("starts_at")
        raise KairosError(error.code, error.detail, errors=said, extra=error.extra) from error


def _require_rules(wanted: Plan, one: calendar.Visit, two: calendar.Visit, patient: UUID) -> None:
    """Raises VALIDATION_ERROR, with everything that is wrong by field."""
    errors: dict[str, list[str]] = {}
    apart = _days_apart(one.starts_at, two.starts_at, ZoneInfo(wanted.timezone))
    latest = clock.now() + timedelta(days=WITHIN_DAYS)
    if apart < 1:
        errors["second"] = [_("The second session is on a later day than the first.")]
    elif apart > MAX_DAYS_APART:
        errors["second"] = [_("The second session is at most 7 days after the first.")]
    elif two.claimed_from < one.claimed_to:
        errors["second"] = [_("The second session is too soon after the first.")]
    for name, visit in (("first", one), ("second", two)):
        if visit.starts_at >= latest:
            errors.setdefault(name, []).append(_("Both sessions are within the next 30 days."))
    fits = match(patient=patient, doctor=one.doctor)
    if fits.region is False:
        errors["doctor"] = [_("The doctor is not licensed in the patient's region.")]
    if fits.insurance is False:
        errors.setdefault("doctor", []).append(
            _("The doctor does not take the patient's insurance.")
        )
    if errors:
        raise KairosError(ErrorCode.VALIDATION_ERROR, errors=errors)


def _days_apart(first: datetime, second: datetime, zone: ZoneInfo) -> int:
    """Local days from the one to the other."""
    return (second.astimezone(zone).date() - first.astimezone(zone).date()).days


def _refused(
    wanted: Plan,
    one: calendar.Visit,
    two: calendar.Visit,
    judged: Sequence[calendar.Judgement],
    *,
    as_patient: bool,
) -> KairosError:
    """The refusal of the pair: the code of the earlier refused session, and what else is free."""
    codes = {
        name: judgement.code
        for name, judgement in zip(("first", "second"), judged, strict=True)
        if judgement.code is not None
    }
    found = pairs_find(
        clinics=[one.clinic],
        doctor=one.doctor,
        location=one.location,
        service=one.service,
        minutes=one.minutes,
        mode=one.mode,
        patient=one.patient,
        patient_rules=as_patient,
    ).results
    pairs = found[0].pairs if found else []
    if len(codes) == 2:
        free = [slot for pair in pairs for slot in (pair.first, pair.second)]
    elif "first" in codes:
        free = _beside(wanted, two, one, as_patient=as_patient)
    else:
        free = _beside(wanted, one, two, as_patient=as_patient)
    return KairosError(
        next(iter(codes.values())),
        errors={name: [str(code.label)] for name, code in codes.items()},
        extra={
            "alternatives": [calendar.slot_data(slot) for slot in free],
            "pairs": [pair_data(pair) for pair in pairs],
        },
    )


def _beside(
    wanted: Plan, kept: calendar.Visit, refused: calendar.Visit, *, as_patient: bool
) -> list[Slot]:
    """Free starts for the refused session that make a pair with the other one, nearest first."""
    zone = ZoneInfo(wanted.timezone)
    latest = clock.now() + timedelta(days=WITHIN_DAYS)
    comes_first = refused.starts_at < kept.starts_at

    def fits(slot: Slot) -> bool:
        ends = (slot.starts_at, kept.starts_at) if comes_first else (kept.starts_at, slot.starts_at)
        near = replace(kept, starts_at=slot.starts_at, ends_at=slot.ends_at)
        one, two = (near, kept) if comes_first else (kept, near)
        return (
            1 <= _days_apart(*ends, zone) <= MAX_DAYS_APART
            and one.claimed_to <= two.claimed_from
            and slot.starts_at < latest
            # A cap may have room for one a week and not for two.
            and not (kept.capped and _week(slot.starts_at, zone) == _week(kept.starts_at, zone))
        )

    free = alternatives(
        clinic=refused.clinic,
        doctor=refused.doctor,
        around=refused.starts_at,
        location=refused.location,
        service=refused.service,
        minutes=refused.minutes,
        mode=refused.mode,
        patient_rules=as_patient,
        count=_FREE_AROUND,
    )
    return [slot for slot in free if fits(slot)][:_ALTERNATIVES]


def _week(moment: datetime, zone: ZoneInfo) -> tuple[int, int]:
    year, week, _day = moment.astimezone(zone).isocalendar()
    return year, week


def pair_data(pair: Pair) -> dict[str, Any]:
    """A pair as it stands in answers."""
    return {"first": calendar.slot_data(pair.first), "second": calendar.slot_data(pair.second)}
