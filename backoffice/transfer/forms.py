"""The forms of the import and export pages."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from appointments.models import AppointmentStatus
from backoffice.models import BadLines, DateStyle, FileFormat, Transfer, TransferKind
from backoffice.transfer.kinds import Kind, kind_of
from clinics.models import Clinic

_MAPPING_BYTES = 100_000
_SAMPLE = 30


class OfClinic(forms.Form):
    """A form for one of the clinics in sight; with only one there is nothing to choose."""

    clinic = forms.ChoiceField(label=gettext_lazy("clinic"), widget=UnfoldAdminSelectWidget)
    kind = forms.ChoiceField(label=gettext_lazy("what"), widget=UnfoldAdminSelectWidget)

    def __init__(
        self, *args: Any, clinics: Sequence[Clinic], kinds: Iterable[Kind], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._clinics = {str(clinic.id): clinic for clinic in clinics}
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            (kind.kind.value, kind.kind.label) for kind in kinds
        ]
        if len(self._clinics) == 1:
            del self.fields["clinic"]
        else:
            self.fields["clinic"].choices = [  # type: ignore[attr-defined]
                ("", _("Choose")),
                *((key, clinic.name) for key, clinic in self._clinics.items()),
            ]

    def chosen(self) -> Clinic:
        """The clinic that was chosen, or the only one."""
        (only, *_others) = self._clinics
        return self._clinics[self.cleaned_data.get("clinic", only)]


class UploadForm(OfClinic):
    """Which file, and what its lines are."""

    file = forms.FileField(
        label=gettext_lazy("file"),
        widget=UnfoldAdminFileFieldWidget,
        help_text=gettext_lazy("CSV (UTF-8 or Latin-1; commas, semicolons or tabs) or XLSX."),
    )
    mapping = forms.FileField(
        label=gettext_lazy("mapping"),
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text=gettext_lazy(
            "Only for appointments of another system whose columns are not ours: a TOML file, as"
            " the documentation of imports describes."
        ),
    )

    def clean_mapping(self) -> str:
        upload = self.cleaned_data.get("mapping")
        if not upload:
            return ""
        if upload.size > _MAPPING_BYTES:
            raise ValidationError(_("A mapping is a short text."))
        try:
            return str(upload.read().decode())
        except UnicodeDecodeError:
            raise ValidationError(_("A mapping is a text in UTF-8.")) from None


class ReadingForm(forms.Form):
    """Which column is which, and how what is in them is written."""

    date_style = forms.ChoiceField(
        label=gettext_lazy("days are written"),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    country = forms.CharField(
        label=gettext_lazy("country of phone numbers written without one"),
        required=False,
        max_length=2,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("Two letters (ISO 3166), such as DE; empty: none is assumed."),
    )
    bad_lines = forms.ChoiceField(
        label=gettext_lazy("bad lines"),
        choices=BadLines.choices,
        widget=UnfoldAdminRadioSelectWidget,
    )

    def __init__(
        self,
        *args: Any,
        transfer: Transfer,
        found: DateStyle | None,
        sample: Sequence[Sequence[str]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._ours = [] if transfer.mapping else list(kind_of(transfer.kind).columns.fields)
        theirs = [("", _("not in the file")), *_described(transfer.columns, sample)]
        required = {name for group in kind_of(transfer.kind).columns.required for name in group}
        for name in self._ours:
            column = kind_of(transfer.kind).columns.fields[name]
            self.fields[name] = forms.ChoiceField(
                label=column.label,
                required=False,
                choices=theirs,
                initial=transfer.fields.get(name, ""),
                widget=UnfoldAdminSelectWidget,
            )
            self.fields[name].is_needed = name in required  # type: ignore[attr-defined]
        styles: list[tuple[str, Any]] = list(DateStyle.choices)
        if found is not None:
            styles.insert(0, ("", _("found out: %(style)s") % {"style": found.label}))
        else:
            styles.insert(0, ("", _("please say")))
        self.fields["date_style"].choices = styles  # type: ignore[attr-defined]
        self.initial.setdefault("country", transfer.country)
        self.initial.setdefault("bad_lines", transfer.bad_lines)

    def columns(self) -> list[forms.BoundField]:
        """The fields that are columns of ours."""
        return [self[name] for name in self._ours]

    def options(self) -> list[forms.BoundField]:
        """The others."""
        return [field for field in self if field.name not in self._ours]

    def chosen(self) -> dict[str, int]:
        """The number of the file's column for each of ours that it has."""
        return {
            name: int(self.cleaned_data[name]) for name in self._ours if self.cleaned_data[name]
        }


def _described(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """The file's columns with their number and the first thing in them."""
    found = []
    for number, column in enumerate(columns):
        first = next((cells[number] for cells in sample if cells[number].strip()), "")
        label = f"{number + 1}: {column or '–'}"
        if first:
            label += f" ({first[:_SAMPLE]}{'…' if len(first) > _SAMPLE else ''})"
        found.append((str(number), label))
    return found


class RunForm(forms.Form):
    """Go."""

    bad_lines = forms.ChoiceField(choices=BadLines.choices)


class ExportForm(OfClinic):
    """What is to leave the house, and in which form."""

    file_format = forms.ChoiceField(
        label=gettext_lazy("format"),
        choices=FileFormat.choices,
        widget=UnfoldAdminSelectWidget,
    )
    only_active = forms.BooleanField(
        label=gettext_lazy("only active ones"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=gettext_lazy("Patients, doctors, services."),
    )
    since = forms.DateField(
        label=gettext_lazy("from"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=gettext_lazy("Appointments of this day and later."),
    )
    until = forms.DateField(
        label=gettext_lazy("to"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=gettext_lazy("Appointments of this day and earlier."),
    )
    status = forms.ChoiceField(
        label=gettext_lazy("status"),
        choices=[("", gettext_lazy("any")), *AppointmentStatus.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("Appointments."),
    )
    doctor = forms.CharField(
        label=gettext_lazy("doctor"),
        required=False,
        max_length=254,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("Appointments and working hours; the email address or the name."),
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        since, until = found.get("since"), found.get("until")
        if since and until and since > until:
            self.add_error("until", _("The last day comes after the first."))
        return found

    def filters(self, doctor: UUID | None) -> dict[str, Any]:
        """What was chosen, as far as the kind has it."""
        said, kind = self.cleaned_data, self.cleaned_data["kind"]
        if kind == TransferKind.APPOINTMENTS:
            return {
                "since": said["since"],
                "until": said["until"],
                "status": said["status"],
                "doctor": doctor,
            }
        if kind == TransferKind.HOURS:
            return {"doctor": doctor}
        return {"only_active": said["only_active"]}
