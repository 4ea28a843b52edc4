"""Visits that come again: looked at date by date, then booked; the series and its changes."""

from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.http import HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.resume import forget_unsent, unsent
from accounts.roles import Permission
from appointments.models import Appointment
from appointments.selectors.booking import service_usual
from appointments.services.series import series_create, series_preview
from core import clock
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done
from dashboard.card import the_visit
from dashboard.forms.booking import refusal_placed
from dashboard.forms.series import DAY_CODES, SeriesForm
from dashboard.once import told_once
from dashboard.series import Dates, dates_of, local, rule_said
from dashboard.views.booking.patient_part import FIND, PatientPart, today_at, uuid_in
from dashboard.views.booking.sheet import offer_at

_MADE: Final = "desk-series"
_STEPS: Final = ("preview", "create")


@desk_page(Permission.APPOINTMENT_BOOK)
def new(request: DeskRequest) -> HttpResponse:
    """The rule of a series and every date of it; then the series, once."""
    data = request.POST if request.method == "POST" else unsent(request)
    if data is None:
        return _opened(request)
    sheet = SeriesSheet(request, data)
    if request.method != "POST":
        return sheet.shown()
    step, _colon, argument = data.get("step", "").partition(":")
    if step not in _STEPS and sheet.part.step(step, argument):
        return sheet.shown()
    if not sheet.look():
        return sheet.shown(status=sheet.status)
    if step == "create" and data.get("seen") == sheet.seen:
        return _created(request, sheet)
    return sheet.shown()


@desk_page(Permission.APPOINTMENT_BOOK)
def preview(request: DeskRequest) -> HttpResponse:
    """The dates alone, while somebody fills in the form."""
    if request.method != "POST":
        return _opened(request)
    sheet = SeriesSheet(request, request.POST)
    sheet.look()
    return TemplateResponse(request, "dashboard/series_preview.html", sheet.context())


class SeriesSheet:
    """The form of a new series as it was sent, with the patient's part and what it would book."""

    def __init__(self, request: DeskRequest, data: QueryDict | None, **initial: Any) -> None:
        desk = request.desk
        self.request, self.desk = request, desk
        self.part = PatientPart(desk=desk)
        self.offer = offer_at(desk)
        clinical = desk.may(Permission.APPOINTMENT_CLINICAL)
        self.form = SeriesForm(data, offer=self.offer, clinical=clinical, initial=initial)
        self.dates: Dates | None = None
        self.trouble, self.status = "", 400
        self.seen, self.once = "", uuid4()
        self.visit: Appointment | None = None
        if data is not None:
            self.part.tell(data)
            self.once = uuid_in(data.get("once")) or self.once

    @property
    def patient(self) -> UUID | None:
        chosen = self.part.chosen
        return chosen.patient.id if chosen is not None else None

    def look(self) -> bool:
        """Find every date; False when the form, or a rule of booking, does not let it."""
        fits = self.form.is_valid()
        if self.part.who == FIND and not self.part.patient_said:
            self.part.patient_said = _("Choose the patient.")
        if not fits or self.patient is None:
            self.trouble = _("Something is missing: look at the fields.")
            return False
        wish = self.form.wish(self.patient)
        found, refusal = attempted(lambda: series_preview(by=self.desk.principal, **wish))
        if found is None:
            assert refusal is not None  # noqa: S101 - one of the two is there
            self.refuse(refusal)
            return False
        self.dates, self.seen = dates_of(found), self.form.said(self.patient)
        return True

    def refuse(self, refusal: KairosError) -> None:
        """Say why not, at the field it is about or above the form."""
        self.status, self.trouble = refusal.status, _said(refusal)
        if not refusal_placed(_named(refusal), self.form):
            refusal_show(self.form, refusal)

    def skipped(self) -> set[int]:
        """Numbers of dates that are not to be booked."""
        sent = self.request.POST.getlist("skip")
        return {int(text) for text in sent if text.isdigit() and len(text) < 5}

    def context(self) -> dict[str, Any]:
        desk = self.desk
        slug = {"slug": desk.clinic.slug}
        back, back_said = _back(self.request, self.visit, self.patient)
        return {
            "desk": desk,
            "section": "next",
            "title": _("Repeat visits"),
            "sheet": self.part,
            "form": self.form,
            "offer": self.offer,
            "dates": self.dates,
            "trouble": self.trouble,
            "rule": rule_said(self.form.rule()) if self.dates is not None else "",
            "seen": self.seen,
            "once": self.once,
            "skipped": self.skipped() if self.request.method == "POST" else set(),
            "action": reverse("desk-series-new", kwargs=slug),
            "preview_action": reverse("desk-series-preview", kwargs=slug),
            "back": back,
            "back_said": back_said,
            "may_write_patients": False,
        }

    def shown(self, *, status: int = 200) -> HttpResponse:
        found = self.context()
        return TemplateResponse(self.request, "dashboard/series_new.html", found, status=status)


