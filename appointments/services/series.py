"""Series of visits: looked at first, then booked as one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NotRequired, TypedDict, Unpack
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import (
    Appointment,
    AppointmentSeries,
    ClashPolicy,
    Priority,
    SeriesSkip,
)
from appointments.recurrence import parse
from appointments.services import calendar
from appointments.services.booking import require_may_book
from appointments.services.context import plan
from appointments.services.series_dates import (
    Drawn,
    SeriesPreview,
    again_if_taken,
    dates_judged,
    dates_write,
    draw,
    horizon_days,
    judged,
    series_conflict,
    series_record,
    up_to,
)
from appointments.services.writing import rows_insert
from clinics.models import VisitMode
from clinics.principal import Principal
from core import clock
from core.errors import ErrorCode, KairosError, invalid

#: A series begins at most this far ahead.
_LATEST_START = timedelta(days=366)


class SeriesWish(TypedDict):
    """What is to come again. `rrule` as `appointments.recurrence.parse` takes it; `local_time` is
    on the clocks of the location (of the clinic, without one); without `duration_minutes` a visit
    lasts as long as the service."""

    patient: UUID
    doctor: UUID
    rrule: str
    start_date: date
    local_time: time
    location: NotRequired[UUID | None]
    service: NotRequired[UUID | None]
    mode: NotRequired[str]
    end_date: NotRequired[date | None]
    duration_minutes: NotRequired[int | None]
    room: NotRequired[UUID | None]
    reason: NotRequired[str]
    notes: NotRequired[str]
    priority: NotRequired[str]
    open_ended: NotRequired[bool]


@dataclass(frozen=True, slots=True)
class CreatedSeries:
    """A new series with its visits in order, and the dates that were left out."""

    series: AppointmentSeries
    visits: list[Appointment]
    skips: list[SeriesSkip]


def series_preview(*, by: Principal, **wish: Unpack[SeriesWish]) -> SeriesPreview:
    """Every date of the series with its clash, if it has one. Nothing is locked or kept.

    Raises NOT_FOUND, PERMISSION_DENIED (patients do not make series), VALIDATION_ERROR and what
    `services.context.plan` raises.
    """
    drawn = _drawn(by, wish, keep_chart=False)
    return SeriesPreview(
        dates_judged(drawn, judged(drawn, admit=False)), drawn.plan.timezone, drawn.rule.left_out
    )


def series_create(
    *,
    by: Principal,
    policy: str = ClashPolicy.ALL_OR_NOTHING,
    skip: Collection[int] = (),
    **wish: Unpack[SeriesWish],
) -> CreatedSeries:
    """Book the series, in one transaction and a fixed number of statements.

    `skip` are numbers of the preview's dates that are left out on purpose. Under ALL_OR_NOTHING any
    other clash refuses the whole, with SERIES_CONFLICT and `clashes`, all of them; under
    SKIP_CONFLICTS such dates are written down as left out. If nothing remains it is refused too.
    Raises as `series_preview`.
    """
    if policy not in ClashPolicy.values:
        raise invalid("policy", _("all_or_nothing or skip_conflicts"))
    return again_if_taken(lambda: _create(by, policy, frozenset(skip), wish))


def _create(by: Principal, policy: str, skip: frozenset[int], wish: SeriesWish) -> CreatedSeries:
    drawn = _drawn(by, wish, keep_chart=True)
    unknown = sorted(skip - set(drawn.numbers))
    if unknown:
        raise invalid("skip", _("The series has no date %(number)d.") % {"number": unknown[0]})
    verdicts = judged(drawn, admit=True)
    refused = [
        number
        for number, verdict in zip(drawn.numbers, verdicts, strict=True)
        if verdict.code is not None and number not in skip
    ]
    nothing_left = len(refused) + len(skip) == len(drawn.visits)
    if refused and (policy == ClashPolicy.ALL_OR_NOTHING or nothing_left):
        raise series_conflict(dates_judged(drawn, verdicts), but=skip)
    if nothing_left:
        raise invalid("skip", _("Nothing is left to be booked."))
    series = _series(by, policy, drawn, wish)
    rows_insert(AppointmentSeries, [series])
    visits, skips = dates_write(series, drawn, verdicts, skip=skip)
    series_record("series.created", series, {"visits": [0, len(visits)]})
    return CreatedSeries(series, visits, skips)


def _drawn(by: Principal, wish: SeriesWish, *, keep_chart: bool) -> Drawn:
    """Check the wish, and who wishes; the dates as visits."""
    start, wall = wish["start_date"], wish["local_time"]
    now = clock.now()
    if wall.second or wall.microsecond or wall.tzinfo is not None:
        raise invalid("local_time", _("whole minutes, please"))
    require_near(start, now.date() + _LATEST_START + timedelta(days=1))
    begins = datetime.combine(start, wall, tzinfo=UTC)
    minutes = wish.get("duration_minutes")
    if minutes is not None and not 5 <= minutes <= 720:
        raise invalid("duration_minutes", _("a visit lasts 5 to 720 minutes"))
    wanted = plan(
        doctor=wish["doctor"],
        patient=wish["patient"],
        location=wish.get("location"),
        service=wish.get("service"),
        mode=wish.get("mode", VisitMode.IN_PERSON),
        starts_at=begins,
        ends_at=None if minutes is None else begins + timedelta(minutes=minutes),
        room=wish.get("room"),
        keep_chart=keep_chart,
    )
    require_staff(by, wanted.visit)
    today = now.astimezone(ZoneInfo(wanted.timezone)).date()
    if start < today:
        raise invalid("start_date", _("Today, or a day to come."))
    require_near(start, today + _LATEST_START)
    open_ended = wish.get("open_ended", False)
    rule = parse(wish["rrule"], start=start, end=wish.get("end_date"), open_ended=open_ended)
    if not open_ended:
        dates = rule.dates()
        return draw(wanted, rule, dates, wall, booked_until=dates[-1])
    horizon = start + timedelta(days=horizon_days(wanted.visit.clinic, wanted.visit.service))
    dates, until = up_to(rule, after=None, until=horizon)
    return draw(wanted, rule, dates, wall, booked_until=until)


def require_near(start: date, latest: date) -> None:
    """Raises VALIDATION_ERROR for a first day of years ahead."""
    if start > latest:
        raise invalid("start_date", _("A series begins within a year."))


def require_staff(by: Principal, visit: calendar.Visit) -> None:
    """Raises NOT_FOUND, PERMISSION_DENIED: for patients too, who do not make series."""
    require_may_book(by, visit)
    if not by.may_for(Permission.APPOINTMENT_BOOK, visit.clinic, doctor_id=visit.doctor):
        raise KairosError(ErrorCode.PERMISSION_DENIED)


def _series(by: Principal, policy: str, drawn: Drawn, wish: SeriesWish) -> AppointmentSeries:
    visit, rule = drawn.plan.visit, drawn.rule
    return AppointmentSeries(
        clinic_id=visit.clinic,
        patient_id=wish["patient"],
        doctor_id=visit.doctor,
        location_id=visit.location,
        room_id=visit.room,
        service_id=visit.service,
        type=visit.mode,
        rrule=rule.text,
        local_time=wish["local_time"],
        timezone=drawn.plan.timezone,
        duration_minutes=visit.minutes,
        start_date=rule.start,
        end_date=None if rule.open_ended else drawn.booked_until,
        open_ended=rule.open_ended,
        booked_until=drawn.booked_until,
        policy=policy,
        reason=wish.get("reason", ""),
        notes=wish.get("notes", ""),
        priority=wish.get("priority", Priority.NORMAL),
        created_by_id=by.account,
    )
