"""Reads of leave and other exceptions: who sees them, what they close, whom they affect."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet

from accounts.roles import Permission
from appointments.models import OPEN, Appointment
from clinics.models import ExceptionKind, ScheduleException
from clinics.principal import Principal

Span = tuple[datetime, datetime]


def exceptions_visible_to(principal: Principal) -> QuerySet[ScheduleException]:
    """Of whole clinics; for clinicians their own, and those of a clinic or a location."""
    if principal.is_super_admin:
        return ScheduleException.objects.all()
    own = principal.clinics_with_own(Permission.SCHEDULE_READ)
    return ScheduleException.objects.filter(
        Q(clinic_id__in=principal.clinics_with(Permission.SCHEDULE_READ))
        | Q(clinic_id__in=own, doctor_id=principal.doctor_id)
        | Q(clinic_id__in=own, doctor_id=None)
    )


def exception_spans(exception: ScheduleException) -> list[Span]:
    """The closed time as [from, to) instants."""
    return spans_of([exception])[exception.id]


def spans_of(exceptions: Sequence[ScheduleException]) -> dict[UUID, list[Span]]:
    """The closed time of each, in one statement."""
    found: dict[UUID, list[Span]] = {exception.id: [] for exception in exceptions}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id, lower(span), upper(span) FROM unnest(%s::uuid[]) AS e(id)"
            " CROSS JOIN LATERAL unnest(appointments_spans(e.id)) AS span ORDER BY 2",
            [list(found)],
        )
        for exception, start, end in cursor.fetchall():
            found[exception].append((start, end))
    return found


def exception_affected(exception: ScheduleException) -> QuerySet[Appointment]:
    """Open visits that lie in the closed time, soonest first: whom to move."""
    if exception.kind == ExceptionKind.HOURS:
        return Appointment.objects.none()
    return Appointment.objects.filter(
        _inside(exception, exception_spans(exception)), clinic_id=exception.clinic_id
    ).order_by("starts_at", "id")


def affected_counts(exceptions: Sequence[ScheduleException]) -> dict[UUID, int]:
    """How many visits each affects, in two statements for all of them."""
    closing = [one for one in exceptions if one.kind != ExceptionKind.HOURS]
    spans = spans_of(closing)
    closed = [span for found in spans.values() for span in found]
    if not closed:
        return {}
    counted = Appointment.objects.filter(
        clinic_id__in={one.clinic_id for one in closing},
        status__in=OPEN,
        ends_at__gt=min(start for start, _ in closed),
        starts_at__lt=max(end for _, end in closed),
    ).aggregate(
        **{
            f"of_{number}": Count("pk", filter=_inside(one, spans[one.id]))
            for number, one in enumerate(closing)
        }
    )
    return {one.id: counted[f"of_{number}"] for number, one in enumerate(closing)}


def _inside(exception: ScheduleException, spans: Sequence[Span]) -> Q:
    inside = Q()
    for start, end in spans:
        inside |= Q(starts_at__lt=end, ends_at__gt=start)
    if not spans:
        inside = Q(pk__in=())
    found = inside & Q(status__in=OPEN)
    if exception.doctor_id:
        found &= Q(doctor_id=exception.doctor_id)
    if exception.location_id:
        found &= Q(location_id=exception.location_id)
    return found
