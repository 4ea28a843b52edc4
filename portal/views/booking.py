"""The details of a booking: for whom and why, while the time is held."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.resume import unsent
from appointments.models import Appointment
from appointments.selectors.offers import Wish, free_with
from appointments.selectors.slots import Slot, alternatives
from appointments.services import calendar
from appointments.services.links import visit_link
from appointments.services.self_service import visit_book, visit_booked
from clinics.models import Clinic, Doctor, Location, Patient, Service
from clinics.pages import PageRequest, page, to_sign_in
from clinics.principal import Principal
from core import clock
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from portal.door import clinic_open, count_try, may_book, remember_guest, visitor
from portal.forms import ForWhomForm, PersonForm, ReasonForm, person_of
from portal.picker import Picker
from portal.slots import Picked, picked
from portal.views.times import service_open, sign_in_url

#: Refusals after which another time helps.
_ABOUT_THE_TIME = frozenset(
    {
        ErrorCode.SCHEDULING_CONFLICT,
        ErrorCode.OUTSIDE_WORKING_HOURS,
        ErrorCode.DOCTOR_ON_LEAVE,
        ErrorCode.DAILY_CAP_REACHED,
        ErrorCode.WEEKLY_CAP_REACHED,
        ErrorCode.PATIENT_CONFLICT,
        ErrorCode.TOO_SOON,
        ErrorCode.BEYOND_HORIZON,
        ErrorCode.HOLD_EXPIRED,
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The booking that the page is about. `once` is its hold, or stands in its place."""

    by: Principal
    clinic: Clinic
    service: Service
    doctor: Doctor
    location: Location
    slot: Picked
    mode: str
    once: UUID

    @property
    def timezone(self) -> str:
        return self.location.timezone


@require_http_methods(["GET", "HEAD", "POST"])
@page(public=True)
def details(request: PageRequest, slug: str, service: UUID) -> HttpResponse:
    """Who comes and why; sent, it books. The same page sent twice leads to the same visit."""
    clinic = clinic_open(slug)
    offered = service_open(clinic, service)
    by = visitor(request, clinic)
    if request.method == "POST" and request.POST.get("as") == "account" and by.is_guest:
        return to_sign_in(request)
    if not may_book(by, clinic):
        return redirect(sign_in_url(request.get_full_path()))
    if request.method == "POST":
        count_try(request)
        remember_guest(request)
        by = visitor(request, clinic)
    asked = _asked(request, by, clinic, offered)
    booked = visit_booked(by=by, once=asked.once)
    if booked is not None:
        return _to_visit(booked)
    form = _form(request, asked)
    if request.method != "POST":
        return _page(request, asked, form)
    if not form.is_valid():
        return _page(request, asked, form, status=400)
    return _book(request, asked, form)


def _book(request: PageRequest, asked: Asked, form: forms.Form) -> HttpResponse:
    patient = _patient(asked, form)
    visit, refused = attempted(
        lambda: visit_book(
            by=asked.by,
            once=asked.once,
            clinic=asked.clinic,
            doctor=asked.doctor.id,
            starts_at=asked.slot.starts_at,
            location=asked.location.id,
            service=asked.service.id,
            mode=asked.mode,
            patient=patient,
            person=form.person() if isinstance(form, PersonForm) else {},
            reason=form.cleaned_data["reason"],
        )
    )
    if visit is not None:
        return _to_visit(visit)
    if refused is None:
        raise KairosError(ErrorCode.SERVICE_UNAVAILABLE)
    if refused.code in _ABOUT_THE_TIME or "starts_at" in (refused.errors or {}):
        return _page(request, asked, form, refused=refused, status=409)
    refusal_show(form, refused)
    return _page(request, asked, form, status=refused.status)


