"""A patient's own visits over all clinics, and what may still be changed of one."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet

from appointments.lifecycle import MOVABLE, MOVES
from appointments.models import OPEN, Appointment, AppointmentStatus, Verb
from appointments.selectors.appointments import appointments_visible_to
from clinics.principal import Principal
from core import clock

MOST_TO_COME, MOST_BEFORE = 100, 30


@dataclass(frozen=True, slots=True)
class Openings:
    """What the patient may do with a visit now. `is_late`: only the clinic changes it any more."""

    confirm: bool
    move: bool
    cancel: bool
    is_late: bool


def own_visits_to_come(by: Principal) -> list[Appointment]:
    """Open visits of everyone the user is or acts for, soonest first."""
    return list(_own(by).filter(_to_come()).order_by("starts_at", "id")[:MOST_TO_COME])


def own_visits_before(by: Principal) -> list[Appointment]:
    """The latest that are over or cancelled, latest first."""
    return list(_own(by).exclude(_to_come()).order_by("-starts_at", "-id")[:MOST_BEFORE])


def own_visits(by: Principal) -> QuerySet[Appointment]:
    """Visits of everyone the user is or acts for; none that they see only because they work."""
    return _own(by)


def openings(visit: Appointment) -> Openings:
    """The same rules as the services', asked beforehand. Needs `clinic` and `service` at hand."""
    now = clock.now()
    ahead = visit.starts_at > now
    cutoff = timedelta(minutes=visit.clinic.cancel_cutoff_minutes)
    in_time = visit.starts_at - now >= cutoff
    may_cancel = visit.status in MOVES[Verb.CANCEL].sources and ahead
    service = visit.service
    offered = (
        service is not None
        and service.is_active
        and service.is_public
        and visit.ends_at - visit.starts_at == timedelta(minutes=service.duration_minutes)
    )
    return Openings(
        confirm=visit.status == AppointmentStatus.SCHEDULED and ahead,
        move=visit.status in MOVABLE and ahead and in_time and offered,
        cancel=may_cancel and in_time,
        is_late=may_cancel and not in_time,
    )


def _own(by: Principal) -> QuerySet[Appointment]:
    return appointments_visible_to(by.as_patient()).select_related(
        "clinic", "location", "doctor", "service", "patient"
    )


def _to_come() -> Q:
    return Q(status__in=OPEN, ends_at__gte=clock.now())
