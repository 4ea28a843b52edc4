"""Places in a list of visits that is in order of time: where a page ended, and the next begins."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from appointments.models import Appointment
from core.errors import ErrorCode, KairosError


def place_of(visit: Appointment) -> str:
    """The visit's place, for an address."""
    return f"{visit.starts_at.isoformat()}_{visit.id}"


def beyond(place: str, *, backwards: bool = False) -> Q:
    """Visits after that place; `backwards`: before it. Raises VALIDATION_ERROR for no place."""
    moment, _, last = place.partition("_")
    try:
        at, visit = datetime.fromisoformat(moment), UUID(last)
    except ValueError:
        raise KairosError(ErrorCode.VALIDATION_ERROR) from None
    if at.tzinfo is None:
        raise KairosError(ErrorCode.VALIDATION_ERROR)
    # The first of the two lets an index on the start be read from its right end.
    if backwards:
        return Q(starts_at__lte=at) & (Q(starts_at__lt=at) | Q(id__lt=visit))
    return Q(starts_at__gte=at) & (Q(starts_at__gt=at) | Q(id__gt=visit))
