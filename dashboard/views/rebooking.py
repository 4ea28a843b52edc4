"""Visits that lie in a leave or a closure, and where each could go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.resume import unsent
from accounts.roles import Permission
from appointments.models import Appointment
from appointments.selectors.appointments import appointments_visible_to
from appointments.selectors.keyset import beyond, place_of
from appointments.selectors.leave import exception_affected, exception_spans, exceptions_visible_to
from appointments.selectors.rebooking import suggestions
from appointments.services.rebooking import Outcome, Result, rebook_all
from clinics.models import ExceptionKind, ScheduleException
from clinics.selectors.directory import doctors_working_at
from clinics.services.patients import patients_read
from core import clock
from core.errors import ErrorCode, KairosError, invalid
from core.ids import uuid7
from dashboard.access import DeskRequest, desk_page
from dashboard.forms.leave import KEEP, Row, choices_in, days_said, row_of
from dashboard.once import told_before, told_once

#: How many visits one page holds, and how many days: so that suggestions stay quick.
PAGE = 60
PAGE_DAYS = 14
_PREFERENCES = ("same", "other", KEEP)
_WHAT = "desk.rebooking"


@dataclass(frozen=True, slots=True)
class Done:
    """What became of the last choices, for the page after them."""

    moved: list[UUID]
    cancelled: list[UUID]
    refused: dict[UUID, str]


@desk_page(Permission.SCHEDULE_READ)
def affected(request: DeskRequest, exception_id: UUID) -> HttpResponse:
    """The open visits in it, each with suggestions; as chosen they are moved, kept or cancelled."""
    desk = request.desk
    exception = (
        exceptions_visible_to(desk.principal)
        .filter(clinic=desk.clinic, pk=exception_id)
        .exclude(kind=ExceptionKind.HOURS)
        .select_related("doctor", "location")
        .first()
    )
    if exception is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    if request.method == "POST":
        return _rebooked(request, exception)
    return _shown(request, exception, unsent(request) or {})


def _shown(
    request: DeskRequest,
    exception: ScheduleException,
    typed: Mapping[str, Any],
    *,
    errors: Mapping[str, Sequence[str]] | None = None,
) -> HttpResponse:
    """The list. `typed` are choices made before, shown again where they are still offered."""
    desk = request.desk
    seen = appointments_visible_to(desk.principal)
    still = exception_affected(exception).filter(
        pk__in=seen.filter(clinic=desk.clinic).values("pk"), ends_at__gt=clock.now()
    )
    left = still.count()
    visits, later = _page(still, request.GET.get("after"))
    last = _done(request)
    rows = _rows(request, exception, visits, last, typed)
    gone = [visit for visit in last.refused if visit not in {one.id for one in visits}]
    changed = list(
        seen.filter(pk__in=[*last.moved, *last.cancelled])
        .select_related("patient", "doctor")
        .order_by("starts_at")
    )
    patients_read([visit.patient for visit in (*visits, *changed)], action="patient.listed")
    total = max(left, _number(request.GET.get("of")))
    first, until = days_said(exception)
    shown = {
        "desk": desk,
        "section": "leave",
        "exception": exception,
        "first_day": first,
        "last_day": until,
        "rows": rows,
        "left": left,
        "total": total,
        "finished": total - left,
        "later": later,
        "changed": changed,
        "refused": len(last.refused),
        "gone": len(gone),
        "once": uuid7(),
        "prefer": _preference(request),
        "may_act": any(row.may_move for row in rows),
        "cancel_reason": typed.get("cancel_reason", _("The doctor is away.")),
        "errors": errors,
    }
    return TemplateResponse(
        request, "dashboard/leave_affected.html", shown, status=400 if errors else 200
    )


def _rebooked(request: DeskRequest, exception: ScheduleException) -> HttpResponse:
    """Do what was chosen, once, and show what is left."""
    desk = request.desk
    choices = choices_in(request.POST)
    address = reverse(
        "desk-leave-affected", kwargs={"slug": desk.clinic.slug, "exception_id": exception.id}
    )
    if not choices:
        messages.info(request, _("Nothing was chosen, so nothing was changed."))
        return redirect(address)

    def act() -> str:
        return _told(
            rebook_all(
                by=desk.principal,
                choices=choices,
                reason=_("The doctor is away."),
                cancel_reason=_cancel_reason(request),
            )
        )

    once = _id(request.POST.get("once"))
    if once is None:
        raise invalid("once", "required")
    try:
        told_once(desk, _WHAT, once, (exception.id, choices, _cancel_reason(request)), act)
    except KairosError as error:
        if error.code == ErrorCode.IDEMPOTENCY_MISMATCH:
            messages.warning(request, _("This list was sent before. Here it is as it is now."))
            return redirect(address)
        if error.code == ErrorCode.VALIDATION_ERROR and "cancel_reason" in (error.errors or {}):
            why = {"cancel_reason": [_("Say why these visits are cancelled.")]}
            return _shown(request, exception, request.POST, errors=why)
        raise
    return redirect(f"{address}?done={once}&of={_number(request.POST.get('of'))}")


def _told(outcomes: Sequence[Outcome]) -> str:
    """The outcomes, to be kept and shown."""
    return orjson.dumps(
        {
            "moved": [str(one.visit) for one in outcomes if one.result == Result.MOVED],
            "cancelled": [str(one.visit) for one in outcomes if one.result == Result.CANCELLED],
            "refused": {
                str(one.visit): _why(one.refusal) for one in outcomes if one.refusal is not None
            },
        }
    ).decode()


def _why(refusal: KairosError) -> str:
    if refusal.code == ErrorCode.PRECONDITION_FAILED:
        return _("Somebody else changed this visit while you had the list open.")
    return str(refusal.code.label)


def _done(request: DeskRequest) -> Done:
    once = _id(request.GET.get("done"))
    given = told_before(request.desk, _WHAT, once) if once is not None else None
    if given is None:
        return Done([], [], {})
    told = orjson.loads(given)
    found = Done(
        [UUID(visit) for visit in told["moved"]],
        [UUID(visit) for visit in told["cancelled"]],
        {UUID(visit): why for visit, why in told["refused"].items()},
    )
    if found.moved:
        count = len(found.moved)
        said = ngettext("%(count)d visit was moved.", "%(count)d visits were moved.", count)
        messages.success(request, said % {"count": count})
    if found.cancelled:
        count = len(found.cancelled)
        said = ngettext("%(count)d visit was cancelled.", "%(count)d visits were cancelled.", count)
        messages.success(request, said % {"count": count})
    return found


def _rows(
    request: DeskRequest,
    exception: ScheduleException,
    visits: list[Appointment],
    last: Done,
    typed: Mapping[str, Any],
) -> list[Row]:
    """Each visit with its choices: as chosen before, or as preferred."""
    desk = request.desk
    whole = desk.may_whole(Permission.APPOINTMENT_BOOK)
    suggested = suggestions(
        clinic=desk.clinic.id,
        visits=visits,
        doctors=doctors_working_at(desk.clinic.id),
        closed=exception_spans(exception),
        with_others=whole,
    )
    return [
        row_of(
            one,
            may_move=desk.may_for(Permission.APPOINTMENT_BOOK, one.visit.doctor_id),
            prefer=_preference(request),
            chosen=str(typed.get(f"to-{one.visit.id}", "")),
            refused=last.refused.get(one.visit.id, ""),
        )
        for one in suggested
    ]


def _page(still: QuerySet[Appointment], after: str | None) -> tuple[list[Appointment], str | None]:
    """Some visits, soonest first, and where to read on. Raises VALIDATION_ERROR."""
    if after:
        still = still.filter(beyond(after))
    found = list(still.select_related("patient", "doctor", "service", "location")[: PAGE + 1])
    shown = found[:PAGE]
    if shown:
        until = shown[0].starts_at + timedelta(days=PAGE_DAYS)
        shown = [visit for visit in shown if visit.starts_at < until]
    if len(shown) == len(found):
        return shown, None
    return shown, place_of(shown[-1])


def _cancel_reason(request: DeskRequest) -> str:
    return request.POST.get("cancel_reason", "").strip()


def _id(raw: str | None) -> UUID | None:
    try:
        return UUID(raw or "")
    except ValueError:
        return None


def _preference(request: DeskRequest) -> str:
    asked = request.GET.get("prefer", "")
    return asked if asked in _PREFERENCES else _PREFERENCES[0]


def _number(raw: str | None) -> int:
    return int(raw) if raw and raw.isascii() and raw.isdigit() and len(raw) < 6 else 0
