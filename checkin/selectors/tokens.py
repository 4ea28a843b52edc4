"""What the desk shows of an arrival: the token, and how somebody was checked in."""

from collections.abc import Collection
from uuid import UUID

from checkin.models import PRESENT, CheckIn, QueueEntry


def tokens_of(visits: Collection[UUID]) -> dict[UUID, str]:
    """The tokens of those of these visits that are in a queue; one query, none without visits."""
    if not visits:
        return {}
    found = QueueEntry.objects.filter(appointment_id__in=visits, state__in=PRESENT)
    return {
        visit: QueueEntry(prefix=prefix, number=number).token
        for visit, prefix, number in found.values_list("appointment_id", "prefix", "number")
        if visit is not None
    }


def arrival_of(visit: UUID) -> CheckIn | None:
    """That somebody came for the visit, with who and what checked them in; None when taken back."""
    return (
        CheckIn.objects.filter(appointment_id=visit, undone_at=None)
        .select_related("by", "device", "point")
        .first()
    )


def entry_of(visit: UUID) -> QueueEntry | None:
    """The visit's entry in the queue, whatever became of it."""
    return QueueEntry.objects.filter(appointment_id=visit).first()
