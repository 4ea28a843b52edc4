"""Booking a visit and every step of its life: each a form, or a button, before a service."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.contrib.admin import action
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.roles import Permission
from appointments.lifecycle import MOVABLE, MOVES
from appointments.models import Appointment, AppointmentStatus, Verb
from appointments.selectors.appointments import shows_clinical_text
from appointments.services.booking import appointment_book
from appointments.services.reschedule import appointment_edit, appointment_reschedule
from appointments.services.status import appointment_move, appointment_undo
from backoffice.access import access_of
from backoffice.base import Panel, Tool
from backoffice.panels.visit_forms import (
    BookForm,
    EditForm,
    ReasonForm,
    RescheduleForm,
    instant_at,
)
from checkin.pages.by_hand import attempted_by_hand, may_force, window_said
from clinics.models import Clinic, Location
from core.errors import ErrorCode, KairosError
from core.forms import attempt, refusal_show

_ICONS = {
    Verb.APPROVE: "check",
    Verb.CONFIRM: "thumb_up",
    Verb.CHECK_IN: "how_to_reg",
    Verb.START: "play_arrow",
    Verb.COMPLETE: "task_alt",
    Verb.NO_SHOW: "person_off",
    Verb.CANCEL: "event_busy",
}
_LABELS = {
    Verb.APPROVE: _("Approve"),
    Verb.CONFIRM: _("Confirm"),
    Verb.CHECK_IN: _("Check in"),
    Verb.START: _("Start"),
    Verb.COMPLETE: _("Complete"),
    Verb.NO_SHOW: _("No-show"),
    Verb.CANCEL: _("Cancel the visit"),
}


class VisitSteps(Panel):
    """The pages that do something with a visit; what is shown of it is the panel's below it."""

    @display(description=_("time"))
    def time(self, row: Appointment) -> str:
        zone = ZoneInfo(row.timezone)
        return f"{row.starts_at.astimezone(zone):%H:%M}–{row.ends_at.astimezone(zone):%H:%M}"

    @display(description=_("when"))
    def when(self, row: Appointment) -> str:
        return f"{row.local_day:%a %d %b %Y}, {self.time(row)} ({row.timezone})"

    # --- Booking --------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Book a visit."""
        if not self.has_add_permission(request):
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        form = BookForm(
            request.POST or None, initial=self._asked_for(request), panel=self, request=request
        )
        if request.method == "POST" and form.is_valid():
            booked = attempt(form, lambda: self._book(request, form.cleaned_data))
            if booked is not None:
                messages.success(request, _("Booked."))
                return redirect(self.link("change", booked.pk))
        return self._form_page(request, form, _("Book a visit"), _("Book"), self.link("changelist"))

    def _asked_for(self, request: HttpRequest) -> dict[str, str]:
        return {name: request.GET[name] for name in ("patient", "doctor") if name in request.GET}

    def _book(self, request: HttpRequest, given: Mapping[str, Any]) -> Appointment:
        zone = self._zone(given.get("location"), given["patient"].clinic_id)
        starts_at = instant_at(given["day"], given["time"], zone)
        minutes = given.get("minutes")
        return appointment_book(
            by=access_of(request).principal,
            patient=given["patient"].id,
            doctor=given["doctor"].id,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=minutes) if minutes else None,
            location=_id(given.get("location")),
            service=_id(given.get("service")),
            room=_id(given.get("room")),
            mode=given["type"],
            reason=given["reason"],
            notes=given["notes"],
            priority=given["priority"],
            override_reason=given["override_reason"] or None,
        )

    def _zone(self, location: Location | None, clinic_id: UUID) -> str:
        if location is not None:
            return location.timezone
        return str(Clinic.objects.values_list("timezone", flat=True).get(pk=clinic_id))

    # --- Steps ----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        name = "appointments_appointment"
        return [
            path("<uuid:pk>/move/<str:verb>/", guarded(self.move), name=f"{name}_move"),
            path("<uuid:pk>/reschedule/", guarded(self.reschedule), name=f"{name}_reschedule"),
            path("<uuid:pk>/edit/", guarded(self.edit), name=f"{name}_edit"),
            path("<uuid:pk>/undo/", guarded(self.undo), name=f"{name}_undo"),
            *super().get_urls(),
        ]

    def tools(self, request: HttpRequest, row: Appointment) -> list[Tool]:
        who = access_of(request).principal

        def may(permission: Permission) -> bool:
            return who.may_for(permission, row.clinic_id, doctor_id=row.doctor_id)

        steps = [
            Tool(
                _LABELS[verb],
                self.link("move", row.pk, verb.value),
                _ICONS[verb],
                version=None if move.needs_reason else row.version,
                is_main=not move.needs_reason,
                is_danger=verb in {Verb.CANCEL, Verb.NO_SHOW},
            )
            for verb, move in MOVES.items()
            if row.status in move.allowed_from(row.type) and may(move.permission)
        ]
        if may(Permission.APPOINTMENT_BOOK):
            if row.status in MOVABLE:
                steps.append(Tool(_("Move"), self.link("reschedule", row.pk), "schedule"))
            steps.append(Tool(_("Edit the texts"), self.link("edit", row.pk), "edit_note"))
        if may(Permission.APPOINTMENT_MANAGE):
            steps.append(Tool(_("Undo the last step"), self.link("undo", row.pk), "undo"))
        return steps

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return access_of(request).may(Permission.APPOINTMENT_MANAGE)

    @action(description=_("Approve"), permissions=["manage"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Approve each visit that waits for it."""
        self._move_each(request, queryset, Verb.APPROVE)

    @action(description=_("Confirm"), permissions=["manage"])
    def confirm_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Confirm each visit that is scheduled."""
        self._move_each(request, queryset, Verb.CONFIRM)

    def _move_each(self, request: HttpRequest, queryset: QuerySet[Any], verb: Verb) -> None:
        """Each visit by itself: one that is refused holds up no other."""
        who = access_of(request).principal
        moved, refused = 0, Counter[str]()
        for pk in queryset.order_by("starts_at", "id").values_list("pk", flat=True):
            try:
                with transaction.atomic():
                    appointment_move(appointment_id=pk, verb=verb, by=who)
                moved += 1
            except KairosError as refusal:
                refused[refusal.detail] += 1
        if moved:
            messages.success(request, _("Done for %(count)d.") % {"count": moved})
        for detail, count in refused.items():
            messages.error(
                request, _("Not for %(count)d: %(why)s") % {"count": count, "why": detail}
            )

    def _row(self, request: HttpRequest, pk: UUID, permission: Permission) -> Appointment:
        """The visit, for who may take this step with it. Raises PERMISSION_DENIED, Http404."""
        row: Appointment | None = (
            self.get_queryset(request)
            .select_related("patient", "doctor", "location", "room", "service")
            .filter(pk=pk)
            .first()
        )
        if row is None:
            raise Http404
        access_of(request).principal.require(permission, row.clinic_id, doctor_id=row.doctor_id)
        return row

    def move(self, request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
        """One step along: at once, or after its reason was given."""
        if verb not in MOVES:
            raise Http404
        move = MOVES[Verb(verb)]
        row = self._row(request, pk, move.permission)
        form = ReasonForm(request.POST or None, initial={"version": row.version})
        if request.method == "POST" and verb == Verb.CHECK_IN:
            return self._check_in(request, row, form)
        if request.method == "POST":
            if form.is_valid():
                moved = attempt(
                    form,
                    lambda: appointment_move(
                        appointment_id=pk,
                        verb=Verb(verb),
                        by=access_of(request).principal,
                        reason=form.cleaned_data["reason"],
                        expected_version=form.cleaned_data["version"],
                    ),
                )
                if moved is not None:
                    messages.success(request, AppointmentStatus(moved.status).label)
                    return redirect(self.link("change", pk))
            if not move.needs_reason:
                said = form.non_field_errors() or [_("Not possible.")]
                messages.error(request, " ".join(str(sentence) for sentence in said))
                return redirect(self.link("change", pk))
        return self._step_page(request, row, form, _LABELS[Verb(verb)])

    def _check_in(self, request: HttpRequest, row: Appointment, form: ReasonForm) -> HttpResponse:
        """Let the patient in; outside the window the form asks who may for a reason."""
        who = access_of(request).principal
        if form.is_valid():
            given = form.cleaned_data
            visit, refusal = attempted_by_hand(
                visit=row.pk, by=who, expected_version=given["version"], reason=given["reason"]
            )
            if visit is not None:
                messages.success(request, AppointmentStatus(visit.status).label)
            elif refusal is not None and may_force(who, refusal, clinic=row.clinic_id):
                form.add_error(None, window_said(refusal, ZoneInfo(row.timezone)))
                form.add_error("reason", _("Say why they are checked in all the same."))
                return self._step_page(request, row, form, _("Check in anyway"))
            elif refusal is not None:
                refusal_show(form, refusal)
        if form.errors:
            said = form.non_field_errors() or [_("Not possible.")]
            messages.error(request, " ".join(str(sentence) for sentence in said))
        return redirect(self.link("change", row.pk))

    def undo(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Take the last step back, with a reason."""
        row = self._row(request, pk, Permission.APPOINTMENT_MANAGE)
        form = ReasonForm(request.POST or None, initial={"version": row.version})
        if request.method == "POST" and form.is_valid():
            undone = attempt(
                form,
                lambda: appointment_undo(
                    appointment_id=pk,
                    by=access_of(request).principal,
                    reason=form.cleaned_data["reason"],
                    expected_version=form.cleaned_data["version"],
                ),
            )
            if undone is not None:
                messages.success(request, AppointmentStatus(undone.status).label)
                return redirect(self.link("change", pk))
        return self._step_page(request, row, form, _("Undo the last step"))

    def reschedule(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Another time, doctor, place or room."""
        row = self._row(request, pk, Permission.APPOINTMENT_BOOK)
        zone = ZoneInfo(row.timezone)
        starts_at = row.starts_at.astimezone(zone)
        form = RescheduleForm(
            request.POST or None,
            initial={
                "version": row.version,
                "day": starts_at.date(),
                "time": f"{starts_at:%H:%M}",
                "minutes": int((row.ends_at - row.starts_at).total_seconds() // 60),
                "doctor": row.doctor_id,
                "location": row.location_id,
                "room": row.room_id,
            },
            panel=self,
            request=request,
        )
        if request.method == "POST" and form.is_valid():
            moved = attempt(form, lambda: self._reschedule(request, row, form.cleaned_data))
            if moved is not None:
                messages.success(request, _("Moved."))
                return redirect(self.link("change", pk))
        return self._step_page(request, row, form, _("Move"))

    def _reschedule(
        self, request: HttpRequest, row: Appointment, given: Mapping[str, Any]
    ) -> Appointment:
        zone = self._zone(given.get("location"), row.clinic_id)
        starts_at = instant_at(given["day"], given["time"], zone)
        return appointment_reschedule(
            appointment_id=row.id,
            by=access_of(request).principal,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=given["minutes"]),
            doctor=given["doctor"].id,
            location=_id(given.get("location")),
            room=_id(given.get("room")),
            reason=given["reason"],
            override_reason=given["override_reason"] or None,
            expected_version=given["version"],
        )

    def edit(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The texts and the priority; they move nothing."""
        row = self._row(request, pk, Permission.APPOINTMENT_BOOK)
        if not shows_clinical_text(access_of(request).principal, row):
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        form = EditForm(
            request.POST or None,
            initial={
                "version": row.version,
                "reason": row.reason,
                "notes": row.notes,
                "priority": row.priority,
            },
        )
        if request.method == "POST" and form.is_valid():
            given = dict(form.cleaned_data)
            version = given.pop("version")
            edited = attempt(
                form,
                lambda: appointment_edit(
                    appointment_id=pk,
                    by=access_of(request).principal,
                    expected_version=version,
                    **given,
                ),
            )
            if edited is not None:
                messages.success(request, _("Saved."))
                return redirect(self.link("change", pk))
        return self._step_page(request, row, form, _("Edit the texts"))

    # --- Pages ----------------------------------------------------------------------------------

    def _step_page(
        self, request: HttpRequest, row: Appointment, form: forms.Form, title: Any
    ) -> HttpResponse:
        self.opened(request, row)
        return self._form_page(request, form, title, title, self.link("change", row.pk), row=row)

    def _form_page(
        self,
        request: HttpRequest,
        form: forms.Form,
        title: Any,
        verb: Any,
        back: str,
        row: Appointment | None = None,
    ) -> HttpResponse:
        return self.admin_site.page(
            request,
            "backoffice/form_page.html",
            {
                "title": title,
                "form": form,
                "verb": verb,
                "back": back,
                "visit": row,
                "visit_when": self.when(row) if row is not None else "",
                "media": self.media + form.media,
            },
            status=400 if form.errors else 200,
        )


def _id(row: Any) -> UUID | None:
    return row.pk if row is not None else None
