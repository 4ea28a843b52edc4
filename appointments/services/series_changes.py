"""Changing or cancelling this visit of a series, this and the following ones, or all: looked at
first, then written as one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Unpack
from uuid import UUID

from django.utils.translation import gettext as _

from appointments.models import (
    Appointment,
    AppointmentSeries,
    ClashPolicy,
    SeriesSkip,
    SeriesStatus,
    Verb,
)
from appointments.services import calendar
from appointments.services.record import Happened, events_record
from appointments.services.series_dates import (
    Act,
    SeriesDate,
    SeriesPreview,
    again_if_taken,
    dates_write,
    series_conflict,
    series_record,
)
from appointments.services.series_plan import Move, SeriesChanges, change_plan
from appointments.services.series_scope import (
    InScope,
    Scope,
    claims_release,
    in_scope,
    require_right,
    visit_day,
    visits_cancel,
    visits_rewrite,
)
from appointments.services.series_settling import change_dates, settle
from clinics.principal import Principal
from core import clock, versions
from core.errors import invalid

DETAILS = ("reason", "notes", "priority")


@dataclass(frozen=True, slots=True)
class ChangedSeries:
    """What became of a series: the visits that were moved or rewritten, booked, and cancelled;
    `kept` are those that stayed as they were, with the reason, `skips` new dates left out."""

    series: AppointmentSeries
    changed: list[Appointment]
    booked: list[Appointment]
    cancelled: list[Appointment]
    kept: list[SeriesDate]
    skips: list[SeriesSkip]


def series_change_preview(
    *,
    by: Principal,
    series_id: UUID,
    scope: str,
    appointment_id: UUID | None = None,
    **changes: Unpack[SeriesChanges],
) -> SeriesPreview:
    """What `series_change` would do, date by date (`SeriesDate.act`). Nothing is locked or kept."""
    found = in_scope(
        by=by, series_id=series_id, scope=scope, appointment_id=appointment_id, lock=False
    )
    made = change_plan(by, found, changes)
    verdicts = settle(made, ClashPolicy.ALL_OR_NOTHING, admit=False)
    return SeriesPreview(change_dates(made, verdicts), made.timezone, made.left_out)


def series_change(
    *,
    by: Principal,
    series_id: UUID,
    scope: str,
    appointment_id: UUID | None = None,
    policy: str = ClashPolicy.ALL_OR_NOTHING,
    expected_version: int | None = None,
    **changes: Unpack[SeriesChanges],
) -> ChangedSeries:
    """Change the visits in scope, and with `following` and `all` how the series goes on.

    Visits that have begun or are past that stay as they are. A visit that was moved by itself keeps
    what is not changed here. With a new `rrule` visits on its days stay, others go to the nearest
    new day within a week, and what remains is cancelled or booked anew. Under ALL_OR_NOTHING a
    clash refuses the whole with SERIES_CONFLICT; under SKIP_CONFLICTS such a visit stays where it
    was. Raises as `series_scope.in_scope` and `services.context.plan`.
    """
    if policy not in ClashPolicy.values:
        raise invalid("policy", _("all_or_nothing or skip_conflicts"))

    def change() -> ChangedSeries:
        found = in_scope(
            by=by,
            series_id=series_id,
            scope=scope,
            appointment_id=appointment_id,
            expected_version=expected_version,
            lock=True,
        )
        return _change(by, found, policy, changes)

    return again_if_taken(change)


def _change(by: Principal, found: InScope, policy: str, changes: SeriesChanges) -> ChangedSeries:
    made = change_plan(by, found, changes)
    verdicts = settle(made, policy, admit=True)
    dates = change_dates(made, verdicts, explain=policy == ClashPolicy.ALL_OR_NOTHING)
    if policy == ClashPolicy.ALL_OR_NOTHING and any(
        one.code is not None and one.act != Act.KEEP for one in dates
    ):
        raise series_conflict(one for one in dates if one.act != Act.KEEP)
    moves = [move for move in made.moves if verdicts.of_move(move).lane is not None]
    steps = visits_cancel(made.cancels, by=by, reason=str(_("The series was changed.")))
    claims_release([move.visit.id for move in moves] + [visit.id for visit in made.cancels])
    calendar.claims_insert(
        [(move.target, verdicts.of_move(move).lane or 0, move.visit.id) for move in moves]
    )
    steps += [_moved(move) for move in moves]
    steps += _edit(found.movable, made.cancels, changes)
    changed = {step.appointment.id: step.appointment for step in steps}
    for visit in made.cancels:
        changed.pop(visit.id, None)
    visits_rewrite(list(changed.values()))
    events_record(steps)
    for name, value in made.series_fields.items():
        setattr(found.series, name, value)
    booked, skips = dates_write(found.series, made.drawn, verdicts.new) if made.drawn else ([], [])
    versions.save(found.series, list(made.series_fields))
    series_record(
        "series.changed",
        found.series,
        {
            "scope": [None, found.scope.value],
            "visits": [len(found.movable), len(changed)],
            "booked": [0, len(booked)],
            "cancelled": [0, len(made.cancels)],
            **{
                name: ["…", "…"] if name in DETAILS else [None, str(value)]
                for name, value in changes.items()
            },
        },
    )
    return ChangedSeries(
        found.series,
        list(changed.values()),
        booked,
        made.cancels,
        [one for one in dates if one.appointment is not None and one.code is not None],
        skips,
    )


def _moved(move: Move) -> Happened:
    """Put the visit where it goes, in memory; its step."""
    visit, target = move.visit, move.target
    after = {
        "doctor_id": target.doctor,
        "location_id": target.location,
        "room_id": target.room,
        "starts_at": target.starts_at,
        "ends_at": target.ends_at,
        "timezone": move.timezone,
    }
    changes = {}
    for name, value in after.items():
        before = getattr(visit, name)
        if before != value:
            changes[name.removesuffix("_id")] = [before, value]
            setattr(visit, name, value)
    visit.version += 1
    visit.updated_at = clock.now()
    return Happened(
        appointment=visit,
        verb=Verb.RESCHEDULE,
        from_status=visit.status,
        topic="appointment.rescheduled",
        changes=changes,
    )


def _edit(
    visits: list[Appointment], but: list[Appointment], changes: Mapping[str, object]
) -> list[Happened]:
    """Set the texts, in memory; a step for each visit in which one changed."""
    gone = {visit.id for visit in but}
    steps = []
    for visit in visits:
        changed = {
            name: changes[name]
            for name in DETAILS
            if name in changes and getattr(visit, name) != changes[name]
        }
        if not changed or visit.id in gone:
            continue
        for name, value in changed.items():
            setattr(visit, name, value)
        visit.version += 1
        visit.updated_at = clock.now()
        steps.append(
            Happened(
                appointment=visit,
                verb=Verb.EDIT,
                from_status=visit.status,
                topic="appointment.changed",
                changes={name: ["…", "…"] for name in changed},
            )
        )
    return steps


def series_cancel(
    *,
    by: Principal,
    series_id: UUID,
    scope: str,
    appointment_id: UUID | None = None,
    reason: str,
    expected_version: int | None = None,
) -> ChangedSeries:
    """Cancel the visits in scope that are still to come; with `all` the series itself, with
    `following` it ends.

    Raises VALIDATION_ERROR without a reason, and as `series_scope.in_scope`.
    """
    reason = reason.strip()
    if not reason:
        raise invalid("reason", _("required"))

    def cancel() -> ChangedSeries:
        found = in_scope(
            by=by,
            series_id=series_id,
            scope=scope,
            appointment_id=appointment_id,
            expected_version=expected_version,
            lock=True,
        )
        require_right(by, found)
        return _cancel(by, found, reason)

    return again_if_taken(cancel)


def _cancel(by: Principal, found: InScope, reason: str) -> ChangedSeries:
    series, fields = found.series, []
    steps = visits_cancel(found.movable, by=by, reason=reason)
    claims_release([visit.id for visit in found.movable])
    events_record(steps)
    if found.scope != Scope.THIS and series.status != SeriesStatus.CANCELLED:
        series.cancel_reason = reason
        series.open_ended = False
        if found.anchor is None:
            series.status = SeriesStatus.CANCELLED
            last = series.end_date or series.booked_until
        else:
            series.status = SeriesStatus.ENDED
            last = visit_day(found.anchor) - timedelta(days=1)
        series.end_date = max(series.start_date, last)
        fields = ["cancel_reason", "open_ended", "status", "end_date"]
    versions.save(series, fields)
    series_record(
        "series.cancelled",
        series,
        {"scope": [None, found.scope.value], "visits": [len(found.movable), 0]},
    )
    return ChangedSeries(series, [], [], found.movable, found.kept, [])
