"""Why a time cannot be had, and which others can: in words, with the way out of each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Appointment
from appointments.selectors.booking import Offer, visit_in_the_way
from appointments.selectors.slots import Slot, alternatives, slots_find
from clinics.models import Doctor
from core import clock
from core.errors import ErrorCode, KairosError
from dashboard.access import Desk
from dashboard.forms.booking import Wanted
from dashboard.steps import may_override

#: Refusals of a time, for which another time is the answer.
ABOUT_TIME: Final = frozenset(
    {
        ErrorCode.SCHEDULING_CONFLICT,
        ErrorCode.OUTSIDE_WORKING_HOURS,
        ErrorCode.DOCTOR_ON_LEAVE,
        ErrorCode.TOO_SOON,
        ErrorCode.BEYOND_HORIZON,
        ErrorCode.DAILY_CAP_REACHED,
        ErrorCode.WEEKLY_CAP_REACHED,
        ErrorCode.PATIENT_CONFLICT,
        ErrorCode.ROOM_CONFLICT,
        ErrorCode.HOLD_EXPIRED,
    }
)
#: What an override passes. Nobody is booked into leave, nor twice, nor into a room that is taken.
PASSABLE: Final = frozenset(
    {
        ErrorCode.SCHEDULING_CONFLICT,
        ErrorCode.OUTSIDE_WORKING_HOURS,
        ErrorCode.BEYOND_HORIZON,
        ErrorCode.DAILY_CAP_REACHED,
        ErrorCode.WEEKLY_CAP_REACHED,
    }
)
_OTHERS = 6


@dataclass(frozen=True, slots=True)
class Free:
    """A time that could be had instead. `local` is on the clock of its place."""

    local: datetime
    doctor: str
    location: str
    value: str
    same_day: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """What to say. `others` are doctors who are free at the time that was asked for."""

    code: ErrorCode
    title: str
    detail: str = ""
    times: list[Free] = field(default_factory=list)
    others: list[Free] = field(default_factory=list)
    may_pass: bool = False
    in_the_way: Appointment | None = None
    in_the_way_at: datetime | None = None


def refusal_explained(
    desk: Desk, error: KairosError, wanted: Wanted, offer: Offer, *, patient: UUID | None = None
) -> Refusal:
    """The refusal of `wanted`, with the nearest times and the doctors free at that one."""
    title = str(error.code.label)
    said = error.detail if error.detail != title else ""
    if error.code not in ABOUT_TIME:
        return Refusal(error.code, title, said)
    in_the_way = None
    if error.code == ErrorCode.PATIENT_CONFLICT and patient is not None:
        in_the_way = visit_in_the_way(desk.principal, patient, wanted.starts_at, wanted.until)
    elif error.code == ErrorCode.TOO_SOON:
        title = _("This time is past")
    return Refusal(
        error.code,
        title,
        said,
        times=_nearest(desk, wanted, offer),
        others=_free_then(desk, wanted, offer),
        may_pass=error.code in PASSABLE
        and wanted.until > clock.now()
        and may_override(desk, wanted.doctor),
        in_the_way=in_the_way,
        in_the_way_at=_local(in_the_way.starts_at, in_the_way.timezone) if in_the_way else None,
    )


def bookable_by(desk: Desk, doctors: Iterable[Doctor]) -> list[Doctor]:
    """Those whose time the person may book: everybody's, or their own."""
    if desk.may_whole(Permission.APPOINTMENT_BOOK):
        return list(doctors)
    return [one for one in doctors if desk.may_for(Permission.APPOINTMENT_BOOK, one.id)]


def _nearest(desk: Desk, wanted: Wanted, offer: Offer) -> list[Free]:
    found = alternatives(
        clinic=desk.clinic.id,
        doctor=wanted.doctor,
        around=wanted.starts_at,
        location=wanted.location,
        service=wanted.service,
        minutes=round(wanted.length.total_seconds() / 60),
        mode=wanted.mode,
        patient_rules=False,
    )
    others = [slot for slot in found if slot.starts_at != wanted.starts_at]
    return [_free(slot, wanted, offer) for slot in others]


def _free_then(desk: Desk, wanted: Wanted, offer: Offer) -> list[Free]:
    """One question about all other doctors: who begins at that very moment."""
    doctors = [one.id for one in offer.doctors if one.id != wanted.doctor]
    if not doctors or wanted.starts_at < clock.now():
        return []
    found = slots_find(
        clinics=[desk.clinic.id],
        doctors=doctors,
        start=wanted.starts_at,
        end=wanted.starts_at + timedelta(minutes=1),
        location=wanted.location,
        service=wanted.service,
        minutes=round(wanted.length.total_seconds() / 60),
        mode=wanted.mode,
        patient_rules=False,
    )
    return [_free(slot, wanted, offer) for slot in found[:_OTHERS]]


def _free(slot: Slot, wanted: Wanted, offer: Offer) -> Free:
    doctor, location = offer.doctor(slot.doctor), offer.location(slot.location)
    local = _local(slot.starts_at, slot.timezone)
    return Free(
        local=local,
        doctor=doctor.display_name if doctor else "",
        location=location.name if location and location.id != wanted.location else "",
        value=f"{slot.doctor}|{slot.location or ''}|{slot.starts_at.isoformat()}",
        same_day=local.date() == _local(wanted.starts_at, slot.timezone).date(),
    )


def _local(moment: datetime, zone: str) -> datetime:
    """On the clock of the place, and bare: templates would turn it to the reader's zone."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
