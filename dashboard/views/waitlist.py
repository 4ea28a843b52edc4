"""The waitlist: who waits, what became free; wishes entered and withdrawn."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from accounts.resume import forget_unsent, unsent
from accounts.roles import Permission
from clinics.selectors.directory import doctors_working_at
from core import journal
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.card import the_visit
from dashboard.forms.booking import refusal_placed
from dashboard.forms.waitlist import WaitlistFilter, WishForm
from dashboard.once import done_once
from dashboard.series import local
from dashboard.views.booking.patient_part import FIND, PatientPart, today_at, uuid_in
from dashboard.views.booking.sheet import offer_at
from dashboard.waitlist import openings_of, place_in, place_said, rows_of
from followups.models import WaitlistStatus
from followups.selectors.waitlist import WaitlistPage, waitlist
from followups.services.waitlist import entry_create

PER_PAGE: Final = 30


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of an address, as they were understood."""

    form: WaitlistFilter
    filters: dict[str, Any]
    after: str

    def query(self, after: str | None = None) -> str:
        """The filters as a query, with a place in the list."""
        kept = {name: self.form.data.get(name, "") for name in ("service", "doctor", "status")}
        kept["after"] = self.after if after is None else after
        return urlencode({name: value for name, value in kept.items() if value})

    @property
    def here(self) -> str:
        return self.query()


def asked_of(request: DeskRequest) -> Asked:
    """Read the filters. Raises NOT_FOUND for what cannot be asked for."""
    offer = offer_at(request.desk)
    form = WaitlistFilter(
        request.GET,
        services=offer.services,
        doctors=doctors_working_at(request.desk.clinic.id),
    )
    if not form.is_valid():
        raise KairosError(ErrorCode.NOT_FOUND)
    given = form.cleaned_data
    filters = {name: given[name] for name in ("service", "doctor", "status") if given[name]}
    return Asked(form, filters, request.GET.get("after", ""))


@desk_page(Permission.APPOINTMENT_BOOK)
def listed(request: DeskRequest) -> HttpResponse:
    """Who waits, in the order in which they are asked, beside the times that became free."""
    return page(request)


def page(request: DeskRequest, *, trouble: str = "", status: int = 200) -> HttpResponse:
    """The page; into an open one its lists alone. `trouble` is why an act was not done."""
    desk, asked = request.desk, asked_of(request)
    found: WaitlistPage = waitlist(
        by=desk.principal,
        clinic_id=desk.clinic.id,
        after=place_in(asked.after) if asked.after else None,
        limit=PER_PAGE,
        **asked.filters,
    )
    openings = openings_of(desk)
    names = {row.entry.patient_id for row in found.rows}
    journal.record(
        journal.Act(
            "waitlist.listed",
            "followups.waitlistentry",
            clinic_id=desk.clinic.id,
            subjects=sorted(names),
        )
    )
    context = {
        "desk": desk,
        "section": "waitlist",
        "asked": asked,
        "rows": rows_of(desk, found.rows),
        "openings": openings,
        "next": asked.query(place_said(found.next)) if found.next is not None else "",
        "trouble": trouble,
        "waiting": asked.filters.get("status", WaitlistStatus.WAITING) == WaitlistStatus.WAITING,
    }
    name = "waitlist_lists" if request.htmx else "waitlist"
    return TemplateResponse(request, f"dashboard/{name}.html", context, status=status)


# --- A wish --------------------------------------------------------------------------------------


@desk_page(Permission.APPOINTMENT_BOOK)
def new(request: DeskRequest) -> HttpResponse:
    """Enter what a patient would come for; sent twice, it is entered once."""
    desk = request.desk
    data = request.POST if request.method == "POST" else unsent(request)
    part = PatientPart(desk=desk)
    offer = offer_at(desk)
    if data is None:
        return _opened(request, part, offer)
    form = WishForm(data, offer=offer)
    part.tell(data)
    if request.method != "POST":
        return _shown(request, part, form)
    step, _colon, argument = data.get("step", "").partition(":")
    if part.step(step, argument):
        return _shown(request, part, form)
    fits = form.is_valid()
    if part.who == FIND and not part.patient_said:
        part.patient_said = _("Choose the patient.")
    if not fits or part.chosen is None:
        return _shown(request, part, form, status=400)
    patient, wishes = part.chosen.patient, form.wishes()

    def act() -> UUID:
        return entry_create(by=desk.principal, patient=patient.id, **wishes).id

    once = form.cleaned_data["once"]
    made, refusal = attempted(
        lambda: done_once(desk, "desk-waitlist", once, (patient.id, wishes), act)
    )
    if made is None:
        refusal = refusal or KairosError(ErrorCode.CONFLICT)
        if refusal.code == ErrorCode.IDEMPOTENCY_MISMATCH:
            form.data = {**form.data.dict(), "once": str(uuid4())}  # type: ignore[attr-defined]  # a QueryDict
            form.add_error(None, _("This form has entered a wish already. Send it again."))
        elif not refusal_placed(refusal, form):
            refusal_show(form, refusal)
        return _shown(request, part, form, status=refusal.status)
    forget_unsent(request)
    said = _("%(name)s is on the waitlist.") % {"name": patient.full_name}
    here = {"slug": desk.clinic.slug, "entry_id": made}
    return done(request, said, to=reverse("desk-waitlist-entry", kwargs=here))


def _opened(request: DeskRequest, part: PatientPart, offer: Any) -> HttpResponse:
    """Empty; for a patient, or for a visit that is to be earlier."""
    initial: dict[str, Any] = {"once": uuid4(), "earliest": today_at(request.desk)}
    visit_id, patient = uuid_in(request.GET.get("visit")), uuid_in(request.GET.get("patient"))
    if visit_id is not None:
        visit = the_visit(request, visit_id)
        patient = visit.patient_id
        initial |= {
            "appointment": visit.id,
            "service": visit.service_id,
            "mode": visit.type,
            "location": visit.location_id or "",
            "latest": visit.local_day,
            "doctors": [visit.doctor_id],
        }
    if patient is not None:
        part.choose(patient)
    return _shown(request, part, WishForm(offer=offer, initial=initial))


def _shown(
    request: DeskRequest, part: PatientPart, form: WishForm, *, status: int = 200
) -> HttpResponse:
    visit_id = uuid_in(form["appointment"].value())
    visit = the_visit(request, visit_id) if visit_id is not None else None
    found = {
        "title": _("On the waitlist"),
        "section": "waitlist",
        "sheet": part,
        "form": form,
        "action": reverse("desk-waitlist-new", kwargs={"slug": request.desk.clinic.slug}),
        "visit": visit,
        "visit_local": local(visit.starts_at, ZoneInfo(visit.timezone))
        if visit is not None
        else None,
        "may_write_patients": False,
    }
    return panel(request, "dashboard/waitlist_new.html", found, status=status)


def address(request: DeskRequest) -> str:
    """Of the list."""
    return reverse("desk-waitlist", kwargs={"slug": request.desk.clinic.slug})


def back_to_list(request: DeskRequest) -> HttpResponse:
    """For what was asked for by GET and is done by POST only."""
    return redirect(address(request))


urlpatterns: list[URLPattern] = [
    path("waitlist", listed, name="desk-waitlist"),
    path("waitlist/new", new, name="desk-waitlist-new"),
]
