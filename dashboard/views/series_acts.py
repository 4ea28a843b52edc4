"""A series: its visits and the dates left out; changing and cancelling them, one, some or all."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentSeries, SeriesSkip
from appointments.selectors.appointments import shows_clinical_text
from appointments.selectors.series import series_summary, series_visible_to
from appointments.services.series_changes import (
    ChangedSeries,
    series_cancel,
    series_change,
    series_change_preview,
)
from core import clock, journal
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done
from dashboard.forms.booking import refusal_placed
from dashboard.forms.series import ALL, FOLLOWING, CancelForm, ChangeForm
from dashboard.series import Dates, dates_of, end_said, local, rule_said, scopes_for, why_said
from dashboard.views.booking.patient_part import uuid_in
from dashboard.views.booking.sheet import offer_at
from dashboard.views.series import address


@desk_page()
def series(request: DeskRequest, series_id: UUID) -> HttpResponse:
    """The series with every visit of it, and what was not booked."""
    desk, found = request.desk, the_series(request, series_id)
    summary = series_summary(found.id)
    now, zone = clock.now(), ZoneInfo(found.timezone)
    visits = [
        {
            "visit": visit,
            "local": local(visit.starts_at, ZoneInfo(visit.timezone)),
            "is_coming": visit.is_open and visit.starts_at >= now,
        }
        for visit in summary.visits
    ]
    journal.record(
        journal.Act(
            "series.read",
            "appointments.appointmentseries",
            found.id,
            found.clinic_id,
            (found.patient_id,),
        )
    )
    may_act = desk.may_for(Permission.APPOINTMENT_BOOK, found.doctor_id)
    context = {
        "desk": desk,
        "section": "patients",
        "title": found.patient.full_name,
        "series": found,
        "rule": rule_said(found.rrule),
        "end": end_said(found),
        "visits": visits,
        "coming": sum(1 for row in visits if row["is_coming"]),
        "skips": [_skip(request, found, skip, zone, may_book=may_act) for skip in summary.skips],
        "clinical": shows_clinical_text(desk.principal, found),
        "may_act": may_act,
    }
    return TemplateResponse(request, "dashboard/series.html", context)


def _skip(
    request: DeskRequest,
    found: AppointmentSeries,
    skip: SeriesSkip,
    zone: ZoneInfo,
    *,
    may_book: bool,
) -> dict[str, Any]:
    at = local(skip.starts_at, zone)
    href = ""
    if may_book and skip.starts_at > clock.now() and skip.made_up_by_id is None:
        asked = {
            "patient": found.patient_id,
            "doctor": found.doctor_id,
            "location": found.location_id or "",
            "service": found.service_id or "",
            "day": at.date(),
        }
        base = reverse("desk-next", kwargs={"slug": request.desk.clinic.slug})
        href = f"{base}?{urlencode({name: one for name, one in asked.items() if one})}"
    return {"sequence": skip.sequence, "local": at, "why": why_said(skip.code), "href": href}


@desk_page(Permission.APPOINTMENT_BOOK)
def change(request: DeskRequest, series_id: UUID) -> HttpResponse:
    """What is to be another way: shown date by date first, then done."""
    found = the_series(request, series_id, to_act=True)
    visit = _visit_asked(request, found)
    offer, scopes = offer_at(request.desk), scopes_for(of_one=visit is not None)
    if request.method != "POST":
        first = {"scope": FOLLOWING if visit is not None else ALL, "version": found.version}
        first |= {"visit": visit.id} if visit is not None else {}
        return _change_form(
            request, found, visit, ChangeForm(None, offer=offer, scopes=scopes, initial=first)
        )
    form = ChangeForm(request.POST, offer=offer, scopes=scopes)
    if not form.is_valid():
        return _change_form(request, found, visit, form, status=400)
    given = form.cleaned_data
    about: dict[str, Any] = {
        "by": request.desk.principal,
        "series_id": found.id,
        "scope": given["scope"],
        "appointment_id": given["visit"],
    }
    seen, refusal = form.said(), None
    if request.POST.get("step") == "change" and request.POST.get("seen") == seen:
        made, refusal = attempted(
            lambda: series_change(
                **about,
                policy=given["policy"] or "all_or_nothing",
                expected_version=given["version"],
                **form.changes(),
            )
        )
        if made is not None:
            return done(request, _changed_said(made), to=address(request, found.id))
        found = the_series(request, series_id, to_act=True)
        form.data = {**form.data.dict(), "version": str(found.version)}  # type: ignore[attr-defined]  # a QueryDict
    preview, why = attempted(lambda: series_change_preview(**about, **form.changes()))
    refusal = refusal or why
    if refusal is not None and not refusal_placed(refusal, form):
        refusal_show(form, refusal)
    dates = dates_of(preview, changes=True) if preview is not None else None
    status = refusal.status if refusal is not None else 200
    return _change_form(request, found, visit, form, dates=dates, seen=seen, status=status)


def _change_form(
    request: DeskRequest,
    found: AppointmentSeries,
    visit: Appointment | None,
    form: ChangeForm,
    *,
    dates: Dates | None = None,
    seen: str = "",
    status: int = 200,
) -> HttpResponse:
    context = _about(request, found, visit, "desk-series-change") | {
        "title": _("Change the series"),
        "form": form,
        "dates": dates,
        "seen": seen,
    }
    return TemplateResponse(request, "dashboard/series_change.html", context, status=status)


@desk_page(Permission.APPOINTMENT_BOOK)
def cancel(request: DeskRequest, series_id: UUID) -> HttpResponse:
    """Cancel one visit of the series, that one and all that follow, or all that are to come."""
    found = the_series(request, series_id, to_act=True)
    visit = _visit_asked(request, found)
    scopes = scopes_for(of_one=visit is not None)
    if request.method != "POST":
        first = {"scope": FOLLOWING if visit is not None else ALL, "version": found.version}
        first |= {"visit": visit.id} if visit is not None else {}
        return _cancel_form(request, found, visit, CancelForm(None, scopes=scopes, initial=first))
    form = CancelForm(request.POST, scopes=scopes)
    if not form.is_valid():
        return _cancel_form(request, found, visit, form, status=400)
    given = form.cleaned_data
    made, refusal = attempted(
        lambda: series_cancel(
            by=request.desk.principal,
            series_id=found.id,
            scope=given["scope"],
            appointment_id=given["visit"],
            reason=given["reason"],
            expected_version=given["version"],
        )
    )
    if made is None:
        assert refusal is not None  # noqa: S101 - one of the two is there
        found = the_series(request, series_id, to_act=True)
        form.data = {**form.data.dict(), "version": str(found.version)}  # type: ignore[attr-defined]  # a QueryDict
        refusal_show(form, refusal)
        return _cancel_form(request, found, visit, form, status=refusal.status)
    gone = len(made.cancelled)
    said = ngettext("%(n)d visit is cancelled.", "%(n)d visits are cancelled.", gone) % {"n": gone}
    return done(request, said, to=address(request, found.id))


def _cancel_form(
    request: DeskRequest,
    found: AppointmentSeries,
    visit: Appointment | None,
    form: CancelForm,
    *,
    status: int = 200,
) -> HttpResponse:
    context = _about(request, found, visit, "desk-series-cancel") | {
        "title": _("Cancel visits of the series"),
        "form": form,
    }
    return TemplateResponse(request, "dashboard/series_cancel.html", context, status=status)


def _about(
    request: DeskRequest, found: AppointmentSeries, visit: Appointment | None, name: str
) -> dict[str, Any]:
    slug = request.desk.clinic.slug
    action = reverse(name, kwargs={"slug": slug, "series_id": found.id})
    at = local(visit.starts_at, ZoneInfo(visit.timezone)) if visit is not None else None
    return {
        "desk": request.desk,
        "section": "patients",
        "series": found,
        "rule": rule_said(found.rrule),
        "from_visit": at,
        "action": f"{action}?visit={visit.id}" if visit is not None else action,
    }


def _changed_said(made: ChangedSeries) -> str:
    """What became of the visits, the numbers that are not zero."""
    changed, booked, cancelled = len(made.changed), len(made.booked), len(made.cancelled)
    said = []
    if changed or not (booked or cancelled):
        said.append(
            ngettext("%(n)d visit is changed.", "%(n)d visits are changed.", changed)
            % {"n": changed}
        )
    if booked:
        said.append(
            ngettext("%(n)d visit is booked.", "%(n)d visits are booked.", booked) % {"n": booked}
        )
    if cancelled:
        said.append(
            ngettext("%(n)d visit is cancelled.", "%(n)d visits are cancelled.", cancelled)
            % {"n": cancelled}
        )
    return " ".join(said)


def the_series(request: DeskRequest, series_id: UUID, *, to_act: bool = False) -> AppointmentSeries:
    """The series, as far as this person sees it. Raises NOT_FOUND; with `to_act`
    PERMISSION_DENIED."""
    found = (
        series_visible_to(request.desk.principal)
        .filter(clinic=request.desk.clinic, pk=series_id)
        .select_related("patient", "doctor", "location", "service")
        .first()
    )
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    if to_act:
        request.desk.require(Permission.APPOINTMENT_BOOK, found.doctor_id)
    return found


def _visit_asked(request: DeskRequest, found: AppointmentSeries) -> Appointment | None:
    """The visit of the series that the address names. Raises NOT_FOUND."""
    raw = request.GET.get("visit")
    if not raw:
        return None
    wanted = uuid_in(raw)
    of_series = Appointment.objects.filter(series_id=found.id)
    visit = of_series.filter(pk=wanted).first() if wanted is not None else None
    if visit is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return visit


urlpatterns: list[URLPattern] = [
    path("series/<uuid:series_id>", series, name="desk-series"),
    path("series/<uuid:series_id>/change", change, name="desk-series-change"),
    path("series/<uuid:series_id>/cancel", cancel, name="desk-series-cancel"),
]
