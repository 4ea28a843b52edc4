"""A doctor's week as a grid, and its rows to change: saved together, or not at all."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.forms import BaseFormSet, formset_factory
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from accounts.roles import Permission
from backoffice.access import Access, access_of
from clinics.models import Doctor, Location, ScheduleTemplate, VisitMode, Weekday
from clinics.selectors.directory import clinics_of_doctors
from clinics.services.schedules import template_create, template_remove, template_update
from core import clock
from core.errors import ErrorCode, KairosError
from core.forms import attempt

_EMPTY_ROWS = 3
_FIELDS = (
    "weekday",
    "start_time",
    "end_time",
    "location",
    "slot_minutes",
    "capacity",
    "modes",
    "valid_from",
    "valid_to",
)


def _input(kind: str) -> dict[str, str]:
    return {"type": kind, "class": "bo-input"}


class HoursForm(forms.Form):
    """One row of the week: a weekday from one time to another, at a location."""

    id = forms.UUIDField(required=False, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    weekday = forms.TypedChoiceField(
        label=_("weekday"),
        choices=Weekday.choices,
        coerce=int,
        widget=forms.Select({"class": "bo-input"}),
    )
    start_time = forms.TimeField(
        label=_("from"), widget=forms.TimeInput(_input("time"), format="%H:%M")
    )
    end_time = forms.TimeField(
        label=_("to"), widget=forms.TimeInput(_input("time"), format="%H:%M")
    )
    location = forms.ModelChoiceField(
        label=_("location"),
        queryset=Location.objects.none(),
        widget=forms.Select({"class": "bo-input"}),
    )
    slot_minutes = forms.IntegerField(
        label=_("slot"), min_value=5, max_value=720, widget=forms.NumberInput(_input("number"))
    )
    capacity = forms.IntegerField(
        label=_("patients"), min_value=1, max_value=200, widget=forms.NumberInput(_input("number"))
    )
    modes = forms.MultipleChoiceField(
        label=_("ways to meet"), choices=VisitMode.choices, widget=forms.CheckboxSelectMultiple
    )
    valid_from = forms.DateField(
        label=_("valid from"),
        required=False,
        widget=forms.DateInput(_input("date"), format="%Y-%m-%d"),
    )
    valid_to = forms.DateField(
        label=_("valid to"),
        required=False,
        widget=forms.DateInput(_input("date"), format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, locations: QuerySet[Location], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["location"]
        choice.queryset = locations
        # Read once for all rows; the query set would be read again by each.
        choice.widget.choices = [("", "---------"), *((row.pk, str(row)) for row in locations)]


@dataclass(frozen=True, slots=True)
class Day:
    """A column of the grid."""

    label: Any
    rows: list[ScheduleTemplate]


def week(request: HttpRequest, doctor: Doctor) -> HttpResponse | dict[str, Any]:
    """Save the posted week, or give what the page shows."""
    access = access_of(request)
    rows = list(
        access.limited(
            ScheduleTemplate.objects.filter(doctor=doctor),
            Permission.SCHEDULE_READ,
            doctor="doctor_id",
        )
        .select_related("location")
        .order_by("weekday", "start_time", "id")
    )
    writes = _writes(access, doctor)
    formset = _formset(request, rows, _locations(access, doctor, rows)) if writes else None
    if request.method == "POST":
        if formset is None:
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        if formset.is_valid() and _save(access, doctor, formset, {row.id: row for row in rows}):
            messages.success(request, _("The week is saved."))
            return redirect(request.path)
    today = clock.now().date()
    return {
        "days": [
            Day(label, [row for row in rows if row.weekday == number])
            for number, label in Weekday.choices
        ],
        "today": today,
        "formset": formset,
        "has_errors": formset is not None and formset.is_bound,
    }


def _writes(access: Access, doctor: Doctor) -> bool:
    who = access.principal
    own = doctor.id == who.doctor_id and bool(who.clinics_with_own(Permission.SCHEDULE_WRITE))
    return own or access.may_whole(Permission.SCHEDULE_WRITE)


def _locations(access: Access, doctor: Doctor, rows: list[ScheduleTemplate]) -> QuerySet[Location]:
    """Where the doctor may have hours: at the clinics in sight in which they can be booked.

    And where they have some already, or a place that was closed would keep the week from saving.
    """
    open_ones = Q(clinic_id__in=clinics_of_doctors([doctor.id])[doctor.id], is_active=True)
    return (
        access.limited(Location.objects.all(), None)
        .filter(open_ones | Q(id__in={row.location_id for row in rows}))
        .order_by("name", "id")
    )


def _formset(
    request: HttpRequest, rows: list[ScheduleTemplate], locations: QuerySet[Location]
) -> "BaseFormSet[HoursForm]":
    made = formset_factory(
        HoursForm, extra=_EMPTY_ROWS, can_delete=True, max_num=200, absolute_max=200
    )
    # What the browser sends of a row that nobody touched, so that it counts as empty.
    new = {
        "weekday": Weekday.MONDAY.value,
        "slot_minutes": 30,
        "capacity": 1,
        "modes": [VisitMode.IN_PERSON.value],
    }
    known = [
        {"id": row.id, "version": row.version, **{name: _value(row, name) for name in _FIELDS}}
        for row in rows
    ]
    formset: BaseFormSet[HoursForm] = made(
        request.POST if request.method == "POST" else None,
        initial=known,
        form_kwargs={"locations": locations},
        prefix="hours",
    )
    for form in formset.forms[len(known) :]:
        form.initial = {**new, **form.initial}
    return formset


def _value(row: ScheduleTemplate, name: str) -> Any:
    return row.location_id if name == "location" else getattr(row, name)


def _save(
    access: Access,
    doctor: Doctor,
    formset: "BaseFormSet[HoursForm]",
    rows: dict[UUID, ScheduleTemplate],
) -> bool:
    """Removals first, so that their time is free for the others. False: a row was refused."""
    order = sorted(
        (form for form in formset.forms if form.has_changed()),
        key=lambda form: not form.cleaned_data.get("DELETE"),
    )
    with transaction.atomic():
        for form in order:
            if not _save_row(access, doctor, form, rows):
                transaction.set_rollback(True)
                return False
    return True


def _save_row(
    access: Access, doctor: Doctor, form: HoursForm, rows: dict[UUID, ScheduleTemplate]
) -> bool:
    given = form.cleaned_data
    if not given.get("id") and given.get("DELETE"):
        return True
    return attempt(form, lambda: _write_row(access, doctor, given, rows)) is not None


def _write_row(
    access: Access, doctor: Doctor, given: dict[str, Any], rows: dict[UUID, ScheduleTemplate]
) -> bool:
    # A row to be removed need not be filled in.
    fields = {name: given[name] for name in _FIELDS if name in given}
    if not given.get("id"):
        location: Location = fields.pop("location")
        access.principal.require(Permission.SCHEDULE_WRITE, location.clinic_id, doctor_id=doctor.id)
        template_create(location=location, doctor=doctor, fields=fields)
        return True
    row = rows.get(given["id"])
    if row is None:
        raise Http404
    access.principal.require(Permission.SCHEDULE_WRITE, row.clinic_id, doctor_id=doctor.id)
    if given.get("DELETE"):
        template_remove(template_id=row.id, expected_version=given.get("version"))
    else:
        template_update(template=row, fields=fields, expected_version=given.get("version"))
    return True