def _asked(request: PageRequest, by: Principal, clinic: Clinic, service: Service) -> Asked:
    """What the address, or the alternative that was clicked, says. Raises NOT_FOUND."""
    slot = picked(request.POST.get("slot") or request.GET.get("slot", ""))
    picker = Picker(request, clinic, service)
    wish = picker.at(slot)
    try:
        once = UUID(request.GET.get("hold", ""))
    except ValueError:
        raise KairosError(ErrorCode.NOT_FOUND) from None
    doctor = next((one for one in picker.doctors if one.id == slot.doctor), None)
    location = next((place for place in picker.locations if place.id == slot.location), None)
    if doctor is None or location is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return Asked(by, clinic, service, doctor, location, slot, wish.mode, once)


def _form(request: PageRequest, asked: Asked) -> forms.Form:
    """As much as has to be asked of this visitor, with what they had typed."""
    typed = request.POST if request.method == "POST" else unsent(request)
    own = _charts(asked)
    if len(own) > 1:
        return ForWhomForm(typed, patients=own)
    if own:
        return ReasonForm(typed)
    initial = person_of(request.user) if isinstance(request.user, User) else {}
    return PersonForm(typed, initial=initial)


def _charts(asked: Asked) -> list[Patient]:
    ids = asked.by.charts.get(asked.clinic.id, frozenset())
    if not ids:
        return []
    found = Patient.objects.filter(id__in=ids, is_active=True)
    return sorted(found, key=lambda chart: (chart.user_id != asked.by.account, chart.full_name))


def _patient(asked: Asked, form: forms.Form) -> UUID | None:
    """The chart that the visit is for; None for a new one."""
    if isinstance(form, ForWhomForm):
        return UUID(form.cleaned_data["patient"])
    return next(iter(asked.by.charts.get(asked.clinic.id, frozenset())), None)


def _page(
    request: PageRequest,
    asked: Asked,
    form: forms.Form,
    *,
    refused: KairosError | None = None,
    status: int = 200,
) -> HttpResponse:
    held = calendar.hold_find(asked.once)
    kept = _kept_until(asked, held)
    is_free = kept is not None or _is_free(asked)
    nearest = [] if is_free and refused is None else _nearest(asked)
    here = reverse("portal-details", args=[asked.clinic.slug, asked.service.id])
    return TemplateResponse(
        request,
        "portal/details.html",
        {
            "asked": asked,
            "clinic": asked.clinic,
            "service": asked.service,
            "form": form,
            "is_person": isinstance(form, PersonForm),
            "action": f"{here}?{request.GET.urlencode()}",
            "kept_until": kept,
            "seconds_left": round((kept - clock.now()).total_seconds()) if kept else 0,
            "is_free": is_free and refused is None,
            "refused": refused,
            "nearest": [
                (str(Picked(slot.starts_at, slot.location, slot.doctor)), slot)
                for slot in nearest
                if slot.location is not None
            ],
            "sign_in_url": sign_in_url(f"{here}?{request.GET.urlencode()}"),
            "times_url": reverse("portal-times", args=[asked.clinic.slug, asked.service.id]),
        },
        status=status,
    )


def _kept_until(asked: Asked, held: calendar.Hold | None) -> datetime | None:
    """Until when this very time is held for the visitor."""
    if held is None or held.holder != asked.by.holder or held.expires_at <= clock.now():
        return None
    same = (held.doctor, held.starts_at) == (asked.doctor.id, asked.slot.starts_at)
    return held.expires_at if same else None


def _is_free(asked: Asked) -> bool:
    wish = Wish(asked.clinic, asked.service, [asked.doctor.id], asked.location.id, asked.mode)
    return bool(free_with(wish, asked.slot.starts_at))


def _nearest(asked: Asked) -> list[Slot]:
    return alternatives(
        clinic=asked.clinic.id,
        doctor=asked.doctor.id,
        around=asked.slot.starts_at,
        location=asked.location.id,
        service=asked.service.id,
        minutes=asked.service.duration_minutes,
        mode=asked.mode,
        patient_rules=True,
    )


def _to_visit(visit: Appointment) -> HttpResponse:
    return redirect(f"{reverse('portal-visit', args=[visit_link(visit)])}?booked=1")