def _opened(request: DeskRequest) -> HttpResponse:
    """Empty, or like a visit that is to be repeated; for a patient, if one is named."""
    desk = request.desk
    visit_id, patient = uuid_in(request.GET.get("visit")), uuid_in(request.GET.get("patient"))
    visit = the_visit(request, visit_id) if visit_id is not None else None
    initial = _like(visit) if visit is not None else {"start_date": today_at(desk)}
    if visit is None:
        usual = service_usual(desk.clinic.id, desk.principal.doctor_id)
        initial |= {"service": usual} if usual is not None else {}
        initial["doctor"] = desk.principal.doctor_id or ""
    sheet = SeriesSheet(request, None, **initial)
    sheet.visit = visit
    whose = visit.patient_id if visit is not None else patient
    if whose is not None:
        sheet.part.choose(whose)
    return sheet.shown()


def _like(visit: Appointment) -> dict[str, Any]:
    at = local(visit.starts_at, ZoneInfo(visit.timezone))
    first = max(at, datetime.combine(_today(visit), at.time())) + timedelta(days=7)
    first += timedelta(days=(at.weekday() - first.weekday()) % 7)
    return {
        "doctor": visit.doctor_id,
        "service": visit.service_id or "",
        "location": visit.location_id or "",
        "mode": visit.type,
        "minutes": round((visit.ends_at - visit.starts_at).total_seconds() / 60),
        "start_date": first.date(),
        "local_time": at.time(),
        "weekday": [DAY_CODES[at.weekday()]],
        "month_day": at.day,
    }


def _created(request: DeskRequest, sheet: SeriesSheet) -> HttpResponse:
    desk, patient = request.desk, sheet.patient
    assert patient is not None  # noqa: S101 - `look` has found its dates
    wish, skip = sheet.form.wish(patient), sorted(sheet.skipped())
    policy = sheet.form.cleaned_data["policy"] or "all_or_nothing"

    def act() -> str:
        made = series_create(by=desk.principal, policy=policy, skip=skip, **wish)
        return f"{made.series.id} {len(made.visits)} {len(made.skips)}"

    asks = (sheet.seen, policy, skip)
    told, refusal = attempted(lambda: told_once(desk, _MADE, sheet.once, asks, act))
    if told is None:
        assert refusal is not None  # noqa: S101 - one of the two is there
        if refusal.code == ErrorCode.IDEMPOTENCY_MISMATCH:
            sheet.once = uuid4()
            refusal = KairosError(
                ErrorCode.CONFLICT, _("This form has booked a series already. Send it again.")
            )
        sheet.look()  # what is taken now
        sheet.trouble = _said(refusal)
        return sheet.shown(status=refusal.status)
    forget_unsent(request)
    series, visits, skips = told.split()
    said = made_said(int(visits), int(skips))
    return done(request, said, to=address(request, UUID(series)))


def made_said(visits: int, skips: int) -> str:
    """What was booked, and what was not."""
    booked = ngettext("%(n)d visit is booked.", "%(n)d visits are booked.", visits) % {"n": visits}
    if not skips:
        return booked
    left = ngettext("%(n)d date is left out.", "%(n)d dates are left out.", skips) % {"n": skips}
    return _("%(booked)s %(left)s") % {"booked": booked, "left": left}


def address(request: DeskRequest, series_id: UUID) -> str:
    """Where the series is shown."""
    here = {"slug": request.desk.clinic.slug, "series_id": series_id}
    return reverse("desk-series", kwargs=here)


def _said(refusal: KairosError) -> str:
    if refusal.code == ErrorCode.SERIES_CONFLICT:
        return _(
            "Nothing was booked: some dates cannot be had. Leave them out, or change the rule."
        )
    if refusal.errors:
        return " ".join(one for many in refusal.errors.values() for one in many)
    return refusal.detail


def _named(refusal: KairosError) -> KairosError:
    """The services' fields as the form calls them."""
    names = {"end_date": "until", "duration_minutes": "minutes", "rrule": "interval"}
    errors = {names.get(name, name): said for name, said in (refusal.errors or {}).items()}
    return KairosError(refusal.code, refusal.detail, errors=errors, status=refusal.status)


def _back(request: DeskRequest, visit: Appointment | None, patient: UUID | None) -> tuple[str, str]:
    slug = request.desk.clinic.slug
    if visit is not None:
        return (
            reverse("desk-visit", kwargs={"slug": slug, "visit_id": visit.id}),
            _("Back to the visit"),
        )
    if patient is not None:
        return (
            reverse("desk-patient", kwargs={"slug": slug, "patient_id": patient}),
            _("To the patient"),
        )
    return reverse("desk-today", kwargs={"slug": slug}), _("Back to the day")


def _today(visit: Appointment) -> date:
    return clock.now().astimezone(ZoneInfo(visit.timezone)).date()


urlpatterns: list[URLPattern] = [
    path("series/new", new, name="desk-series-new"),
    path("series/preview", preview, name="desk-series-preview"),
]
