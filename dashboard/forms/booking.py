"""The forms of a new visit. They check shapes; whether a time can be had, the service says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from appointments.models import Priority
from appointments.selectors.booking import Offer
from appointments.services.context import MAX_MINUTES, MIN_MINUTES
from clinics.models import Clinic, Room, Service, Sex, VisitMode
from core.api.fields import parse_instant
from core.errors import KairosError

Choices = list[tuple[str, Any]]
#: The fields that decide which time is kept.
PLACED = ("doctor", "service", "location", "mode", "day", "time", "minutes")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The visit that a form asks for. Without `ends_at` it lasts as long as its service."""

    doctor: UUID
    service: UUID | None
    location: UUID | None
    mode: str
    starts_at: datetime
    ends_at: datetime | None
    length: timedelta

    @property
    def until(self) -> datetime:
        return self.ends_at or self.starts_at + self.length


class BookForm(forms.Form):
    """`once` makes the same form, sent twice, book once; `hold` is the time kept for it."""

    use_required_attribute = False

    once = forms.UUIDField(widget=forms.HiddenInput)
    hold = forms.UUIDField(widget=forms.HiddenInput, required=False)
    starts_at = forms.CharField(widget=forms.HiddenInput, required=False, max_length=40)
    patient = forms.UUIDField(widget=forms.HiddenInput, required=False)
    doctor = forms.TypedChoiceField(label=_("Doctor"), coerce=UUID)
    service = forms.TypedChoiceField(
        label=_("Service"), coerce=UUID, required=False, empty_value=None
    )
    location = forms.TypedChoiceField(
        label=_("Place"), coerce=UUID, required=False, empty_value=None
    )
    mode = forms.ChoiceField(label=_("How"))
    day = forms.DateField(
        label=_("Day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    time = forms.TimeField(
        label=_("Time"), widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    )
    minutes = forms.IntegerField(
        label=_("Minutes"), required=False, min_value=MIN_MINUTES, max_value=MAX_MINUTES
    )
    reason = forms.CharField(label=_("Reason for the visit"), required=False, max_length=500)
    room = forms.TypedChoiceField(label=_("Room"), coerce=UUID, required=False, empty_value=None)
    priority = forms.ChoiceField(
        label=_("Priority"), choices=Priority.choices, initial=Priority.NORMAL, required=False
    )
    notes = forms.CharField(
        label=_("Notes for the staff"),
        required=False,
        max_length=4000,
        widget=forms.Textarea({"rows": 3}),
    )
    override_reason = forms.CharField(label=_("Why past the rules"), required=False, max_length=500)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        clinic: Clinic,
        offer: Offer,
        services: list[Service],
        clinical: bool,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}), auto_id="book-%s")
        self.clinic, self.offer, self.services = clinic, offer, services
        self._choices("doctor", ((one.id, one.display_name) for one in offer.doctors))
        self._choices("service", ((one.id, one.name) for one in services))
        self._choices("location", ((one.id, one.name) for one in offer.locations))
        here = _uuid(self["location"].value())
        rooms: Choices = [("", _("None"))]
        self.fields["room"].choices = rooms + [  # type: ignore[attr-defined]
            (str(room.id), _room_name(room, offer)) for room in offer.rooms if _fits(room, here)
        ]
        service = offer.service(_uuid(self["service"].value()))
        modes = service.modes if service is not None else VisitMode.values
        self.fields["mode"].choices = [  # type: ignore[attr-defined]
            (mode.value, mode.label) for mode in VisitMode if mode.value in modes
        ]
        if len(modes) == 1:
            self.fields["mode"].widget = forms.HiddenInput()
        if service is not None:
            self.fields["minutes"].widget.attrs["placeholder"] = service.duration_minutes
        if not clinical:  # who may not read them does not write them either
            del self.fields["reason"], self.fields["notes"]

    def _choices(self, name: str, rows: Iterable[tuple[UUID, str]]) -> None:
        field: Any = self.fields[name]
        field.choices = [(str(key), label) for key, label in rows]
        field.error_messages["invalid_choice"] = _("Choose one of these.")
        if len(field.choices) == 1:
            field.widget = forms.HiddenInput()
        elif not field.choices:
            field.choices = [("", _("None"))]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        day, at = found.get("day"), found.get("time")
        if day is not None and at is not None:
            zone = self.zone(found.get("location"))
            moment = datetime.combine(day, at.replace(second=0, microsecond=0), zone)
            if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment.replace(
                tzinfo=None
            ):
                self.add_error("time", _("The clocks go forward then: there is no such time."))
            else:
                found["starts_at"] = self._second_of_two(found.get("starts_at"), moment)
        if found.get("service") is None and found.get("minutes") is None:
            self.add_error("minutes", _("Say how long: there is no service that says it."))
        return found

    def _second_of_two(self, told: str | None, moment: datetime) -> datetime:
        """An hour that the clocks show twice is the one that was clicked, else the first."""
        try:
            clicked = parse_instant(told or "")
        except (ValueError, OverflowError):
            return moment.astimezone(UTC)
        shown = clicked.astimezone(moment.tzinfo).replace(tzinfo=None)
        same = shown == moment.replace(tzinfo=None)
        return clicked if same else moment.astimezone(UTC)

    def zone(self, location: UUID | None) -> ZoneInfo:
        """In which the day and the time are meant."""
        place = self.offer.location(location)
        return ZoneInfo(place.timezone if place is not None else self.clinic.timezone)

    def wanted(self) -> Wanted:
        """What was asked for; of a form that is valid, or whose `PLACED` fields are."""
        values = self.cleaned_data
        service = self.offer.service(values["service"])
        minutes = values.get("minutes")
        length = timedelta(minutes=minutes or (service.duration_minutes if service else 0))
        starts_at: datetime = values["starts_at"]
        return Wanted(
            doctor=values["doctor"],
            service=values["service"],
            location=values["location"],
            mode=values["mode"],
            starts_at=starts_at,
            ends_at=starts_at + length if minutes else None,
            length=length,
        )

    def chosen_first(self) -> list[forms.BoundField]:
        """With whom, what, where and how: a change of one changes what the others offer."""
        return [self[name] for name in ("doctor", "service", "location", "mode")]

    def fixed(self) -> list[str]:
        """What there is no choice of: the one doctor, service and place."""
        fields: list[Any] = [self[name] for name in ("doctor", "service", "location")]
        chosen = [dict(one.field.choices).get(str(one.value())) for one in fields if one.is_hidden]
        return [str(label) for label in chosen if label]

    @property
    def is_placed(self) -> bool:
        """Whether the fields that a hold needs are right, whatever the others are."""
        return not any(name in self.errors for name in PLACED)


