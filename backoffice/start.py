"""The start page: today at a glance, and what needs a hand."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import ExtractHour
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_celery_beat.models import PeriodicTask

from accounts.roles import BOOKABLE_ROLES, Permission
from appointments.models import Appointment, AppointmentStatus
from appointments.selectors.appointments import appointments_visible_to
from appointments.selectors.slots import slots_find
from backoffice.access import Access
from clinics.models import Doctor, Membership, ScheduleTemplate, Service
from clinics.selectors.directory import doctors_of_clinic
from core import clock, outbox
from core.models import OutboxEvent

_DAYS = 14
_FREE_MINUTES = 30
_FREE_FOR_SECONDS = 60
_FREE_LIMIT = 5000
#: Jobs run every day at least; one that has not for longer is not running.
_JOB_LATE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with where to look closer. `tone` is how it is shown: calm, or asking."""

    label: str
    value: int | None
    href: str = ""
    tone: str = "calm"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One column of a chart, with its part (no-shows, say) within it. Sizes are per cent."""

    label: str
    value: int
    part: int
    x: float
    width: float
    top: float
    height: float
    part_top: float
    part_height: float


@dataclass(slots=True)
class Overview:
    """Everything the page shows."""

    today: date
    figures: list[Figure] = field(default_factory=list)
    hours: list[Bar] = field(default_factory=list)
    days: list[Bar] = field(default_factory=list)
    hands: list[Figure] = field(default_factory=list)
    has_visits: bool = False


def overview(access: Access) -> Overview:
    """Today, as far as `access` may read it: six statements, whatever the size of the clinic."""
    today = timezone.localdate(clock.now())
    page = Overview(today)
    if access.may(Permission.APPOINTMENT_READ):
        visits = appointments_visible_to(access.principal)
        if access.clinic is not None:
            visits = visits.filter(clinic_id=access.clinic.id)
        _today(page, visits, access)
        left_open = _days(page, visits)
        _hands(page, visits, left_open)
    if access.clinic is not None and access.may_whole(Permission.CLINIC_MANAGE):
        _setting_up(page, access.clinic.id)
    if access.principal.is_super_admin:
        _machinery(page)
    return page


def _today(page: Overview, visits: QuerySet[Appointment], access: Access) -> None:
    rows = list(
        visits.filter(local_day=page.today)
        .annotate(hour=ExtractHour("starts_at"))
        .values_list("status", "hour")
        .annotate(count=Count("id"))
        .order_by()
    )

    def count(*statuses: AppointmentStatus) -> int:
        return sum(number for status, _hour, number in rows if status in statuses)

    s = AppointmentStatus
    listed = reverse("admin:appointments_appointment_changelist")

    def of(status: AppointmentStatus) -> str:
        return f"{listed}?day=today&status__exact={status.value}"

    live = sum(number for status, _hour, number in rows if status != s.CANCELLED)
    page.has_visits = bool(rows)
    page.figures = [
        Figure(_("Booked today"), live, f"{listed}?day=today"),
        Figure(
            _("Arrived"),
            count(s.CHECKED_IN, s.IN_PROGRESS, s.COMPLETED),
            f"{listed}?day=today",
        ),
        Figure(_("Waiting"), count(s.CHECKED_IN), of(s.CHECKED_IN)),
        Figure(_("In the room"), count(s.IN_PROGRESS), of(s.IN_PROGRESS)),
        Figure(_("No-shows"), count(s.NO_SHOW), of(s.NO_SHOW)),
        Figure(_("Cancelled"), count(s.CANCELLED), of(s.CANCELLED)),
    ]
    if access.clinic is not None and access.may_whole(Permission.SCHEDULE_READ):
        page.figures.append(
            Figure(
                _("Free half hours left"),
                _free(access.clinic.id, page.today),
                note=_("until midnight"),
            )
        )
    by_hour: dict[int, list[int]] = {}
    for status, hour, number in rows:
        if status != s.CANCELLED:
            held = by_hour.setdefault(hour, [0, 0])
            held[0] += number
            held[1] += number if status == s.NO_SHOW else 0
    if by_hour:
        first, last = min(by_hour), max(by_hour)
        page.hours = _bars(
            [(f"{hour:02d}", *by_hour.get(hour, (0, 0))) for hour in range(first, last + 1)]
        )


def _days(page: Overview, visits: QuerySet[Appointment]) -> int:
    """The chart of the last days; how many visits of yesterday were left open."""
    s = AppointmentStatus
    since = page.today - timedelta(days=_DAYS - 1)
    counted = {
        day: (live, missed, left)
        for day, live, missed, left in visits.filter(local_day__range=(since, page.today))
        .values("local_day")
        .annotate(
            live=Count("id", filter=~Q(status=s.CANCELLED)),
            missed=Count("id", filter=Q(status=s.NO_SHOW)),
            left=Count("id", filter=Q(status__in=[s.CHECKED_IN, s.IN_PROGRESS])),
        )
        .values_list("local_day", "live", "missed", "left")
        .order_by()
    }
    days = [since + timedelta(days=number) for number in range(_DAYS)]
    page.days = _bars([(str(day.day), *counted.get(day, (0, 0, 0))[:2]) for day in days])
    return counted.get(page.today - timedelta(days=1), (0, 0, 0))[2]


def _hands(page: Overview, visits: QuerySet[Appointment], left_open: int) -> None:
    now = clock.now()
    listed = reverse("admin:appointments_appointment_changelist")
    pending = visits.filter(status=AppointmentStatus.PENDING, starts_at__gte=now)[:1000].count()
    if pending:
        page.hands.append(
            Figure(
                _("Bookings wait for approval"),
                pending,
                f"{listed}?day=all&status__exact=PENDING",
                "asking",
            )
        )
    if left_open:
        page.hands.append(
            Figure(
                _("Visits of yesterday were never completed"),
                left_open,
                f"{listed}?day=past",
                "asking",
            )
        )


def _setting_up(page: Overview, clinic_id: UUID) -> None:
    """What a clinic cannot be booked without."""
    if not Service.objects.filter(clinic_id=clinic_id, is_active=True).exists():
        page.hands.append(
            Figure(_("There is no service to book"), None, reverse("admin:clinics_service_add"))
        )
    members = Membership.objects.filter(
        clinic_id=clinic_id, is_active=True, role__in=BOOKABLE_ROLES
    )
    idle = (
        Doctor.objects.filter(is_active=True, user_id__in=members.values("user_id"))
        .exclude(id__in=ScheduleTemplate.objects.filter(clinic_id=clinic_id).values("doctor_id"))
        .count()
    )
    if idle:
        page.hands.append(
            Figure(
                _("Doctors have no working hours here"),
                idle,
                reverse("admin:clinics_doctor_changelist"),
                "asking",
            )
        )


def _machinery(page: Overview) -> None:
    failed = Q(failed_at__isnull=False)
    state = OutboxEvent.objects.filter(delivered_at=None).aggregate(
        waiting=Count("id", filter=~failed), failed=Count("id", filter=failed)
    )
    events = reverse("admin:core_outboxevent_changelist")
    if state["failed"]:
        page.hands.append(
            Figure(_("Events were given up"), state["failed"], f"{events}?state=failed", "asking")
        )
    if state["waiting"] > outbox.ROUND:
        page.hands.append(
            Figure(_("Events wait"), state["waiting"], f"{events}?state=waiting", "asking")
        )
    late = PeriodicTask.objects.filter(
        Q(last_run_at=None) | Q(last_run_at__lt=clock.now() - _JOB_LATE), enabled=True
    ).exclude(task="celery.backend_cleanup")
    if late_count := late.count():
        page.hands.append(
            Figure(
                _("Scheduled jobs have not run"),
                late_count,
                reverse("admin:django_celery_beat_periodictask_changelist"),
                "asking",
            )
        )


def _free(clinic_id: UUID, today: date) -> int | None:
    """Half hours that could still be booked today; looked at once a minute."""
    key = f"back-office:free:{clinic_id}:{today}"
    kept: int | None = cache.get(key)
    if kept is not None:
        return kept
    zone = timezone.get_current_timezone()
    doctors = list(doctors_of_clinic(clinic_id).values_list("id", flat=True)[:200])
    free = slots_find(
        clinics=[clinic_id],
        doctors=doctors,
        start=clock.now(),
        end=datetime.combine(today + timedelta(days=1), time(), zone),
        minutes=_FREE_MINUTES,
        patient_rules=False,
        limit=_FREE_LIMIT,
    )
    found = sum(slot.remaining for slot in free)
    cache.set(key, found, _FREE_FOR_SECONDS)
    return found


def _bars(rows: list[tuple[Any, ...]]) -> list[Bar]:
    """Columns of a chart 100 wide and 100 high; the highest fills it."""
    highest = max((row[1] for row in rows), default=0) or 1
    step = 100 / max(1, len(rows))
    bars = []
    for place, (label, value, part) in enumerate(rows):
        height, inner = 100 * value / highest, 100 * part / highest
        bars.append(
            Bar(
                label=label,
                value=value,
                part=part,
                x=round(place * step + step * 0.15, 2),
                width=round(step * 0.7, 2),
                top=round(100 - height, 2),
                height=round(height, 2),
                part_top=round(100 - inner, 2),
                part_height=round(inner, 2),
            )
        )
    return bars
