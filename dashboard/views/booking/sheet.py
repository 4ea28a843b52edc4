"""The sheet of a new visit: its form, the patient in it, and the time kept for it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from accounts.roles import Permission
from appointments.selectors.booking import (
    Offer,
    OwnHold,
    hours_of_doctor,
    offer_of,
    service_usual,
)
from appointments.services.calendar import Hold
from clinics.models import VisitMode
from core import clock
from core.api.fields import parse_instant
from core.errors import ErrorCode, KairosError
from core.forms import refusal_show
from dashboard.access import Desk
from dashboard.bookings import hold_keep
from dashboard.forms.booking import BookForm, refusal_placed
from dashboard.refusals import Refusal, bookable_by, refusal_explained
from dashboard.views.booking.patient_part import PatientPart, today_at, uuid_in


@dataclass(kw_only=True)
class Sheet(PatientPart):
    """Everything that `dashboard/book.html` shows."""

    form: BookForm
    offer: Offer
    hold: OwnHold | Hold | None = None
    tried: bool = False
    refusal: Refusal | None = None

    def context(self) -> dict[str, Any]:
        """For the templates."""
        self.form.initial.setdefault("once", uuid4())
        doctor = self.offer.doctor(uuid_in(self.form["doctor"].value()))
        return {
            "desk": self.desk,
            "sheet": self,
            "form": self.form,
            "doctor": doctor,
            "local_until": self._until(),
            "may_write_patients": self.desk.may_whole(Permission.PATIENT_WRITE),
        }

    @property
    def hold_seconds(self) -> int:
        if self.hold is None:
            return 0
        return max(0, round((self.hold.expires_at - clock.now()).total_seconds()))

    @property
    def wants_hold(self) -> bool:
        """Whether an open page is to ask for the hold by itself: once, and not after a refusal."""
        return not self.tried and self.hold is None and self.refusal is None

    def _until(self) -> datetime | None:
        """When the hold ends, on the clock of the clinic, and bare."""
        if self.hold is None:
            return None
        return self.hold.expires_at.astimezone(ZoneInfo(self.desk.clinic.timezone)).replace(
            tzinfo=None
        )

    def keep(self, held: UUID | None) -> None:
        """Keep the time that the form asks for, if its fields are right."""
        self.tried = True
        if not self.form.is_placed:
            return
        wanted = self.form.wanted()
        self.hold, error = hold_keep(desk=self.desk, wanted=wanted, held=held)
        if error is not None:
            self.refuse(error)

    def refuse(self, error: KairosError, *, patient: UUID | None = None) -> None:
        """Show why not, at the fields it is about or above them, and what could be had instead."""
        if refusal_placed(error, self.new, self.form):
            return
        if self.form.is_placed:
            self.refusal = refusal_explained(
                self.desk, error, self.form.wanted(), self.offer, patient=patient
            )
        else:
            refusal_show(self.form, error)

    def renew(self) -> None:
        """From here on it is another form: sent again, it books again."""
        self.form.data = {**self.form.data, "once": str(uuid4())}


def offer_at(desk: Desk) -> Offer:
    """What this person may book here."""
    offer = offer_of(desk.clinic.id)
    return replace(offer, doctors=bookable_by(desk, offer.doctors))


def sheet_opened(desk: Desk, asked: Mapping[str, Any]) -> Sheet:
    """A new sheet, for the time in the address. Nothing is kept yet.

    Raises NOT_FOUND for a doctor whose time is not theirs to book here.
    """
    offer = offer_at(desk)
    doctor = offer.doctor(uuid_in(asked.get("doctor")))
    if doctor is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    at = _instant(asked.get("starts_at"))
    location = offer.location(uuid_in(asked.get("location")))
    zone = ZoneInfo(location.timezone if location else desk.clinic.timezone)
    local = at.astimezone(zone) if at else None
    hours = hours_of_doctor(desk.clinic.id, doctor.id, local.date() if local else None)
    if location is None:
        location = offer.location(hours.location_at(local.time() if local else None)) or (
            offer.locations[0] if offer.locations else None
        )
        zone = ZoneInfo(location.timezone if location else desk.clinic.timezone)
        local = at.astimezone(zone) if at else None
    services = hours.services_in(offer.services, location.id if location else None)
    service = _one_of(services, uuid_in(asked.get("service")))
    if service is None and services:
        service = _one_of(services, service_usual(desk.clinic.id, doctor.id)) or services[0]
    modes = service.modes if service else VisitMode.values
    mode = asked.get("mode")
    initial: dict[str, Any] = {
        "doctor": doctor.id,
        "service": service.id if service else None,
        "location": location.id if location else None,
        "mode": mode if mode in modes else modes[0],
        "starts_at": at.isoformat() if at else "",
        "day": local.date() if local else today_at(desk),
        "time": local.time().replace(second=0, microsecond=0) if local else None,
        "hold": uuid_in(asked.get("hold")),
    }
    if service is None:
        initial["minutes"] = hours.templates[0].slot_minutes if hours.templates else 30
    sheet = Sheet(desk=desk, form=_form(desk, offer, services, initial=initial), offer=offer)
    patient = uuid_in(asked.get("patient"))
    if patient is not None:
        sheet.choose(patient)
    return sheet


def sheet_sent(desk: Desk, data: Mapping[str, Any], *, mend: bool = False) -> Sheet:
    """The sheet as it was sent. `mend`: what the doctor chosen does not offer gives way."""
    offer = offer_at(desk)
    values = {name: data.get(name) for name in data}
    values["once"] = str(uuid_in(values.get("once")) or uuid4())
    pick = str(values.get("pick") or "").split("|")
    if len(pick) == 3:
        _take(values, pick, offer, desk)
    doctor, location = uuid_in(values.get("doctor")), uuid_in(values.get("location"))
    services = offer.services
    if doctor is not None:
        hours = hours_of_doctor(desk.clinic.id, doctor, _day(values.get("day")))
        services = hours.services_in(offer.services, location)
    wanted = _one_of(services, uuid_in(values.get("service")))
    if mend:
        wanted = wanted or (services[0] if services else None)
        values["service"] = str(wanted.id) if wanted else ""
    elif wanted is None:  # kept in the list, so that a stale page says what is wrong with it
        services = offer.services
    modes = wanted.modes if wanted else VisitMode.values
    if mend and values.get("mode") not in modes:
        values["mode"] = modes[0]
    sheet = Sheet(desk=desk, form=_form(desk, offer, services, data=values), offer=offer)
    sheet.tell(values)
    return sheet


def _form(desk: Desk, offer: Offer, services: Any, **values: Any) -> BookForm:
    return BookForm(
        values.get("data"),
        clinic=desk.clinic,
        offer=offer,
        services=services,
        clinical=desk.may(Permission.APPOINTMENT_CLINICAL),
        initial=values.get("initial"),
    )


def _take(values: dict[str, Any], pick: list[str], offer: Offer, desk: Desk) -> None:
    """Another time was picked: its doctor, place and start go into the fields."""
    at = _instant(pick[2])
    if at is None:
        return
    location = offer.location(uuid_in(pick[1])) or offer.location(uuid_in(values.get("location")))
    local = at.astimezone(ZoneInfo(location.timezone if location else desk.clinic.timezone))
    values |= {
        "doctor": pick[0],
        "location": str(location.id) if location else "",
        "starts_at": at.isoformat(),
        "day": local.date().isoformat(),
        "time": f"{local:%H:%M}",
        "override_reason": "",
    }


def _one_of(rows: Any, key: UUID | None) -> Any:
    return next((row for row in rows if row.id == key), None)


def _day(value: Any) -> Any:
    try:
        return datetime.fromisoformat(str(value)).date()
    except ValueError:
        return None


def _instant(value: Any) -> datetime | None:
    """A moment of an address, to the minute; None for anything else, or far away."""
    try:
        moment = parse_instant(str(value)).replace(second=0, microsecond=0)
    except (ValueError, OverflowError):
        return None
    return moment if abs(moment - clock.now()) < timedelta(days=3660) else None
