"""What can be done from anywhere at the desk, as far as the person may: for search and keys."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.roles import Permission
from core import clock
from dashboard.access import Desk


@dataclass(frozen=True, slots=True)
class Command:
    """One of them. `key` does it at once; `opens` says how: a page, the panel, or a form sent."""

    label: str
    href: str
    key: str = ""
    opens: str = "page"


def commands_of(desk: Desk) -> list[Command]:
    """In the order in which they are shown."""
    slug = {"slug": desk.clinic.slug}
    today = clock.now().astimezone(ZoneInfo(desk.clinic.timezone)).date()
    on_today = {**slug, "day": today}
    day = reverse("desk-today", kwargs=slug)
    found = [
        Command(_("Today"), day, "t"),
        Command(_("This week"), reverse("desk-week", kwargs=on_today), "w"),
        Command(_("Today as a list"), f"{day}?view=list", "l"),
        Command(_("Today as a board"), day, "b"),
    ]
    if desk.may(Permission.APPOINTMENT_BOOK):
        found.append(Command(_("New visit"), reverse("desk-next", kwargs=slug), "m", "panel"))
    if desk.may(Permission.QUEUE_READ):
        found.append(Command(_("Queue"), reverse("desk-queue", kwargs=slug), "q"))
    if desk.may(Permission.QUEUE_RUN):
        found.append(Command(_("Add a walk-in"), reverse("desk-queue-add", kwargs=slug)))
    if desk.may(Permission.APPOINTMENT_MANAGE):
        found.append(Command(_("Requests"), reverse("desk-inbox", kwargs=slug), "r"))
    if desk.may_see_recall:
        found.append(Command(_("Recall"), reverse("desk-recall", kwargs=slug)))
    if desk.may_book:
        found.append(Command(_("Waitlist"), reverse("desk-waitlist", kwargs=slug)))
        found.append(Command(_("Repeat visits"), reverse("desk-series-new", kwargs=slug)))
    if desk.may(Permission.PATIENT_READ):
        found.append(Command(_("Patients"), reverse("desk-patients", kwargs=slug)))
    if desk.may(Permission.SCHEDULE_READ):
        found.append(Command(_("Leave"), reverse("desk-leave", kwargs=slug)))
    if desk.may(Permission.SCHEDULE_WRITE):
        found.append(Command(_("Enter leave"), reverse("desk-leave-new", kwargs=slug)))
    if desk.may_see_arrivals:
        found.append(Command(_("Arrivals"), reverse("desk-arrivals", kwargs=slug)))
    if desk.may_scan:
        scanner = reverse("desk-scanner", kwargs=slug)
        found.append(Command(_("Use this phone as a scanner"), scanner))
    found += [
        Command(_("Print today"), reverse("desk-print", kwargs=on_today)),
        Command(_("My account"), reverse("account")),
        Command(_("Sign out"), reverse("sign-out"), opens="post"),
    ]
    return found