class NewPatientForm(forms.Form):
    """A chart to be opened. Names may be as long, and written in whatever script, as they are."""

    use_required_attribute = False

    given_name = forms.CharField(label=_("Given name"), max_length=200)
    family_name = forms.CharField(label=_("Family name"), max_length=200, required=False)
    birth_date = forms.DateField(
        label=_("Birth date"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    phone = forms.CharField(
        label=_("Phone"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel", "dir": "ltr"}),
    )
    email = forms.EmailField(label=_("Email"), required=False, max_length=254)
    sex = forms.ChoiceField(
        label=_("Sex"), required=False, choices=[("", _("Not asked")), *Sex.choices]
    )
    notes = forms.CharField(
        label=_("Notes on the chart"),
        required=False,
        max_length=4000,
        widget=forms.Textarea({"rows": 2}),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        today: date,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, prefix="new", auto_id="book-%s", initial=dict(initial or {}))
        self._today = today
        for name in ("given_name", "family_name"):
            self.fields[name].widget.attrs |= {"dir": "auto", "autocomplete": "off"}

    def clean_birth_date(self) -> Any:
        born = self.cleaned_data["birth_date"]
        if born is not None and not 1880 <= born.year <= self._today.year:
            raise forms.ValidationError(_("A birth date of a living person, please."))
        if born is not None and born > self._today:
            raise forms.ValidationError(_("A birth date is not in the future."))
        return born

    def values(self) -> dict[str, Any]:
        """The fields of the chart; what was not said is left to its default."""
        found = dict(self.cleaned_data)
        if not found["sex"]:
            del found["sex"]
        return found


def refusal_placed(error: KairosError, *targets: forms.Form | None) -> bool:
    """Put the sentences of a refusal at the fields they are about; whether any had a field."""
    placed = False
    for name, sentences in (error.errors or {}).items():
        field = {"type": "mode", "ends_at": "minutes", "starts_at": "time"}.get(name, name)
        for form in targets:
            if form is not None and field in form.fields:
                for sentence in sentences:
                    form.add_error(field, sentence)
                placed = True
                break
    return placed


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _fits(room: Room, location: UUID | None) -> bool:
    return location is None or room.location_id == location


def _room_name(room: Room, offer: Offer) -> str:
    return room.name if len(offer.locations) < 2 else f"{room.location.name} · {room.name}"
