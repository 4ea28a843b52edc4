"""What follows a visit, in words: as it was completed, and on its card."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.formats import date_format, time_format
from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Appointment
from appointments.selectors.appointments import appointments_visible_to
from dashboard.access import Desk
from followups.models import FollowUpPlan
from followups.selectors.plans import plans_visible_to
from followups.services.completion import Completed

_NEAREST = 3


def completed_said(done: Completed) -> tuple[str, FollowUpPlan | None]:
    """What a completion has brought, in a sentence; and the plan, when that waits for a visit."""
    if done.plan is None:
        return _("Completed."), None
    if done.follow_up is not None:
        return _("Completed. The follow-up is booked: %(when)s.") % {
            "when": when_said(done.follow_up)
        }, None
    if done.code is None:
        return _("Completed. The follow-up is on the recall list from %(day)s.") % {
            "day": date_format(done.plan.scheduled_for, "DATE_FORMAT")
        }, None
    nearest = ", ".join(
        _moment(slot.starts_at.astimezone(ZoneInfo(slot.timezone)))
        for slot in done.alternatives[:_NEAREST]
    )
    why = done.code.label
    if not nearest:
        return _("Completed. The follow-up waits: %(why)s.") % {"why": why}, done.plan
    return _("Completed. The follow-up waits: %(why)s. Free: %(times)s.") % {
        "why": why,
        "times": nearest,
    }, done.plan


def when_said(visit: Appointment) -> str:
    """The day and time of a visit, on the clock of its place."""
    return _moment(visit.starts_at.astimezone(ZoneInfo(visit.timezone)))


def _moment(local: datetime) -> str:
    return _("%(day)s, %(time)s") % {
        "day": date_format(local, "D j M"),
        "time": time_format(local, "TIME_FORMAT"),
    }


def is_in_chain(desk: Desk, visit: Appointment) -> bool:
    """Whether a visit follows another, or another follows it."""
    if visit.original_appointment_id is not None:
        return True
    seen = appointments_visible_to(desk.principal)
    return seen.filter(original_appointment=visit).exists()


def plans_after(desk: Desk, visit: Appointment) -> list[FollowUpPlan]:
    """The plans that follow a visit, as far as this person reads plans."""
    if not desk.may(Permission.FOLLOWUP_READ):
        return []
    return list(
        plans_visible_to(desk.principal)
        .filter(appointment=visit)
        .select_related("follow_up_appointment", "doctor")
        .order_by("scheduled_for", "id")[:10]
    )
