"""Patients at the desk: finding one, the card, and the data to reach them."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.resume import unsent
from accounts.roles import Permission
from appointments.selectors.appointments import appointments_visible_to
from appointments.selectors.of_patient import (
    attendance,
    visits_around,
    visits_before,
    visits_to_come,
)
from clinics.models import Channel, Patient
from clinics.selectors.patients import clinical_text_of, patients_search, patients_visible_to
from clinics.services.patients import patient_update, patients_read
from core import clock
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.ages import age_said
from dashboard.chain import care_of
from dashboard.finding import asked
from dashboard.forms.patients import ContactForm

_FOUND = 30
_TODAY = 60


@desk_page(limit="search")
def patients(request: DeskRequest) -> HttpResponse:
    """Search; before anything is typed, the patients of today."""
    desk = request.desk
    desk.require(Permission.PATIENT_READ)
    text = asked(request)
    if text:
        found = patients_search([desk.clinic.id], text, limit=_FOUND)
        patients_read(found, action="patient.searched")
    else:
        found = _patients_of_today(request)
        patients_read(found, action="patient.listed")
    around = visits_around(desk.principal, [patient.id for patient in found])
    today = timezone.localdate(clock.now())
    rows = [
        {"patient": patient, "age": _age(patient), "around": around[patient.id]}
        for patient in found
    ]
    shown = {
        "desk": desk,
        "section": "patients",
        "text": text,
        "rows": rows,
        "today": today,
        "more": bool(text) and len(found) == _FOUND,
        "may_book": desk.may(Permission.APPOINTMENT_BOOK),
    }
    return TemplateResponse(request, "dashboard/patients.html", shown)


def _patients_of_today(request: DeskRequest) -> list[Patient]:
    visits = (
        appointments_visible_to(request.desk.principal)
        .filter(clinic=request.desk.clinic, local_day=timezone.localdate(clock.now()))
        .select_related("patient")
        .order_by("starts_at", "id")[:_TODAY]
    )
    return list({visit.patient_id: visit.patient for visit in visits}.values())


@desk_page()
def patient(request: DeskRequest, patient_id: UUID) -> HttpResponse:
    """The card: who it is, how to reach them, and their visits."""
    desk = request.desk
    chart = _chart(request, patient_id)
    patients_read([chart], action="patient.read")
    clinical = bool(clinical_text_of(desk.principal, [chart]))
    before = visits_before(desk.principal, chart.id, older=request.GET.get("older"))
    shown = {
        "title": chart.full_name,
        "section": "patients",
        "patient": chart,
        "age": _age(chart),
        "clinical": clinical,
        "language": dict(settings.LANGUAGES).get(chart.language, chart.language),
        "channels": _channels(chart),
        "proxies": list(chart.proxies.select_related("user").order_by("granted_at")),
        "merged_from": list(chart.merged.order_by("id")[:10]),
        "coming": visits_to_come(desk.principal, chart.id),
        "before": before,
        "attendance": attendance(desk.principal, chart.id),
        "care": care_of(desk, chart),
        "may_book": desk.may(Permission.APPOINTMENT_BOOK) and _is_live(chart),
        "may_edit": desk.may_whole(Permission.PATIENT_WRITE) and chart.merged_into_id is None,
    }
    return panel(request, "dashboard/patient_card.html", shown)


@desk_page()
def edit(request: DeskRequest, patient_id: UUID) -> HttpResponse:
    """Change the data to reach a patient."""
    desk = request.desk
    desk.require(Permission.PATIENT_WRITE)
    chart = _chart(request, patient_id)
    card = reverse("desk-patient", kwargs={"slug": desk.clinic.slug, "patient_id": chart.id})
    kept = request.POST if request.method == "POST" else unsent(request)
    form = ContactForm(kept, patient=chart)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            changed, refusal = attempted(
                lambda: patient_update(
                    patient=chart,
                    fields=form.changes(),
                    expected_version=form.cleaned_data["version"],
                    contact_only=False,
                )
            )
            if changed is not None:
                said = _("Saved: %(name)s") % {"name": changed.full_name}
                return done(request, said, to=card)
            if refusal is not None:
                refusal_show(form, refusal)
                status = refusal.status
    else:
        patients_read([chart], action="patient.read")
    shown = {"title": _("Edit patient"), "section": "patients", "patient": chart, "form": form}
    return panel(request, "dashboard/patient_edit.html", shown, status=status)


def _chart(request: DeskRequest, patient_id: UUID) -> Patient:
    """The chart. Raises NOT_FOUND, PERMISSION_DENIED."""
    request.desk.require(Permission.PATIENT_READ)
    found = (
        patients_visible_to(request.desk.principal)
        .filter(clinic=request.desk.clinic)
        .select_related("clinic", "merged_into")
        .filter(pk=patient_id)
        .first()
    )
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return found


def _is_live(chart: Patient) -> bool:
    return chart.is_active and chart.merged_into_id is None


def _age(chart: Patient) -> str:
    if chart.birth_date is None:
        return ""
    return age_said(chart.birth_date, timezone.localdate(clock.now()))


def _channels(chart: Patient) -> list[dict[str, Any]]:
    """What the patient has said about ways to be reached."""
    return [
        {"label": channel.label, "wanted": chart.contact_preferences[channel.value]}
        for channel in Channel
        if channel.value in chart.contact_preferences
    ]


urlpatterns = [
    path("patients", patients, name="desk-patients"),
    path("patients/<uuid:patient_id>", patient, name="desk-patient"),
    path("patients/<uuid:patient_id>/edit", edit, name="desk-patient-edit"),
]
