"""Choosing a time: which place, way and doctor are asked for, and the week that is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from appointments.models import Appointment
from appointments.selectors.offers import (
    Offer,
    Week,
    Wish,
    doctors_offering,
    locations_offered,
    next_free,
    week_find,
)
from appointments.selectors.slots import Slot
from clinics.models import Clinic, Doctor, Location, Service
from core import clock
from core.errors import ErrorCode, KairosError
from portal.slots import Picked
from portal.words import MODE


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few things to choose from; `url` shows the times with it."""

    label: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for, checked to be of this clinic and service."""

    doctor: UUID | None
    location: UUID | None
    mode: str
    first: date | None


@dataclass(frozen=True, slots=True)
class Start:
    """A free time as it is offered: `value` goes into the form."""

    value: str
    offer: Offer
    place: str


class Picker:
    """The week of times and the choices around it, for one service of a clinic."""

    def __init__(
        self,
        request: HttpRequest,
        clinic: Clinic,
        service: Service,
        *,
        moving: Appointment | None = None,
    ) -> None:
        self.clinic, self.service, self.moving = clinic, service, moving
        self.locations: Sequence[Location] = list(locations_offered(clinic))
        self.doctors: Sequence[Doctor] = doctors_offering(clinic, service)
        self.path = request.path
        self.wanted = self._read(request.GET)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which a day is meant."""
        found = {location.timezone for location in self.locations if self._is_asked(location)}
        return ZoneInfo(found.pop() if len(found) == 1 else self.clinic.timezone)

    @property
    def wish(self) -> Wish:
        doctor = self.wanted.doctor
        return Wish(
            clinic=self.clinic,
            service=self.service,
            doctors=[doctor] if doctor else [one.id for one in self.doctors],
            location=self.wanted.location,
            mode=self.wanted.mode,
            moving=self.moving.id if self.moving else None,
        )

    def week(self) -> Week:
        today = clock.now().astimezone(self.zone).date()
        return week_find(self.wish, first=self.wanted.first or today, zone=self.zone)

    def context(self) -> dict[str, Any]:
        """What the page shows."""
        week, zone = self.week(), self.zone
        found: Slot | None = None
        if week.is_empty:
            start = datetime.combine(week.last, datetime.max.time(), tzinfo=zone)
            found = next_free(self.wish, after=start)
        return {
            "clinic": self.clinic,
            "service": self.service,
            "week": week,
            "days": [
                (day.date, [self._start(offer) for offer in day.offers])
                for day in week.days
                if day.offers
            ],
            "earlier_url": self._url(first=week.earlier) if week.earlier else "",
            "later_url": self._url(first=week.later) if week.later else "",
            "next_free": found,
            "next_url": self._next_url(found) if found else "",
            "zones": sorted({place.timezone for place in self.locations}),
            "mode": self.wanted.mode,
            "mode_choices": self._modes(),
            "location_choices": self._places(),
            "doctor_choices": self._doctors(),
            "doctor": next((one for one in self.doctors if one.id == self.wanted.doctor), None),
            "query": self._query(),
        }

    def at(self, picked: Picked) -> Wish:
        """The same wish, for one start at its place."""
        if picked.location not in {place.id for place in self.locations}:
            raise KairosError(ErrorCode.NOT_FOUND)
        doctors = [one.id for one in self.doctors]
        if picked.doctor is not None:
            if picked.doctor not in doctors:
                raise KairosError(ErrorCode.NOT_FOUND)
            doctors = [picked.doctor]
        wish = self.wish
        return Wish(
            self.clinic, self.service, doctors, picked.location, wish.mode, moving=wish.moving
        )

    def _read(self, query: QueryDict) -> Wanted:
        """Raises NOT_FOUND for ids that are not the clinic's. A date that is none is today's."""
        doctor = self._asked(query, "doctor", {one.id for one in self.doctors})
        location = self._asked(query, "location", {place.id for place in self.locations})
        if location is None and len(self.locations) == 1:
            location = self.locations[0].id
        mode = self.moving.type if self.moving else query.get("mode") or self.service.modes[0]
        if mode not in MODE or (mode not in self.service.modes and not self.moving):
            raise KairosError(ErrorCode.NOT_FOUND)
        return Wanted(doctor, location, mode, _date(query.get("from", "")))

    def _asked(self, query: QueryDict, name: str, known: set[UUID]) -> UUID | None:
        """An id of the address; for a visit that is moved, its own where the address has none."""
        if self.moving is not None and name not in query:
            own: UUID | None = getattr(self.moving, f"{name}_id")
            return own if own in known else None
        found = _id(query.get(name, ""))
        if found is not None and found not in known:
            raise KairosError(ErrorCode.NOT_FOUND)
        return found

    def _is_asked(self, location: Location) -> bool:
        return self.wanted.location in {None, location.id}

    def _start(self, offer: Offer) -> Start:
        names = {place.id: place.name for place in self.locations}
        several = self.wanted.location is None
        return Start(
            value=str(Picked(offer.starts_at, offer.location, self.wanted.doctor)),
            offer=offer,
            place=names.get(offer.location, "") if several else "",
        )

    def _modes(self) -> list[Choice]:
        if self.moving or len(self.service.modes) < 2:
            return []
        return [
            Choice(str(MODE[mode]), self._url(mode=mode), mode == self.wanted.mode)
            for mode in self.service.modes
        ]

    def _places(self) -> list[Choice]:
        if len(self.locations) < 2:
            return []
        chosen = self.wanted.location
        return [
            Choice(_("Any place"), self._url(location=None), chosen is None),
            *(
                Choice(place.name, self._url(location=place.id), place.id == chosen)
                for place in self.locations
            ),
        ]

    def _doctors(self) -> list[Choice]:
        if not self.doctors:
            return []
        chosen = self.wanted.doctor
        return [
            Choice(_("Anyone who is free"), self._url(doctor=None), chosen is None),
            *(
                Choice(one.display_name, self._url(doctor=one.id), one.id == chosen)
                for one in self.doctors
            ),
        ]

    def _next_url(self, slot: Slot) -> str:
        return self._url(first=slot.starts_at.astimezone(ZoneInfo(slot.timezone)).date())

    def _query(self, **changed: Any) -> str:
        parts = {
            "doctor": self.wanted.doctor,
            "location": self.wanted.location if len(self.locations) > 1 else None,
            "mode": self.wanted.mode if self._has_modes() else None,
            "from": self.wanted.first,
        }
        if "first" in changed:
            changed["from"] = changed.pop("first")
        parts.update(changed)
        if self.moving is not None:  # left out they would mean the visit's own
            parts |= {name: "" for name in ("doctor", "location") if parts[name] is None}
        return urlencode({name: str(value) for name, value in parts.items() if value is not None})

    def _has_modes(self) -> bool:
        return not self.moving and len(self.service.modes) > 1

    def _url(self, **changed: Any) -> str:
        query = self._query(**changed)
        return f"{self.path}?{query}" if query else self.path


def _id(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise KairosError(ErrorCode.NOT_FOUND) from None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
