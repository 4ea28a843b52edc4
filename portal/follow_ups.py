"""Continuing care as patients see it: their plans, the times of one, and what they wait for."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

from appointments.models import Appointment
from appointments.selectors.slots import Slot
from clinics.models import Location, Service
from clinics.principal import Principal
from core import clock
from core.errors import ErrorCode, KairosError
from followups.models import (
    WAITING,
    FollowUpPlan,
    OfferStatus,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistStatus,
)
from followups.offer_links import offer_link
from followups.selectors.plans import plans_visible_to
from followups.selectors.waitlist import entries_visible_to, offers_of
from portal.picker import Choice, Picker, Wanted
from portal.slots import Picked

#: Plans that wait are shown all at once, up to so many; of the others a page at a time.
MOST_WAITING: Final = 50
PAGE: Final = 20
MOST_WISHES: Final = 50


# --- Plans ------------------------------------------------------------------------------------


def own_plans(by: Principal) -> QuerySet[FollowUpPlan]:
    """Plans of everyone the user is or acts for, with what is shown of them."""
    return (
        plans_visible_to(by.as_patient())
        .filter(clinic__is_active=True)
        .select_related(
            "clinic", "patient", "doctor", "service", "location", "follow_up_appointment"
        )
    )


def own_plans_waiting(by: Principal) -> list[FollowUpPlan]:
    """Those without a visit, whose day comes first."""
    found = own_plans(by).filter(status__in=WAITING)
    return list(found.order_by("scheduled_for", "id")[:MOST_WAITING])


def own_plans_settled(by: Principal, *, before: UUID | None) -> tuple[list[FollowUpPlan], str]:
    """A page of those that are booked or were given up, latest first; and where to read on."""
    found = own_plans(by).exclude(status__in=WAITING)
    if before is not None:
        found = found.filter(id__lt=before)
    rows = list(found.order_by("-id")[: PAGE + 1])
    return rows[:PAGE], str(rows[PAGE - 1].id) if len(rows) > PAGE else ""


def may_choose(plan: FollowUpPlan) -> bool:
    """Whether the patient can choose the time themselves; otherwise the clinic books it.

    The same as the services ask of a patient's booking: a service that is open to patients, at its
    own length.
    """
    service = plan.service
    return (
        plan.is_waiting
        and service is not None
        and service.is_active
        and service.is_public
        and plan.duration_minutes in {None, service.duration_minutes}
        and plan.mode in service.modes
    )


def service_of(plan: FollowUpPlan) -> Service:
    """The service of a plan whose time the patient may choose. Raises NOT_FOUND for others."""
    if plan.service is None or not may_choose(plan):
        raise KairosError(ErrorCode.NOT_FOUND)
    return plan.service


class PlanPicker(Picker):
    """The free times of a plan: with its doctor, in its way, and not before its day."""

    def __init__(self, request: HttpRequest, plan: FollowUpPlan) -> None:
        self.plan = plan
        super().__init__(request, plan.clinic, service_of(plan))
        self.doctors = [one for one in self.doctors if one.id == plan.doctor_id]

    @property
    def opens_on(self) -> date | None:
        """The day from which on the plan's day can be booked, while it is too far ahead."""
        days = self.service.horizon_days
        ahead = timedelta(days=self.clinic.horizon_days if days is None else days)
        today = clock.now().astimezone(self.zone).date()
        opens = self.plan.scheduled_for - ahead
        return opens if opens > today else None

    def context(self) -> dict[str, Any]:
        shown = super().context()
        week, day = shown["week"], self.plan.scheduled_for
        if week.earlier is not None and week.earlier < day:
            shown["earlier_url"] = self._url(first=day) if week.first > day else ""
        return shown

    def _read(self, query: QueryDict) -> Wanted:
        wanted = super()._read(query)
        plan = self.plan
        first = max(wanted.first or plan.scheduled_for, plan.scheduled_for)
        return replace(
            wanted,
            doctor=plan.doctor_id,
            location=plan.location_id or wanted.location,
            mode=plan.mode,
            first=first,
        )

    def _doctors(self) -> list[Choice]:
        return []

    def _modes(self) -> list[Choice]:
        return []

    def _places(self) -> list[Choice]:
        return [] if self.plan.location_id else super()._places()


# --- Times of an invitation ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Time:
    """A time to choose; `value` goes into the form, `place` is named where there are several."""

    value: str
    slot: Slot
    place: str


def times_by_day(slots: Iterable[Slot]) -> list[tuple[date, list[Time]]]:
    """Free times under their local days. One statement for the names of their places."""
    found = [slot for slot in slots if slot.location is not None]
    places = {slot.location for slot in found}
    names: dict[UUID, str] = {}
    if len(places) > 1:
        names = dict(Location.objects.filter(id__in=places).values_list("id", "name"))
    days: dict[date, list[Time]] = {}
    for slot in found:
        if slot.location is None:
            continue
        day = slot.starts_at.astimezone(ZoneInfo(slot.timezone)).date()
        value = str(Picked(slot.starts_at, slot.location, slot.doctor))
        days.setdefault(day, []).append(Time(value, slot, names.get(slot.location, "")))
    return sorted(days.items())


def visit_with_names(visit: UUID) -> Appointment | None:
    """A visit in scope with all that is shown of it."""
    return (
        Appointment.objects.select_related("clinic", "location", "doctor", "service", "patient")
        .filter(pk=visit)
        .first()
    )


# --- What one waits for -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OwnOffer:
    """An offer that can still be answered; `token` opens its page."""

    offer: WaitlistOffer
    token: str


@dataclass(frozen=True, slots=True)
class OwnWish:
    """An entry of the waitlist and what is being offered for it just now."""

    entry: WaitlistEntry
    offers: list[OwnOffer]

    @property
    def is_waiting(self) -> bool:
        return self.entry.status == WaitlistStatus.WAITING


def own_wishes(by: Principal) -> list[OwnWish]:
    """What everyone the user is or acts for waits for, and what came of it; latest first.

    Two statements, however many they are.
    """
    entries = list(
        entries_visible_to(by.as_patient())
        .filter(clinic__is_active=True)
        .select_related("clinic", "patient", "service", "location", "appointment", "booked")
        .order_by("-id")[:MOST_WISHES]
    )
    waiting = [entry.id for entry in entries if entry.status == WaitlistStatus.WAITING]
    offers = offers_of(waiting) if waiting else {}
    now = clock.now()
    found = [
        OwnWish(
            entry,
            [
                OwnOffer(offer, offer_link(offer))
                for offer in offers.get(entry.id, [])
                if offer.status == OfferStatus.OPEN and offer.expires_at > now
            ],
        )
        for entry in entries
    ]
    return sorted(found, key=lambda wish: not wish.is_waiting)


def own_wish(by: Principal, entry: UUID) -> WaitlistEntry:
    """One's own entry. Raises NOT_FOUND."""
    found = (
        entries_visible_to(by.as_patient())
        .select_related("clinic", "service")
        .filter(pk=entry, clinic__is_active=True)
        .first()
    )
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return found
