"""Leave and closures: what is coming, entering it, and whom it affects."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.resume import unsent
from accounts.roles import Permission
from appointments.models import Appointment
from appointments.selectors.leave import affected_counts, exceptions_visible_to
from appointments.services.leave import exception_create, exception_preview, exception_remove
from clinics.models import Doctor, ExceptionKind, ScheduleException
from clinics.selectors.directory import doctors_working_at
from clinics.services.patients import patients_read
from core import clock
from core.errors import ErrorCode, KairosError, invalid
from core.forms import attempted, refusal_show
from core.ids import uuid7
from dashboard.access import DeskRequest, desk_page, done
from dashboard.forms.leave import LeaveForm
from dashboard.once import done_once
from dashboard.views.rebooking import affected

_LISTED = 200
_PREVIEWED = 100
#: Other hours are no absence: nobody has to be moved.
CLOSING = (ExceptionKind.LEAVE, ExceptionKind.CLOSED)


@desk_page(Permission.SCHEDULE_READ)
def leave(request: DeskRequest) -> HttpResponse:
    """Leave and closures that are on or to come, each with how many visits lie in it."""
    desk = request.desk
    today = timezone.localdate(clock.now())
    coming = list(
        exceptions_visible_to(desk.principal)
        .filter(clinic=desk.clinic, kind__in=CLOSING, end_date__gte=today)
        .select_related("doctor", "location")
        .order_by("start_date", "id")[:_LISTED]
    )
    counts = affected_counts(coming)
    rows = [
        {
            "exception": one,
            "affected": counts.get(one.id, 0),
            "may_remove": _may_write(request, one.doctor_id),
        }
        for one in coming
    ]
    shown = {
        "desk": desk,
        "section": "leave",
        "rows": rows,
        "may_enter": bool(_doctors(request)),
        "today": today,
    }
    return TemplateResponse(request, "dashboard/leave.html", shown)


@desk_page(Permission.SCHEDULE_WRITE)
def enter(request: DeskRequest) -> HttpResponse:
    """Enter leave in two steps: first whom it affects, then the leave."""
    doctors = _doctors(request)
    kept = request.POST if request.method == "POST" else unsent(request)
    form = LeaveForm(kept, doctors=doctors, initial={"doctor": request.GET.get("doctor", "")})
    shown: dict[str, Any] = {"form": form, "doctors": doctors}
    status = 200
    if request.method == "POST":
        if not form.is_valid():
            status = 400
        elif request.POST.get("step") == "enter" and request.POST.get("seen") == form.said():
            return _entered(request, form)
        else:
            found, refusal = attempted(lambda: _previewed(request, form))
            if refusal is not None:
                refusal_show(form, refusal)
                status = refusal.status
            if found is not None:
                patients_read([visit.patient for visit in found], action="patient.listed")
                shown |= {
                    "affected": found[:_PREVIEWED],
                    "more": len(found) > _PREVIEWED,
                    "looked": True,
                    "seen": form.said(),
                    "once": uuid7(),
                }
    shown |= {"desk": request.desk, "section": "leave"}
    return TemplateResponse(request, "dashboard/leave_enter.html", shown, status=status)


def _previewed(request: DeskRequest, form: LeaveForm) -> list[Appointment]:
    return exception_preview(
        by=request.desk.principal,
        clinic=request.desk.clinic,
        limit=_PREVIEWED + 1,
        **form.exception(),
    )


def _entered(request: DeskRequest, form: LeaveForm) -> HttpResponse:
    desk = request.desk

    def act() -> UUID:
        fields = form.exception()
        return exception_create(by=desk.principal, clinic=desk.clinic, **fields).id

    once = form.cleaned_data["once"]
    if once is None:
        raise invalid("once", "required")
    exception_id = done_once(desk, "desk.leave", once, form.said(), act)
    made = ScheduleException.objects.filter(pk=exception_id).first()
    slug = {"slug": desk.clinic.slug}
    if made is not None and affected_counts([made]).get(made.id):
        to = reverse("desk-leave-affected", kwargs={**slug, "exception_id": made.id})
        return done(request, _("The leave is entered. These visits are to be moved."), to=to)
    return done(request, _("The leave is entered."), to=reverse("desk-leave", kwargs=slug))


@desk_page(Permission.SCHEDULE_WRITE)
def remove(request: DeskRequest, exception_id: UUID) -> HttpResponse:
    """Take a leave or a closure back. A form that is sent twice finds it gone, and says so."""
    desk = request.desk
    to = reverse("desk-leave", kwargs={"slug": desk.clinic.slug})
    if request.method != "POST":
        return redirect(to)
    found = exceptions_visible_to(desk.principal).filter(
        clinic=desk.clinic, kind__in=CLOSING, pk=exception_id
    )
    if not found.exists():
        return done(request, _("It was removed already."), to=to)
    version = request.POST.get("version", "")
    if not version.isdigit():
        raise KairosError(ErrorCode.VALIDATION_ERROR)
    exception_remove(by=desk.principal, exception_id=exception_id, expected_version=int(version))
    return done(request, _("It is removed; the time is free again."), to=to)


def _doctors(request: DeskRequest) -> list[Doctor]:
    """Whose leave the person may enter."""
    return [
        doctor
        for doctor in doctors_working_at(request.desk.clinic.id)
        if _may_write(request, doctor.id)
    ]


def _may_write(request: DeskRequest, doctor_id: UUID | None) -> bool:
    desk = request.desk
    if doctor_id is None:
        return desk.may_whole(Permission.SCHEDULE_WRITE)
    return desk.may_for(Permission.SCHEDULE_WRITE, doctor_id)


urlpatterns = [
    path("leave", leave, name="desk-leave"),
    path("leave/new", enter, name="desk-leave-new"),
    path("leave/<uuid:exception_id>", affected, name="desk-leave-affected"),
    path("leave/<uuid:exception_id>/remove", remove, name="desk-leave-remove"),
]
