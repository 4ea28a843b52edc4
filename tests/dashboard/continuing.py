"""Continuing care for the desk's tests: plans that are due, entries of the waitlist, series."""

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from accounts.roles import Role
from appointments.models import Appointment, AppointmentSeries
from appointments.services.series import series_create
from clinics.models import Patient
from clinics.services.memberships import membership_add
from core import tenancy
from followups.models import FollowUpPlan, WaitlistEntry
from followups.services.plan_changes import plans_mark_overdue
from followups.services.plans import plan_create
from followups.services.waitlist import entry_create
from tests.appointments.moments import NOW
from tests.appointments.scene import House, Person, person

TODAY = NOW.date()


def due(house: House, days: int = 0, patient: Patient | None = None, **wish: Any) -> FollowUpPlan:
    """A plan that waits; its date lies `days` before today."""
    with tenancy.scope(tenancy.SYSTEM):
        made = plan_create(
            by=house.doctor_user.principal(),
            patient=(patient or house.chart).id,
            doctor=house.doctor.id,
            service=house.service.id,
            location=house.location.id,
            scheduled_for=TODAY + timedelta(days=1),
            book=False,
            **wish,
        ).plan
        FollowUpPlan.objects.filter(pk=made.pk).update(scheduled_for=TODAY - timedelta(days=days))
    return plan_now(made)


def overdue(house: House, days: int, patient: Patient | None = None, **wish: Any) -> FollowUpPlan:
    """As `due`, after the nightly job has looked at it."""
    made = due(house, days, patient, **wish)
    with tenancy.scope(tenancy.SYSTEM):
        plans_mark_overdue()
    return plan_now(made)


def plan_now(plan: FollowUpPlan) -> FollowUpPlan:
    """As it is in the database."""
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpPlan.objects.select_related("patient", "follow_up_appointment").get(
            pk=plan.pk
        )


def waits(house: House, patient: Patient | None = None, **wishes: Any) -> WaitlistEntry:
    """Somebody who waits for an earlier time, entered by reception."""
    with tenancy.scope(tenancy.SYSTEM):
        return entry_create(
            by=house.reception.principal(),
            patient=(patient or house.chart).id,
            service=house.service.id,
            **wishes,
        )


def entry_now(entry: WaitlistEntry) -> WaitlistEntry:
    with tenancy.scope(tenancy.SYSTEM):
        return WaitlistEntry.objects.get(pk=entry.pk)


def repeated(
    house: House,
    count: int = 4,
    first: date | None = None,
    at: time = time(10),
    **wish: Any,
) -> AppointmentSeries:
    """A weekly series of the house's doctor and patient."""
    values = {
        "patient": house.chart.id,
        "doctor": house.doctor.id,
        "location": house.location.id,
        "service": house.service.id,
        "rrule": f"FREQ=WEEKLY;COUNT={count}",
        "start_date": first or TODAY + timedelta(days=1),
        "local_time": at,
    }
    with tenancy.scope(tenancy.SYSTEM):
        by = house.reception.principal()
        return series_create(by=by, **(values | wish)).series


def visits_of(series: AppointmentSeries) -> list[Appointment]:
    """Its visits, as they are now."""
    with tenancy.scope(tenancy.SYSTEM):
        return list(Appointment.objects.filter(series_id=series.id).order_by("series_sequence"))


def visit_now(visit: UUID | str) -> Appointment:
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.get(pk=visit)


def colleague(house: House, role: Role) -> Person:
    """Somebody of another role in the house."""
    member = person(role.value.lower())
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=house.clinic, user=member.user, role=role)
    return member


def local_of(visit: Appointment) -> datetime:
    """Its start on the clock of its place, and bare."""
    return visit.starts_at.astimezone(ZoneInfo(visit.timezone)).replace(tzinfo=None)
