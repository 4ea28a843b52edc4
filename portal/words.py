"""What patients read for what the house calls by its own names."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from appointments.models import AppointmentStatus
from clinics.models import VisitMode
from followups.models import PlanStatus, WaitlistStatus

STATUS: dict[str, Promise] = {
    AppointmentStatus.PENDING: _("Asked for. The clinic will confirm it."),
    AppointmentStatus.SCHEDULED: _("Booked"),
    AppointmentStatus.CONFIRMED: _("Booked, and you said that you will come"),
    AppointmentStatus.CHECKED_IN: _("You have arrived"),
    AppointmentStatus.IN_PROGRESS: _("Going on now"),
    AppointmentStatus.COMPLETED: _("Took place"),
    AppointmentStatus.NO_SHOW: _("Missed"),
    AppointmentStatus.CANCELLED: _("Cancelled"),
}
#: A shape for each, so that colour is never alone.
MARK: dict[str, str] = {
    AppointmentStatus.PENDING: "…",
    AppointmentStatus.SCHEDULED: "●",
    AppointmentStatus.CONFIRMED: "✓",
    AppointmentStatus.CHECKED_IN: "▸",
    AppointmentStatus.IN_PROGRESS: "▶",
    AppointmentStatus.COMPLETED: "■",
    AppointmentStatus.NO_SHOW: "○",
    AppointmentStatus.CANCELLED: "✕",
}
MODE: dict[str, Promise] = {
    VisitMode.IN_PERSON: _("At the clinic"),
    VisitMode.VIDEO_CALL: _("By video call"),
    VisitMode.HOME_VISIT: _("At your home"),
    VisitMode.PHONE: _("By phone"),
}
#: Why patients cancel; the clinic reads the same words.
CANCEL_REASONS: dict[str, Promise] = {
    "time": _("I cannot come at this time"),
    "better": _("I do not need it any more"),
    "elsewhere": _("I am seeing somebody else"),
    "mistake": _("I booked it by mistake"),
    "other": _("Another reason"),
}
#: A plan's status, as patients read it, with the visit status whose look and shape it takes.
PLAN: dict[str, tuple[Promise, str]] = {
    PlanStatus.SCHEDULED: (_("Not booked yet"), AppointmentStatus.PENDING),
    PlanStatus.OVERDUE: (_("Not booked yet, and due"), AppointmentStatus.NO_SHOW),
    PlanStatus.COMPLETED: (_("Booked"), AppointmentStatus.SCHEDULED),
    PlanStatus.CANCELLED: (_("Not needed any more"), AppointmentStatus.CANCELLED),
}
WISH: dict[str, tuple[Promise, str]] = {
    WaitlistStatus.WAITING: (_("Waiting for a time"), AppointmentStatus.PENDING),
    WaitlistStatus.BOOKED: (_("Booked"), AppointmentStatus.SCHEDULED),
    WaitlistStatus.WITHDRAWN: (_("You do not wait any more"), AppointmentStatus.CANCELLED),
    WaitlistStatus.EXPIRED: (_("No time was found"), AppointmentStatus.NO_SHOW),
}
