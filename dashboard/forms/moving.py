"""The form that moves a visit: to a free time of a day, or to any time, doctor, place or room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from datetime import time as wall_time
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.roles import Permission
from appointments.models import Appointment
from clinics.models import Doctor, Location, Room
from clinics.selectors.directory import doctors_working_at, of_clinics
from dashboard.access import Desk
from dashboard.forms.visits import StepForm

#: The choice that leaves the time of day as it is, and the one that says it is typed below.
SAME: Final = "same"
OTHER: Final = "other"
_FIRST_YEAR, _LAST_YEAR = 2000, 2099


@dataclass(frozen=True, slots=True)
class Places:
    """Where and with whom a visit could be instead, as far as this person may move it."""

    doctors: Sequence[Doctor]
    locations: Sequence[Location]
    rooms: Sequence[Room]

    def zone(self, location: UUID | None, visit: Appointment) -> ZoneInfo:
        """The time zone of a place; of the visit where there is none."""
        found = next((one.timezone for one in self.locations if one.id == location), None)
        return ZoneInfo(found or visit.timezone)


def places_for(desk: Desk, visit: Appointment) -> Places:
    """Doctors, places and rooms of the clinic: three queries."""
    clinic = desk.clinic.id
    whole = desk.may_whole(Permission.APPOINTMENT_BOOK)
    doctors = [
        one for one in doctors_working_at(clinic) if whole or one.id == desk.principal.doctor_id
    ]
    if visit.doctor_id not in {one.id for one in doctors}:
        doctors.insert(0, visit.doctor)
    here = {"clinic_id": clinic, "is_active": True}
    locations = list(of_clinics(Location, desk.principal).filter(**here).order_by("name"))
    if visit.location is not None and visit.location_id not in {one.id for one in locations}:
        locations.insert(0, visit.location)
    rooms = of_clinics(Room, desk.principal).filter(**here).select_related("location")
    return Places(doctors, locations, list(rooms.order_by("location__name", "name")))


class MoveForm(StepForm):
    """Where a visit goes. `starts_at` is an instant with its offset, `same`, or `other`: `time`.

    `day` and `time` are wall-clock values of the chosen place.
    """

    day = forms.DateField(
        label=_("Day"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    doctor = forms.ChoiceField(label=_("Doctor"), required=False)
    location = forms.ChoiceField(label=_("Place"), required=False)
    starts_at = forms.CharField(required=False, max_length=40)
    time = forms.TimeField(
        label=_("Another time"),
        required=False,
        input_formats=["%H:%M", "%H:%M:%S"],
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    room = forms.ChoiceField(label=_("Room"), required=False)
    reason = forms.CharField(
        label=_("Why it is moved"),
        required=False,
        max_length=500,
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    override_reason = forms.CharField(
        label=_("Why past the rules"),
        required=False,
        max_length=500,
        widget=forms.TextInput({"autocomplete": "off"}),
        help_text=_("To book outside working hours, over capacity or over the day's limit."),
    )

    def __init__(self, *args: Any, visit: Appointment, places: Places, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.visit, self.places = visit, places
        self._choose("doctor", [(str(one.id), str(one)) for one in places.doctors])
        none = [] if visit.location_id else [("", _("None"))]
        self._choose("location", [*none, *((str(one.id), str(one)) for one in places.locations)])
        self._choose("room", [("", _("None")), *_rooms(places)])

    def _choose(self, name: str, choices: Sequence[Any]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - tells mypy what it declares
        field.choices = list(choices)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if self.errors:
            return found
        found["doctor"] = UUID(found["doctor"]) if found["doctor"] else self.visit.doctor_id
        found["location"] = UUID(found["location"]) if found["location"] else None
        moment = self._moment(found)
        if moment is None:
            return found
        found["moment"] = moment
        found["room"], found["keep_room"] = self._room(found)
        return found

    def _moment(self, found: dict[str, Any]) -> datetime | None:
        """The start that is meant; None when the form does not say one."""
        zone = self.places.zone(found["location"] or self.visit.location_id, self.visit)
        choice: str = found["starts_at"] or SAME
        day: date | None = found["day"]
        if found["time"] is not None and choice not in {SAME, OTHER}:
            self.add_error("time", _("Choose a free time or write another one, not both."))
            return None
        if choice not in {SAME, OTHER}:
            return self._instant(choice, day, zone)
        if choice == OTHER and found["time"] is None:
            self.add_error("time", _("Write the time."))
            return None
        was = self.visit.starts_at.astimezone(ZoneInfo(self.visit.timezone))
        if found["time"] is None and day in {None, was.date()} and zone == was.tzinfo:
            return self.visit.starts_at
        return self._wall(day or was.date(), found["time"] or was.time(), zone)

    def _instant(self, text: str, day: date | None, zone: ZoneInfo) -> datetime | None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or not _this_century(moment.date()):
            self.add_error("starts_at", _("This is not a time. Choose one of those offered."))
            return None
        if day is not None and moment.astimezone(zone).date() != day:
            self.add_error(
                "starts_at", _("The times were of another day. Choose one of the day you want.")
            )
            return None
        return moment

    def _wall(self, day: date, at: wall_time, zone: ZoneInfo) -> datetime | None:
        if not _this_century(day):
            self.add_error("day", _("Choose a day nearer to today."))
            return None
        wall = datetime.combine(day, at, tzinfo=zone)
        there = datetime.fromtimestamp(wall.timestamp(), zone)
        if there.replace(tzinfo=None) != wall.replace(tzinfo=None):
            self.add_error("time", _("There is no such time on that day: the clocks go forward."))
            return None
        return wall

    def _room(self, found: dict[str, Any]) -> tuple[UUID | None, bool]:
        """The room, and whether the visit simply keeps its own."""
        stays = found["location"] in {None, self.visit.location_id}
        if "room" not in self.data:
            return None, stays
        room = UUID(found["room"]) if found["room"] else None
        if room is not None and room == self.visit.room_id and not stays:
            return None, False  # it does not come along to another place
        return room, False


def _rooms(places: Places) -> list[tuple[str, list[tuple[str, str]]]]:
    grouped: dict[str, list[tuple[str, str]]] = {}
    for room in places.rooms:
        grouped.setdefault(str(room.location), []).append((str(room.id), str(room)))
    return list(grouped.items())


def _this_century(day: date) -> bool:
    return _FIRST_YEAR <= day.year <= _LAST_YEAR
