"""What somebody asks of a follow-up, checked: its date, its texts, what it refers to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from appointments.models import Priority
from clinics.models import Location, Service, VisitMode
from clinics.selectors.directory import doctors_of_clinic
from core import clock
from core.errors import ErrorCode, KairosError, invalid
from followups.models import MAX_ITEM_LENGTH, MAX_ITEMS, FollowUpType

#: How far ahead a follow-up may be planned.
MOST_DAYS: Final = 5 * 366
MAX_TEXT: Final = 4000
LISTS: Final = ("medications", "tests", "restrictions")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpWish:
    """A follow-up as it is asked for. What is left out is that of the visit it follows.

    `scheduled_for` is the first local day on which it may be, `days_after` says the same in days;
    with neither it waits from tomorrow on, and nothing is booked. `book` False: nothing is booked.
    """

    scheduled_for: date | None = None
    days_after: int | None = None
    follow_up_type: str = FollowUpType.ROUTINE
    doctor: UUID | None = None
    service: UUID | None = None
    location: UUID | None = None
    mode: str | None = None
    duration_minutes: int | None = None
    priority: str = Priority.NORMAL
    instructions: str = ""
    medications: Sequence[str] = ()
    tests: Sequence[str] = ()
    restrictions: Sequence[str] = ()
    book: bool = True

    @property
    def has_date(self) -> bool:
        return self.scheduled_for is not None or self.days_after is not None


def day_checked(
    scheduled_for: date | None, days_after: int | None, *, zone: str, after: date | None
) -> date:
    """The first local day of a follow-up. `after` is the local day of the visit it follows.

    Raises INVALID_FOLLOWUP_DATE for a day that is not to come, not after that visit, or more than
    `MOST_DAYS` ahead; VALIDATION_ERROR for a day and a number of days at once.
    """
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    if days_after is not None:
        if scheduled_for is not None:
            raise invalid("days_after", _("A day or a number of days, not both."))
        if not 1 <= days_after <= MOST_DAYS:
            raise _no_day(
                "days_after",
                _("From 1 to %(most)d days.") % {"most": MOST_DAYS},
            )
        scheduled_for = max(after or today, date.min) + timedelta(days=days_after)
    if scheduled_for is None:
        return max(today, after or today) + timedelta(days=1)
    if scheduled_for <= today:
        raise _no_day("scheduled_for", _("A day to come."))
    if after is not None and scheduled_for <= after:
        raise _no_day("scheduled_for", _("A day after the visit."))
    if scheduled_for > today + timedelta(days=MOST_DAYS):
        raise _no_day("scheduled_for", _("At most five years ahead."))
    return scheduled_for


def _no_day(field: str, said: str) -> KairosError:
    return KairosError(ErrorCode.INVALID_FOLLOWUP_DATE, errors={field: [said]})


def items_checked(field: str, items: Sequence[str]) -> list[str]:
    """The entries of a list without the blanks around them. Raises VALIDATION_ERROR."""
    if isinstance(items, str) or len(items) > MAX_ITEMS:
        said = ngettext("At most %(most)d entry.", "At most %(most)d entries.", MAX_ITEMS)
        raise invalid(field, said % {"most": MAX_ITEMS})
    return [_item(field, item) for item in items]


def _item(field: str, item: str) -> str:
    found = item.strip()
    if not found:
        raise invalid(field, _("No empty entries."))
    if len(found) > MAX_ITEM_LENGTH:
        said = ngettext(
            "An entry has at most %(most)d letter.",
            "An entry has at most %(most)d letters.",
            MAX_ITEM_LENGTH,
        )
        raise invalid(field, said % {"most": MAX_ITEM_LENGTH})
    return text_checked(field, found)


def text_checked(field: str, text: str, *, most: int = MAX_TEXT) -> str:
    """Raises VALIDATION_ERROR for a text that is too long or that the database cannot hold."""
    if "\x00" in text:
        raise invalid(field, _("Null characters are not allowed."))
    if len(text) > most:
        said = ngettext("At most %(most)d letter.", "At most %(most)d letters.", most)
        raise invalid(field, said % {"most": most})
    return text


def kinds_checked(*, follow_up_type: str, priority: str, mode: str) -> None:
    """Raises VALIDATION_ERROR for a kind, a priority or a type of visit that is none."""
    for field, value, known in (
        ("follow_up_type", follow_up_type, FollowUpType.values),
        ("priority", priority, Priority.values),
        ("type", mode, VisitMode.values),
    ):
        if value not in known:
            raise invalid(field, _("Any of %(known)s.") % {"known": ", ".join(known)})


def minutes_checked(minutes: int | None) -> int | None:
    """Raises VALIDATION_ERROR unless a visit may last so long."""
    if minutes is not None and not 5 <= minutes <= 720:
        raise invalid("duration_minutes", _("From 5 to 720 minutes."))
    return minutes


def doctor_known(clinic_id: UUID, doctor: UUID) -> None:
    """Raises NOT_FOUND unless the doctor can be booked in the clinic."""
    if not doctors_of_clinic(clinic_id).filter(pk=doctor).exists():
        raise _not_found("doctor")


def service_known(clinic_id: UUID, service: UUID, *, mode: str) -> None:
    """Raises NOT_FOUND for a service that is not the clinic's, INVALID_APPOINTMENT_TYPE."""
    modes = Service.objects.filter(pk=service, clinic_id=clinic_id, is_active=True)
    offered = modes.values_list("modes", flat=True).first()
    if offered is None:
        raise _not_found("service")
    if mode not in offered:
        raise KairosError(
            ErrorCode.INVALID_APPOINTMENT_TYPE,
            errors={"type": [_("Not offered for this service.")]},
        )


def location_known(clinic_id: UUID, location: UUID) -> str:
    """The location's time zone. Raises NOT_FOUND."""
    zones = Location.objects.filter(pk=location, clinic_id=clinic_id, is_active=True)
    zone = zones.values_list("timezone", flat=True).first()
    if zone is None:
        raise _not_found("location")
    return zone


def _not_found(field: str) -> KairosError:
    return KairosError(ErrorCode.NOT_FOUND, errors={field: ["not found"]})
